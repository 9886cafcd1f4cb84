"""What the networks see of keypoints, and what poses are to them: numbers without unit, hidden joints at zero.

**Convention.** Keypoints (..., J, 2) of unit focal length; a joint that is not finite is hidden, and a frame whose root is hidden is
hidden altogether. Poses (..., J - 1, 3) mm are relative to the root, which is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from posebench.networks.standardise import Standardise


class Seen(NamedTuple):
    """Keypoints made ready.

    Attributes:
        points: (..., J, 2) keypoints with hidden joints at the root, and all of a hidden frame at the principal point.
        visible: (..., J) which joints are seen.
        size: (..., 1, 1) side of the square box about the visible joints; 1 where they are all in one place.
    """

    points: Tensor
    visible: Tensor
    size: Tensor

    def crop(self, root: int) -> Tensor:
        """(..., J, 2) places relative to the root in sides of the box."""
        return (self.points - self.points[..., root : root + 1, :]) / self.size


def look(keypoints: Tensor, root: int, visible: Tensor | None = None) -> Seen:
    """Tell which joints are seen and how large the person is; ``visible`` (..., J) hides joints beside those that are not finite."""
    finite = keypoints.isfinite().all(dim=-1)
    visible = finite if visible is None else finite & visible
    visible = visible & visible[..., root : root + 1]
    points = torch.where(visible[..., None], keypoints, torch.zeros_like(keypoints))
    points = torch.where(visible[..., None], points, points[..., root : root + 1, :])
    side = (points.amax(dim=-2) - points.amin(dim=-2)).amax(dim=-1)
    return Seen(points, visible, torch.where(side > 0, side, torch.ones_like(side))[..., None, None])


class Limits(Standardise):
    """As :class:`Standardise`, but to [0, 1] between the least and the largest value of each number in the training split."""

    def fit(self, samples: Tensor) -> None:
        """Take the limits of the training samples (N, *shape)."""
        low, high = samples.amin(dim=0), samples.amax(dim=0)
        self.mean.copy_(low)
        self.deviation.copy_(torch.where(high > low, high - low, torch.ones_like(high)))
