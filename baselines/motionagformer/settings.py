"""Settings of a training of this method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.motionagformer.method.MotionAGFormer`, in addition to the common ones.

    Attributes:
        width: channels of a joint.
        blocks: pairs of streams, one after the other.
        heads: of the attention; they share the channels.
        neighbours: frames that are neighbours of a frame in the graph convolution over frames.
        mlp_factor: units of an MLP's hidden layer, in channels of a joint.
        head_width: units of the last hidden layer.
        layer_scale: what the learnt factors of all residual parts begin with.
        edges: neighbours of a joint: ``skeleton``: along all bones; ``released``: as in the authors' code, which lacks three of them.
        window: frames that are lifted together.
        stride: frames from one training window to the next.
        mirror: replace each window by its mirror image with probability 1/2.
        scaled: weight of the error after the best scale.
        velocity: weight of the error of changes from frame to frame.
        weight_decay: of AdamW.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"edges": ("skeleton", "released")}
    at_least: ClassVar[Mapping[str, int]] = {"blocks": 1, "heads": 1, "neighbours": 1, "mlp_factor": 1, "window": 2, "stride": 1}
    at_most: ClassVar[Mapping[str, int]] = {**Common.at_most, "heads": 256, "neighbours": 2**12}

    width: int = 64
    blocks: int = 12
    heads: int = 8
    neighbours: int = 2
    mlp_factor: int = 4
    head_width: int = 512
    layer_scale: float = 1e-5
    edges: str = "skeleton"
    window: int = 27
    stride: int = 9
    mirror: bool = True
    scaled: float = 0.5
    velocity: float = 20.0
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width = {self.width}; it must be a multiple of heads = {self.heads}")
        if self.neighbours > self.window:
            raise ValueError(f"neighbours = {self.neighbours} of a window of {self.window} frames")
        below = [name for name in ("scaled", "velocity", "weight_decay") if getattr(self, name) < 0.0]
        if below:
            raise ValueError(f"{', '.join(below)} must be at least 0")
