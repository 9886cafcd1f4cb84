"""How alignment is computed fast; only ``metrics/alignment.py`` uses it.

Imports ``base``.
Start with ``blocked.py``.
"""
