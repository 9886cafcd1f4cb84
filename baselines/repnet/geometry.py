"""Image normalisation, the KCS matrix, weak-perspective reprojection, and the rotation that belongs to a weak-perspective camera.

**Convention.** Canonical poses (B, J, 3) in metres, mean of the joints at or near the origin. A weak-perspective camera (B, 2, 3), the
paper's K, maps them to normalised image coordinates (B, J, 2), x right and y down, mean at the origin. Where its rows are orthogonal and of
one length, it consists of the first two rows of a scaled rotation.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: Squared sizes below this are taken for this, so that a camera of zeros gives finite numbers and gradients.
TINY = 1e-8


class Normalised(NamedTuple):
    """2D poses without position and size.

    Attributes:
        image: (B, J, 2) mean of the joints at zero, standard deviation of the 2 J numbers 1.
        spread: (B, 1, 1) that standard deviation before normalisation, in units of the input.
    """

    image: Tensor
    spread: Tensor


def normalise(image: Tensor) -> Normalised:
    """Subtract each frame's mean joint from its 2D pose (B, J, 2), and divide by the standard deviation of all 2 J numbers."""
    centred = image - image.mean(dim=1, keepdim=True)
    spread = centred.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-9)
    return Normalised(centred / spread, spread)


def kcs_matrix(points: Tensor, parents: Tensor, children: Tensor) -> Tensor:
    """The kinematic chain space (KCS) matrix of poses, the paper's Psi: inner products of their bones.

    Each bone is ``points[child] - points[parent]``; with the bones as columns of B, this is ``B^T B``: squared lengths on the diagonal,
    inner products off it. Wandt and Rosenhahn 2019, section on the critic; introduced by Wandt et al. 2018.

    Args:
        points: (B, J, 3), any unit.
        parents: (N,) joints at which the bones begin.
        children: (N,) joints at which they end.

    Returns:
        (B, N, N), the unit squared.

    Example:
        >>> pose = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [2, 3, 0]]])
        >>> kcs_matrix(pose, torch.tensor([0, 1]), torch.tensor([1, 2]))[0].tolist()
        [[4.0, 0.0], [0.0, 9.0]]
    """
    bones = points[:, children] - points[:, parents]
    return bones @ bones.transpose(1, 2)


def reproject(camera: Tensor, points: Tensor) -> Tensor:
    """The reprojection layer K X: canonical poses (B, J, 3) through cameras (B, 2, 3) to normalised images (B, J, 2)."""
    return points @ camera.transpose(1, 2)


class ScaledRotation(NamedTuple):
    """A weak-perspective camera as a rotation and a scale.

    Attributes:
        rotation: (B, 3, 3) from the canonical frame to the camera's, x right, y down, z forward.
        scale: (B, 1, 1) image units per metre.
    """

    rotation: Tensor
    scale: Tensor


def weak_perspective_to_rotation(camera: Tensor) -> ScaledRotation:
    """The scaled rotation that is nearest to each camera (B, 2, 3).

    The first two rows are the camera's polar factor ``(K K^T)^(-1/2) K``; the third is their cross product, so that the determinant is 1.
    The scale is the mean of the camera's singular values.
    """
    square = camera @ camera.transpose(1, 2)
    a, b, d = square[:, 0, 0], square[:, 0, 1], square[:, 1, 1]
    # Closed form for S = K K^T = [[a, b], [b, d]]: sqrt(S) = (S + r I) / sqrt(trace S + 2 r) with r = sqrt(det S) = det sqrt(S).
    root = (a * d - b * b).clamp_min(TINY**2).sqrt()
    trace = (a + d + 2.0 * root).clamp_min(TINY).sqrt()
    first = ((d + root)[:, None] * camera[:, 0] - b[:, None] * camera[:, 1]) / (trace * root)[:, None]
    second = ((a + root)[:, None] * camera[:, 1] - b[:, None] * camera[:, 0]) / (trace * root)[:, None]
    third = torch.linalg.cross(first, second)
    return ScaledRotation(torch.stack([first, second, third], dim=1), (trace / 2.0)[:, None, None])
