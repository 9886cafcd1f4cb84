"""The embedded dataset ``synthetic``: a kinematic body, generated from a seed.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``; ``table.json`` holds the statistics that it is drawn from.
"""
