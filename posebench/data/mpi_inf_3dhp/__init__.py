"""The dataset ``3dhp``: the user's own copy of MPI-INF-3DHP in either of two layouts, and writers of the same layouts.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
