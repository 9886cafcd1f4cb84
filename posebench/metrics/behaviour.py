"""What a lifter does, beside how far off it is: signs by which a broken lifter is told from a working one.

None of these numbers needs true poses, so an unsupervised training may watch them; of true poses they give the values to compare with.

* ``depth extent``: root-mean-square depth of the joints over that across the image, both about the joints' mean. Near 0 is flat.
* ``bone spread``: how much bone lengths differ over all poses, as a share of their mean (standard deviation over mean, mean over
  bones), each pose scaled to the same summed length first. A body has constant bones; people differ by a few per cent.
* ``pose variation``: root-mean-square distance of a pose from the mean pose, as a share of a pose's size. Near 0 says one pose always.
* ``opposite depth``: correlation over the joints of the depths predicted for one moment from two opposite cameras, mean over moments.
  Depth turns round with the camera, so a lifter that sees depth has it well below 0; one whose depth depends on the outline alone has
  it near +1, and half of its poses are flipped however good its reflection-tolerant error is. It cannot tell a lifter that flips every
  pose: both depths change sign.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton

Array = npt.NDArray[np.float64]

BEHAVIOUR = ("depth extent", "bone spread", "pose variation", "opposite depth")


def behaviour(poses: npt.ArrayLike, skeleton: Skeleton, opposite: npt.ArrayLike | None = None) -> dict[str, float]:
    """The signs of :data:`BEHAVIOUR`, of a lifter's poses or of true ones.

    **Convention.** Poses (N, J, 3), any unit and scale, camera frame, z the depth. Poses with a number that is not finite are left out; a
    sign that cannot be told (no opposite pairs, no extent) is left out of the table.

    Args:
        poses: (N, J, 3).
        skeleton: joint order.
        opposite: (P, 2) numbers of poses that show one moment from opposite cameras.

    Example:
        >>> from posebench.base.skeletons import skeleton
        >>> flat = np.random.default_rng(0).normal(size=(100, 17, 3)) * [1, 1, 0]
        >>> behaviour(flat, skeleton("h36m17"))["depth extent"]
        0.0
    """
    pose = np.asarray(poses, dtype=np.float64)
    sound = np.asarray(np.isfinite(pose).all(axis=(1, 2)))
    with np.errstate(invalid="ignore"):  # infinite poses, left out below
        centred = pose - pose.mean(axis=1, keepdims=True)
    signs: dict[str, float | None] = {}
    whole = centred[sound]
    across = np.sqrt((whole[..., :2] ** 2).sum(axis=(1, 2)) / 2)
    signs["depth extent"] = _ratio(np.sqrt((whole[..., 2] ** 2).sum(axis=1)).mean(), across.mean()) if len(whole) else None
    ends = np.array(skeleton.bones)
    bones = np.linalg.norm(whole[:, ends[:, 1]] - whole[:, ends[:, 0]], axis=-1)
    total = bones.sum(axis=1, keepdims=True)
    if np.any(total > 0):
        shares = bones[total[:, 0] > 0] / total[total[:, 0] > 0]
        signs["bone spread"] = float(np.mean(shares.std(axis=0) / np.maximum(shares.mean(axis=0), 1e-12)))
    size = np.sqrt((whole**2).sum(axis=(1, 2)))
    if np.any(size > 0):
        unit = whole[size > 0] / size[size > 0, None, None]
        signs["pose variation"] = float(np.sqrt(((unit - unit.mean(axis=0)) ** 2).sum(axis=(1, 2)).mean()))
    if opposite is not None and len(pairs := np.asarray(opposite).reshape(-1, 2)):
        pairs = pairs[sound[pairs[:, 0]] & sound[pairs[:, 1]]]
        signs["opposite depth"] = _correlation(centred[pairs[:, 0], :, 2], centred[pairs[:, 1], :, 2])
    return {name: float(value) for name, value in signs.items() if value is not None}


def _ratio(above: float, below: float) -> float | None:
    return float(above / below) if below > 0 else None


def _correlation(one: Array, other: Array) -> float | None:
    """Mean over pairs (P, J) of each pair's correlation over the joints; None where no pair has depths that vary. Depths are centred."""
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    varied = size > 1e-12 * max(1.0, float(np.abs(one).max(initial=0.0)) ** 2)
    return float(((one * other).sum(axis=1)[varied] / size[varied]).mean()) if varied.any() else None
