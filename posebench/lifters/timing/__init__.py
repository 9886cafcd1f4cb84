"""How fast a lifter is: timed calls, the frames that its poses depend on, its memory.

Imports the rest of ``lifters``, and the folders above it.
Start with ``run.py``; ``record.py`` is what it writes.
"""
