"""The exponential map from axis-angle vectors to rotations, and random rotations."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

#: Below this squared angle the map's coefficients come from their series; its five terms are exact to float64's last digits.
_SMALL = 1e-2


def exponential(vector: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3) to rotations (..., 3, 3): ``I + a K + b K^2``, K the cross product with the vector (Rodrigues).

    **Convention.** The vector's length is the angle t in radians; rotations act on column vectors. ``a = sin(t) / t`` and
    ``b = (1 - cos t) / t^2`` are smooth in t^2; near zero they come from their series. So value and gradient are exact everywhere, at
    zero and at pi too. The official code's map is :func:`released_exponential`.

    Example:
        >>> turned = exponential(torch.tensor([0.0, 0.0, math.pi / 2])) @ torch.tensor([1.0, 0.0, 0.0])
        >>> [round(float(x), 6) + 0.0 for x in turned]
        [0.0, 1.0, 0.0]
    """
    square = vector.square().sum(dim=-1)[..., None, None]
    small = square < _SMALL
    # torch.where evaluates both branches, and NaN in the one that is not taken would still reach the gradient.
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    half = (angle / 2.0).sin() / angle
    a = torch.where(small, _series(square, 1), angle.sin() / angle)
    b = torch.where(small, _series(square, 2), 2.0 * half.square())
    return _rodrigues(vector, a, b)


def released_exponential(vector: Tensor) -> Tensor:
    """The map as the official code computes it: ``a = sin(t) / (t + 1e-4)``, ``b = (1 - cos t) / (t + 1e-4)^2``.

    So the matrices (..., 3, 3) are orthonormal to some 1e-4 only. The gradient is finite at zero too.

    Example:
        >>> turned = released_exponential(torch.tensor([0.0, 0.0, math.pi / 2])) @ torch.tensor([1.0, 0.0, 0.0])
        >>> [round(float(x), 5) + 0.0 for x in turned]
        [0.00013, 0.99994, 0.0]
    """
    angle = vector.norm(dim=-1)[..., None, None]
    inverse = 1.0 / (angle + 1e-4)
    return _rodrigues(vector, angle.sin() * inverse, (1.0 - angle.cos()) * inverse.square())


def _rodrigues(vector: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``I + a K + b K^2`` (..., 3, 3), K the cross product with the vector (..., 3)."""
    x, y, z = vector.unbind(dim=-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    return torch.eye(3, dtype=vector.dtype, device=vector.device) + a * cross + b * (cross @ cross)


def _series(square: Tensor, first: int) -> Tensor:
    """``1/n! - t^2/(n+2)! + t^4/(n+4)! - ...`` for n = ``first``: sin(t)/t for 1, (1 - cos t)/t^2 for 2."""
    total = torch.zeros_like(square)
    for term in reversed(range(5)):
        total = total * -square + 1.0 / math.factorial(first + 2 * term)
    return total


def random_rotations(count: int, like: Tensor, to_rotation: Callable[[Tensor], Tensor] = exponential) -> Tensor:
    """Rotations (count, 3, 3): axes uniform on the sphere, angles uniform between 0 and pi, as in the official code.

    Args:
        count: how many.
        like: a tensor of the wanted type, on the wanted device.
        to_rotation: the exponential map.
    """
    axis = torch.randn(count, 3, device=like.device, dtype=like.dtype)
    axis = axis / axis.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return to_rotation(axis * (math.pi * torch.rand(count, 1, device=like.device, dtype=like.dtype)))
