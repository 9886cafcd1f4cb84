"""Metrics of errors against thresholds: PCK, the area under its curve (AUC), and the correct-poses score (CPS).

**Convention.** Errors are (T, J) mm, as an alignment leaves them. Thresholds are (first, last, step) in mm, both ends included. An error
passes a threshold if it is strictly below it, unless a function says otherwise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.metrics.buffers import Buffers

Array = npt.NDArray[np.float64]

#: The 3DHP script's AUC thresholds in mm: 0, 5, ..., 150. No error passes 0, so a perfect prediction reaches 96.774 %.
AUC_THRESHOLDS = (0.0, 150.0, 5.0)
#: CPS thresholds in mm: 1, 2, ..., 300 (Wandt et al. 2021, CanonPose).
CPS_THRESHOLDS = (1.0, 300.0, 1.0)


def pck(errors: npt.ArrayLike, threshold: float = 150.0, *, inclusive: bool = False) -> Array:
    """100 where the error is below ``threshold`` mm (or equal, if ``inclusive``), else 0: same shape as ``errors``.

    **Convention.** Strict ``<`` as in the 3DHP script and most code; 3DPW's is inclusive. The mean is the percentage of correct keypoints.

    Example:
        >>> pck([149.9, 150.0]).tolist()
        [100.0, 0.0]
    """
    errors = np.asarray(errors, dtype=np.float64)
    return np.where(errors <= threshold if inclusive else errors < threshold, 100.0, 0.0)


def threshold_values(thresholds: tuple[float, float, float]) -> list[float]:
    """The thresholds (first, first + step, ..., last) in mm."""
    first, _, step = thresholds
    return [first + step * number for number in range(_count(thresholds))]


def _count(thresholds: tuple[float, float, float]) -> int:
    first, last, step = thresholds
    return round((last - first) / step) + 1


def thresholds_passed(
    errors: npt.ArrayLike, thresholds: tuple[float, float, float] = AUC_THRESHOLDS, *, buffers: Buffers | None = None
) -> Array:
    """How many of the thresholds each error is below: whole numbers as float64, same shape as ``errors``.

    AUC, the PCK curve and CPS follow from these counts without a loop over thresholds. With ``buffers`` the result is valid until the
    next call with the same ones.

    Example:
        >>> thresholds_passed([2.0, 7.0, 500.0], (0.0, 10.0, 5.0)).tolist()
        [2.0, 1.0, 0.0]
    """
    errors = np.asarray(errors, dtype=np.float64)
    first, _, step = thresholds
    count = _count(thresholds)
    buffers = buffers or Buffers()
    # Thresholds are numbered from 0. Arrays have the memory order of the scorer's errors, (J, T): frames contiguous.
    number, threshold = (buffers.array(name, *errors.T.shape).T for name in ("threshold number", "threshold"))
    # The number of the last threshold that is not above the error, up to rounding of the quotient.
    np.subtract(errors, first, out=number)
    number /= step
    np.floor(number, out=number)
    # Rounded down across a threshold: this happens only where thresholds are not whole numbers.
    if not (float(first).is_integer() and float(step).is_integer()):
        number += (number + 1.0) * step + first <= errors
    # Rounded up across a threshold.
    np.multiply(number, step, out=threshold)
    threshold += first
    number -= threshold > errors
    failed = np.add(number, 1.0, out=number)
    np.clip(failed, 0.0, count, out=failed)
    return np.subtract(count, failed, out=failed)


def auc(passed: npt.ArrayLike, thresholds: tuple[float, float, float] = AUC_THRESHOLDS, *, out: Array | None = None) -> Array:
    """Area under the PCK curve, in %, of each error: the mean of PCK over all thresholds.

    Args:
        passed: what :func:`thresholds_passed` returns for the same thresholds.
        thresholds: (first, last, step) in mm.
        out: where to write the result; may be ``passed``.

    Example:
        >>> round(float(auc(thresholds_passed(0.0))), 3)
        96.774
    """
    area: Array = np.multiply(passed, 100.0 / _count(thresholds), out=out)
    return area


def pck_curve(passed: Array, thresholds: tuple[float, float, float] = AUC_THRESHOLDS) -> Array:
    """PCK in % at each threshold, summed over frames, (thresholds,); divide by the number of frames for the curve.

    Args:
        passed: (T, J), what :func:`thresholds_passed` returns for the same thresholds.
        thresholds: (first, last, step) in mm.

    Example:
        >>> thresholds = (0.0, 10.0, 5.0)
        >>> pck_curve(thresholds_passed([[2.0, 7.0]], thresholds), thresholds).tolist()
        [0.0, 50.0, 100.0]
    """
    count = _count(thresholds)
    frequency = np.bincount(passed.astype(np.intp).ravel(order="K"), minlength=count + 1)
    # An error that passes n thresholds passes the n largest, so threshold number i is passed where n >= count - i.
    correct_joints = np.cumsum(frequency[:0:-1]).astype(np.float64)
    curve: Array = correct_joints * (100.0 / passed.shape[1])
    return curve


def cps(errors: npt.ArrayLike, thresholds: tuple[float, float, float] = CPS_THRESHOLDS) -> Array:
    """Correct-poses score (T,): area, over the thresholds in mm, of "all joints are below the threshold".

    **Convention.** ``errors`` (T, J) after PA with det R = +1; strict ``<``; trapezoid rule over 1, 2, ..., 300 mm, so at most 299
    (Wandt et al. 2021; area as in Wehrbein et al. 2021, who leave the spine out: choose joints before calling).

    Example:
        >>> cps([[0.0, 0.5]]).tolist()
        [299.0]
    """
    worst = np.asarray(errors, dtype=np.float64).max(axis=1)
    passed = thresholds_passed(worst, thresholds)
    # The trapezoid rule gives the first and the last threshold half a weight.
    half_weights = 0.5 * (passed >= _count(thresholds)) + 0.5 * (passed >= 1)
    return (passed - half_weights) * thresholds[2]
