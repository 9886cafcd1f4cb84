"""Readers of files that strangers wrote: sizes are checked before memory is taken, and nothing is executed.

Imports the rest of ``base``.
Start with ``npz.py``; ``pickles.py`` says why pickles may be read at all.
"""
