"""Settings of the student, in addition to the common ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common

CHOICES = {
    "network": ("own", "released"),
    "norm": ("none", "mixed", "real"),
    "rotation_axis": ("vertical", "camera"),
    "optimiser": ("sgd", "adam"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.ites.method.Student`.

    Attributes:
        network: ``own``; ``released``: non-local block, start of the weights, exponential map and root's depth as in the official code.
        width: features of a joint.
        blocks: residual blocks of two layers.
        non_local: add the non-local branch, by which joints that are far apart exchange features, to every layer.
        norm: batch norm: ``none``; ``mixed``: running statistics are taken of real and rotated views, as released; ``real``: of real views
            only.
        standardise: image coordinates are divided by their standard deviation in the training split.
        distance: c, of the root from the camera, in mean root-to-head lengths; the same as the teacher's.
        tilt: degrees by which the cameras look down on average, for ``vertical`` rotations; 0 if unknown.
        rotation_axis: ``vertical``: each camera is first rotated until it looks at the root, rotations are about the true vertical, and the
            new cameras look down as steeply as those of training frames; ``camera``: about the upright axis of the camera.
        rotations: random rotations of each sample in the cycle.
        distillation: weight of the distance to the teacher's depths; without it no teacher is needed.
        equivariance: weight of the cycle: the pose predicted for a view of a rotated pose must be the rotated pose.
        mirror: replace each pose by its mirror image, left and right exchanged, with probability 1/2.
        optimiser: ``sgd`` or ``adam``.
        momentum: of ``sgd``.
        weight_decay: of either.
        teacher_recipe: recipe of ``ites_teacher``. If no run of a teacher is given, one is trained by it first, with the student's preset
            and seed.
        flip: at test time, the rule that chooses between a pose and its depth flip (:mod:`posebench.networks.depth_flip`).
        flip_tilt: degrees by which the cameras look down, for the rule ``tilt``.
        votes: frames whose evidence for that choice is summed; 1 for each frame alone.
    """

    test_time: ClassVar[tuple[str, ...]] = ("flip", "flip_tilt", "votes")

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    at_least: ClassVar[Mapping[str, int]] = {"rotations": 1}

    network: str = "own"
    width: int = 128
    blocks: int = 4
    non_local: bool = True
    norm: str = "mixed"
    standardise: bool = False
    distance: float = 5.0
    tilt: float = 0.0
    rotation_axis: str = "camera"
    rotations: int = 4
    distillation: float = 5.0
    equivariance: float = 1.0
    mirror: bool = False
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    teacher_recipe: str = "tuned"
    flip: str = "none"
    flip_tilt: float = 0.0
    votes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance <= 1.0:
            raise ValueError(f"distance = {self.distance}; it must be above 1")
        if self.network == "released" and self.rotation_axis != "camera":
            raise ValueError("network = 'released' needs rotation_axis = 'camera', as the official code has it")
        if not self.distillation and not self.equivariance:
            raise ValueError("distillation and equivariance are both 0: there is nothing to learn")
        if self.tilt and self.rotation_axis == "camera":
            raise ValueError("tilt needs rotation_axis = 'vertical': rotations about the camera's axis do not use it")

    @property
    def teacher_baseline(self) -> tuple[str, str] | None:
        """Id and recipe of the teacher; None without distillation."""
        return ("ites_teacher", self.teacher_recipe) if self.distillation else None
