"""The joints of one skeleton taken from another: by name, by the field's equations, or completed by a stated rule.

**Convention.** Keypoint sources and datasets have different joints: the Stacked Hourglass has no spine, COCO no pelvis. A lifter of one
skeleton is given the keypoints of another through :func:`match_joints`, and what was equated or completed is recorded with the result
(:attr:`JointMatch.words`). Joints are matched by name, then through :data:`posebench.base.skeletons.EQUATED`, then by :data:`RULES`.

Poses are never completed, only keypoints: a completed joint is no measurement.

Sources: SPIN's map of 3DHP (neck as thorax, head as neck/nose); mmpose ``convert_keypoint_definition`` (COCO to Human3.6M by midpoints, the
top of the head by the eyes); garyzhao/SemGCN issue 32 (the midpoint of pelvis and neck for the spine). The midpoint of thorax and top of
the head for neck/nose is this project's choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, equal_names, skeleton

#: A missing joint to the lists of joints whose mean may stand in, the first that is there: ``(l_hip, r_hip)`` for the pelvis.
RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "pelvis": (("l_hip", "r_hip"),),
    "thorax": (("l_shoulder", "r_shoulder"),),
    "spine": (("pelvis", "thorax"),),
    "neck_nose": (("nose",), ("thorax", "head_top")),
    "head_top": (("l_eye", "r_eye"),),
}


@dataclass(frozen=True)
class JointMatch:
    """How the joints of ``target`` are taken from ``source``.

    Attributes:
        source, target: ids of the skeletons.
        parts: for each joint of the target the indices of the source's joints whose mean it is: one, unless it is completed. An index
            that occurs twice has twice the weight.
        words: each equation and each rule that was used, such as ``spine = mean of pelvis, thorax``; empty if all joints have their names.
    """

    source: str
    target: str
    parts: tuple[tuple[int, ...], ...]
    words: tuple[str, ...]

    @property
    def completed(self) -> bool:
        """Whether a joint is made of others."""
        return any(len(indices) > 1 for indices in self.parts)

    def of(self, points: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Points (..., J, D) of the source as (..., J', D) of the target."""
        if not self.completed:
            return points[..., [indices[0] for indices in self.parts], :]
        return np.stack([points[..., list(indices), :].mean(axis=-2) for indices in self.parts], axis=-2)


@lru_cache(maxsize=64)
def match_joints(source: str, target: str) -> JointMatch:
    """Match the joints of two skeletons.

    Raises:
        PosebenchError: a joint of ``target`` is not in ``source``, and no rule makes it of joints that are.

    Example:
        >>> match_joints("repnet16", "h36m17").words
        ('spine = mean of pelvis, thorax',)
        >>> match_joints("mpi17", "h36m17").words
        ('thorax = neck', 'neck_nose = head')
    """
    available, wanted = skeleton(source), skeleton(target)
    parts, words, missing = [], [], []
    for joint in wanted.joints:
        found = _found(joint, available, wanted)
        if found is None:
            missing.append(joint)
            continue
        indices, how = found
        parts.append(indices)
        words += [f"{joint} = {how}"] if how != joint else []
    if missing:
        raise PosebenchError(
            f"keypoints of {source}, which has no {', '.join(missing)}",
            f"every joint of {target}, or those that it can be made of",
            "choose another source with --keypoints",
        )
    return JointMatch(source, target, tuple(parts), tuple(words))


def _found(joint: str, available: Skeleton, wanted: Skeleton) -> tuple[tuple[int, ...], str] | None:
    """Indices of the joints whose mean is ``joint``, and how: its name, the name of its equal, or ``mean of ...``."""
    for name in equal_names(joint, available.id, wanted.id):
        if name in available.joints:
            return (available.index(name),), name
    for name in equal_names(joint, "", wanted.id):
        for rule in RULES.get(name, ()):
            of_rule = [part[0] for joint_of_rule in rule if (part := _found(joint_of_rule, available, wanted))]
            if len(of_rule) == len(rule):
                most = math.lcm(*map(len, of_rule))  # each part has the same weight, however many joints it is made of itself
                indices = tuple(index for part in of_rule for index in part * (most // len(part)))
                return indices, rule[0] if len(rule) == 1 else "mean of " + ", ".join(rule)
    return None
