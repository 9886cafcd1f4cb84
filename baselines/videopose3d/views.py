"""Training poses seen from elsewhere: turned about gravity, placed before another camera, with bones of other lengths.

**Convention.** Windows of absolute poses (B, W, J, 3) mm in the camera frame; directions (B, 3) that point up in it. Source of the idea:
PoseAug (Gong et al. 2021), whose augmentor is a network; here all changes are drawn at random.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from posebench.base.skeletons import Skeleton
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


def levelled(up: Tensor) -> Tensor:
    """The shortest rotations (B, 3, 3) that turn directions (B, 3) of unit length to the camera's own up, (0, -1, 0).

    A direction that points straight down has no shortest rotation; its result is half a turn about x.
    """
    x, y, z = up.unbind(dim=-1)
    # Rodrigues' formula for the axis up x (0, -1, 0) and the cosine -y.
    scale = 1.0 / (1.0 - y).clamp_min(1e-6)
    turn = torch.stack(
        [
            torch.stack([1.0 - x * x * scale, x, -x * z * scale], dim=-1),
            torch.stack([-x, -y, -z], dim=-1),
            torch.stack([-x * z * scale, z, 1.0 - z * z * scale], dim=-1),
        ],
        dim=-2,
    )
    half_turn = turn.new_tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    return torch.where((y > 1.0 - 1e-6)[:, None, None], half_turn, turn)


def scaled_bones(poses: Tensor, joints: Skeleton, reach: float) -> Tensor:
    """Windows of poses with bones of other lengths: each factor is drawn once a window, from 1 - ``reach`` to 1 + ``reach``.

    Bones that mirror each other share their factor. Joints without a parent stay where they are.
    """
    position = {bone: n for n, bone in enumerate(joints.bones)}
    twin = [min(n, position.get((joints.mirror[a], joints.mirror[b]), n)) for n, (a, b) in enumerate(joints.bones)]
    factors = (1.0 + reach * (2.0 * torch.rand(len(poses), len(twin), device=poses.device, dtype=poses.dtype) - 1.0))[:, twin]
    placed: dict[int, Tensor] = {joint: poses[..., joint, :] for joint, parent in enumerate(joints.parents) if parent < 0}
    waiting = list(enumerate(joints.bones))
    while waiting:
        n, (parent, child) = waiting.pop(0)
        if parent in placed:
            placed[child] = placed[parent] + factors[:, n, None, None] * (poses[..., child, :] - poses[..., parent, :])
        else:
            waiting.append((n, (parent, child)))
    return torch.stack([placed[joint] for joint in range(len(joints))], dim=-2)


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
