"""The dataset ``cmu``: real motion capture under simulated cameras.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
