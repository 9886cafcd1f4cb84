"""Differentiable cameras: pinhole projection, rotations, and random views of a pose.

**Convention.** Poses (..., J, 3) in the camera frame, x right, y down, z forward; image coordinates (..., J, 2) of unit focal length, so
that a point of the camera frame projects to (x / z, y / z). Rotations (..., 3, 3) act on column vectors: ``rotated = rotation @ point``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

#: Smallest depth in a camera that looks at the root, as in Drover et al. 2018 and ElePose's code; it keeps divisions by depth bounded.
NEAREST = 1.0


def project(points: Tensor, *, nearest: float = 0.0) -> Tensor:
    """Points (..., 3) of the camera frame to image coordinates (..., 2) of unit focal length.

    Args:
        points: (..., 3), any unit.
        nearest: smaller depths are clamped to this, so that points behind the camera do not divide by zero; 0 for no clamping.

    Example:
        >>> project(torch.tensor([[2.0, -4.0, 2.0]])).tolist()
        [[1.0, -2.0]]
    """
    depth = points[..., 2:]
    return points[..., :2] / (depth.clamp_min(nearest) if nearest else depth)


def unproject(image: Tensor, depth: Tensor) -> Tensor:
    """Image coordinates (..., 2) of unit focal length at ``depth`` (...) to points (..., 3); the inverse of :func:`project`."""
    return torch.cat([image * depth[..., None], depth[..., None]], dim=-1)


def rotate(rotation: Tensor, points: Tensor) -> Tensor:
    """Rotate points (..., J, 3), each set by its own rotation (..., 3, 3)."""
    return points @ rotation.transpose(-1, -2)


def about_x(angle: Tensor) -> Tensor:
    """Rotations (..., 3, 3) by ``angle`` (...) in radians about x (right); a positive angle turns y (down) towards z (forward)."""
    zero, one, c, s = torch.zeros_like(angle), torch.ones_like(angle), angle.cos(), angle.sin()
    return _matrix((one, zero, zero), (zero, c, -s), (zero, s, c))


def about_y(angle: Tensor) -> Tensor:
    """Rotations (..., 3, 3) by ``angle`` (...) in radians about y (down); a positive angle turns z (forward) towards x (right)."""
    zero, one, c, s = torch.zeros_like(angle), torch.ones_like(angle), angle.cos(), angle.sin()
    return _matrix((c, zero, s), (zero, one, zero), (-s, zero, c))


def about_z(angle: Tensor) -> Tensor:
    """Rotations (..., 3, 3) by ``angle`` (...) in radians about z (forward); a positive angle turns x (right) towards y (down)."""
    zero, one, c, s = torch.zeros_like(angle), torch.ones_like(angle), angle.cos(), angle.sin()
    return _matrix((c, -s, zero), (s, c, zero), (zero, zero, one))


def _matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


@dataclass(frozen=True)
class ViewRange:
    """Range of random camera positions around a pose; angles in degrees, each drawn uniformly.

    Attributes:
        azimuth: about the body's vertical axis, from minus this to plus this.
        elevation: (lowest, highest) change of the camera's elevation.
        roll: about the line of sight, from minus this to plus this.
    """

    azimuth: float = 180.0
    elevation: tuple[float, float] = (-20.0, 20.0)
    roll: float = 0.0

    def draw(self, count: int, like: Tensor) -> Tensor:
        """Random rotations (count, 3, 3) on the device and in the type of ``like``, from torch's global generator."""
        azimuth = _uniform(count, -self.azimuth, self.azimuth, like)
        elevation = _uniform(count, *self.elevation, like)
        rotation = about_x(elevation) @ about_y(azimuth)
        return about_z(_uniform(count, -self.roll, self.roll, like)) @ rotation if self.roll else rotation


def _uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    unit = torch.rand(count, device=like.device, dtype=like.dtype)
    return torch.deg2rad(low + (high - low) * unit)


class RootView(NamedTuple):
    """A frame in the view of a camera at the same place that looks straight at the root, without roll.

    Attributes:
        image: (B, J, 2) image coordinates of unit focal length; the root at zero.
        down: (B,) angle in radians by which this camera looks down.
        rotation: (B, 3, 3) from the frame's own camera to this one.
    """

    image: Tensor
    down: Tensor
    rotation: Tensor


def root_relative_view(keypoints: Tensor, root: int) -> RootView:
    """The approximation of most papers: shift the image so that the root is at its centre, and assume a level camera."""
    count = len(keypoints)
    identity = torch.eye(3, dtype=keypoints.dtype, device=keypoints.device).expand(count, 3, 3)
    return RootView(keypoints - keypoints[:, root : root + 1], keypoints.new_zeros(count), identity)


def project_at_distance(points: Tensor, distance: float) -> Tensor:
    """Image coordinates (B, J, 2) of points (B, J, 3) relative to a root that is straight ahead at ``distance``."""
    depth = (points[..., 2:] + distance).clamp_min(NEAREST)
    return points[..., :2] / depth


def level_turn(down: Tensor, azimuth: Tensor, new_down: Tensor) -> Tensor:
    """Rotations (B, 3, 3) from a camera that looks down by ``down`` to one that looks down by ``new_down``, rotated by ``azimuth``."""
    return about_x(new_down) @ about_y(azimuth) @ about_x(-down)


def look_at_root(keypoints: Tensor, root: int, tilt: float) -> RootView:
    """Rotate each frame's camera so that it looks at the root.

    Args:
        keypoints: (B, J, 2), unit focal length.
        root: its joint.
        tilt: degrees by which the frame's own camera looks down; its roll is assumed to be zero.
    """
    # Filled on the device: a copy from the host cannot be captured in a CUDA graph.
    level = about_x(keypoints.new_full((), math.radians(tilt)))
    rays = torch.cat([keypoints, torch.ones_like(keypoints[..., :1])], dim=-1) @ level
    to_root = rays[:, root]
    ahead = to_root[:, ::2].square().sum(dim=1).sqrt()  # not torch.hypot, which ONNX lacks
    down = torch.atan2(to_root[:, 1], ahead)
    aim = about_x(down) @ about_y(-torch.atan2(to_root[:, 0], to_root[:, 2]))
    seen = rotate(aim, rays)
    return RootView(seen[..., :2] / seen[..., 2:], down, aim @ level.T)
