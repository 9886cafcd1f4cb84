"""Loss terms of the lifter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def relative_lengths(points: Tensor, bones: Sequence[tuple[int, int]]) -> Tensor:
    """Lengths (B, K) of the bones of points (B, J, 3), divided by their mean over the bones of each pose."""
    start, end = (list(ends) for ends in zip(*bones, strict=True))
    lengths = (points[:, end] - points[:, start]).norm(dim=-1)
    return lengths / lengths.mean(dim=1, keepdim=True)


def bone_error(points: Tensor, bones: Sequence[tuple[int, int]], ratios: Tensor) -> Tensor:
    """Squared difference of the relative bone lengths of points (B, J, 3) and given ones (K,), sum over bones, mean over poses."""
    return (relative_lengths(points, bones) - ratios).square().sum(dim=1).mean()


def image_distance(one: Tensor, other: Tensor) -> Tensor:
    """Sum of absolute differences of images (B, J, 2), mean over images: the authors' 2D loss."""
    return (one - other).abs().flatten(1).sum(dim=1).mean()


def pose_distance(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distance of poses (B, J, 3) as vectors of 3 J numbers, mean over poses: the authors' 3D loss."""
    return (one - other).flatten(1).norm(dim=1).mean()


def deformation(one: Tensor, other: Tensor) -> Tensor:
    """Distance of the differences between neighbouring poses of a batch, before (B, J, 3) and after: the authors' deformation loss.

    Pose 0 and pose 1 are a pair, 2 and 3 the next. Batches are shuffled, so that the two of a pair have nothing to do with each other.
    """
    even = len(one) // 2 * 2
    return pose_distance(one[0:even:2] - one[1:even:2], other[0:even:2] - other[1:even:2])


def rest_size(rest: Tensor) -> Tensor:
    """Squared size of what the components of 2D poses leave out (B, F), sum over numbers, mean over poses."""
    return rest.square().sum(dim=1).mean()


def spread_of(elevation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of a batch of elevations (B,) in radians, both with gradients."""
    return elevation.mean(), torch.std(elevation)
