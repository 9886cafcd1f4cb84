"""The grid of trainings behind the leaderboard: which cells are missing or stale, and how they are made again.

Imports the rest of ``board`` and what that may import.
Start with ``grid.py``.
"""
