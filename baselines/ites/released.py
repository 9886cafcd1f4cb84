"""The student's network as in the official code, sjtuxcx/ITES at 50bb6a9: its non-local block, the start of its weights, the root's depth.

**Convention.** Features (B, J, C); depths from the point that the camera looks at, at distance c, in mean root-to-head lengths.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.views import NEAREST

from .network import GraphLifter, NonLocal, SemanticConvolution
from .settings import Settings

#: Squared length of a view, over all joints, below which it says nothing about the root's depth.
SMALLEST_VIEW = 1e-12


class ReleasedNonLocal(NonLocal):
    """Wang et al.'s equation 6, ``z = W y + x``: a batch norm is part of W, and the input is added."""

    def __init__(self, width: int, joints: Skeleton) -> None:
        super().__init__(width, joints)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, features: Tensor) -> Tensor:
        """(B, J, width) to the same."""
        out = self.norm(super().forward(features).flatten(0, 1)).unflatten(0, features.shape[:2])
        return features + out

    def initialise(self) -> None:
        """Kaiming's normal weights, biases zero; the batch norm starts at zero, so that the block returns its input."""
        for linear in (self.theta, self.phi, self.value, self.out):
            nn.init.kaiming_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
        for half in (self.ask, self.answer):  # one layer of twice as many inputs there
            nn.init.normal_(half.weight, std=math.sqrt(2.0 / (2 * half.in_features)))
        nn.init.zeros_(self.norm.weight)


class ReleasedLifter(GraphLifter):
    """The graph network as released. The root has a depth of its own, which the teacher's depths have too.

    Weights of the batch norms are uniform in (0, 1): the code leaves them to PyTorch, and the version that it asks for, 1.1, draws them so.
    """

    branch = ReleasedNonLocal

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__(settings, joints)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm1d):
                nn.init.uniform_(part.weight)
        for part in self.modules():
            if isinstance(part, SemanticConvolution):
                _initialise(part)
            elif isinstance(part, ReleasedNonLocal):
                part.initialise()

    def predict_depths(self, image: Tensor) -> Tensor:
        """Depths (B, J) from the point that the camera looks at, of scaled views (B, J, 2)."""
        depth: Tensor = self.network(self.image(image) if self.standardise else image)
        return depth

    def points(self, image: Tensor, depth: Tensor) -> Tensor:
        """Points (B, J, 3) on the rays of a scaled ``image`` (B, J, 2), from the point that the camera looks at, not from the root."""
        return torch.cat([image * (self.camera.distance + depth).clamp_min(NEAREST)[..., None], depth[..., None]], dim=-1)

    def depths_of(self, image: Tensor, points: Tensor) -> Tensor:
        """Depths (B, J), the root's included, of root-relative points (B, J, 3) on the rays of a scaled ``image`` (B, J, 2).

        The root's depth d is the one for which (c + d + z) x comes closest to the points' x and y, z being their depth from the root.
        """
        beyond = points[..., :2] - image * (self.camera.distance + points[..., 2:])
        root_depth = (image * beyond).sum(dim=(1, 2)) / image.square().sum(dim=(1, 2)).clamp_min(SMALLEST_VIEW)
        return points[..., 2] + root_depth[:, None]


def about_upright_axis(angle: Tensor) -> Tensor:
    """Rotations (N, 3, 3) by ``angle`` (N,) in radians about y (down), as the official exponential map gives them.

    With 1e-4 added to the size of the angle in its denominators, the sine shrinks by |angle| / (|angle| + 1e-4), 1 - cosine by its square.

    Example:
        >>> [[round(float(x), 4) + 0.0 for x in row] for row in about_upright_axis(torch.tensor([math.pi / 2]))[0]]
        [[0.0001, 0.0, 0.9999], [0.0, 1.0, 0.0], [-0.9999, 0.0, 0.0001]]
    """
    share = angle.abs() / (angle.abs() + 1e-4)
    s, c = share * angle.sin(), 1.0 - share.square() * (1.0 - angle.cos())
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, zero, s, zero, one, zero, -s, zero, c], dim=-1).unflatten(-1, (3, 3))


def _initialise(convolution: SemanticConvolution) -> None:
    """Glorot's uniform rule, gain 1.414, for one tensor (2, inputs, outputs) of both matrices: fans inputs * outputs and 2 * outputs."""
    outputs, inputs = convolution.own.weight.shape
    bound = 1.414 * math.sqrt(6.0 / (inputs * outputs + 2 * outputs))
    for linear in (convolution.own, convolution.others):
        nn.init.uniform_(linear.weight, -bound, bound)
    nn.init.uniform_(convolution.bias, -1.0 / math.sqrt(outputs), 1.0 / math.sqrt(outputs))
