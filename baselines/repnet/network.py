"""The generator, the lifter around it, and the critic.

Sizes as in the authors' code (bastianwandt/RepNet, ``repnet.py``), whose header says that the paper has no shared block: here it is a
setting. Three things differ from that code: the generator's poses are centred; in the critic a rectifier follows the last layer of the
joint path and the residual sum of the KCS path, and its last layer has no bias; the KCS bones are those of the skeleton, with the bone from
pelvis to left hip where the code has the one from right to left hip. Module names are names of tensors in checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.standardise import Standardise
from posebench.networks.views import look_at_root, rotate, unproject

from .geometry import Normalised, kcs_matrix, normalise, weak_perspective_to_rotation
from .settings import Settings

#: Smallest depth of a joint in front of the camera, in metres.
NEAREST = 0.1


class Block(nn.Module):
    """A residual block: two linear layers with a leaky rectifier between them and one after the sum with the input."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.one, self.two, self.slope = nn.Linear(width, width), nn.Linear(width, width), slope

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        return functional.leaky_relu(hidden + self.two(functional.leaky_relu(self.one(hidden), self.slope)), self.slope)


def _stack(inputs: int, width: int, blocks: int, slope: float) -> list[nn.Module]:
    """Layers from (B, inputs) to (B, width): linear, leaky rectifier, residual blocks."""
    return [nn.Linear(inputs, width), nn.LeakyReLU(slope), *(Block(width, slope) for _ in range(blocks))]


class Generator(nn.Module):
    """From a normalised 2D pose to a canonical 3D pose and a weak-perspective camera: the paper's pose and camera networks."""

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


def network_joints(settings: Settings, joints: Skeleton) -> Skeleton:
    """The joints that generator and critic work on: those of the skeleton, or the paper's 16."""
    return skeleton("repnet16") if settings.joints == "no spine" else joints


class RepNetLifter(nn.Module):
    """The generator, with its input normalised and its output rotated to the camera frame."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.root = joints.root_indices[0]
        self.pick = [joints.index(joint) for joint in network_joints(settings, joints).joints]
        without_spine = len(self.pick) < len(joints)
        predicted = [*self.pick, joints.index("spine")] if without_spine else self.pick
        #: Place of each joint of the skeleton among the predicted ones; the spine is appended to them.
        self.place = [predicted.index(joint) for joint in range(len(joints))]
        #: Pelvis and thorax among the generator's joints, to place the spine midway; empty if the generator predicts it.
        self.spine_ends = [self.pick.index(joints.index(joint)) for joint in ("pelvis", "thorax")] if without_spine else []
        self.generator = Generator(settings, len(self.pick))

    def image(self, keypoints: Tensor) -> tuple[Tensor, Tensor | None]:
        """Keypoints (B, J, 2) in the camera that the generator works in, and the rotations (B, 3, 3) to it; None if it is the input's."""
        if not self.settings.look_at_root:
            return keypoints, None
        view = look_at_root(keypoints, self.root, 0.0)
        return view.image, view.rotation

    def normalised(self, keypoints: Tensor) -> Normalised:
        """The generator's input for keypoints (B, J, 2)."""
        return normalise(self.image(keypoints)[0][:, self.pick])

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3) in mm, camera frame, root at the origin."""
        image, to_root_camera = self.image(keypoints)
        normalised, spread = normalise(image[:, self.pick])
        pose, camera = self.generator(normalised)
        rotation, scale = weak_perspective_to_rotation(camera)
        points = rotate(rotation, pose)
        if self.settings.on_rays:
            # scale * spread is the size of a metre in the image of unit focal length, which is 1 / distance.
            distance = 1.0 / (scale * spread)[..., 0]
            points = unproject(image[:, self.pick], (distance + points[..., 2]).clamp_min(NEAREST))
        if self.spine_ends:
            spine = points[:, self.spine_ends].mean(dim=1, keepdim=True)
            points = torch.cat([points, spine], dim=1)[:, self.place]
        points = points - points[:, self.root : self.root + 1]
        return 1000.0 * (points if to_root_camera is None else rotate(to_root_camera.transpose(1, 2), points))


class Critic(nn.Module):
    """Scores canonical poses, high for real ones, from their joints and from their KCS matrix."""

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
