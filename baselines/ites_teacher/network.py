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

from .rotation import exponential, released_exponential
from .settings import Settings

#: Bound on the logarithm of a predicted size: a body is at most twice, and at least half, as large as the mean body at the mean distance.
LARGEST_LOG_SIZE = math.log(2.0)


class Bottleneck(nn.Module):
    """Three linear layers, the middle ones narrow; the input is added before the last rectifier."""

    def __init__(self, width: int, narrow: int, *, norm: bool) -> None:
        super().__init__()
        sizes = [(width, narrow), (narrow, narrow), (narrow, width)]
        parts: list[nn.Module] = []
        for inputs, outputs in sizes:
            parts += [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if norm else []), nn.ReLU()]
        self.layers = nn.Sequential(*parts[:-1])

    def forward(self, features: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        out: Tensor = torch.relu(features + self.layers(features))
        return out


class TeacherOutput(NamedTuple):
    """What the network predicts for a batch of views.

    Attributes:
        coefficients: (B, bases), alpha in the paper: weights of the dictionary's bases.
        canonical: (B, J, 3) canonical pose.
        rotation: (B, 3, 3) from the canonical frame to the camera that looks at the root.
        size: (B, 1, 1), a factor of the canonical pose.
    """

    coefficients: Tensor
    canonical: Tensor
    rotation: Tensor
    size: Tensor

    @property
    def pose(self) -> Tensor:
        """The pose (B, J, 3) in the axes of the camera that looks at the root."""
        return self.size * rotate(self.rotation, self.canonical)


class DictionaryLifter(DepthLifter):
    """The trunk and its heads. The lifted depths are those of the rotated canonical pose."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        upright = settings.rotation_axis == "vertical"
        super().__init__(
            RootCamera(joints, distance=settings.distance, tilt=settings.tilt, level=upright),
            DepthFlip(joints, settings.flip, settings.flip_tilt, settings.votes),
        )
        self.settings, count = settings, len(joints)
        norm = settings.norm != "none"
        self.image = Standardise(count, 2)
        first = [nn.Linear(2 * count, settings.width), *([nn.BatchNorm1d(settings.width)] if norm else []), nn.ReLU()]
        narrow = max(1, settings.width // settings.bottleneck_factor)
        self.trunk = nn.Sequential(*first, *(Bottleneck(settings.width, narrow, norm=norm) for _ in range(settings.blocks)))
        self.alpha = nn.Linear(settings.width, settings.bases)
        # The weights are the bases, the bias is the mean pose.
        self.dictionary = nn.Linear(settings.bases, 3 * count)
        # The rotation: an axis-angle vector, or an azimuth as (cos, sin), because an angle would jump by a whole turn.
        self.turning = nn.Linear(settings.width, 2 if upright else 3)
        self.sizing = nn.Linear(settings.width, 1) if settings.predict_size else None
        self.initialise()

    def initialise(self) -> None:
        """Draw all weights anew, from torch's global generator."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.reset_parameters()
            if not isinstance(module, nn.Linear):
                continue
            module.reset_parameters()
            if self.settings.norm == "none":
                # Without batch norm only the rotation and size heads start near zero.
                if module in (self.turning, self.sizing):
                    nn.init.normal_(module.weight, std=0.01)
            else:
                nn.init.normal_(module.weight, std=0.01)
        if self.settings.rotation_axis == "vertical":
            with torch.no_grad():
                self.turning.bias.copy_(torch.tensor([1.0, 0.0]))
        if self.sizing is not None:
            nn.init.zeros_(self.sizing.bias)

    @torch.no_grad()
    def flip_depths(self) -> None:
        """Negate every predicted depth: canonical poses are mirrored in depth, and rotations about x and y change sign."""
        for parameter in (self.dictionary.weight, self.dictionary.bias):
            parameter.unflatten(0, (-1, 3))[:, 2].neg_()
        # Of (cos, sin) the sine; of an axis-angle vector x and y, for a rotation about z changes no depth.
        negated = slice(1, 2) if self.settings.rotation_axis == "vertical" else slice(0, 2)
        for parameter in (self.turning.weight, self.turning.bias):
            parameter[negated].neg_()

    def predict(self, image: Tensor, down: Tensor) -> TeacherOutput:
        """Canonical pose and rotation of each view.

        Args:
            image: (B, J, 2) scaled views (:class:`posebench.networks.root_camera.RootCamera`).
            down: (B,) radians by which the views' cameras look down; only upright canonical poses need it.
        """
        features = self.trunk((self.image(image) if self.settings.standardise else image).flatten(1))
        coefficients = self.alpha(features)
        canonical = self.dictionary(coefficients).unflatten(1, (-1, 3))
        rotation = self._rotation(self.turning(features), down)
        if self.sizing is None:
            return TeacherOutput(coefficients, canonical, rotation, canonical.new_ones(len(canonical), 1, 1))
        log_size = LARGEST_LOG_SIZE * torch.tanh(self.sizing(features) / LARGEST_LOG_SIZE)
        return TeacherOutput(coefficients, canonical, rotation, log_size.exp()[..., None])

    def _rotation(self, output: Tensor, down: Tensor) -> Tensor:
        """Rotations (B, 3, 3) from the rotation head's output: (B, 2) cosine and sine of an azimuth, or (B, 3) axis-angle vectors."""
        if self.settings.rotation_axis != "vertical":
            return exponential(output)
        heading = output / output.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return about_x(down) @ about_y(torch.atan2(heading[:, 1], heading[:, 0]))

    def depths(self, seen: RootView) -> Tensor:
        """Depths (B, J) behind the root of the rotated canonical pose; the image is left as it was."""
        depth = self.predict(seen.image, seen.down).pose[..., 2]
        return depth - depth[:, self.camera.root : self.camera.root + 1]


class ReleasedLifter(DictionaryLifter):
    """Network and start of the official code: its exponential map, normal weights with biases of zero, and the root's own depth.

    The rotation head's vector v gives the matrix R of ``X_cam = X_can R``, whose points are rows; on column vectors the rotation is R^T.
    """

    def initialise(self) -> None:
        """Weights normal with deviation 0.01, weights of the batch norms uniform in (0, 1), all biases zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm1d):
                module.reset_parameters()
                nn.init.uniform_(module.weight)

    def _rotation(self, output: Tensor, down: Tensor) -> Tensor:  # noqa: ARG002
        return released_exponential(output).transpose(-1, -2)

    def depths(self, seen: RootView) -> Tensor:
        """Depths (B, J) of the rotated canonical pose from the point that the camera looks at; the root has a depth of its own."""
        return self.predict(seen.image, seen.down).pose[..., 2]


def build_lifter(settings: Settings, joints: Skeleton) -> DictionaryLifter:
    """The network that the settings name, with random weights."""
    return (ReleasedLifter if settings.network == "released" else DictionaryLifter)(settings, joints)
