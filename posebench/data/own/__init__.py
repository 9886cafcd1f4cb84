"""A folder of the user's own motion with a card becomes a dataset.

Imports ``base`` and ``metrics``.
Start with ``card.py`` (what a folder states), then ``dataset.py``; ``template.py`` writes a card for files.
"""
