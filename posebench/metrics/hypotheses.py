"""Several hypotheses for each pose, and how they become one number.

**Convention.** Hypotheses (H, T, J, 3) and truth (T, J, 3), mm, root-relative. Only :func:`mean_pose` and
:func:`nearest_reprojection` do without the truth; every ``best`` is an **oracle**, shown as a diagnostic and never ranked.

Sources: D3DP ``common/loss.py`` (P-Agg, J-Agg, J-Best, P-Best), Wehrbein et al. 2021 (best of N, per pose).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.metrics.alignment import residuals

Array = npt.NDArray[np.float64]


def mean_pose(hypotheses: npt.ArrayLike) -> Array:
    """P-Agg: the mean of the hypotheses, (T, J, 3)."""
    out: Array = np.asarray(hypotheses, dtype=np.float64).mean(axis=0)
    return out


def nearest_reprojection(hypotheses: npt.ArrayLike, reprojection_error: npt.ArrayLike) -> Array:
    """J-Agg: each joint from the hypothesis with the smallest 2D reprojection error, (T, J, 3).

    Args:
        hypotheses: (H, T, J, 3).
        reprojection_error: (H, T, J), any unit.
    """
    hypotheses = np.asarray(hypotheses, dtype=np.float64)
    best = np.asarray(reprojection_error).argmin(axis=0)
    out: Array = np.take_along_axis(hypotheses, best[None, :, :, None], axis=0)[0]
    return out


def errors(hypotheses: npt.ArrayLike, truth: npt.ArrayLike, alignment: str = "root") -> Array:
    """Per-joint errors (H, T, J), mm, of each hypothesis after its own alignment (names of :mod:`posebench.metrics.alignment`)."""
    truth = np.asarray(truth, dtype=np.float64)
    return np.stack([residuals(h, truth, [alignment]).errors[alignment] for h in np.asarray(hypotheses)])


def best_joint(errors: npt.ArrayLike) -> Array:
    """J-Best, an oracle: per joint the smallest error over hypotheses; (H, T, J) to (T, J)."""
    out: Array = np.asarray(errors, dtype=np.float64).min(axis=0)
    return out


def best_pose(errors: npt.ArrayLike) -> Array:
    """P-Best, an oracle: the errors of the best hypothesis of each pose by mean error; (H, T, J) to (T, J). The field's "best of N"."""
    errors = np.asarray(errors, dtype=np.float64)
    best = errors.mean(axis=2).argmin(axis=0)
    out: Array = np.take_along_axis(errors, best[None, :, None], axis=0)[0]
    return out


def best_batch(errors: npt.ArrayLike) -> Array:
    """P-Best as in D3DP's code: one hypothesis for the whole batch; (H, T, J) to (T, J). Depends on the batch."""
    errors = np.asarray(errors, dtype=np.float64)
    out: Array = errors[errors.mean(axis=(1, 2)).argmin()]
    return out
