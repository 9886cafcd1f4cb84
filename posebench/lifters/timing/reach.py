"""Which frames a pose depends on, seen from outside: keypoints are moved and the poses that move with them are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from posebench.base.cameras import Array

#: Places at most at which a clip is cut in two; a lifter of longer windows may reach a little further than is seen.
CUTS = 64
#: Frames of the shortest clip that is looked at.
SHORTEST = 12
#: A pose has moved when a coordinate did by more than this share of the largest coordinate: rounding in float32 stays below.
_MOVED = 1e-5


class Reach(NamedTuple):
    """Earlier and later frames that a pose depends on; a lifter that has to wait for ``ahead`` frames is that much late."""

    back: int
    ahead: int


def clip_length(context: int) -> int:
    """Frames of the clip on which :func:`reach_of` looks at a lifter that states ``context``."""
    return max(SHORTEST, 3 * context)


def reach_of(lift: Callable[[Array], Array], keypoints: Array) -> Reach:
    """Cut the clip ``keypoints`` (T, J, 2) in its middle third, move all on one side, and see how far poses move on the other.

    Example:
        >>> import numpy as np
        >>> def last_two(points): return np.dstack([(points + np.roll(points, 1, axis=0)), points[..., :1]])
        >>> reach_of(last_two, np.random.default_rng(0).normal(size=(12, 17, 2)))
        Reach(back=1, ahead=0)
    """
    frames = len(keypoints)
    still = lift(keypoints)
    least = _MOVED * float(np.abs(still).max())
    away = 0.1 * keypoints.std() * np.random.default_rng(0).standard_normal(keypoints.shape)
    number = np.arange(frames)
    back = ahead = 0
    cuts = np.unique(np.linspace(frames // 3, 2 * frames // 3 - 1, min(CUTS, frames // 3)).round().astype(int))
    for cut in cuts.tolist():
        for side in (number < cut, number >= cut):
            moved = lift(keypoints + away * side[:, None, None])
            touched = np.flatnonzero((np.abs(moved - still).max(axis=(1, 2)) > least) & ~side)
            if len(touched) and side[0]:
                back = max(back, int(touched.max()) - cut + 1)
            elif len(touched):
                ahead = max(ahead, cut - int(touched.min()))
    return Reach(back, ahead)
