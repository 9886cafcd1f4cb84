"""Targets: the published numbers that a licensed user can try to reproduce, with the commands, and the check of a result against them.

Start with ``types.py``; ``reader.py`` reads ``leaderboard/reproduce.toml``.
"""
