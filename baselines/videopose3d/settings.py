"""Settings of a training of this method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.videopose3d.method.VideoPose3D`, in addition to the common ones.

    Attributes:
        width: channels of each convolution.
        blocks: residual blocks; a pose is predicted from 3 ** (blocks + 1) frames.
        dropout: share of hidden units set to zero in training.
        inputs: ``screen``: image coordinates in half image widths from the centre, as in the authors' code; ``root-and-offsets``: image
            coordinates of the root, and of the other joints relative to it, standardised.
        output_frames: neighbouring frames of a clip whose poses one training sample has; 1 is the centre frame of a window.
        mirror: replace each sample by its mirror image with probability 1/2.
        norm_momentum_last: share of a new batch in batch norm's running statistics in the last epoch; in the first it is 0.1.
        views: share of the samples that are turned about gravity and seen by the camera of another frame.
        bone_scale: lengths of the bones of these samples change by up to this factor to either side; left as right.
        velocity: weight of the error of changes from frame to frame.
        amsgrad: the variant of Adam that the authors' code uses.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"inputs": ("screen", "root-and-offsets")}
    at_least: ClassVar[Mapping[str, int]] = {"output_frames": 1, "blocks": 1}
    at_most: ClassVar[Mapping[str, int]] = {**Common.at_most, "blocks": 6, "frames": 4096}

    width: int = 1024
    blocks: int = 2
    dropout: float = 0.25
    inputs: str = "screen"
    output_frames: int = 1
    mirror: bool = True
    norm_momentum_last: float = 0.001
    views: float = 0.0
    bone_scale: float = 0.0
    velocity: float = 0.0
    amsgrad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.views <= 1.0:
            raise ValueError(f"views = {self.views}; it must be from 0 to 1")
        if not 0.0 <= self.bone_scale < 1.0:
            raise ValueError(f"bone_scale = {self.bone_scale}; it must be from 0 to below 1")
        if not 0.0 < self.norm_momentum_last <= 0.1:
            raise ValueError(f"norm_momentum_last = {self.norm_momentum_last}; it must be above 0 and at most 0.1")
        if self.velocity < 0.0 or (self.velocity and self.output_frames < 2):
            raise ValueError("velocity must be at least 0, and needs output_frames of at least 2")
