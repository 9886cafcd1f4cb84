"""The score under neighbouring conventions: what another project's code would print for the same poses.

Start with ``switches.py``, the list of conventions as data, and ``presets.py``, which sets several at once. ``reading.py`` is what a
convention changes: one way to read a number off the poses. ``joint_errors.py`` has the formulas of a clip, ``frame_weights.py`` those of
loaders that lose or repeat frames, ``averages.py`` the averages with their resamples. ``one_pass.py`` evaluates many readings while it
reads the files once; ``from_sums.py`` those that a result's sums allow. ``explanation.py`` is what comes out, ``explaining.py`` puts it
together, and ``difference.py`` asks which conventions explain the difference of two numbers.
"""
