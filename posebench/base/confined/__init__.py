"""Work in a child process under limits of time and memory, for libraries that read files from untrusted sources.

Imports ``base``.
Start with ``child.py``; ``serve.py`` is the other side.
"""
