"""Numbers of frames from joint errors: means, PCK, areas under its curve, correct poses, differences over time.

**Convention.** A statistic is a text: a word, then its numbers in mm: ``pck < 150``, ``auc 0 150 5``, ``trapezoid 150 5``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from posebench.metrics import auc, cps, pck, thresholds_passed
from posebench.metrics.peers import elepose_cps
from posebench.scoring.conventions.joint_errors import ClipErrors
from posebench.scoring.conventions.reading import Quantity

Array = npt.NDArray[np.float64]


def over_time(statistic: str) -> bool:
    """Whether a statistic is made of differences over time."""
    return statistic.split()[0] in ("velocity", "acceleration")


def values(clip: ClipErrors, quantity: Quantity) -> Array:
    """The quantity (n,) of each frame of a clip.

    Raises:
        CannotError: it has no meaning for these poses.
    """
    placement, scored, statistic = quantity
    if placement.oracle == "flip by pose" and statistic == "mean" and scored == placement.fitted:
        plain = placement._replace(oracle="")
        one, other = (clip.errors(plain._replace(mirrored=mirrored)).mean(axis=1) for mirrored in (False, True))
        return np.asarray(np.minimum(one, other))
    errors = clip.errors(placement)
    if scored != placement.fitted:
        errors = errors[:, [placement.fitted.index(joint) for joint in scored]]
    word, *numbers = statistic.split()
    out: Array = _STATISTICS[word](errors, numbers)
    return out


def _mean(errors: Array, _: list[str]) -> Array:
    out: Array = errors.mean(axis=1)
    return out


def _pck(errors: Array, numbers: list[str]) -> Array:
    out: Array = pck(errors, float(numbers[1]), inclusive=numbers[0] == "<=").mean(axis=1)
    return out


def _pck_metres(errors: Array, numbers: list[str]) -> Array:
    out: Array = pck(errors / 1000.0, float(numbers[1]) / 1000.0).mean(axis=1)
    return out


def _auc(errors: Array, numbers: list[str]) -> Array:
    first, last, step = map(float, numbers)
    out: Array = auc(thresholds_passed(errors, (first, last, step)), (first, last, step)).mean(axis=1)
    return out


def _trapezoid(errors: Array, numbers: list[str]) -> Array:
    """Trapezoid rule over PCK (``<``) at 0, step, ..., last, divided by last."""
    last, step = map(float, numbers)
    thresholds = (0.0, last, step)
    count = round(last / step) + 1
    passed = thresholds_passed(errors, thresholds).mean(axis=1)
    ends = 0.5 * ((errors < 0.0).mean(axis=1) + (errors < last).mean(axis=1))
    out: Array = (passed - ends) * 100.0 / (count - 1)
    return out


def _integral(errors: Array, numbers: list[str]) -> Array:
    """The exact area under the curve up to a threshold."""
    last = float(numbers[0])
    out: Array = 100.0 * (1.0 - np.minimum(errors, last) / last).mean(axis=1)
    return out


def _auc_3dpw(errors: Array, _: list[str]) -> Array:
    """Trapezoid rule over PCK (``<=``) at 0, 1, ..., 199 mm, divided by 199."""
    passed = np.clip(200.0 - np.ceil(errors), 0.0, 200.0)
    ends = 0.5 * ((errors <= 0.0).astype(np.float64) + (errors <= 199.0))
    out: Array = ((passed - ends) * 100.0 / 199.0).mean(axis=1)
    return out


def _cps(errors: Array, numbers: list[str]) -> Array:
    first, last, step = map(float, numbers)
    return cps(errors, (first, last, step))


_STATISTICS: dict[str, Callable[[Array, list[str]], Array]] = {
    "mean": _mean,
    "pck": _pck,
    "pck_metres": _pck_metres,
    "auc": _auc,
    "trapezoid": _trapezoid,
    "integral": _integral,
    "auc_3dpw": _auc_3dpw,
    "cps": _cps,
    "cps_elepose": lambda errors, _: elepose_cps(errors),
}
