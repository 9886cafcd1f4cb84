"""The geometry of the cycle: a camera that looks at the root, depths along rays, and turns about the vertical.

**Convention.** Camera frame x right, y down, z forward. The *level* frame shares a camera's position and its sense of right, with y along
gravity. A camera that looks down by the angle e has axes ``about_x(e)`` times the level ones. Lengths are in units of the mean distance
from root to head; the root is at ``(0, 0, c)`` of the camera that looks at it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posebench.lifters.views import RootView, about_x, about_y, unproject

#: Nothing comes nearer to the camera than this, as in Drover et al. 2018 and in ElePose's code: no division blows up.
NEAREST = 1.0


def subtract_root(keypoints: Tensor, root: int) -> RootView:
    """The simpler way of the paper: move the image until the root is at its centre, and take the camera for level."""
    count = len(keypoints)
    identity = torch.eye(3, dtype=keypoints.dtype, device=keypoints.device).expand(count, 3, 3)
    return RootView(keypoints - keypoints[:, root : root + 1], keypoints.new_zeros(count), identity)


def on_rays(image: Tensor, behind: Tensor, down: Tensor, distance: float) -> Tensor:
    """Points (B, J, 3) relative to the root, on the rays of ``image``, each ``behind`` the root by a horizontal distance.

    With e the angle by which the camera looks down, the level distance of a point of depth z on the ray through y is
    ``z (cos e - y sin e)``; the root's is ``c cos e``. For e = 0 this is the paper's ``z = c + d``, held at :data:`NEAREST`.

    Args:
        image: (B, J, 2) of a camera that looks at the root.
        behind: (B, J) horizontal distances behind the root.
        down: (B,) radians by which the camera looks down.
        distance: c, of the root.
    """
    sine, cosine = down.sin()[:, None], down.cos()[:, None]
    depth = (behind + distance * cosine) / (cosine - image[..., 1] * sine)
    point = unproject(image, depth.clamp_min(NEAREST))
    return point - point.new_tensor([0.0, 0.0, distance])


def see(points: Tensor, distance: float) -> Tensor:
    """Image coordinates (B, J, 2) of points (B, J, 3) relative to a root that is straight ahead at ``distance``."""
    depth = (points[..., 2:] + distance).clamp_min(NEAREST)
    return points[..., :2] / depth


def level_turn(down: Tensor, azimuth: Tensor, new_down: Tensor) -> Tensor:
    """Rotations (B, 3, 3) from a camera that looks down by ``down`` to one that looks down by ``new_down``, turned about the vertical."""
    return about_x(new_down) @ about_y(azimuth) @ about_x(-down)
