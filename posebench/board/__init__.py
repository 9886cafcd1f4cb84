"""From results to the leaderboard: entries, ranking and the pages made from them.

Imports everything above it: ``base`` to ``display``.
Start with ``entry.py`` (one row) and ``render.py`` (all pages).
"""
