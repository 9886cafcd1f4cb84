"""What a trainable method is made of: the method's interface, settings and recipes, and building blocks in PyTorch.

Imports ``base``, ``metrics``, ``data``, ``predictions`` and ``scoring``. Baselines are built from this folder.
Start with ``method.py``.
"""
