"""Loss terms beside those of ``videopose3d``, which has the same distance and velocity errors."""

from __future__ import annotations

from torch import Tensor

from ..videopose3d.losses import joint_distance


def scaled_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean Euclidean distance of the joints of poses (B, T, J, 3) after the best scale of each predicted pose about its origin."""
    scale = (predicted * target).sum(dim=(-2, -1)) / predicted.square().sum(dim=(-2, -1)).clamp_min(1e-12)
    return joint_distance(scale[..., None, None] * predicted, target)
