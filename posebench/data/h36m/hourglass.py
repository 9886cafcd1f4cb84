"""What the joints of Stacked Hourglass detections are: Martinez' names, and what the network was trained to find.

**Convention.** The hourglass' order is right ankle, knee, hip, left hip, knee, ankle, pelvis, then joints 7, 8, 9, then right wrist, elbow,
shoulder, left shoulder, elbow, wrist. Martinez calls 7, 8, 9 spine, thorax and head (``sh16``). A network trained on MPII, whose detections
``sh_pt_mpii`` are, finds MPII's thorax, upper neck and top of the head; RepNet takes them so (``repnet16``, with the upper neck as
Human3.6M's neck/nose). What the fine-tuned detections ``sh_ft_h36m`` have there depends on the labels that they were tuned to, which no
source states. So each copy is measured: a spine lies about halfway from the pelvis to the shoulders, a thorax at their height.

Sources: una-dinosauria/3d-pose-baseline ``src/data_utils.py`` (names), issue 60 and issue 185, labelled a bug (no spine among the
detections); bastianwandt/RepNet ``plot17j.py`` (joint 7 bears the shoulders); facebookresearch/VideoPose3D ``data/data_utils.py`` (the
order is MPII's).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map, skeleton

Array = npt.NDArray[np.float64]

#: Orders in which a source is given, by what its joint 7 is: with the spine and without neck/nose, or the other way round.
WITH_SPINE, WITH_NECK = "h36m16", "repnet16"
#: Hourglass joints in the order of :data:`WITH_NECK`: RepNet's ``eval_h36m.py``.
_TO_REPNET = (2, 1, 0, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 12, 11, 10)
#: Heights of joint 7 between pelvis (0) and shoulders (1): below, from which on it is no spine, above. Human3.6M's spine is at 0.5.
_LIMITS = (0.2, 0.75, 1.4)


def height_of_joint_7(points: npt.NDArray[np.floating]) -> float:
    """Where joint 7 of hourglass keypoints (T, 16, 2) lies between the pelvis (0) and the middle of the shoulders (1): the median."""
    pelvis, joint = points[:, 6].astype(np.float64), points[:, 7].astype(np.float64)
    up = points[:, [12, 13]].mean(axis=1) - pelvis
    length = (up**2).sum(axis=1)
    seen = length > 0
    return float(np.median(((joint - pelvis) * up).sum(axis=1)[seen] / length[seen])) if seen.any() else float("nan")


def order_of(points: npt.NDArray[np.floating], place: str) -> str:
    """Id of the skeleton of hourglass keypoints (T, 16, 2) px: :data:`WITH_SPINE` or :data:`WITH_NECK`.

    Raises:
        PosebenchError: joint 7 lies at neither place: the keypoints are in another order.
    """
    height = height_of_joint_7(points)
    below, between, above = _LIMITS
    if not below < height < above:
        raise PosebenchError(
            f"{place}: joint 7 lies at {height:.2f} of the way from the pelvis to the shoulders",
            "a spine (about 0.5) or a thorax (about 1) there, in the order of the Stacked Hourglass",
            "get the file again from its source, or name another source with --keypoints",
        )
    return WITH_SPINE if height < between else WITH_NECK


def in_order(points: Array, order: str) -> Array:
    """Hourglass keypoints (T, 16, 2) in the order of :data:`WITH_SPINE` or :data:`WITH_NECK`."""
    return points[:, list(joint_map("sh16", skeleton(WITH_SPINE).id) if order == WITH_SPINE else _TO_REPNET)]
