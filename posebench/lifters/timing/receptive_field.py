"""The frames that a pose depends on, measured from outside: keypoints are perturbed, and the poses that change are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Array

#: Most frames at which a clip is cut in two. In a longer clip some are skipped, and the receptive field may be underestimated a little.
CUTS = 64
#: Frames of the shortest clip that is measured on.
SHORTEST = 12
#: A pose has changed if a coordinate did by more than this share of the largest coordinate; rounding in float32 stays below.
CHANGED = 1e-5


class ReceptiveField(NamedTuple):
    """Earlier (``back``) and later (``ahead``) frames that a pose depends on; a live system is ``ahead`` frames late."""

    back: int
    ahead: int


def clip_length(context: int) -> int:
    """Frames of the clip on which :func:`receptive_field` measures a lifter of this stated context."""
    return max(SHORTEST, 3 * context)


def receptive_field(lift: Callable[[Array], Array], keypoints: Array, changed: float = CHANGED) -> ReceptiveField:
    """Measure which frames the poses of ``lift`` depend on.

    The clip ``keypoints`` (T, J, 2) is cut at frames of its middle third. All keypoints on one side of a cut are perturbed; the poses
    that change on the other side show how far the lifter looks across the cut. A change counts if it is more than ``changed`` times the
    largest coordinate. Use 0 for a network with drawn weights: some start with branches so small that other frames hardly count.

    Example:
        >>> import numpy as np
        >>> def last_two(points): return np.dstack([points + points[[0, *range(len(points) - 1)]], points[..., :1]])
        >>> receptive_field(last_two, np.random.default_rng(0).normal(size=(12, 17, 2)))
        ReceptiveField(back=1, ahead=0)
    """
    frames = len(keypoints)
    reference = lift(keypoints)
    threshold = changed * float(np.abs(reference).max())
    perturbation = 0.1 * keypoints.std() * np.random.default_rng(0).standard_normal(keypoints.shape)
    frame = np.arange(frames)

    def changed_frames(perturbed: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Frames outside ``perturbed`` (T,), a mask, whose pose changes when the keypoints inside are perturbed."""
        poses = lift(keypoints + perturbation * perturbed[:, None, None])
        moved = np.abs(poses - reference).max(axis=(1, 2)) > threshold
        return np.flatnonzero(moved & ~perturbed)

    back = ahead = 0
    cuts = np.unique(np.linspace(frames // 3, 2 * frames // 3 - 1, min(CUTS, frames // 3)).round().astype(int))
    for cut in cuts.tolist():
        looking_back = changed_frames(frame < cut)
        if len(looking_back):
            back = max(back, int(looking_back.max()) - cut + 1)
        looking_ahead = changed_frames(frame >= cut)
        if len(looking_ahead):
            ahead = max(ahead, cut - int(looking_ahead.min()))
    return ReceptiveField(back, ahead)
