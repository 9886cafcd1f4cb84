"""Tracking of a rigid body over a clip: any lifter's depths, made consistent with one set of bone lengths.

Imports ``base`` and the rest of ``lifters``. Start with ``track.py``: the three steps; ``docs/rigid_track.md`` has the equations.
"""
