"""One reader for each layout in which copies of Human3.6M are found.

Imports ``base`` and the rest of ``data/h36m``.
Start with ``../copy.py``, the type that every reader returns.
"""
