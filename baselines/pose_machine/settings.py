"""Settings of the pose machine, in addition to the common ones, and the epochs of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import cos, pi
from typing import ClassVar

from posebench.networks.settings import Settings as Common

CORRECTIONS = ("none", "copy", "projector", "both", "camera")
CHOICES = {
    "variant": ("tuned", "paper", "released"),
    "correction_state": ("fresh", "carried"),
    "inputs": ("root-and-offsets", "crop"),
    "targets": ("standardised", "min-max"),
    "loss": ("distance", "squared"),
    "inference": ("windows", "overlap", "whole"),
    "correction": CORRECTIONS,
}
#: What the published variants fix: other values would have no effect there.
PUBLISHED = {"inputs": "crop", "targets": "min-max", "loss": "squared", "skip": False, "copy_residual": False, "velocity": 0.0}
#: What only the published variants have.
TUNED = {"images": 0, "dropout_from": 0.0, "layer_rates": False}


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.pose_machine.method.PoseMachine`.

    Attributes:
        variant: networks, losses and correction: ``tuned``; ``paper``: as the text has them; ``released``: as the authors' code has them.
            The published variants take poses in min-max units, views in sides of the box, and half sums of squares.
        window: frames of a training window.
        stride: frames between the starts of training windows.
        frame_step: frames from one frame of a window to the next, in training and at test time. With 5 a window of 5 spans 21 frames,
            and a clip is lifted as five clips of every fifth frame.
        width: features of the embedding and of both recurrent layers.
        embedding_width: of the embedding's inner layers.
        embedding_blocks: residual blocks of the embedding.
        recurrent: use the LSTMs; without them each frame stands alone.
        skip: add the embedding to the output of the recurrent layers.
        norm: batch norm in the embedding.
        dropout: share of the embedding's inner features set to zero in training.
        copy_width: of the copy network's inner layer.
        copy_residual: the copy network adds its output to the pose.
        projector_width: of the projector.
        images: single frames without 3D that a step of the published variants has beside each window, from the second stage on.
        inputs: ``root-and-offsets``: the root's position in the image and the other joints relative to it; ``crop``: all relative to the
            root, in sides of the square box around the person.
        targets: poses without unit: ``standardised``, or ``min-max``: each coordinate in [0, 1] between the training split's limits.
        loss: of poses: ``distance``: mean Euclidean distance of joints, in 100 mm; ``squared``: mean square of the targets.
        bones: weight of the bone vectors' error.
        velocity: weight of the error of the change from frame to frame.
        projection: weight of the squared error of the projection.
        mirror: replace each window by its mirror image, left and right exchanged, with probability 1/2.
        hidden_joints: share of the joints, never the root, that are hidden from the network in training.
        joint_dropout: in the mixed stage, share of the pose's joints set to zero before the copy, and of the 2D joints left out of the
            projection's error. ``paper`` divides what is left by the share that is left; ``released`` has it in the pose only, twice
            as often for the spine and the head's top, and adds an error of the projection's bones.
        dropout_from: share of the mixed stage before joint dropout begins; published variants only.
        unlabelled_takes: share of the training takes whose 3D is never read; their 2D takes part in the mixed stage only.
        stages: shares of the epochs of the three stages: lifting, projection, mixed.
        mixed_rate: learning rate of the mixed stage divided by that of the earlier stages.
        layer_rates: single layers learn faster in the first two stages, as in the authors' code; published variants only.
        head_rate: learning rate of the lifting network's last layer divided by that of its other layers.
        gradient_clip: largest norm of the gradient of a stage; 0 for no limit.
        inference: how a clip is run at test time: ``windows`` one after the other; ``overlap``: windows ``inference_stride`` frames
            apart, averaged; ``whole``: the clip as one window.
        inference_stride: see ``inference``.
        correction: at test time: ``none``; ``copy``: the copy network's weights are corrected; ``projector``: the projector's, which leaves
            the copy as trained; ``both``: both networks'; ``camera``: the copy network's, with the true camera instead of the projector.
        correction_steps: gradient steps of the correction; with 0 the copy is taken without correction.
        correction_rate: learning rate of these steps.
        correction_state: of Adam, in the variant ``released``: ``fresh`` for every frame, or ``carried`` from frame to frame of a clip.
        correction_clip: largest norm of a frame's gradient over all corrected weights; 0 for no limit.
        correction_bones: weight of the bone vectors in the correction's error.
        correction_stop: the correction of a frame ends when a step moves the stable joints by less than this, in mm; 0 for never.
        correction_reject: a correction that moved the stable joints by more than this, in mm, is rejected; 0 for never.
    """

    test_time: ClassVar[tuple[str, ...]] = (
        "inference",
        "inference_stride",
        "correction",
        "correction_steps",
        "correction_rate",
        "correction_state",
        "correction_clip",
        "correction_bones",
        "correction_stop",
        "correction_reject",
    )

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    at_least: ClassVar[Mapping[str, int]] = {
        "batch": 1,
        "window": 1,
        "stride": 1,
        "frame_step": 1,
        "images": 0,
        "inference_stride": 1,
        "correction_steps": 0,
    }

    variant: str = "tuned"
    window: int = 27
    stride: int = 9
    frame_step: int = 1
    width: int = 256
    embedding_width: int = 256
    embedding_blocks: int = 1
    recurrent: bool = True
    skip: bool = False
    norm: bool = False
    dropout: float = 0.0
    copy_width: int = 256
    copy_residual: bool = False
    projector_width: int = 256
    images: int = 0
    inputs: str = "root-and-offsets"
    targets: str = "standardised"
    loss: str = "distance"
    bones: float = 1.0
    velocity: float = 0.0
    projection: float = 1.0
    mirror: bool = False
    hidden_joints: float = 0.0
    joint_dropout: float = 0.0
    dropout_from: float = 0.0
    unlabelled_takes: float = 0.0
    stages: tuple[float, float, float] = (0.7, 0.15, 0.15)
    mixed_rate: float = 0.1
    layer_rates: bool = False
    head_rate: float = 1.0
    gradient_clip: float = 0.0
    inference: str = "windows"
    inference_stride: int = 9
    correction: str = "none"
    correction_steps: int = 2
    correction_rate: float = 0.01
    correction_state: str = "fresh"
    correction_clip: float = 0.0
    correction_bones: float = 0.0
    correction_stop: float = 5.0
    correction_reject: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inference_stride > self.window:
            raise ValueError(
                f"inference_stride = {self.inference_stride}; it must be at most the window, {self.window}, else frames are left out"
            )
        for name in ("hidden_joints", "joint_dropout", "dropout_from", "unlabelled_takes"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} = {getattr(self, name)}; it must be from 0 to below 1")
        for name, value in (TUNED if self.variant == "tuned" else PUBLISHED).items():
            if getattr(self, name) != value:
                raise ValueError(f"{name} = {getattr(self, name)!r}; with variant = {self.variant!r} it must be {value!r}")
        if self.correction_state != "fresh" and self.variant != "released":
            raise ValueError(f"correction_state = {self.correction_state!r}; only variant = 'released' has Adam's state")
        if min(self.stages) <= 0 or abs(sum(self.stages) - 1.0) > 1e-6:
            raise ValueError(f"stages = {list(self.stages)}; it must be three shares above 0 that sum to 1")
        if self.epochs < len(self.stages):
            raise ValueError(f"epochs = {self.epochs}; each of the {len(self.stages)} stages needs at least one")

    @property
    def ends(self) -> tuple[int, int, int]:
        """The epochs at which the stages end; each stage has at least one epoch."""
        first, second, _ = (round(share * self.epochs) for share in accumulate(self.stages))
        first = min(max(first, 1), self.epochs - 2)
        return first, min(max(second, first + 1), self.epochs - 1), self.epochs

    def stage(self, epoch: float) -> int:
        """The stage, 0, 1 or 2, after ``epoch`` epochs."""
        first, second, _ = self.ends
        return int(epoch >= first) + int(epoch >= second)

    def rate(self, epoch: float) -> float:
        """The common schedule, but a ``cosine`` falls to zero in each stage and restarts with the next.

        Example:
            >>> chosen = Settings(epochs=10, batch=8, learning_rate=1e-3, decay="cosine", stages=(0.6, 0.2, 0.2))
            >>> [round(chosen.rate(epoch), 3) for epoch in (0, 3, 5.999, 6, 7, 8)]
            [1.0, 0.5, 0.0, 1.0, 0.5, 1.0]
        """
        if self.decay != "cosine":
            return super().rate(epoch)
        limits = (0, *self.ends)
        stage = self.stage(min(epoch, self.epochs - 1e-9))
        share = (min(epoch, self.epochs) - limits[stage]) / (limits[stage + 1] - limits[stage])  # of the stage that is done
        return 0.5 * (1.0 + cos(pi * max(0.0, share - self.decay_from) / (1.0 - self.decay_from)))
