"""The lifter, the discriminators of 2D poses and the domain adapter.

**Convention.** Images (B, J, 2) are those of a camera that looks at the root (:class:`posebench.networks.views.RootView`), scaled so that
heads are 1/c from the root on average; points (B, J, 3) are relative to the root, in units of the mean distance from root to head.
Attribute names that say ``critic`` are part of the names of tensors in checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.blocks import ResidualMLP
from posebench.networks.standardise import Standardise
from posebench.networks.views import RootView, look_at_root, root_relative_view, rotate

from .geometry import on_rays
from .settings import Settings


class ChenLifter(nn.Module):
    """G of the paper: from one frame's image to each joint's horizontal distance behind the root, and so to a pose."""

    scale: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.root = joints.root_indices[0]
        self.register_buffer("scale", torch.ones(()))
        self.image = Standardise(len(joints), 2)
        self.network = ResidualMLP(
            2 * len(joints),
            len(joints),
            width=settings.width,
            blocks=settings.blocks,
            dropout=settings.dropout,
            norm=settings.norm,
            slope=0.2,
        )

    def view(self, keypoints: Tensor) -> RootView:
        """Keypoints (B, J, 2), unit focal length, as seen by a camera that looks at the root, scaled."""
        level = self.settings.views == "level"
        seen = look_at_root(keypoints, self.root, self.settings.tilt) if level else root_relative_view(keypoints, self.root)
        return seen._replace(image=seen.image * self.scale)

    def points(self, image: Tensor, down: Tensor) -> Tensor:
        """Lift images (B, J, 2) of cameras that look down by ``down`` (B,) radians to points (B, J, 3) relative to the root."""
        behind = self.network(self.image(image).flatten(1))
        return on_rays(image, behind - behind[:, self.root : self.root + 1], down, self.settings.distance)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3), camera frame, root at the origin."""
        seen = self.view(keypoints)
        return rotate(seen.rotation.transpose(-1, -2), self.points(seen.image, seen.down))


class Discriminators(nn.Module):
    """D of the paper, which scores single poses, and its temporal discriminator, which scores two poses of a clip; high is real."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.bones = joints.bones if settings.bone_vectors else ()
        root = joints.root_indices[0]
        self.others = [joint for joint in range(len(joints)) if joint != root]
        size = 2 * (len(self.others) + len(self.bones))
        self.single, self.pair = (
            ResidualMLP(inputs, 1, width=settings.discriminator_width, blocks=settings.discriminator_blocks, norm=False, slope=0.2)
            for inputs in (size, 2 * size)
        )
        self.pose, self.motion = Standardise(size), Standardise(size)

    def features(self, image: Tensor) -> Tensor:
        """Joints of (B, J, 2) other than the root, and bone vectors if the recipe asks for them: (B, F)."""
        bones = [image[:, child] - image[:, parent] for parent, child in self.bones]
        return torch.cat([image[:, self.others].flatten(1), *bones], dim=1)

    def single_input(self, image: Tensor) -> Tensor:
        """Input (B, F) of :attr:`single` for images (B, J, 2)."""
        return self.pose(self.features(image))

    def pair_input(self, now: Tensor, later: Tensor) -> Tensor:
        """Input (B, 2 F) of :attr:`pair` for two images (B, J, 2) of each clip: the first pose, and the change to the second."""
        first, second = self.features(now), self.features(later)
        return torch.cat([self.pose(first), self.motion(second - first)], dim=1)


class Adapter(nn.Module):
    """The domain adapter: adds a small correction to 2D poses of another source; ``critic`` is its own discriminator.

    The last layer starts at zero, so that the correction does.
    """

    def __init__(self, joints: int, *, width: int = 512, blocks: int = 2) -> None:
        super().__init__()
        self.network = ResidualMLP(2 * joints, 2 * joints, width=width, blocks=blocks, norm=False, slope=0.2)
        self.critic = ResidualMLP(2 * joints, 1, width=width, blocks=blocks, norm=False, slope=0.2)
        last = self.network.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def correction(self, image: Tensor, unit: Tensor) -> Tensor:
        """The correction (B, J, 2) of images (B, J, 2); ``unit`` (J, 2) is their standard deviation, by which the network scales."""
        out: Tensor = self.network((image / unit).flatten(1)).unflatten(1, image.shape[1:]) * unit
        return out
