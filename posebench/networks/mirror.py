"""Mirror images of poses and keypoints: what a mirror in the plane x = 0 would show.

**Convention.** x points right and is negated; left and right joints exchange their places. For keypoints (..., J, 2) of unit focal length
the plane x = 0 contains the principal point. ``swap`` is :attr:`posebench.base.skeletons.Skeleton.mirror`: for each joint its partner.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mirrored(points: Tensor, swap: Sequence[int]) -> Tensor:
    """Mirror images of points (..., J, D), D = 2 or 3; the unit stays.

    Example:
        >>> mirrored(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), [1, 0]).tolist()
        [[[-3.0, 4.0], [-1.0, 2.0]]]
    """
    sign = points.new_tensor([-1.0, 1.0, 1.0])[: points.shape[-1]]
    return points[..., list(swap), :] * sign


def draw_half(count: int, device: torch.device) -> Tensor:
    """A random mask (count,), each entry true with probability 1/2: one draw of ``torch.rand(count)`` from the global generator."""
    return torch.rand(count, device=device) < 0.5


def mirror_where(chosen: Tensor, points: Tensor, swap: Sequence[int]) -> Tensor:
    """Points (B, ..., J, D) of a batch, those where ``chosen`` (B,) is true replaced by their mirror images."""
    return torch.where(chosen.reshape(-1, *[1] * (points.ndim - 1)), mirrored(points, swap), points)
