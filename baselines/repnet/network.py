"""Generator and critic.

Sizes and wiring as in the authors' code (bastianwandt/RepNet, ``repnet.py``), whose header says that the paper has no shared block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton
from posebench.networks.standardise import Standardise

from .geometry import kinematic_chain
from .settings import Settings


class Block(nn.Module):
    """Two linear layers with a leaky rectifier between; the input is added, and the sum rectified."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.one, self.two, self.slope = nn.Linear(width, width), nn.Linear(width, width), slope

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        return functional.leaky_relu(hidden + self.two(functional.leaky_relu(self.one(hidden), self.slope)), self.slope)


def _stack(inputs: int, width: int, blocks: int, slope: float) -> list[nn.Module]:
    return [nn.Linear(inputs, width), nn.LeakyReLU(slope), *(Block(width, slope) for _ in range(blocks))]


class Generator(nn.Module):
    """From a normalised 2D pose to a canonical 3D pose and a weak-perspective camera."""

    def __init__(self, settings: Settings, joints: int) -> None:
        super().__init__()
        width, slope = settings.width, settings.slope
        self.joints = joints
        self.trunk = nn.Sequential(*_stack(2 * joints, width, settings.shared_blocks, slope))
        self.to_pose = nn.Sequential(
            *(Block(width, slope) for _ in range(settings.blocks)),
            nn.Linear(width, width),
            nn.LeakyReLU(slope),
            nn.Linear(width, 3 * joints),
        )
        self.to_camera = nn.Sequential(*(Block(width, slope) for _ in range(settings.blocks)), nn.Linear(width, 6))
        self.pose = Standardise(joints, 3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised 2D poses (B, J, 2) to canonical poses (B, J, 3) in metres, mean at the origin, and cameras (B, 2, 3)."""
        hidden = self.trunk(image.flatten(1))
        pose = self.pose.undo(self.to_pose(hidden).unflatten(1, (self.joints, 3)))
        return pose - pose.mean(dim=1, keepdim=True), self.to_camera(hidden).unflatten(1, (2, 3))


class Critic(nn.Module):
    """Tells canonical poses of the 3D pool from the generator's, by joints and by the kinematic chain space."""

    starts: Tensor
    ends: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        width, small, slope = settings.critic_width, settings.critic_pose_width, settings.slope
        parents, children = zip(*joints.bones, strict=True)
        self.register_buffer("starts", torch.tensor(parents), persistent=False)
        self.register_buffer("ends", torch.tensor(children), persistent=False)
        self.pose = Standardise(len(joints), 3)
        self.of_joints = nn.Sequential(*_stack(3 * len(joints), small, 1, slope), nn.Linear(small, small), nn.LeakyReLU(slope))
        bones = len(parents)
        self.chain = Standardise(bones, bones) if settings.kcs else None
        self.of_bones = nn.Sequential(*_stack(bones * bones, width, 1, slope)) if settings.kcs else None
        self.score = nn.Sequential(
            nn.Linear(small + (width if settings.kcs else 0), small), nn.LeakyReLU(slope), nn.Linear(small, 1, bias=False)
        )

    def fit(self, poses: Tensor) -> None:
        """Take the statistics of the 3D pool (P, J, 3), by which all that is seen is standardised."""
        self.pose.fit(poses)
        if self.chain is not None:
            self.chain.fit(kinematic_chain(poses, self.starts, self.ends))

    def forward(self, poses: Tensor) -> Tensor:
        """Canonical poses (B, J, 3), metres, to scores (B, 1); high is real."""
        seen = [self.of_joints(self.pose(poses).flatten(1))]
        if self.chain is not None and self.of_bones is not None:
            seen.append(self.of_bones(self.chain(kinematic_chain(poses, self.starts, self.ends)).flatten(1)))
        out: Tensor = self.score(torch.cat(seen, dim=1))
        return out


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """How far the critic's gradient is from length 1 between real and made poses (B, J, 3): Gulrajani et al. 2017, equation 3."""
    share = torch.rand(len(real), 1, 1, device=real.device, dtype=real.dtype)
    between = (real + share * (fake - real)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1.0).square().mean()
