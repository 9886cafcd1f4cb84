"""Where a pose has to stand so that its image is as large as a given one, and lies where that one lies.

**Convention.** Image coordinates of unit focal length; poses in mm, camera frame, root at the origin.
Source: the placement of PoseDA (Chai et al. 2023): distance from the ratio of the pose's extent to the side of the 2D box.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: Nearest place of the root, mm.
NEAREST = 1000.0


class Boxes(NamedTuple):
    """What is taken from each 2D pose.

    Attributes:
        root: (B, 2) image coordinates of its root.
        size: (B,) width plus height of the box around its joints.
    """

    root: Tensor
    size: Tensor


def boxes(keypoints: Tensor, root: int) -> Boxes:
    """Boxes of 2D poses (B, J, 2)."""
    extent = keypoints.amax(dim=1) - keypoints.amin(dim=1)
    return Boxes(keypoints[:, root], extent.sum(dim=1))


def placed(poses: Tensor, where: Boxes) -> Tensor:
    """Root-relative poses (B, J, 3) moved to where their images have the size and the root of the boxes: absolute poses (B, J, 3)."""
    extent = poses.amax(dim=1) - poses.amin(dim=1)
    distance = ((extent[:, 0] + extent[:, 1]) / where.size.clamp_min(1e-6)).clamp_min(NEAREST)
    place = torch.cat([where.root, torch.ones_like(where.root[:, :1])], dim=1) * distance[:, None]
    return poses + place[:, None]
