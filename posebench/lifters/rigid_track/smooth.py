"""Keypoints without their noise: a smoothing spline for each joint, whose smoothness generalised cross-validation chooses.

**Convention.** Keypoints (T, J, 2) of one clip in any unit, evenly spaced in time. The smoothed track x of a joint k minimises
``sum |x - k|^2 + w sum |third difference of x|^2``; w is the value of :data:`WEIGHTS`, or 0, with the least
``mean |x - k|^2 / (1 - f)^2``, where f is the share of the track's degrees of freedom that x keeps. No noise level is given: a track
without noise gets w = 0, and stays as it is to the last bit.

Sources: Craven and Wahba 1979 (the criterion), Woltring 1986 (quintic splines with this criterion on tracks of human joints), Eilers 2003
(differences in place of splines).
"""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
#: Differences whose squares are kept small: third ones, as of quintic splines.
ORDER = 3
#: Weights of these that are tried, besides 0.
WEIGHTS = tuple(10.0**power for power in np.arange(-1.0, 5.1, 0.5))
#: Fewest frames in which noise and motion can be distinguished; shorter clips stay as they are.
FEWEST = 4 * ORDER
#: In the words of a provenance: GCV is generalised cross-validation.
FILTER = "smoothing spline, window by GCV"


def smoothed(keypoints: Array) -> Array:
    """Keypoints (T, J, 2), smoothed as the convention says.

    A clip of fewer than :data:`FEWEST` frames stays as it is, and so does a joint with a value that is not finite.
    """
    frames = len(keypoints)
    out = np.array(keypoints, np.float64)
    tracks = np.flatnonzero(np.isfinite(keypoints).all(axis=(0, 2)))
    if frames < FEWEST or not len(tracks):
        return out
    given = out[:, tracks].reshape(frames, -1)
    penalty = _penalty(frames)
    # As w goes to 0 both parts of the criterion do, and their ratio has this limit.
    rough = _times(penalty, given)
    best = _of_joints(rough) / comb(2 * ORDER, ORDER) ** 2
    for weight in WEIGHTS:
        smooth = _solved(penalty, weight, given)
        score = _of_joints(smooth - given) / (1.0 - kept(weight)) ** 2
        better = score < best
        best[better] = score[better]
        out[:, tracks[better]] = smooth.reshape(frames, -1, 2)[:, better]
    return out


def removed(keypoints: Array, smooth: Array) -> Array:
    """Deviation (J,) of the coordinates of each joint that smoothing took from keypoints (T, J, 2); frames not finite do not count."""
    squares = ((keypoints - smooth) ** 2).mean(axis=2)
    finite = np.isfinite(squares)
    deviation: Array = np.sqrt(np.where(finite, squares, 0.0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1))
    return deviation


def kept(weight: float) -> float:
    """The share of its degrees of freedom that a long track keeps at this weight: the mean of the filter's gain over frequencies."""
    waves = np.linspace(0.0, np.pi, 2001)
    return float(np.mean(1.0 / (1.0 + weight * (2.0 * np.sin(0.5 * waves)) ** (2 * ORDER))))


def _of_joints(difference: Array) -> Array:
    """Mean square (J,) of differences (T, 2 J)."""
    squares: Array = (difference**2).reshape(len(difference), -1, 2).sum(axis=2).mean(axis=0)
    return squares


def _penalty(frames: int) -> Array:
    """The diagonal of D'D and those below it (ORDER + 1, T), each from its first row on; D makes differences of a track of T frames."""
    step = np.array([(-1.0) ** (ORDER - n) * comb(ORDER, n) for n in range(ORDER + 1)])
    band = np.zeros((ORDER + 1, frames))
    for n in range(ORDER + 1):
        for lag in range(ORDER + 1 - n):
            band[lag, n : n + frames - ORDER] += step[n] * step[n + lag]
    return band


def _times(band: Array, given: Array) -> Array:
    """D'D times tracks (T, N)."""
    out: Array = band[0, :, None] * given
    for lag in range(1, len(band)):
        below = band[lag, : len(given) - lag, None]
        out[lag:] += below * given[:-lag]
        out[:-lag] += below * given[lag:]
    return out


def _solved(band: Array, weight: float, given: Array) -> Array:
    """The tracks x (T, N) with (1 + weight D'D) x = given."""
    from scipy.linalg import solveh_banded

    matrix = weight * band
    matrix[0] += 1.0
    found: Array = solveh_banded(matrix, given, lower=True)
    return found
