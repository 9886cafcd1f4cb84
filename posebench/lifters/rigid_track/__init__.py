"""Tracking of a rigid body over a clip: any lifter's depths, made consistent with one set of bone lengths.

Imports ``base`` and the rest of ``lifters``. Start with ``lifter.py``; ``smooth.py`` smooths the keypoints, ``track.py`` has the body,
the places and their signs; ``baselines/rigid_track/README.md`` has the equations.
"""
