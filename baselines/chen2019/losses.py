"""Loss terms of the lifter and of the discriminators."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def consistency(one: Tensor, other: Tensor) -> Tensor:
    """Squared distance of joints (B, J, D), mean over joints and poses: the paper's L_3D for D = 3 and L_2D for D = 2, up to weights."""
    return (one - other).square().sum(dim=-1).mean()


def generator_loss(score: Tensor, kind: str) -> Tensor:
    """The lifter's adversarial loss: low where the discriminator scores its views (B, 1) as real.

    Args:
        score: the discriminator's scores of generated views; higher means more real.
        kind: ``bce``: ``-log D`` with ``D = sigmoid(score)``; ``least squares``: ``(score - 1)^2``.
    """
    return functional.softplus(-score).mean() if kind == "bce" else (score - 1.0).square().mean()


def discriminator_loss(real: Tensor, fake: Tensor, kind: str) -> Tensor:
    """The discriminator's loss: low where real poses score high and generated views low.

    Args:
        real: (B, 1) scores of real poses.
        fake: (B, 1) scores of generated views.
        kind: ``bce``: ``-log D(real) - log(1 - D(fake))``; ``least squares``: ``(real - 1)^2 + fake^2``.
    """
    if kind == "bce":
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()
    return (real - 1.0).square().mean() + fake.square().mean()


def r1_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """Squared norm of the discriminator's gradient at real samples (B, F), mean over samples: R1 of Mescheder et al. 2018, equation 9.

    The weight of the penalty and its factor 1/2 are the caller's.
    """
    sample = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(sample).sum(), sample, create_graph=True)
    return gradient.square().sum(dim=1).mean()
