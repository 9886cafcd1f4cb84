"""The geometry of the published forms: the lift along rays, the random view, and the way back.

**Convention.** Images (B, J, 2) are relative to the root, which is on the optical axis. Points (B, J, 3) are in the camera frame, x right,
y down, z forward, and **not** relative to the root: T = (0, 0, c) is where the root is expected.

Symbols of the paper: X the lifted points, R a random rotation, P the projection. [R1] is lyuheng/unsupervised_3d_pose, commit e6f7642.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posebench.networks.views import NEAREST, ViewRange, about_y, about_z, project, rotate, unproject

#: Largest azimuth to either side, degrees: any.
ALL_AZIMUTHS = 180.0


class PaperGeometry:
    """The paper's, from the sources at hand: turns about the lifted root, azimuth about the vertical, elevation about the horizontal.

    Args:
        distance: c, from the camera to the root, in mean lengths from root to head.
        elevation: largest elevation of a random view, degrees up and down.
        root: index of the root joint.
    """

    def __init__(self, distance: float, elevation: float, root: int) -> None:
        self.distance, self.elevation, self.root = distance, elevation, root

    def normalised(self, image: Tensor, scale: Tensor) -> Tensor:
        """Images (B, J, 2) in the unit of the network: one ``scale`` () for the whole data set."""
        return image * scale

    def points(self, image: Tensor, told: Tensor) -> Tensor:
        """Points on the rays of images (B, J, 2) at depth ``max(1, c + d)``, d being ``told`` (B, J)."""
        return unproject(image, (self.distance + told).clamp_min(NEAREST))

    def draw(self, count: int, like: Tensor) -> Tensor:
        """Random rotations (count, 3, 3) on the device and in the type of ``like``."""
        return ViewRange(ALL_AZIMUTHS, (-self.elevation, self.elevation)).draw(count, like)

    def turned(self, points: Tensor, rotation: Tensor) -> Tensor:
        """``R (X - X_root) + T`` for points (B, J, 3) and rotations (B, 3, 3)."""
        return rotate(rotation, points - self._root(points)) + self._target(points)

    def turned_back(self, points: Tensor, rotation: Tensor, original: Tensor) -> Tensor:
        """``R^T (X - T) + X_root``: undo :meth:`turned` for points (B, J, 3), with the root of the ``original`` ones."""
        return rotate(rotation.transpose(-1, -2), points - self._target(points)) + self._root(original)

    def _root(self, points: Tensor) -> Tensor:
        return points[:, self.root : self.root + 1]

    def _target(self, points: Tensor) -> Tensor:
        return points.new_tensor([0.0, 0.0, self.distance])


class ReleasedGeometry(PaperGeometry):
    """[R1]'s second version (``train_h36m_v2.py``), as written there.

    Depth is ``max(0, c + d) + 1``; turns are about T, wherever the root was lifted to; the angle of 180 degrees is about the **optical
    axis** and the one of ``elevation`` about the vertical; each image is scaled by its own size.
    """

    def normalised(self, image: Tensor, scale: Tensor) -> Tensor:  # noqa: ARG002
        """Images (B, J, 2), each scaled so that the mean distance of its other joints from the root is 1."""
        others = image.shape[1] - 1
        size = image.norm(dim=-1).sum(dim=1) / others
        return image / size.clamp_min(1e-12)[:, None, None]

    def points(self, image: Tensor, told: Tensor) -> Tensor:
        """Points on the rays of images (B, J, 2) at depth ``max(0, c + d) + 1``, d being ``told`` (B, J)."""
        return unproject(image, (self.distance + told).clamp_min(0.0) + 1.0)

    def draw(self, count: int, like: Tensor) -> Tensor:
        """Random rotations (count, 3, 3): about the vertical by up to ``elevation``, then about the optical axis by any angle."""
        roll, azimuth = (torch.deg2rad(largest * (2.0 * torch.rand_like(like[:count]) - 1.0)) for largest in (ALL_AZIMUTHS, self.elevation))
        return about_z(roll) @ about_y(azimuth)

    def turned(self, points: Tensor, rotation: Tensor) -> Tensor:
        """``R (X - T) + T`` for points (B, J, 3) and rotations (B, 3, 3)."""
        return rotate(rotation, points - self._target(points)) + self._target(points)

    def turned_back(self, points: Tensor, rotation: Tensor, original: Tensor) -> Tensor:  # noqa: ARG002
        """``R^-1 (X - T) + T``: undo :meth:`turned`."""
        return self.turned(points, rotation.transpose(-1, -2))


def seen(points: Tensor) -> Tensor:
    """P: image coordinates (B, J, 2) of points (B, J, 3), depths below 1 taken as 1."""
    return project(points, nearest=NEAREST)
