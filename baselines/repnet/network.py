"""The generator, and the lifter around it.

Layers as in the authors' code (bastianwandt/RepNet, ``repnet.py``); its header says that the paper has no shared block, which is a setting
here, and leaves open where the paper's camera branch begins. Module names are names of tensors in checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton, joint_map, skeleton
from posebench.networks.standardise import Standardise
from posebench.networks.views import look_at_root, rotate, unproject

from .geometry import Normalised, normalise, weak_perspective_to_rotation
from .settings import Settings

#: Smallest depth of a joint in front of the camera, in metres.
NEAREST = 0.1


class Residual(nn.Module):
    """Two linear layers with a leaky rectifier between them, and the sum with the input."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.one, self.two, self.slope = nn.Linear(width, width), nn.Linear(width, width), slope

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        change: Tensor = self.two(functional.leaky_relu(self.one(hidden), self.slope))
        return hidden + change


class Block(Residual):
    """A residual block with a leaky rectifier after the sum."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        return functional.leaky_relu(super().forward(hidden), self.slope)


def stack(inputs: int, width: int, blocks: int, slope: float) -> list[nn.Module]:
    """Layers from (B, inputs) to (B, width): linear, leaky rectifier, residual blocks."""
    return [nn.Linear(inputs, width), nn.LeakyReLU(slope), *(Block(width, slope) for _ in range(blocks))]


def glorot(network: nn.Module) -> None:
    """Start as Keras does: weights of linear layers uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010), biases zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Generator(nn.Module):
    """From a normalised 2D pose to a canonical 3D pose and a weak-perspective camera: the paper's pose and camera networks."""

    def __init__(self, settings: Settings, joints: int) -> None:
        super().__init__()
        width, slope = settings.width, settings.slope
        self.joints = joints
        self.trunk = nn.Sequential(*stack(2 * joints, width, settings.shared_blocks, slope))
        self.to_pose = nn.Sequential(
            *(Block(width, slope) for _ in range(settings.blocks)),
            nn.Linear(width, width),
            nn.LeakyReLU(slope),
            nn.Linear(width, 3 * joints),
        )
        self.camera_of_image, self.centred = settings.camera_branch == "image", settings.centred
        first = stack(2 * joints, width, 0, slope) if self.camera_of_image else []
        self.to_camera = nn.Sequential(*first, *(Block(width, slope) for _ in range(settings.blocks)), nn.Linear(width, 6))
        self.pose = Standardise(joints, 3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised 2D poses (B, J, 2) to canonical poses X (B, J, 3) in metres and cameras K (B, 2, 3).

        The mean joint is at the origin if the generator is ``centred``; otherwise only the losses bring it there.
        """
        flat = image.flatten(1)
        hidden = self.trunk(flat)
        pose = self.pose.undo(self.to_pose(hidden).unflatten(1, (self.joints, 3)))
        camera = self.to_camera(flat if self.camera_of_image else hidden).unflatten(1, (2, 3))
        return pose - pose.mean(dim=1, keepdim=True) if self.centred else pose, camera


def network_joints(settings: Settings, joints: Skeleton) -> Skeleton:
    """The joints that generator and critic work on: those of the skeleton, or the paper's 16."""
    return skeleton("repnet16") if settings.joints == "no spine" else joints


class RepNetLifter(nn.Module):
    """The generator, with its input normalised and its output rotated to the camera frame."""

    pick: Tensor
    place: Tensor
    spine_ends: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.root = joints.root_indices[0]
        inner = network_joints(settings, joints)
        pick = list(range(len(joints)))
        if inner.id != joints.id:
            # Through h36m17, whose names the 16 have: the neck of MPI-INF-3DHP is the paper's thorax.
            named = joint_map(joints.id, "h36m17")
            pick = [named[skeleton("h36m17").index(joint)] for joint in inner.joints]
        without_spine = len(pick) < len(joints)
        predicted = [*pick, joints.index("spine")] if without_spine else pick
        #: Place of each joint of the skeleton among the predicted ones; the spine is appended to them.
        self.register_buffer("place", torch.tensor([predicted.index(joint) for joint in range(len(joints))]), persistent=False)
        #: Pelvis and thorax among the generator's joints, to place the spine midway; empty if the generator predicts it.
        self.places_spine = without_spine
        spine_ends = [inner.index(joint) for joint in ("pelvis", "thorax")] if without_spine else []
        self.register_buffer("spine_ends", torch.tensor(spine_ends, dtype=torch.long), persistent=False)
        self.register_buffer("pick", torch.tensor(pick), persistent=False)
        self.generator = Generator(settings, len(pick))

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
        if self.places_spine:
            spine = points[:, self.spine_ends].mean(dim=1, keepdim=True)
            points = torch.cat([points, spine], dim=1)[:, self.place]
        points = points - points[:, self.root : self.root + 1]
        return 1000.0 * (points if to_root_camera is None else rotate(to_root_camera.transpose(1, 2), points))
