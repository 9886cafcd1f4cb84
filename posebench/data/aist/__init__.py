"""The dataset ``aist``: the user's own copy of AIST++'s annotations, and a writer of the same layout.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
