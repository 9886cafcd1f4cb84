"""Kinematic chain space, reprojection by a weak-perspective camera, and the way from that camera to a rotation.

**Convention.** Canonical poses (B, J, 3) in metres, mean of the joints at the origin. A weak-perspective camera (B, 2, 3) maps them to
normalised image coordinates (B, J, 2), x right and y down, mean at the origin. It is a scaled rotation without its third row where its rows
are orthogonal and of one length.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: Below this a squared scale counts as this, so that a camera of zeros divides by something.
_TINY = 1e-8


class Normalised(NamedTuple):
    """2D poses without place and size.

    Attributes:
        image: (B, J, 2) mean of the joints at zero, standard deviation of the 2J numbers 1.
        spread: (B, 1, 1) that standard deviation before, in the units of the input.
    """

    image: Tensor
    spread: Tensor


def normalise(image: Tensor) -> Normalised:
    """Take place and size from each frame's 2D pose (B, J, 2): subtract the mean joint, divide by the deviation of all 2J numbers."""
    centred = image - image.mean(dim=1, keepdim=True)
    spread = centred.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-9)
    return Normalised(centred / spread, spread)


def kinematic_chain(points: Tensor, parents: Tensor, children: Tensor) -> Tensor:
    """The kinematic chain space of poses: inner products of their bones.

    Each bone is ``points[child] - points[parent]``; with the bones as columns of B, this is ``B^T B``: squared lengths on the diagonal,
    inner products off it. Wandt and Rosenhahn 2019, section on the critic; the space is from Wandt et al. 2018.

    Args:
        points: (B, J, 3), any unit.
        parents: (N,) joints that the bones begin at.
        children: (N,) joints that they end at.

    Returns:
        (B, N, N), the unit squared.

    Example:
        >>> pose = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [2, 3, 0]]])
        >>> kinematic_chain(pose, torch.tensor([0, 1]), torch.tensor([1, 2]))[0].tolist()
        [[4.0, 0.0], [0.0, 9.0]]
    """
    bones = points[:, children] - points[:, parents]
    return bones @ bones.transpose(1, 2)


def reproject(camera: Tensor, points: Tensor) -> Tensor:
    """The reprojection layer: canonical poses (B, J, 3) seen by weak-perspective cameras (B, 2, 3), as images (B, J, 2)."""
    return points @ camera.transpose(1, 2)


def camera_defect(camera: Tensor, norm: str) -> Tensor:
    """How far each camera (B, 2, 3) is from a scaled rotation: the size of ``2 / trace(K K^T) K K^T - I``, (B,).

    Args:
        camera: (B, 2, 3).
        norm: ``frobenius``, or ``entries`` for the sum of absolute entries.
    """
    square = camera @ camera.transpose(1, 2)
    trace = (square[:, 0, 0] + square[:, 1, 1]).clamp_min(_TINY)
    defect = 2.0 / trace[:, None, None] * square - torch.eye(2, dtype=camera.dtype, device=camera.device)
    if norm == "entries":
        return defect.abs().sum(dim=(1, 2))
    return (defect.square().sum(dim=(1, 2)) + _TINY**2).sqrt()


class Aim(NamedTuple):
    """What a weak-perspective camera says.

    Attributes:
        rotation: (B, 3, 3) from the canonical frame to the camera's, x right, y down, z forward.
        scale: (B, 1, 1) image units a metre.
    """

    rotation: Tensor
    scale: Tensor


def aim(camera: Tensor) -> Aim:
    """The scaled rotation that is nearest to each camera (B, 2, 3).

    The first two rows are its polar factor ``(K K^T)^(-1/2) K``, in closed form; the third is their cross product, for a camera
    does not mirror. The scale is the mean of its singular values.
    """
    square = camera @ camera.transpose(1, 2)
    a, b, d = square[:, 0, 0], square[:, 0, 1], square[:, 1, 1]
    root = (a * d - b * b).clamp_min(_TINY**2).sqrt()
    trace = (a + d + 2.0 * root).clamp_min(_TINY).sqrt()
    # The square root of a symmetric 2 x 2 matrix S is (S + sqrt(det S) I) / sqrt(trace S + 2 sqrt(det S)); its determinant is sqrt(det S).
    first = ((d + root)[:, None] * camera[:, 0] - b[:, None] * camera[:, 1]) / (trace * root)[:, None]
    second = ((a + root)[:, None] * camera[:, 1] - b[:, None] * camera[:, 0]) / (trace * root)[:, None]
    third = torch.linalg.cross(first, second)
    return Aim(torch.stack([first, second, third], dim=1), (trace / 2.0)[:, None, None])


def fitted_camera(points: Tensor, image: Tensor) -> Tensor:
    """The camera (B, 2, 3) whose reprojection of poses (B, J, 3) is nearest to images (B, J, 2), least squares; both centred."""
    solution: Tensor = torch.linalg.lstsq(points, image).solution
    return solution.transpose(1, 2)
