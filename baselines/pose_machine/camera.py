"""The true camera as projector: where must a pose stand to be seen where its keypoints are, and what is seen of it there?"""

from __future__ import annotations

import torch
from torch import Tensor

from posebench.networks.views import project

#: Roots are placed no nearer than this, in mm.
NEAREST = 500.0


def place(poses: Tensor, points: Tensor, visible: Tensor) -> Tensor:
    """Translations (B, 3) mm that bring poses to their keypoints: linear least squares over the visible joints.

    **Convention.** ``x / z = u`` is solved as ``x = u z``, which weighs each joint by its depth. With fewer than two visible joints the
    root is put at :data:`NEAREST`.

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

    # t_xy = t_z u + offset for every joint: t_z is a slope with u as abscissa, t_xy the intercept.
    centre, level = mean(points), mean(offset)
    spread = points - centre[:, None]
    variance = mean(spread.square()).sum(dim=-1)
    slope = -mean(spread * (offset - level[:, None])).sum(dim=-1) / variance.clamp_min(1e-12)
    depth = slope.clamp_min(NEAREST)
    return torch.cat([depth[:, None] * centre + level, depth[:, None]], dim=-1)


def seen_by_camera(poses: Tensor, points: Tensor, visible: Tensor) -> Tensor:
    """Image coordinates (B, J, 2) of poses (B, J, 3) mm that stand where :func:`place` puts them; the place counts as given."""
    with torch.no_grad():
        where = place(poses, points, visible)
    return project(poses + where[:, None], nearest=NEAREST / 10.0)
