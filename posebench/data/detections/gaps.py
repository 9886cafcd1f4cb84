"""Gaps in keypoints: filled by a stated rule, or the clip is cut.

**Convention.** A keypoint that is missing for at most N frames is put on the straight line between where it was seen before and after. A
frame in which a keypoint is still missing is left out, and the frames before and after it are parts of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Frames that are filled unless another number is asked for: a third of a second at 30 Hz.
LONGEST = 10


class Filled(NamedTuple):
    """Keypoints without gaps.

    Attributes:
        points: (T, J, 2) px, from the first frame to the last.
        parts: first frame and frame after the last of each part without a missing keypoint.
        filled: how many keypoints are interpolated.
        dropped: frames that are in no part.
    """

    points: Array
    parts: tuple[tuple[int, int], ...]
    filled: int
    dropped: int


def fill(points: Array, longest: int) -> Filled:
    """Fill the gaps of keypoints (T, J, 2), NaN where missing, that are at most ``longest`` frames long.

    Example:
        >>> track = np.array([0.0, np.nan, 2.0, np.nan, np.nan, 5.0])[:, None, None] * np.ones((1, 1, 2))
        >>> fill(track, 1).points[:3, 0, 0].tolist(), fill(track, 1).parts
        ([0.0, 1.0, 2.0], ((0, 3), (5, 6)))
    """
    out = np.array(points, dtype=np.float64)
    numbers = np.arange(len(out))
    filled = 0
    for joint in range(out.shape[1]):
        seen = np.flatnonzero(np.isfinite(out[:, joint]).all(axis=-1))
        if len(seen) < 2:
            continue
        length = np.diff(seen)
        short = np.zeros(len(out), dtype=bool)
        for start, step in zip(seen[:-1], length, strict=True):
            if 1 < step <= longest + 1:
                short[start + 1 : start + step] = True
        for axis in range(2):
            out[short, joint, axis] = np.interp(numbers[short], seen, points[seen, joint, axis])
        filled += int(short.sum())
    whole = np.isfinite(out).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], whole, [False]]).astype(np.int8)))
    parts = tuple((int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True))
    return Filled(out, parts, filled, int((~whole).sum()))
