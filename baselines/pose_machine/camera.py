"""The true camera as projector: translate a pose to where it fits its keypoints best, and project it there."""

from __future__ import annotations

import torch
from torch import Tensor

from posebench.networks.views import project

#: Roots are placed no nearer to the camera than this, in mm.
NEAREST = 500.0


def fit_translation(poses: Tensor, points: Tensor, visible: Tensor) -> Tensor:
    """Translations (B, 3) mm of poses that fit their keypoints best: linear least squares over the visible joints.

    **Convention.** ``x / z = u`` is solved as ``x = u z``, which weights each joint by its depth. With fewer than two visible joints the
    root is at depth :data:`NEAREST`.

    Args:
        poses: (B, J, 3) mm, relative to the root.
        points: (B, J, 2) keypoints of unit focal length.
        visible: (B, J).
    """
    weight = visible.to(poses.dtype)
    offset = points * poses[..., 2:] - poses[..., :2]
    count = weight.sum(dim=1).clamp_min(1.0)

    def mean(values: Tensor) -> Tensor:
        return (values * weight[..., None]).sum(dim=1) / count[:, None]

    # t_xy = t_z u + offset for every joint: a line with slope t_z over u and intercept t_xy.
    mean_point, mean_offset = mean(points), mean(offset)
    centred = points - mean_point[:, None]
    variance = mean(centred.square()).sum(dim=-1)
    slope = -mean(centred * (offset - mean_offset[:, None])).sum(dim=-1) / variance.clamp_min(1e-12)
    depth = slope.clamp_min(NEAREST)
    return torch.cat([depth[:, None] * mean_point + mean_offset, depth[:, None]], dim=-1)


def project_fitted(poses: Tensor, points: Tensor, visible: Tensor) -> Tensor:
    """Image coordinates (B, J, 2) of poses (B, J, 3) mm at their fitted translation, through which no gradient flows."""
    with torch.no_grad():
        translation = fit_translation(poses, points, visible)
    return project(poses + translation[:, None], nearest=NEAREST / 10.0)
