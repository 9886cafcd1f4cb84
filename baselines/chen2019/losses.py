"""Loss terms of the game between lifter and critics."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def consistency(one: Tensor, other: Tensor) -> Tensor:
    """Squared distance of joints, mean over joints and poses."""
    return (one - other).square().sum(dim=-1).mean()


def fooled(score: Tensor, gan: str) -> Tensor:
    """The lifter's loss on the critic's scores of its views: how far they are from passing for real."""
    return functional.softplus(-score).mean() if gan == "bce" else (score - 1.0).square().mean()


def told_apart(real: Tensor, fake: Tensor, gan: str) -> Tensor:
    """The critic's loss on its scores of real poses and of views."""
    if gan == "bce":
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()
    return (real - 1.0).square().mean() + fake.square().mean()


def gradient_on_real(critic: nn.Module, real: Tensor) -> Tensor:
    """Squared norm of the critic's gradient at real samples (B, F), mean over samples: R1 of Mescheder et al. 2018, equation 9."""
    sample = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(sample).sum(), sample, create_graph=True)
    return gradient.square().sum(dim=1).mean()
