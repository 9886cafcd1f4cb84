"""Errors of differences over time: velocity and acceleration.

**Convention.** Poses are (T, J, 3) mm, root-relative, consecutive frames of one clip.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.metrics.position import norms

Array = npt.NDArray[np.float64]


def velocity_error(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """|first difference of pred - of truth| (T-1, J), mm/frame, of root-relative poses (VideoPose3D's MPJVE)."""
    return _difference_error(pred, truth, 1)


def acceleration_error(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """|second difference of pred - of truth| (T-2, J), mm/frame^2 (VIBE); multiply by fps^2 / 1000 for m/s^2."""
    return _difference_error(pred, truth, 2)


def _difference_error(pred: npt.ArrayLike, truth: npt.ArrayLike, order: int) -> Array:
    error = np.asarray(pred, dtype=np.float64) - np.asarray(truth, dtype=np.float64)
    if len(error) <= order:
        return np.empty((0, error.shape[1]))
    return norms(np.diff(error, n=order, axis=0).transpose(2, 1, 0))
