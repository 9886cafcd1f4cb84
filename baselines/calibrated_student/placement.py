"""Where poses of a known size stand, so that their images are the keypoints."""

from __future__ import annotations

import torch
from torch import Tensor

from ..videopose3d.views import NEAREST

#: Squared extent of an image, over all joints, below which it says nothing about the distance.
SMALLEST_IMAGE = 1e-12


def placed_on_keypoints(poses: Tensor, keypoints: Tensor, root: int) -> Tensor:
    """Poses (N, J, 3), root at the origin, moved along the rays of their roots to where their joints come nearest to their own rays.

    With k a keypoint of (N, J, 2), r that of the root and x, z a joint of the pose, the root's depth D minimises
    ``sum |x - k z - D (k - r)|^2``. Joints that lie on the rays of their keypoints do so again. No root is nearer than twice the nearest
    joint of a turned view.
    """
    r = keypoints[:, root, None]
    away = keypoints - r
    beyond = poses[..., :2] - keypoints * poses[..., 2:]
    distance = (beyond * away).sum(dim=(1, 2)) / away.square().sum(dim=(1, 2)).clamp_min(SMALLEST_IMAGE)
    distance = distance.clamp_min(2.0 * NEAREST)[:, None, None]
    return poses + distance * torch.cat([r, torch.ones_like(r[..., :1])], dim=-1)
