"""The lifter: depths of the joints and, in the authors' form, the camera's elevation.

**Convention.** Images (B, J, 2) are those of :class:`posebench.networks.root_camera.RootCamera`, the root at zero, heads 1/c from it on
average. Points (B, J, 3) are relative to the root, in units of the mean distance from root to head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.blocks import ResidualBlock
from posebench.networks.root_camera import RootCamera
from posebench.networks.standardise import Standardise

from ..chen2019.geometry import on_rays
from .settings import Settings

#: Slope of the rectifiers below zero, PyTorch's default.
SLOPE = 0.01


class ElevationNetwork(nn.Module):
    """A shared residual block, two residual blocks for the depths and, if ``elevation``, two for the camera's elevation."""

    def __init__(self, inputs: int, joints: int, *, width: int, elevation: bool) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.shared = nn.Sequential(_block(width), nn.LeakyReLU(SLOPE))
        self.depth = _branch(width, joints)
        self.elevation = _branch(width, 1) if elevation else None

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Numbers (B, inputs) to depths (B, joints) and the elevation (B,) in radians, if the network tells it."""
        hidden = self.shared(self.first(image))
        return self.depth(hidden), None if self.elevation is None else self.elevation(hidden)[:, 0]


def _block(width: int) -> ResidualBlock:
    return ResidualBlock(width, dropout=0.0, norm=False, slope=SLOPE)


def _branch(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_block(width), nn.LeakyReLU(SLOPE), _block(width), nn.LeakyReLU(SLOPE), nn.Linear(width, outputs))


class ElevationLifter(nn.Module):
    """From one frame's image to each joint's distance behind the root, and so to a pose on the rays of the image."""

    not_root: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.distance = settings.distance
        self.camera = RootCamera(joints, distance=settings.distance, tilt=settings.tilt, level=settings.elevation == "tilt")
        self.image = Standardise(len(joints), 2) if settings.standardise else None
        self.network = ElevationNetwork(2 * len(joints), len(joints), width=settings.width, elevation=settings.elevation == "predicted")
        if settings.first_depths != 1.0:
            with torch.no_grad():
                for part in self.network.depth[-1].parameters():
                    part.mul_(settings.first_depths)
        others = torch.ones(len(joints))
        others[self.camera.root] = 0.0
        self.register_buffer("not_root", others, persistent=False)

    def told(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Distances (B, J) behind the root of images (B, J, 2), 0 for the root, and the elevation (B,), if it is predicted."""
        depth, elevation = self.network((image if self.image is None else self.image(image)).flatten(1))
        return depth * self.not_root, elevation

    def points(self, image: Tensor, behind: Tensor, down: Tensor) -> Tensor:
        """Points (B, J, 3) on the rays of images (B, J, 2), for a camera that looks down by ``down`` (B,) radians."""
        return on_rays(image, behind, down, self.distance)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3), camera frame, root at the origin."""
        seen = self.camera(keypoints)
        return self.camera.back(seen, self.points(seen.image, self.told(seen.image)[0], seen.down))
