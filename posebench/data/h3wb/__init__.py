"""The dataset ``h3wb``: the user's own copy of Human3.6M 3D WholeBody (133 joints), and a writer of the same layouts.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
