"""The joints and bones of a protocol's skeleton that a diagnosis needs, by index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton
from posebench.scoring.protocol import Protocol

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

#: Names of the joint at the upper end of the trunk, in the skeletons that have one.
_UPPER_TRUNK = ("thorax", "neck", "spine4")
#: A bone belongs to the limb of the joint at its outer end; every other bone to the trunk.
_ARM = ("elbow", "wrist", "wrist_end", "hand", "hand_end", "thumb", "thumb_end")
_LEG = ("knee", "ankle", "foot", "toe", "toe_end")
LIMBS = ("trunk", "left-arm", "right-arm", "left-leg", "right-leg")


@dataclass(frozen=True)
class Body:
    """A skeleton under a protocol.

    Attributes:
        skeleton: joint order of the poses.
        root: joints whose mean is the root.
        scored: joints whose distances are averaged.
    """

    skeleton: Skeleton
    root: tuple[int, ...]
    scored: tuple[int, ...]

    @classmethod
    def of(cls, protocol: Protocol) -> Body:
        """The body of a protocol; the scored joints are those of its MPJPE, or of its first mean of distances."""
        means = [metric for metric in (*protocol.metrics, *protocol.diagnostics) if metric.statistic == "mean"]
        means.sort(key=lambda metric: metric.alignment != "root")
        names = means[0].joints if means else protocol.skeleton.joints
        return cls(protocol.skeleton, protocol.root_indices, tuple(protocol.skeleton.index(name) for name in names))

    @cached_property
    def scored_index(self) -> list[int] | None:
        """The scored joints; None where they are all joints in their order."""
        return None if self.scored == tuple(range(len(self.skeleton))) else list(self.scored)

    @cached_property
    def parents(self) -> list[int]:
        """Inner joint of every bone."""
        return [parent for parent, _ in self.skeleton.bones]

    @cached_property
    def children(self) -> list[int]:
        """Outer joint of every bone."""
        return [child for _, child in self.skeleton.bones]

    @cached_property
    def bone_names(self) -> tuple[str, ...]:
        """``parent-child`` of every bone."""
        joints = self.skeleton.joints
        return tuple(f"{joints[parent]}-{joints[child]}" for parent, child in self.skeleton.bones)

    @cached_property
    def paths(self) -> Array:
        """(J, bones): root-relative joints are ``paths @ bones``, for bones from the inner to the outer joint."""
        position = {child: number for number, (_, child) in enumerate(self.skeleton.bones)}
        paths = np.zeros((len(self.skeleton), len(position)))
        for joint in range(len(self.skeleton)):
            at = joint
            while at in position:
                paths[joint, position[at]] = 1.0
                at = self.skeleton.parents[at]
        centred: Array = paths - paths[list(self.root)].mean(axis=0)
        return centred

    @cached_property
    def limbs(self) -> dict[str, list[int]]:
        """The bones of each of :data:`LIMBS` that the skeleton has."""
        found: dict[str, list[int]] = {}
        for number, child in enumerate(self.children):
            name = self.skeleton.joints[child]
            side = {"l_": "left", "r_": "right"}.get(name[:2], "")
            limb = "arm" if name[2:] in _ARM else "leg" if name[2:] in _LEG else ""
            found.setdefault(f"{side}-{limb}" if side and limb else "trunk", []).append(number)
        return {limb: found[limb] for limb in LIMBS if limb in found}

    def exchanged(self, which: str) -> list[int]:
        """Order of the joints in which left and right are exchanged: of all pairs (``sides``), of the ``arms`` or of the ``legs``.

        Arms start at the shoulder, legs at the hip.
        """
        parts = {"arms": ("shoulder", "collar", "clavicle", *_ARM), "legs": ("hip", *_LEG)}
        order = list(range(len(self.skeleton)))
        for left, right in self.skeleton.pairs:
            if which == "sides" or self.skeleton.joints[left][2:] in parts[which]:
                order[left], order[right] = right, left
        return order

    def _joint(self, *names: str) -> int | None:
        return next((self.skeleton.joints.index(name) for name in names if name in self.skeleton.joints), None)

    @cached_property
    def hips(self) -> tuple[int, int] | None:
        """Left and right hip."""
        left, right = self._joint("l_hip"), self._joint("r_hip")
        return None if left is None or right is None else (left, right)

    @cached_property
    def shoulders(self) -> tuple[int, int] | None:
        """Left and right shoulder."""
        left, right = self._joint("l_shoulder"), self._joint("r_shoulder")
        return None if left is None or right is None else (left, right)

    @cached_property
    def upper_trunk(self) -> int | None:
        """The joint at the upper end of the trunk; None in COCO's skeleton."""
        return self._joint(*_UPPER_TRUNK)

    @property
    def has_frame(self) -> bool:
        """Whether :meth:`axes` are defined."""
        return self.hips is not None and self.upper_trunk is not None

    def axes(self, truth: Array) -> Array:
        """Body frames (3, 3, n) of true poses (3, J, n): rows left, up, forward, unit vectors in camera axes.

        **Convention.** Left from the right to the left hip; up from the middle of the hips (the pelvis, where there is one) to the upper
        end of the trunk, made orthogonal to left; forward their product. Zero for a pose without hips or trunk.
        """
        assert self.hips is not None
        assert self.upper_trunk is not None
        left_hip, right_hip = self.hips
        pelvis = self._joint("pelvis")
        base = truth[:, pelvis] if pelvis is not None else 0.5 * (truth[:, left_hip] + truth[:, right_hip])
        left = _unit(truth[:, left_hip] - truth[:, right_hip])
        up = truth[:, self.upper_trunk] - base
        up = _unit(up - np.einsum("cn,cn->n", up, left) * left)
        return np.stack([left, up, np.cross(left, up, axis=0)])


def _unit(vectors: Array) -> Array:
    """Unit vectors (3, n); zero where there is no direction."""
    length = np.sqrt(np.einsum("cn,cn->n", vectors, vectors))
    return vectors / np.where(length > 0.0, length, np.inf)
