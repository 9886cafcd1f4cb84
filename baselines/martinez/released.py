"""Layers as in the authors' code (una-dinosauria/3d-pose-baseline, ``src/linear_model.py``), where it says more than the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Batch norm of the authors' framework: what is added to the variance, and the share of a new batch in the running statistics.
EPSILON, NEW_SHARE = 1e-3, 0.01


class ClippedLinear(nn.Linear):
    """A linear layer that uses its weights scaled down to a norm of at most ``limit``, the norm being that of the **whole** matrix.

    The stored weights are free; gradients pass through the scaling.
    """

    limit: float

    def forward(self, sample: Tensor) -> Tensor:
        """(B, in_features) to (B, out_features)."""
        return functional.linear(sample, self.weight * (self.limit / self.weight.norm().clamp_min(self.limit)), self.bias)


def as_released(network: nn.Module, limit: float) -> None:
    """Change a network's layers, in place, to those of the authors' code.

    Weights and biases start from a normal distribution cut at two deviations, times the square root of 2 / inputs for weights and of
    2 / outputs for biases.

    Args:
        network: with linear layers and batch norms.
        limit: largest norm of a layer's weights.
    """
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.eps, part.momentum = EPSILON, NEW_SHARE
        elif isinstance(part, nn.Linear):
            part.__class__ = ClippedLinear
            assert isinstance(part, ClippedLinear)
            part.limit = limit
            for values, fan in ((part.weight, part.in_features), (part.bias, part.out_features)):
                nn.init.trunc_normal_(values, a=-2.0, b=2.0)
                with torch.no_grad():
                    values.mul_((2.0 / fan) ** 0.5)
