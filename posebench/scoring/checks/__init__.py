"""Findings about a prediction file: is it complete, and are its poses plausible?

Imports the rest of ``scoring`` and what that may import.
Start with ``poses.py``.
"""
