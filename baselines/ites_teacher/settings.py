"""Settings of the teacher, in addition to the common ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common

CHOICES = {
    "network": ("own", "released"),
    "norm": ("none", "mixed", "real"),
    "rotation_axis": ("free", "vertical"),
    "optimiser": ("sgd", "adam"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.ites_teacher.method.Teacher`.

    Attributes:
        network: ``own``; ``released``: exponential map, start of the weights and depth of the root as in the official code.
        width: features of the trunk.
        blocks: bottleneck residual layers of the trunk.
        bottleneck_factor: width of the trunk divided by the width of the bottlenecks.
        norm: batch norm in the trunk: ``none``; ``mixed``: running statistics are taken of real and random views, as released; ``real``:
            of real views only.
        standardise: image coordinates are divided by their standard deviation in the training split.
        bases: of the pose dictionary, besides its mean pose.
        predict_size: predict a size for each frame, a factor of its canonical pose.
        distance: c, of the root from the camera, in mean root-to-head lengths.
        tilt: degrees by which the cameras look down on average, for ``vertical``; 0 if unknown.
        rotation_axis: ``free``: the network predicts an axis-angle vector, and random rotations are about any axis; ``vertical``: canonical
            poses are upright, the network predicts an azimuth, random rotations are about the vertical, and the random cameras look down
            as steeply as those of training frames. Each camera is then first rotated until it looks at the root.
        rotations: random rotations of each sample in the cycle.
        view_limit: image coordinates of random views are clamped to this; 0 for no limit. A body that reaches behind the camera would
            be seen anywhere, and one such step spoils Adam's running means for a thousand others.
        warm_up_epochs: epochs over which the learning rate rises from zero. Adam's first steps are as long for small losses as for large
            ones, and would move the network far away from a chosen initialisation.
        initialisations: random initialisations. Each is trained for ``initialisation_steps``, and the training continues from the one with
            the least loss in the second half of these steps. Some initialisations predict the same depths from a camera and from the
            opposite one, and are then slow to leave that.
        initialisation_steps: see ``initialisations``.
        flip_check_steps: steps for which the lifter and its depth-flipped copy are trained alike, once; the training continues from the one
            with less loss in the second half of them. A lifter that flips every pose is hard to distinguish from one that flips none while
            bodies are nearly rigid, and easily distinguished once they bend. 0 leaves the check out.
        flip_check_at: share of the epochs after which the check is made.
        reprojection: weight of the reprojection loss in the first epochs.
        reprojection_growth: factor by which that weight grows in the course of the training. In few epochs a body stays nearly rigid
            under a small weight, and is depth-flipped under a weight that is large from the start.
        growth_from: share of the epochs after which the growth begins; it is exponential.
        growth_to: share of the epochs after which the growth ends.
        invariance: weight of the cycle: the canonical pose predicted for a random view must be the rotated canonical pose.
        equivariance: weight of the same cycle in the camera's axes: the random rotation must be predicted too. 0 in the released teacher,
            which may therefore predict the rotation of a planar body with the wrong sign.
        root_centred: share of the epochs in which the cycle rotates canonical poses about their root, and later about their origin.
        centred_target: in these epochs the target of the invariance cycle is the root-centred canonical pose too, as released, which draws
            the canonical root to the origin; otherwise the target is the canonical pose as it is.
        mirror: replace each pose by its mirror image, left and right exchanged, with probability 1/2.
        optimiser: ``sgd`` or ``adam``.
        momentum: of ``sgd``.
        weight_decay: of either.
        flip: at test time, the rule that chooses between a pose and its depth flip (:mod:`posebench.networks.depth_flip`).
        flip_tilt: degrees by which the cameras look down, for the rule ``tilt``.
        votes: frames whose evidence for that choice is summed; 1 for each frame alone.
    """

    test_time: ClassVar[tuple[str, ...]] = ("flip", "flip_tilt", "votes")

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    at_least: ClassVar[Mapping[str, int]] = {
        "bases": 1,
        "rotations": 1,
        "bottleneck_factor": 1,
        "initialisations": 1,
        "initialisation_steps": 1,
        "flip_check_steps": 0,
    }

    network: str = "own"
    width: int = 1024
    blocks: int = 6
    bottleneck_factor: int = 4
    norm: str = "mixed"
    standardise: bool = False
    bases: int = 12
    predict_size: bool = False
    distance: float = 5.0
    tilt: float = 0.0
    rotation_axis: str = "free"
    rotations: int = 4
    view_limit: float = 0.0
    warm_up_epochs: float = 0.0
    initialisations: int = 1
    initialisation_steps: int = 128
    flip_check_steps: int = 0
    flip_check_at: float = 0.55
    reprojection: float = 5.0
    reprojection_growth: float = 1.0
    growth_from: float = 0.2
    growth_to: float = 0.6
    invariance: float = 1.0
    equivariance: float = 0.0
    root_centred: float = 0.3
    centred_target: bool = False
    mirror: bool = False
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    flip: str = "none"
    flip_tilt: float = 0.0
    votes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance <= 1.0:
            raise ValueError(f"distance = {self.distance}; it must be above 1")
        if self.tilt and self.rotation_axis == "free":
            raise ValueError("tilt needs rotation_axis = 'vertical': free rotations do not use it")
        if self.network == "released" and self.rotation_axis != "free":
            raise ValueError("network = 'released' needs rotation_axis = 'free': it predicts an axis-angle vector")
        for name in ("warm_up_epochs", "view_limit"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} = {getattr(self, name)}; it must be at least 0")
        if not 0.0 <= self.flip_check_at < 1.0:
            raise ValueError(f"flip_check_at = {self.flip_check_at}; it must be from 0 to below 1")
        if self.reprojection_growth <= 0.0:
            raise ValueError(f"reprojection_growth = {self.reprojection_growth}; it must be above 0")
        if not 0.0 <= self.growth_from < self.growth_to:
            raise ValueError(f"growth_from = {self.growth_from}, growth_to = {self.growth_to}; it must be 0 <= growth_from < growth_to")

    def rate(self, epoch: float) -> float:
        """The common schedule, multiplied by the warm-up.

        Example:
            >>> warmed = Settings(epochs=10, batch=64, learning_rate=1e-3, warm_up_epochs=0.5)
            >>> warmed.rate(0.0), warmed.rate(0.25), warmed.rate(3.0)
            (0.0, 0.5, 1.0)
        """
        return super().rate(epoch) * (min(1.0, epoch / self.warm_up_epochs) if self.warm_up_epochs else 1.0)

    def reprojection_at(self, epoch: int) -> float:
        """Weight of the reprojection loss in an epoch, counted from 0.

        Example:
            >>> common = {"epochs": 10, "batch": 64, "learning_rate": 1e-3}
            >>> grown = Settings(reprojection=2.0, reprojection_growth=4.0, growth_from=0.2, growth_to=0.6, **common)
            >>> grown.reprojection_at(0), grown.reprojection_at(8)
            (2.0, 8.0)
        """
        progress = (epoch / self.epochs - self.growth_from) / (self.growth_to - self.growth_from)
        return float(self.reprojection * self.reprojection_growth ** min(1.0, max(0.0, progress)))
