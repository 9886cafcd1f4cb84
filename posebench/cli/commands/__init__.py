"""What each command does: call the library and print. Every function takes the parsed arguments and returns the exit code.

Imports stand in the functions, so that a command loads what it needs and no more.
Start with ``scoring.py``.
"""
