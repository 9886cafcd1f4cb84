"""Training poses seen from elsewhere: turned about gravity and placed before another camera.

**Convention.** Windows of absolute poses (B, W, J, 3) mm in the camera frame; directions (B, 3) that point up in it. Source of the idea:
PoseAug (Gong et al. 2021), whose augmentor is a network; here all changes are drawn at random.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from posebench.networks.augment import levelled
from posebench.networks.views import about_y, project, rotate

#: Nearest joint, mm, of a window that is turned; a window that comes nearer to its new camera stays as it is.
NEAREST = 1000.0


class Seen(NamedTuple):
    """Windows of poses, and what a camera sees of them.

    Attributes:
        keypoints: (B, W, J, 2), unit focal length.
        poses: (B, W, J, 3) mm, absolute, camera frame.
    """

    keypoints: Tensor
    poses: Tensor


def seen_from_elsewhere(seen: Seen, up: Tensor, new_up: Tensor, new_root: Tensor, root: int, centre: int) -> Seen:
    """Windows turned about gravity by a random angle and moved before another camera.

    The difference between the given keypoints and the projection of the given poses, which is noise and lens distortion, is added to the
    new projection.

    Args:
        seen: windows as they are.
        up: (B, 3) up in their camera frames.
        new_up: (B, 3) up in the frames of the cameras that are to see them.
        new_root: (B, 3) mm, where the root of the frame ``centre`` comes to stand in those frames.
        root: its joint.
        centre: a frame of the window.
    """
    count, poses = len(up), seen.poses
    azimuth = 2.0 * math.pi * torch.rand(count, device=poses.device, dtype=poses.dtype)
    turn = levelled(new_up).transpose(-1, -2) @ about_y(azimuth) @ levelled(up)
    at = poses[:, centre, root, None]
    turned = rotate(turn, (poses - at[:, None]).flatten(1, 2)).unflatten(1, poses.shape[1:3]) + new_root[:, None, None]
    keypoints = project(turned, nearest=NEAREST) + seen.keypoints - project(poses, nearest=1.0)
    ahead = (turned[..., 2] >= NEAREST).flatten(1).all(dim=1)[:, None, None, None]
    return Seen(torch.where(ahead, keypoints, seen.keypoints), torch.where(ahead, turned, poses))
