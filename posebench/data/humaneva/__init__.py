"""The dataset ``humaneva``: the user's own copy of HumanEva-I as VideoPose3D's scripts write it, and a writer of the same layout.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
