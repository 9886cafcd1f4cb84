"""Keypoints as the networks need them: hidden joints marked, in the square crop around the person.

**Convention.** Keypoints (..., J, 2) of unit focal length. A joint that is not finite is hidden; in a frame whose root is hidden all joints
are hidden.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from posebench.networks.standardise import Standardise


class VisibleKeypoints(NamedTuple):
    """Finite keypoints, and which of them are visible.

    Attributes:
        points: (..., J, 2) keypoints; hidden joints are at the root, all joints of a hidden frame at the principal point.
        visible: (..., J) which joints are visible.
        size: (..., 1, 1) side of the square box around the visible joints; 1 if they all coincide.
    """

    points: Tensor
    visible: Tensor
    size: Tensor

    def crop(self, root: int) -> Tensor:
        """(..., J, 2) positions relative to the root, in sides of the box."""
        return (self.points - self.points[..., root : root + 1, :]) / self.size

    def in_box(self, points: Tensor) -> Tensor:
        """(..., J, 2) image positions in the square box around the person: 0 to 1 from its upper left corner, in sides of the box."""
        middle = (self.points.amax(dim=-2, keepdim=True) + self.points.amin(dim=-2, keepdim=True)) / 2.0
        return (points - middle) / self.size + 0.5


def mark_visible(keypoints: Tensor, root: int, visible: Tensor | None = None) -> VisibleKeypoints:
    """Find the visible joints and the size of the person; ``visible`` (..., J) may hide more joints than those that are not finite."""
    finite = keypoints.isfinite().all(dim=-1)
    visible = finite if visible is None else finite & visible
    visible = visible & visible[..., root : root + 1]
    points = torch.where(visible[..., None], keypoints, torch.zeros_like(keypoints))
    points = torch.where(visible[..., None], points, points[..., root : root + 1, :])
    side = (points.amax(dim=-2) - points.amin(dim=-2)).amax(dim=-1)
    return VisibleKeypoints(points, visible, torch.where(side > 0, side, torch.ones_like(side))[..., None, None])


class MinMax(Standardise):
    """As :class:`Standardise`, but to [0, 1] between the smallest and the largest value of each number in the training split."""

    def fit(self, samples: Tensor) -> None:
        """Take the limits of the training samples (N, *shape)."""
        low, high = samples.amin(dim=0), samples.amax(dim=0)
        self.mean.copy_(low)
        self.deviation.copy_(torch.where(high > low, high - low, torch.ones_like(high)))
