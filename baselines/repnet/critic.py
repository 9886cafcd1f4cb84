"""The critics of canonical poses: that of the authors' code, and that of the tuned form.

Module names are names of tensors in checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.standardise import Standardise

from .geometry import kcs_matrix
from .network import Residual, stack
from .settings import Settings


class Critic(nn.Module):
    """The tuned form: scores of canonical poses, high for real ones, from their joints and from their KCS matrix.

    Standardised inputs, the skeleton's bones, a rectifier after every layer of both paths, a last layer without bias.
    """

    starts: Tensor
    ends: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        width, small, slope = settings.critic_width, settings.critic_pose_width, settings.slope
        parents, children = zip(*joints.bones, strict=True)
        self.register_buffer("starts", torch.tensor(parents), persistent=False)
        self.register_buffer("ends", torch.tensor(children), persistent=False)
        self.pose = Standardise(len(joints), 3)
        self.of_joints = nn.Sequential(*stack(3 * len(joints), small, 1, slope), nn.Linear(small, small), nn.LeakyReLU(slope))
        bones = len(parents)
        self.chain = Standardise(bones, bones) if settings.kcs else None
        self.of_bones = nn.Sequential(*stack(bones * bones, width, 1, slope)) if settings.kcs else None
        self.score = nn.Sequential(
            nn.Linear(small + (width if settings.kcs else 0), small), nn.LeakyReLU(slope), nn.Linear(small, 1, bias=False)
        )

    def fit(self, poses: Tensor) -> None:
        """Set the statistics that standardise the critic's inputs to those of the 3D pool (P, J, 3), metres."""
        self.pose.fit(poses)
        if self.chain is not None:
            self.chain.fit(kcs_matrix(poses, self.starts, self.ends))

    def forward(self, poses: Tensor) -> Tensor:
        """Canonical poses (B, J, 3), metres, to scores (B, 1)."""
        features = [self.of_joints(self.pose(poses).flatten(1))]
        if self.chain is not None and self.of_bones is not None:
            features.append(self.of_bones(self.chain(kcs_matrix(poses, self.starts, self.ends)).flatten(1)))
        out: Tensor = self.score(torch.cat(features, dim=1))
        return out


class PaperCritic(nn.Module):
    """The critic of the authors' code: scores of canonical poses from their joints and from their KCS matrix, both in metres.

    In each path the last linear layer has no rectifier: neither the joint path's fourth layer nor the residual sum of the KCS path. The
    code's bones are the skeleton's but for the hips: r_hip to l_hip and r_hip to pelvis. Its labels make real poses score low; here they
    score high, which is the same up to the sign of the last layer.
    """

    starts: Tensor
    ends: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        width, small, slope = settings.critic_width, settings.critic_pose_width, settings.slope
        starts, ends = zip(*paper_bones(joints), strict=True)
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        self.register_buffer("ends", torch.tensor(ends), persistent=False)
        self.of_joints = nn.Sequential(*stack(3 * len(joints), small, 1, slope), nn.Linear(small, small))
        inputs = len(starts) ** 2
        self.of_bones = nn.Sequential(*stack(inputs, width, 0, slope), Residual(width, slope)) if settings.kcs else None
        self.score = nn.Sequential(nn.Linear(small + (width if settings.kcs else 0), small), nn.LeakyReLU(slope), nn.Linear(small, 1))

    def forward(self, poses: Tensor) -> Tensor:
        """Canonical poses (B, J, 3), metres, to scores (B, 1)."""
        features = [self.of_joints(poses.flatten(1))]
        if self.of_bones is not None:
            features.append(self.of_bones(kcs_matrix(poses, self.starts, self.ends).flatten(1)))
        out: Tensor = self.score(torch.cat(features, dim=1))
        return out


def paper_bones(joints: Skeleton) -> list[tuple[int, int]]:
    """First and last joint of the bones of the authors' KCS matrix, in their order: r_hip to l_hip and r_hip to its parent come last."""
    l_hip, r_hip = joints.index("l_hip"), joints.index("r_hip")
    (pelvis,) = (parent for parent, child in joints.bones if child == r_hip)
    return [bone for bone in joints.bones if bone[1] not in (l_hip, r_hip)] + [(r_hip, l_hip), (r_hip, pelvis)]
