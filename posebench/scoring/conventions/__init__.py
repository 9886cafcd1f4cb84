"""The score under neighbouring conventions: what another project's code would print for the same poses.

Start with ``switches.py``, the list of conventions as data, and ``presets.py``, which sets several at once. ``reading.py`` is what a
convention changes, one way to read a number off the poses, and ``applying.py`` changes it.

From poses to numbers: ``plan.py`` decides what the scorer measures as a metric and what is computed from ``joint_errors.py``;
``clip_numbers.py`` does both for a clip, ``one_pass.py`` for a file. ``frame_weights.py`` has loaders that lose or repeat frames,
``row_choice.py`` takes and cameras, ``averages.py`` the averages with their resamples. ``from_sums.py`` reads the sums of a result instead.

From numbers to an answer: ``sources.py`` opens the input, ``lines.py`` makes lines of readings, ``search.py`` and ``difference.py`` ask
which conventions explain a difference, ``explanation.py`` is what comes out, and ``explaining.py`` has the public function.
"""
