"""The teacher's network: a trunk of bottleneck residual layers, a pose dictionary, and a head for the rotation."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.depth_flip import DepthFlip
from posebench.networks.depth_lifter import DepthLifter
from posebench.networks.root_camera import RootCamera
from posebench.networks.standardise import Standardise
from posebench.networks.views import RootView, about_x, about_y, rotate

from .rotation import exponential
from .settings import Settings

#: Logarithm of the largest size that is told: a body is at most twice as large, or half as large, as the mean one at the mean distance.
LARGEST = math.log(2.0)


class Bottleneck(nn.Module):
    """Three linear layers, the middle ones narrow; the input is added before the last rectifier."""

    def __init__(self, width: int, narrow: int, *, norm: bool) -> None:
        super().__init__()
        sizes = [(width, narrow), (narrow, narrow), (narrow, width)]
        parts: list[nn.Module] = []
        for inputs, outputs in sizes:
            parts += [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if norm else []), nn.ReLU()]
        self.layers = nn.Sequential(*parts[:-1])

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        out: Tensor = torch.relu(hidden + self.layers(hidden))
        return out


class Told(NamedTuple):
    """What the network tells of views.

    Attributes:
        weights: (B, bases) of the dictionary's bases.
        pose: (B, J, 3) canonical.
        rotation: (B, 3, 3) from the canonical frame to that of the camera that looks at the root.
        size: (B, 1, 1), a factor of the canonical pose.
    """

    weights: Tensor
    pose: Tensor
    rotation: Tensor
    size: Tensor

    @property
    def seen(self) -> Tensor:
        """The pose (B, J, 3) in the axes of the camera that looks at the root."""
        return self.size * rotate(self.rotation, self.pose)


class Lifter(DepthLifter):
    """The trunk and its heads; the depths that it tells are those of the rotated canonical pose."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        level = settings.rotation == "vertical"
        super().__init__(
            RootCamera(joints, distance=settings.distance, tilt=settings.tilt, level=level),
            DepthFlip(joints, settings.flip, settings.flip_tilt, settings.votes),
        )
        self.settings, count = settings, len(joints)
        norm = settings.norm != "none"
        self.image = Standardise(count, 2)
        first = [nn.Linear(2 * count, settings.width), *([nn.BatchNorm1d(settings.width)] if norm else []), nn.ReLU()]
        narrow = max(1, settings.width // settings.narrowing)
        self.trunk = nn.Sequential(*first, *(Bottleneck(settings.width, narrow, norm=norm) for _ in range(settings.blocks)))
        self.alpha = nn.Linear(settings.width, settings.bases)
        self.dictionary = nn.Linear(settings.bases, 3 * count)
        # An axis-angle vector, or an azimuth as a direction: as an angle it would jump.
        self.turning = nn.Linear(settings.width, 2 if level else 3)
        self.sizing = nn.Linear(settings.width, 1) if settings.sizes else None
        self.begin()

    def begin(self) -> None:
        """Draw all weights anew."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.reset_parameters()
            if not isinstance(module, nn.Linear):
                continue
            module.reset_parameters()
            if self.settings.norm == "none":
                if module in (self.turning, self.sizing):
                    nn.init.normal_(module.weight, std=0.01)
            else:
                nn.init.normal_(module.weight, std=0.01)
        if self.settings.rotation == "vertical":
            with torch.no_grad():
                self.turning.bias.copy_(torch.tensor([1.0, 0.0]))
        if self.sizing is not None:
            nn.init.zeros_(self.sizing.bias)

    @torch.no_grad()
    def become_twin(self) -> None:
        """Become the twin that tells every depth with the other sign: canonical poses mirrored, and turned the other way."""
        for told in (self.dictionary.weight, self.dictionary.bias):
            told.unflatten(0, (-1, 3))[:, 2].neg_()
        other_way = slice(1, 2) if self.settings.rotation == "vertical" else slice(0, 2)
        for told in (self.turning.weight, self.turning.bias):
            told[other_way].neg_()

    def tell(self, image: Tensor, down: Tensor) -> Told:
        """Scaled views (B, J, 2) of cameras that look down by ``down`` (B,), to what they show."""
        hidden = self.trunk((self.image(image) if self.settings.standardise else image).flatten(1))
        weights = self.alpha(hidden)
        pose = self.dictionary(weights).unflatten(1, (-1, 3))
        told = self.turning(hidden)
        if self.settings.rotation == "vertical":
            heading = told / told.norm(dim=-1, keepdim=True).clamp_min(1e-6)
            rotation = about_x(down) @ about_y(torch.atan2(heading[:, 1], heading[:, 0]))
        else:
            rotation = exponential(told)
        if self.sizing is None:
            return Told(weights, pose, rotation, pose.new_ones(len(pose), 1, 1))
        return Told(weights, pose, rotation, (LARGEST * torch.tanh(self.sizing(hidden) / LARGEST)).exp()[..., None])

    def depths(self, seen: RootView) -> Tensor:
        """Depths (B, J) behind the root of the rotated canonical pose; the image is left as it was."""
        depth = self.tell(seen.image, seen.down).seen[..., 2]
        return depth - depth[:, self.camera.root : self.camera.root + 1]
