"""The dataset ``3dpw``: the user's own copy of 3DPW's sequence files, and a writer of the same layout.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
