"""2D joints as detectors write them: whose they are, in which frames, and what is missing.

Imports ``base``.
Start with ``people.py`` (what a file holds), then ``files.py``; ``gaps.py`` fills what is missing.
"""
