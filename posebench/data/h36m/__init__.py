"""The dataset ``h36m``: the user's own copy of Human3.6M in any of five layouts, and writers of the same layouts.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
