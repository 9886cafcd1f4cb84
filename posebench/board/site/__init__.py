"""The board as a static site: every page of ``board render`` as HTML, with search, filters and sorting, and the tables as files.

Imports ``base``, ``display`` and the rest of ``board``. Start with ``write.py``: what the folder holds.
"""
