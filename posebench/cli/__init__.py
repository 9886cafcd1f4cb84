"""The command line: parse, call the library, print.

Imports everything; nothing imports this folder.
Start with ``main.py``; each command is a file in ``commands/``.
"""
