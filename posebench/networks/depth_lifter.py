"""A lifter that predicts depths along rays, and chooses between each pose and its depth flip by a declared rule."""

from __future__ import annotations

from torch import Tensor, nn

from posebench.networks.depth_flip import DepthFlip
from posebench.networks.method import in_tiles
from posebench.networks.root_camera import RootCamera
from posebench.networks.views import RootView


class DepthLifter(nn.Module):
    """Keypoints (T, J, 2) of one clip, unit focal length, to poses (T, J, 3), camera frame, root at the origin.

    Every joint is on its ray, so the reprojection error is zero. A subclass predicts the depths.
    """

    def __init__(self, camera: RootCamera, flip: DepthFlip) -> None:
        super().__init__()
        self.camera, self.flip = camera, flip

    def depths(self, seen: RootView) -> Tensor:
        """Depths (B, J) relative to the root, of scaled views."""
        raise NotImplementedError

    def forward(self, keypoints: Tensor) -> Tensor:
        """The clip's poses: depths are predicted frame by frame; with votes, neighbouring frames choose the sign together."""
        seen = self.camera(keypoints)
        depth = in_tiles(lambda tile: self.depths(self.camera(tile)), keypoints)
        sign = self.flip.signs(keypoints, seen.image, depth, self.camera)
        return self.camera.back(seen, self.camera.on_rays(seen.image, sign * depth))
