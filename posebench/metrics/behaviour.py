"""Diagnostics that need no true poses, by which a broken lifter can be recognised.

An unsupervised training may therefore compute them while it runs. Computed on true poses they give values to compare with.

* ``depth extent``: root-mean-square depth of the joints divided by their root-mean-square x and y, all about the joints' mean. Near 0 the
  poses are flat.
* ``bone spread``: variation of bone lengths over all poses (standard deviation divided by mean, averaged over bones), each pose scaled to
  the same summed length first. A body's bones are constant; people differ by a few per cent.
* ``pose variation``: root-mean-square distance of a pose from the mean pose, divided by a pose's size. Near 0 all poses are the
  same.
* ``opposite depth``: correlation over the joints of the depths predicted for one moment from two opposite cameras, averaged over
  moments. Depth changes sign between such cameras, so a lifter that recovers depth has values well below 0. If depth depends on the outline
  alone the value is near +1, and half of the poses are flipped however small the error with reflection is. A lifter that flips every pose
  is not recognised: both depths change sign.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton

Array = npt.NDArray[np.float64]

BEHAVIOUR = ("depth extent", "bone spread", "pose variation", "opposite depth")


def behaviour(poses: npt.ArrayLike, skeleton: Skeleton, opposite: npt.ArrayLike | None = None) -> dict[str, float]:
    """The diagnostics of :data:`BEHAVIOUR`, of predicted or of true poses.

    **Convention.** Poses (N, J, 3), any unit and scale, camera frame, z the depth. Poses that are not finite are left out, and so are
    diagnostics that are not defined (no opposite pairs, no extent).

    Args:
        poses: (N, J, 3).
        skeleton: joint order.
        opposite: (P, 2) indices of poses that show one moment from opposite cameras.

    Example:
        >>> from posebench.base.skeletons import skeleton
        >>> flat = np.random.default_rng(0).normal(size=(100, 17, 3)) * [1, 1, 0]
        >>> behaviour(flat, skeleton("h36m17"))["depth extent"]
        0.0
    """
    pose = np.asarray(poses, dtype=np.float64)
    finite = np.asarray(np.isfinite(pose).all(axis=(1, 2)))
    with np.errstate(invalid="ignore"):  # infinite poses, left out below
        centred = pose - pose.mean(axis=1, keepdims=True)
    found: dict[str, float | None] = {}
    whole = centred[finite]
    across = np.sqrt((whole[..., :2] ** 2).sum(axis=(1, 2)) / 2)
    found["depth extent"] = _ratio(np.sqrt((whole[..., 2] ** 2).sum(axis=1)).mean(), across.mean()) if len(whole) else None
    ends = np.array(skeleton.bones)
    bones = np.linalg.norm(whole[:, ends[:, 1]] - whole[:, ends[:, 0]], axis=-1)
    total = bones.sum(axis=1, keepdims=True)
    if np.any(total > 0):
        shares = bones[total[:, 0] > 0] / total[total[:, 0] > 0]
        found["bone spread"] = float(np.mean(shares.std(axis=0) / np.maximum(shares.mean(axis=0), 1e-12)))
    size = np.sqrt((whole**2).sum(axis=(1, 2)))
    if np.any(size > 0):
        unit = whole[size > 0] / size[size > 0, None, None]
        found["pose variation"] = float(np.sqrt(((unit - unit.mean(axis=0)) ** 2).sum(axis=(1, 2)).mean()))
    if opposite is not None and len(pairs := np.asarray(opposite).reshape(-1, 2)):
        pairs = pairs[finite[pairs[:, 0]] & finite[pairs[:, 1]]]
        found["opposite depth"] = _correlation(centred[pairs[:, 0], :, 2], centred[pairs[:, 1], :, 2])
    return {name: float(value) for name, value in found.items() if value is not None}


def _ratio(above: float, below: float) -> float | None:
    return float(above / below) if below > 0 else None


def _correlation(one: Array, other: Array) -> float | None:
    """Mean over pairs (P, J) of each pair's correlation over the joints; None where no pair has depths that vary. Depths are centred."""
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    varied = size > 1e-12 * max(1.0, float(np.abs(one).max(initial=0.0)) ** 2)
    return float(((one * other).sum(axis=1)[varied] / size[varied]).mean()) if varied.any() else None
