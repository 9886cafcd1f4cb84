"""The embedded dataset ``synthetic``: random motion of a kinematic body, generated from a seed.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``; ``table.json`` holds the measured statistics of the motion.
"""
