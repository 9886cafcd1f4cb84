"""Standardisation by statistics of the training split, which are stored with a lifter's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """Subtract the mean and divide by the standard deviation of the training split; both are stored with the weights.

    **Convention.** Samples (N, ...) of one unit, each number on its own. A number whose standard deviation is below a millionth of the
    largest one (a root at the origin, up to rounding) is only centred: divided by it, rounding errors would look like a signal.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def fit(self, samples: Tensor) -> None:
        """Compute the statistics of training samples (N, *shape), in float64, so that the order of summation hardly matters."""
        wide = samples.double()
        mean = wide.mean(dim=0)
        deviation = (wide - mean).square().mean(dim=0).sqrt()
        constant = deviation <= 1e-6 * samples.abs().max()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(constant, torch.ones_like(deviation), deviation))

    def forward(self, samples: Tensor) -> Tensor:
        """Standardise samples (N, *shape); the result has no unit."""
        return (samples - self.mean) / self.deviation

    def undo(self, samples: Tensor) -> Tensor:
        """Standardised samples (N, *shape) back to the unit of the training samples."""
        return samples * self.deviation + self.mean
