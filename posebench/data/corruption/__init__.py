"""Conditions that keypoints are lifted under: errors in the keypoints, and other cameras, bodies and frame rates.

Imports ``base`` and ``clip.py``.
Start with ``conditions.py``: a condition is a corruption or a shift at a severity, and turns a dataset into another one.
"""
