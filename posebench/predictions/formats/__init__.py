"""Prediction files of other projects: one module a format.

Imports ``base`` and the rest of ``predictions``.
Start with ``registry.py``, which recognises a file and calls its reader.
"""
