"""Readers of files from outside: sizes are checked before memory is taken, and nothing in them is executed.

Imports the rest of ``base``.
Start with ``npz.py``; ``pickles.py`` explains how pickles can be read safely.
"""
