"""The geometry of the lift: points on the rays of a camera that looks at the root.

**Convention.** Camera frame x right, y down, z forward. The *level* frame shares a camera's position and its x axis, with y along gravity.
A camera that looks down by the angle e has axes ``about_x(e)`` times the level ones. Lengths are in units of the mean distance from root
to head; the root is at ``(0, 0, c)`` of the camera that looks at it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posebench.networks.views import NEAREST, unproject


def on_rays(image: Tensor, behind: Tensor, down: Tensor, distance: float) -> Tensor:
    """Points (B, J, 3) relative to the root, on the rays of ``image``, each ``behind`` the root by a horizontal distance.

    With e the angle by which the camera looks down, a point of depth z on the ray through y has the horizontal distance
    ``z (cos e - y sin e)`` from the camera; the root's is ``c cos e``. For e = 0 this is the paper's ``z = c + d``. Depths are at least
    :data:`posebench.networks.views.NEAREST`.

    Args:
        image: (B, J, 2) of a camera that looks at the root.
        behind: (B, J) horizontal distances behind the root, the paper's d.
        down: (B,) radians by which the camera looks down.
        distance: c, of the root.
    """
    sine, cosine = down.sin()[:, None], down.cos()[:, None]
    depth = (behind + distance * cosine) / (cosine - image[..., 1] * sine)
    point = unproject(image, depth.clamp_min(NEAREST))
    # Filled on the device: a copy from the host cannot be captured in a CUDA graph.
    root = torch.cat([point.new_zeros(2), point.new_full((1,), distance)])
    return point - root
