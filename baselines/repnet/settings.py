"""Settings of a training of this method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common

ALIGNMENTS = ("rigid", "yaw")
CAMERA_NORMS = ("frobenius", "entries")
JOINTS = ("all", "no spine")
CAMERA_BRANCHES = ("trunk", "image")
CRITICS = ("tuned", "paper")
STARTS = ("pytorch", "glorot")


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.repnet.method.RepNet`, in addition to the common ones.

    Attributes:
        width: units of the generator's hidden layers.
        shared_blocks: residual blocks before the generator splits into pose and camera branch.
        blocks: residual blocks of each branch.
        camera_branch: where the camera branch begins: ``trunk``: after the layers that both branches share; ``image``: at the image, with a
            first layer of its own.
        centred: subtract the mean joint from each generated pose; otherwise poses are as the last layer gives them.
        start: weights before training: ``pytorch``: its defaults; ``glorot``: Keras' defaults, as in the authors' code.
        slope: of every leaky rectifier below zero.
        joints: ``all`` of the skeleton; ``no spine``: the paper's 16, and the spine is placed midway between pelvis and thorax.
        critic: ``tuned`` or ``paper``, see :mod:`baselines.repnet.critic`.
        critic_width: units of the critic's KCS path.
        critic_pose_width: units of the critic's joint path and of its last hidden layer.
        kcs: give the critic the kinematic chain space matrix in addition to the joints.
        adversarial: weight of the generator loss; 0 for no critic.
        reprojection: weight of the reprojection loss.
        camera: weight of the camera loss.
        camera_norm: of the camera loss: ``frobenius``; ``entries``: sum of absolute entries.
        gradient_penalty: weight of the critic's gradient penalty.
        critic_steps: critic steps for each generator step.
        alignment: how the 3D poses are aligned to the template: ``rigid``; ``yaw``: rotations about the world's vertical only.
        look_at_root: rotate each frame's camera to look at the root; otherwise the image is used as it is.
        on_rays: place joints on the rays of the input at the predicted depths; otherwise the predicted pose is used as it is.
        standardise: generator output and critic input in standard deviations of the 3D poses; otherwise in metres.
        mirror: replace each pose, 2D and 3D, by its mirror image with probability 1/2.
        beta1: of Adam.
        beta2: of Adam.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "alignment": ALIGNMENTS,
        "camera_branch": CAMERA_BRANCHES,
        "camera_norm": CAMERA_NORMS,
        "critic": CRITICS,
        "joints": JOINTS,
        "start": STARTS,
    }
    at_least: ClassVar[Mapping[str, int]] = {"critic_steps": 1}

    width: int = 1000
    shared_blocks: int = 0
    blocks: int = 2
    slope: float = 0.3
    camera_branch: str = "trunk"
    centred: bool = True
    start: str = "pytorch"
    joints: str = "all"
    critic: str = "tuned"
    critic_width: int = 1000
    critic_pose_width: int = 100
    kcs: bool = True
    adversarial: float = 1.0
    reprojection: float = 1.0
    camera: float = 1.0
    camera_norm: str = "frobenius"
    gradient_penalty: float = 10.0
    critic_steps: int = 1
    alignment: str = "rigid"
    look_at_root: bool = False
    on_rays: bool = False
    standardise: bool = False
    mirror: bool = False
    beta1: float = 0.5
    beta2: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on_rays and not self.look_at_root:
            raise ValueError("on_rays needs look_at_root: the predicted distance of the camera is along the line of sight")
        if self.critic == "paper" and self.standardise:
            raise ValueError('critic = "paper" sees poses in metres; it needs standardise = false')
