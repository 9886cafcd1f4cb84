"""The two pose losses: the paper's squared error, and the mean joint distance that the tuned form uses."""

from __future__ import annotations

from torch import Tensor


def squared_error(error: Tensor) -> Tensor:
    """Mean square of standardised coordinate errors (B, J - 1, 3), as in the paper."""
    return error.square().mean()


def joint_distance(error: Tensor, deviation: Tensor) -> Tensor:
    """Mean Euclidean distance of joints in units of 100 mm, so that its gradients are of the order of the squared error's.

    Args:
        error: (B, J - 1, 3) standardised coordinate errors.
        deviation: (J - 1, 3) standard deviations of the coordinates, mm.
    """
    return (error * deviation / 100.0).norm(dim=-1).mean()
