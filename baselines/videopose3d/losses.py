"""Loss terms: the error of poses, and that of their changes from frame to frame."""

from __future__ import annotations

from torch import Tensor


def joint_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean Euclidean distance of the joints of poses (B, T, J, 3), in their unit: the paper's loss."""
    return (predicted - target).norm(dim=-1).mean()


def velocity_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean Euclidean distance of the joints' changes from one frame to the next, for poses (B, T, J, 3) with T of at least 2."""
    error = predicted - target
    return (error[:, 1:] - error[:, :-1]).norm(dim=-1).mean()
