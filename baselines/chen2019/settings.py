"""What a training of this method states beside the common settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.chen2019.model.Chen2019`.

    Attributes:
        width: of the lifter's hidden layers.
        blocks: the lifter's residual blocks.
        dropout: in the lifter.
        norm: batch norm in the lifter.
        critic_width: of each critic's hidden layers.
        critic_blocks: each critic's residual blocks.
        distance: c, from the camera to the root, in mean lengths from root to head.
        tilt: degrees by which the cameras look down on average; 0 says that nothing is known of them.
        views: ``level``: a view looks at the root along a line as steep as that of some training frame, after a turn about the vertical;
            ``camera``: turns about the axes of the camera that took the frame, elevation drawn uniformly up to ``elevation``.
        elevation: degrees up and down, of ``camera`` views.
        self_3d: weight of the 3D self-consistency.
        self_2d: weight of the 2D self-consistency.
        adversarial: weight of the critic of single poses.
        temporal: weight of the critic of two poses some time apart.
        gap: seconds between the two poses of a pair.
        gan: ``bce``: logarithmic losses; ``least squares``.
        r1: weight of the gradient penalty on real poses; 0 for none.
        r1_every: steps between two such penalties, which then weigh as much more.
        bones: critics see bone vectors beside joints.
        mirror: show each pair, or its mirror image with left and right exchanged, with equal chance.
        largest: image coordinates of random views are held within this of the root, as nothing real is further off.
        beta1: of Adam.
        beta2: of Adam.
        adapter: weight of the critic in training the domain adapter; 0 for no adapter. It needs ``extra_data``.
        adapter_size: weight of the size of the adapter's corrections.
        adapted_share: share of adapted poses in the lifter's batch.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"views": ("level", "camera"), "gan": ("bce", "least squares")}

    width: int = 512
    blocks: int = 2
    dropout: float = 0.0
    norm: bool = False
    critic_width: int = 512
    critic_blocks: int = 2
    distance: float = 10.0
    tilt: float = 0.0
    views: str = "level"
    elevation: float = 20.0
    self_3d: float = 0.001
    self_2d: float = 10.0
    adversarial: float = 1.0
    temporal: float = 1.0
    gap: float = 1.0 / 6.0
    gan: str = "bce"
    r1: float = 0.0
    r1_every: int = 4
    bones: bool = False
    mirror: bool = False
    largest: float = 0.35
    beta1: float = 0.5
    beta2: float = 0.9
    adapter: float = 0.0
    adapter_size: float = 1.0
    adapted_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.adapter) != bool(self.extra_data):
            raise ValueError("adapter and extra_data go together: the adapter brings the extra data's 2D poses into the training domain")
        if self.distance <= 1.0 or self.r1_every < 1:
            raise ValueError("distance must be above 1 and r1_every at least 1")
