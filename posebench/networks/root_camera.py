"""The root camera: it looks at the root, which is at a fixed distance. ITES, Chen 2019 and similar methods lift in its frame.

**Convention.** The unit of length is the mean distance from root to head, as estimated from the training images: image coordinates are
divided by ``distance`` times the mean image distance from root to head. The root is at (0, 0, distance); depths of joints are relative to
the root, positive away from the camera.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.views import NEAREST, RootView, look_at_root, root_relative_view, rotate, unproject

#: 2D poses are scaled by the distance from the root to the first of these joints that the skeleton has.
HEADS = ("head_top", "head", "neck_nose", "neck", "thorax")


class RootCamera(nn.Module):
    """Keypoints to scaled views, and depths back to poses. The scale is a statistic of the training split.

    Args:
        joints: of the keypoints.
        distance: of the root, in mean lengths from root to head.
        tilt: degrees by which the cameras look down.
        level: rotate each camera to look at the root; otherwise the image is shifted so that the root is at its centre, and the camera
            is assumed to be level.
    """

    scale: Tensor

    def __init__(self, joints: Skeleton, *, distance: float, tilt: float, level: bool) -> None:
        super().__init__()
        self.root = joints.root_indices[0]
        self.head = next(joints.index(name) for name in HEADS if name in joints.joints)
        self.distance, self.tilt, self.level = distance, tilt, level
        self.register_buffer("scale", torch.ones(()))

    def forward(self, keypoints: Tensor) -> RootView:
        """Keypoints (B, J, 2), unit focal length, in the root camera, scaled."""
        seen = look_at_root(keypoints, self.root, self.tilt) if self.level else root_relative_view(keypoints, self.root)
        return seen._replace(image=seen.image * self.scale)

    def fit(self, keypoints: Tensor) -> None:
        """Compute the scale from keypoints (N, J, 2) of the training split."""
        self.scale.fill_(1.0)
        image = self(keypoints).image
        self.scale.copy_(1.0 / (self.distance * image[:, self.head].norm(dim=-1).mean()))

    def on_rays(self, image: Tensor, depth: Tensor) -> Tensor:
        """Points (B, J, 3) relative to the root, on the rays of a scaled ``image`` (B, J, 2), at ``depth`` (B, J) relative to the root."""
        point = unproject(image, (self.distance + depth).clamp_min(NEAREST))
        return point - point[:, self.root : self.root + 1]

    def back(self, seen: RootView, points: Tensor) -> Tensor:
        """Points (B, J, 3) of the root camera, in the axes of the frame's own camera."""
        return rotate(seen.rotation.transpose(-1, -2), points)

    def turned(self, seen: RootView, poses: Tensor) -> Tensor:
        """Poses (B, J, 3) of the frame's own camera, in the axes of the root camera; the inverse of :meth:`back`."""
        return rotate(seen.rotation, poses)
