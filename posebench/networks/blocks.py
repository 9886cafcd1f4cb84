"""The residual multilayer perceptron of most single-frame lifters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two linear layers, each followed by batch norm (optional), a (leaky) ReLU and dropout; the input is added to the output.

    **Convention.** (B, width) to (B, width). Source: Martinez et al. 2017, section 3.2 and figure 2.
    """

    def __init__(self, width: int, *, dropout: float, norm: bool, slope: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layer(width, width, dropout, norm, slope), *_layer(width, width, dropout, norm, slope))

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        out: Tensor = hidden + self.layers(hidden)
        return out


class ResidualMLP(nn.Module):
    """Linear layer, residual blocks, linear layer.

    Args:
        inputs: size of an input.
        outputs: size of an output.
        width: of every hidden layer.
        blocks: number of residual blocks.
        dropout: share of hidden units set to zero in training.
        norm: batch norm after each hidden linear layer. A critic with gradient penalty must not have it (Gulrajani et al. 2017, section 4).
        slope: of the leaky ReLU below zero; 0 for the plain ReLU.
        initialise: called with each linear layer's weight; None for PyTorch's default.

    Example:
        >>> ResidualMLP(34, 51, width=8, blocks=1)(torch.zeros(2, 34)).shape
        torch.Size([2, 51])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 1024,
        blocks: int = 2,
        dropout: float = 0.0,
        norm: bool = True,
        slope: float = 0.0,
        initialise: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        hidden = [ResidualBlock(width, dropout=dropout, norm=norm, slope=slope) for _ in range(blocks)]
        self.layers = nn.Sequential(*_layer(inputs, width, dropout, norm, slope), *hidden, nn.Linear(width, outputs))
        if initialise:
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    initialise(module.weight)

    def forward(self, sample: Tensor) -> Tensor:
        """(B, inputs) to (B, outputs)."""
        out: Tensor = self.layers(sample)
        return out


def _layer(inputs: int, outputs: int, dropout: float, norm: bool, slope: float) -> list[nn.Module]:
    layer: list[nn.Module] = [nn.Linear(inputs, outputs)]
    if norm:
        layer.append(nn.BatchNorm1d(outputs))
    layer.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
    if dropout:
        layer.append(nn.Dropout(dropout))
    return layer


def max_norm_(module: nn.Module, largest: float) -> None:
    """Scale down each row of every linear layer's weight, the weights of one output unit, to a norm of at most ``largest``.

    This is the max-norm constraint as it is commonly defined, and our reading of Martinez et al. 2017; their code limits the norm of a
    layer's whole matrix (:mod:`baselines.martinez.released`).
    """
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Linear):
                part.weight.renorm_(2, 0, largest)
