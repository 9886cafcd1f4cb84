"""Lifters run under every condition of a protocol.

Imports the rest of ``lifters`` and what that may import.
Start with ``run.py``.
"""
