"""What a training of the teacher states beside the common settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common

CHOICES = {
    "norm": ("none", "mixed", "real"),
    "rotation": ("free", "vertical"),
    "optimiser": ("sgd", "adam"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.ites_teacher.model.Teacher`.

    Attributes:
        width: of the trunk.
        blocks: the trunk's bottleneck residual layers.
        narrowing: the trunk's width over that of the bottlenecks.
        norm: batch norm in the trunk: ``none``; ``mixed``: its statistics mix real and randomly rotated poses, as released; ``real``:
            at test time it uses those of real poses only.
        standardise: the trunk sees image coordinates in standard deviations of the training split.
        bases: of the pose dictionary, beside its mean.
        sizes: a size is told for each frame, by which its canonical pose is multiplied.
        distance: c, from the camera to the root, in mean lengths from root to head.
        tilt: degrees by which the cameras look down on average, for ``vertical``; 0 says that nothing is known of them.
        rotation: ``free``: an axis-angle vector is told, and random rotations are about any axis; ``vertical``: canonical poses stand
            upright, an azimuth is told, random rotations are about the vertical, and views look down as steeply as those of
            training frames. It turns each camera until it looks at the root.
        views: random rotations of each sample in the cycle.
        largest: image coordinates that random views are cut off at; 0 leaves them. A body that reaches behind the camera would be seen
            anywhere, and one such step spoils Adam's means for a thousand others.
        warm_up: epochs over which the learning rate grows from zero. Adam's first steps are as long for large losses as for small ones, and
            would throw a chosen beginning far off.
        starts: random beginnings, each trained for ``start_steps``; the training goes on from the one whose losses are least at the end of
            that. A beginning may tell even depths, the same from a camera and from the opposite one, and is then slow.
        start_steps: see ``starts``.
        twin_steps: steps for which the lifter and its twin, which tells every depth with the other sign, are trained alike, once; the
            training goes on from the one whose losses are less at the end of that. A lifter that flips every pose is hard to tell from
            one that flips none while bodies are nearly rigid, and easy once they bend. 0 leaves it out.
        twin_at: share of the epochs after which that is done.
        reprojection: weight of the reprojection error, at first.
        growth: factor by which that weight has grown at the end: in few epochs a body stays nearly rigid under a small one, and it flips
            under one that is large from the start.
        grow_from: share of the epochs after which it begins to grow, by equal factors.
        grow_to: share of the epochs after which it has grown.
        invariance: weight of the cycle: a randomly rotated canonical pose must be told as itself.
        equivariance: weight of the same cycle in the camera's axes: the random rotation must be told too. 0 in the teacher as released,
            which is free to tell a planar body's rotation with the wrong sign.
        rooted: share of the epochs in which the cycle rotates canonical poses about their root; afterwards about their origin.
        mirror: show each pose, or its mirror image with left and right exchanged, with equal chance.
        optimiser: ``sgd`` or ``adam``.
        momentum: of ``sgd``.
        weight_decay: of either.
        flip: at test time, the rule that chooses between a pose and its depth flip (:mod:`posebench.networks.depth_flip`).
        flip_tilt: degrees by which the cameras look down, for the rule ``tilt``.
        votes: frames that vote by the rule; 1 for each frame alone.
    """

    test_time: ClassVar[tuple[str, ...]] = ("flip", "flip_tilt", "votes")

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    at_least: ClassVar[Mapping[str, int]] = {"bases": 1, "views": 1, "narrowing": 1, "starts": 1, "start_steps": 1, "twin_steps": 0}

    width: int = 1024
    blocks: int = 6
    narrowing: int = 4
    norm: str = "mixed"
    standardise: bool = False
    bases: int = 12
    sizes: bool = False
    distance: float = 5.0
    tilt: float = 0.0
    rotation: str = "free"
    views: int = 4
    largest: float = 0.0
    warm_up: float = 0.0
    starts: int = 1
    start_steps: int = 128
    twin_steps: int = 0
    twin_at: float = 0.55
    reprojection: float = 5.0
    growth: float = 1.0
    grow_from: float = 0.2
    grow_to: float = 0.6
    invariance: float = 1.0
    equivariance: float = 0.0
    rooted: float = 0.3
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
        if self.tilt and self.rotation == "free":
            raise ValueError("tilt needs rotation = 'vertical': free rotations have no use for it")
        if self.warm_up < 0.0 or self.largest < 0.0 or not 0.0 <= self.twin_at < 1.0:
            raise ValueError(
                f"warm_up = {self.warm_up}, largest = {self.largest}, twin_at = {self.twin_at}; the first two must be at least 0 and "
                "0 <= twin_at < 1"
            )
        if self.growth <= 0.0 or not 0.0 <= self.grow_from < self.grow_to:
            raise ValueError(
                f"growth = {self.growth}, grow_from = {self.grow_from}, grow_to = {self.grow_to}; the first must be above 0 and "
                "0 <= grow_from < grow_to"
            )

    def rate(self, epoch: float) -> float:
        """As in other methods, after a warm-up.

        Example:
            >>> warmed = Settings(epochs=10, batch=64, learning_rate=1e-3, warm_up=0.5)
            >>> warmed.rate(0.0), warmed.rate(0.25), warmed.rate(3.0)
            (0.0, 0.5, 1.0)
        """
        return super().rate(epoch) * (min(1.0, epoch / self.warm_up) if self.warm_up else 1.0)

    def reprojection_at(self, epoch: int) -> float:
        """Weight of the reprojection error in an epoch, counted from 0.

        Example:
            >>> grown = Settings(epochs=10, batch=64, learning_rate=1e-3, reprojection=2.0, growth=4.0, grow_from=0.2, grow_to=0.6)
            >>> grown.reprojection_at(0), grown.reprojection_at(8)
            (2.0, 8.0)
        """
        grown = (epoch / self.epochs - self.grow_from) / (self.grow_to - self.grow_from)
        return float(self.reprojection * self.growth ** min(1.0, max(0.0, grown)))
