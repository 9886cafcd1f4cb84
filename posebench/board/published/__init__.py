"""Numbers that papers report: read, shown beside measured rows, and reconciled with them.

Imports the rest of ``board`` and what that may import.
Start with ``types.py``.
"""
