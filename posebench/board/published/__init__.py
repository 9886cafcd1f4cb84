"""Numbers from papers: read, shown in separate tables, and compared with measured ones.

Imports the rest of ``board`` and what that may import.
Start with ``types.py``.
"""
