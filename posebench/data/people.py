"""True poses must be people: of a plausible size in millimetres, in every frame that is scored.

A copy of a dataset in another unit than its layout states would give scores in that unit, and the predictions would be blamed.

**Convention.** The extent of a pose is the diagonal of the box around its joints, along the axes: some 1.8 m standing, 1 m crouching.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError

Array = npt.NDArray[np.floating]

#: Least and greatest median extent of a clip, mm. Small children and giants are well within.
CLIP_EXTENT = (350.0, 7000.0)
#: Least and greatest root mean square distance of a pose's joints from the first one, mm. It is 0.5 to 1 m for a person who stands.
SPREAD = (30.0, 5000.0)
#: Poses of a clip that its size is measured in, at most.
_POSES = 64
#: Units that poses are written in by mistake, mm.
_UNITS = {"millimetres": 1.0, "centimetres": 10.0, "inches": 25.4, "decimetres": 100.0, "feet": 304.8, "metres": 1e3}


def require_size(pose: Array, place: str, next_step: str, *, stated: str = "millimetres") -> None:
    """Refuse true poses of a clip in another unit than the one that is stated.

    Args:
        pose: (T, J, 3) mm, if the stated unit is right; frames that are not finite, or have all joints in one point, are ignored.
        place: the file or folder, and the clip.
        next_step: what to do.
        stated: the unit of the file or layout, ``millimetres`` or ``metres``.

    Raises:
        PosebenchError: the person is far smaller or larger than people are; the message names the likely unit.
    """
    extents = _extents(pose[:: max(1, len(pose) // _POSES)])
    extents = extents[np.isfinite(extents) & (extents > 0.0)]
    if not len(extents):
        return
    if CLIP_EXTENT[0] <= extents.min() and extents.max() <= CLIP_EXTENT[1]:
        return  # and so is the median, which takes longer to find
    extent = float(np.median(extents))
    if CLIP_EXTENT[0] <= extent <= CLIP_EXTENT[1]:
        return
    number = extent / _UNITS[stated]
    unit = next((unit for unit, length in _UNITS.items() if 800.0 < number * length < 2600.0), "")
    likely = f"; they look like {unit}, and {stated} are stated" if unit else f", if they are {stated}"
    raise PosebenchError(f"{place}: true poses {_length(extent)} from end to end{likely}", "people, some 1.7 m tall", next_step)


def not_a_person(pose: Array) -> tuple[int, str] | None:
    """The index of the first of the true poses (T, J, 3) mm that no person can have, and what is wrong with it; None if there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        apart = pose - pose[:, :1]
        spread = np.sqrt(np.einsum("tjc,tjc->t", apart, apart) / pose.shape[1])
        wrong = ~((spread >= SPREAD[0]) & (spread <= SPREAD[1]))
    if not wrong.any():
        return None
    index = int(wrong.argmax())
    if not np.isfinite(pose[index]).all():
        return index, "is not finite"
    extent = float(_extents(pose[index : index + 1])[0])
    return index, "has all joints in one point" if extent == 0.0 else f"is {_length(extent)} from end to end"


def _extents(pose: Array) -> npt.NDArray[np.float64]:
    """(T,) extent of each pose; NaN or infinite where a joint is."""
    with np.errstate(over="ignore", invalid="ignore"):
        box = (pose.max(axis=1) - pose.min(axis=1)).astype(np.float64)
        out: npt.NDArray[np.float64] = np.sqrt(np.einsum("tc,tc->t", box, box))
    return out


def _length(mm: float) -> str:
    return f"{mm:.2g} mm" if mm < 1000.0 else f"{mm / 1000.0:.3g} m"
