"""What a training of this method states beside the common settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common

ALIGNMENTS = ("rigid", "yaw")
CAMERA_NORMS = ("frobenius", "entries")
JOINTS = ("all", "no spine")


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.repnet.model.RepNet`.

    Attributes:
        width: of the generator's hidden layers.
        shared_blocks: residual blocks before pose and camera branch part.
        blocks: residual blocks of each branch.
        slope: of every leaky rectifier below zero.
        joints: ``all`` of the skeleton; ``no spine``: the paper's 16, and the spine is put midway between pelvis and thorax.
        critic_width: of the critic's layers that see bones.
        critic_pose_width: of its layers that see joints, and of its last one.
        kcs: the critic sees the kinematic chain space.
        adversarial: weight of the critic.
        reprojection: weight of the reprojection error.
        camera: weight of the camera loss.
        camera_norm: of the camera loss: ``frobenius``; ``entries``: sum of absolute entries.
        penalty: weight of the critic's gradient penalty.
        critic_steps: steps of the critic for one of the generator.
        alignment: how the 3D poses are brought to their template: ``rigid``; ``yaw``: turned about the world's vertical only.
        look: the camera of each frame is first turned to look at the root; else the image is only moved.
        rays: joints are put on the rays of the input, at the predicted depths; else where the predicted pose has them.
        standardise: output and critic's input in standard deviations of the 3D poses; else in metres.
        mirror: show each pose, 2D and 3D, or its mirror image with left and right exchanged, with equal chance.
        beta1: of Adam.
        beta2: of Adam.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"alignment": ALIGNMENTS, "camera_norm": CAMERA_NORMS, "joints": JOINTS}
    at_least: ClassVar[Mapping[str, int]] = {"critic_steps": 1}

    width: int = 1000
    shared_blocks: int = 0
    blocks: int = 2
    slope: float = 0.3
    joints: str = "all"
    critic_width: int = 1000
    critic_pose_width: int = 100
    kcs: bool = True
    adversarial: float = 1.0
    reprojection: float = 1.0
    camera: float = 1.0
    camera_norm: str = "frobenius"
    penalty: float = 10.0
    critic_steps: int = 1
    alignment: str = "rigid"
    look: bool = False
    rays: bool = False
    standardise: bool = False
    mirror: bool = False
    beta1: float = 0.5
    beta2: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rays and not self.look:
            raise ValueError("rays needs look: the camera's distance is told along the line of sight")
