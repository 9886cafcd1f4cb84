"""What a training of the student states beside the common settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common

CHOICES = {"norm": ("none", "mixed", "real"), "views": ("vertical", "camera"), "optimiser": ("sgd", "adam")}


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.ites.model.Student`.

    Attributes:
        width: features a joint.
        blocks: residual blocks of two layers.
        non_local: layers hear of far joints too.
        norm: batch norm: ``none``; ``mixed``: its statistics mix real and rotated poses, as released; ``real``: at test time it uses those
            of real poses only.
        standardise: the network sees image coordinates in standard deviations of the training split.
        distance: c, from the camera to the root, in mean lengths from root to head; the teacher's.
        tilt: degrees by which the cameras look down on average, for ``vertical`` views; 0 says that nothing is known of them.
        views: ``vertical``: each camera is turned until it looks at the root, rotations are about the vertical, and views look down as
            steeply as those of training frames; ``camera``: rotations are about the camera's own upright axis.
        rotations: of each sample in the cycle.
        distillation: weight of the distance to the teacher's depths; without it no teacher is needed.
        equivariance: weight of the cycle: a rotated pose must be told as it is.
        mirror: show each pose, or its mirror image with left and right exchanged, with equal chance.
        optimiser: ``sgd`` or ``adam``.
        momentum: of ``sgd``.
        weight_decay: of either.
        teacher_recipe: of ``ites_teacher``; where no run is named, a teacher is trained by it first, at the student's preset and seed.
        flip: at test time, the rule that chooses between a pose and its depth flip (:mod:`posebench.networks.depth_flip`).
        flip_tilt: degrees by which the cameras look down, for the rule ``tilt``.
        votes: frames that vote by the rule; 1 for each frame alone.
    """

    test_time: ClassVar[tuple[str, ...]] = ("flip", "flip_tilt", "votes")

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    at_least: ClassVar[Mapping[str, int]] = {"rotations": 1}

    width: int = 128
    blocks: int = 4
    non_local: bool = True
    norm: str = "mixed"
    standardise: bool = False
    distance: float = 5.0
    tilt: float = 0.0
    views: str = "camera"
    rotations: int = 4
    distillation: float = 5.0
    equivariance: float = 1.0
    mirror: bool = False
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    teacher_recipe: str = "default"
    flip: str = "none"
    flip_tilt: float = 0.0
    votes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance <= 1.0:
            raise ValueError(f"distance = {self.distance}; it must be above 1")
        if not self.distillation and not self.equivariance:
            raise ValueError("distillation and equivariance are both 0: there is nothing to learn")
        if self.tilt and self.views == "camera":
            raise ValueError("tilt needs views = 'vertical': rotations about the camera's axis have no use for it")

    @property
    def teacher_baseline(self) -> tuple[str, str] | None:
        """The teacher and its recipe; None without distillation."""
        return ("ites_teacher", self.teacher_recipe) if self.distillation else None
