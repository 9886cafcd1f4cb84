"""What was sent: prediction files, their provenance, and the formats of other projects.

Imports ``base``, ``metrics`` and ``data``.
Start with ``archive.py``.
"""
