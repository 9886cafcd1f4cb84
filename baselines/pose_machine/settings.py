"""What a training of the pose machine states, and when its stages begin and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import cos, pi
from typing import ClassVar

from posebench.networks.settings import Settings as Common

CORRECTIONS = ("none", "copy", "both", "camera")
CHOICES = {
    "inputs": ("root-and-offsets", "crop"),
    "targets": ("standardised", "min-max"),
    "loss": ("distance", "squared"),
    "running": ("windows", "overlap", "whole"),
    "correction": CORRECTIONS,
}


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Beside the common settings.

    Attributes:
        window: frames of a training window.
        stride: frames between the starts of training windows.
        width: of the embedding's outcome and of both recurrent layers.
        embedding_width: of the hidden layers of the embedding.
        embedding_blocks: residual blocks of the embedding.
        skip: the last layer sees the embedding beside what the recurrent layers made of it, as their sum.
        norm: batch norm in the embedding.
        dropout: share of hidden numbers of the embedding set to zero in training.
        copy_width: of the hidden layer of the copy.
        copy_residual: the copy adds its outcome to the pose that it copies.
        projector_width: of the projector.
        inputs: ``root-and-offsets``: the root where it stands in the image, the others relative to it; ``crop``: all relative to the
            root, in sides of the square box about the person.
        targets: poses without unit: ``standardised``, or ``min-max``: each coordinate in [0, 1] between the training split's limits.
        loss: of poses: ``distance``: mean Euclidean distance of joints, in 100 mm; ``squared``: mean square of the targets.
        bones: weight of the bone vectors' error.
        velocity: weight of the error of the change from frame to frame.
        projection: weight of the projection's squared error.
        mirror: show each window, or its mirror image with left and right exchanged, with equal chance.
        hidden: share of joints, never the root, that training hides from the network.
        joint_dropout: in the mixed stage, share of the pose's joints set to zero before the copy, and of 2D joints left out of the
            projection's error.
        withheld: share of the training takes whose 3D is never looked at: their 2D is trained on in the mixed stage only.
        stages: shares of the epochs of the three stages: transformer, projector, mixed.
        mixed_rate: learning rate of the mixed stage, in those of the stages before.
        head_rate: learning rate of the last layer of the transformer, in those of its other layers.
        clip: largest norm of a player's gradient; 0 sets no limit.
        running: how a clip is run through at test time: ``windows`` one after the other; ``overlap``: windows ``hop`` frames apart,
            averaged; ``whole``: the state is reset at the clip's ends only.
        hop: see ``running``.
        correction: at test time: ``none``; ``copy``: the copy's weights are corrected; ``both``: the projector's too; ``camera``: the
            copy's, under the true camera in place of the projector.
        steps: of the correction; with 0 the copy is taken as it is.
        correction_rate: learning rate of the correction's gradient steps.
        correction_clip: largest norm of a frame's gradient over all weights that are corrected; 0 sets no limit.
        correction_bones: weight of the differences of joints along bones in the correction's error.
        stop: the correction of a frame ends when a step moves the stable joints by less than this, in mm; 0 never.
        reject: a correction that moved the stable joints by more than this, in mm, is thrown away; 0 never.
    """

    test_time: ClassVar[tuple[str, ...]] = (
        "running",
        "hop",
        "correction",
        "steps",
        "correction_rate",
        "correction_clip",
        "correction_bones",
        "stop",
        "reject",
    )

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    at_least: ClassVar[Mapping[str, int]] = {"window": 2, "stride": 1, "hop": 1, "steps": 0}

    window: int = 27
    stride: int = 9
    width: int = 256
    embedding_width: int = 256
    embedding_blocks: int = 1
    skip: bool = False
    norm: bool = False
    dropout: float = 0.0
    copy_width: int = 256
    copy_residual: bool = False
    projector_width: int = 256
    inputs: str = "root-and-offsets"
    targets: str = "standardised"
    loss: str = "distance"
    bones: float = 1.0
    velocity: float = 0.0
    projection: float = 1.0
    mirror: bool = False
    hidden: float = 0.0
    joint_dropout: float = 0.0
    withheld: float = 0.0
    stages: tuple[float, float, float] = (0.7, 0.15, 0.15)
    mixed_rate: float = 0.1
    head_rate: float = 1.0
    clip: float = 0.0
    running: str = "windows"
    hop: int = 9
    correction: str = "none"
    steps: int = 2
    correction_rate: float = 0.01
    correction_clip: float = 0.0
    correction_bones: float = 0.0
    stop: float = 5.0
    reject: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hop > self.window:
            raise ValueError(f"hop = {self.hop}; it must be at most the window, {self.window}, or frames were left out")
        for name in ("hidden", "joint_dropout", "withheld"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} = {getattr(self, name)}; it must be from 0 to below 1")
        if min(self.stages) <= 0 or abs(sum(self.stages) - 1.0) > 1e-6:
            raise ValueError(f"stages = {list(self.stages)}; it must be three shares above 0 that sum to 1")
        if self.epochs < len(self.stages):
            raise ValueError(f"epochs = {self.epochs}; each of the {len(self.stages)} stages takes one at least")

    @property
    def ends(self) -> tuple[int, int, int]:
        """The epochs with which the stages end; each stage has one at least."""
        first, second, _ = (round(share * self.epochs) for share in accumulate(self.stages))
        first = min(max(first, 1), self.epochs - 2)
        return first, min(max(second, first + 1), self.epochs - 1), self.epochs

    def stage(self, epoch: float) -> int:
        """0, 1 or 2: the stage that a moment belongs to."""
        first, second, _ = self.ends
        return int(epoch >= first) + int(epoch >= second)

    def rate(self, epoch: float) -> float:
        """As the common one, but a ``cosine`` falls to zero at the end of each stage and begins anew.

        Example:
            >>> chosen = Settings(epochs=10, batch=8, learning_rate=1e-3, decay="cosine", stages=(0.6, 0.2, 0.2))
            >>> [round(chosen.rate(epoch), 3) for epoch in (0, 3, 5.999, 6, 7, 8)]
            [1.0, 0.5, 0.0, 1.0, 0.5, 1.0]
        """
        if self.decay != "cosine":
            return super().rate(epoch)
        limits = (0, *self.ends)
        stage = self.stage(min(epoch, self.epochs - 1e-9))
        share = (min(epoch, self.epochs) - limits[stage]) / (limits[stage + 1] - limits[stage])
        return 0.5 * (1.0 + cos(pi * max(0.0, share - self.decay_from) / (1.0 - self.decay_from)))
