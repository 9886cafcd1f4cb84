"""The generated pages: an entry's page, tables, plots, the speed page.

Imports the rest of ``board`` and what that may import.
Start with ``tables.py``.
"""
