"""Methods under corruptions and shifts: what is measured, the file of it, and the tables that follow.

Imports the rest of ``scoring`` and what that may import.
Start with ``record.py`` (what the file holds), then ``summary.py`` (what tables show).
"""
