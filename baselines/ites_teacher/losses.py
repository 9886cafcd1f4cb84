"""Loss terms of the teacher, without their weights. Source: the official code, sjtuxcx/ITES at 50bb6a9, whose losses these are.

**Convention.** Lengths in mean root-to-head lengths, image coordinates of unit focal length. Every term is the mean over poses and joints
of a Euclidean distance, not of its square.
"""

from __future__ import annotations

from torch import Tensor

from posebench.networks.views import project_at_distance


def reprojection_loss(pose: Tensor, image: Tensor, distance: float) -> Tensor:
    """L_rep: distance of the projected pose from the input view.

    Args:
        pose: (B, J, 3) in the axes of the camera that looks at the root.
        image: (B, J, 2) view.
        distance: c, of the root from the camera.
    """
    return mean_distance(project_at_distance(pose, distance), image)


def invariance_loss(canonical_of_view: Tensor, canonical: Tensor, rotations: int) -> Tensor:
    """L_cyc: a rotated body has the same canonical pose. The target is not detached, as in the official code.

    Args:
        canonical_of_view: (R B, J, 3) predicted for the random views, R rotations of each sample.
        canonical: (B, J, 3) predicted for the inputs.
        rotations: R.
    """
    return mean_distance(canonical_of_view, canonical.repeat(rotations, 1, 1))


def equivariance_loss(pose_of_view: Tensor, rotated: Tensor) -> Tensor:
    """The same cycle in the random camera's axes: the rotation must be predicted too. Ours; the official teacher has no such term.

    Args:
        pose_of_view: (R B, J, 3) predicted for the random views.
        rotated: (R B, J, 3) the poses that the views are projections of.
    """
    return mean_distance(pose_of_view, rotated)


def mean_distance(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distance of joints (..., D), mean over joints and poses."""
    return (one - other).norm(dim=-1).mean()
