"""A lifter that tells depths along rays, and keeps of each pose and its depth flip the one that a declared rule prefers."""

from __future__ import annotations

from torch import Tensor, nn

from posebench.networks.depth_flip import DepthFlip
from posebench.networks.method import in_tiles
from posebench.networks.root_camera import RootCamera
from posebench.networks.views import RootView


class DepthLifter(nn.Module):
    """Keypoints (T, J, 2) of one clip, unit focal length, to poses (T, J, 3), camera frame, root at the origin.

    Every joint is on its ray, so that poses are seen where the keypoints are. A subclass says how depths are told.
    """

    def __init__(self, camera: RootCamera, flip: DepthFlip) -> None:
        super().__init__()
        self.camera, self.flip = camera, flip

    def depths(self, seen: RootView) -> Tensor:
        """Depths (B, J) behind the root of scaled views."""
        raise NotImplementedError

    def forward(self, keypoints: Tensor) -> Tensor:
        """The clip's poses; frames tell their depths one by one, and vote together where the rule has votes."""
        seen = self.camera(keypoints)
        depth = in_tiles(lambda tile: self.depths(self.camera(tile)), keypoints)
        sign = self.flip.signs(keypoints, seen.image, depth, self.camera)
        return self.camera.back(seen, self.camera.on_rays(seen.image, sign * depth))
