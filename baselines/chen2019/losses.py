"""Loss terms of the lifter and of the discriminators."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def consistency(one: Tensor, other: Tensor) -> Tensor:
    """Squared distance of joints (B, J, D), mean over joints and poses: the paper's L_3D for D = 3 and L_2D for D = 2, up to weights."""
    return (one - other).square().sum(dim=-1).mean()


def mean_square(one: Tensor, other: Tensor) -> Tensor:
    """Mean square of the differences over all numbers: the consistency losses of the published forms, 1/D of :func:`consistency`."""
    return (one - other).square().mean()


def generator_loss(score: Tensor, kind: str) -> Tensor:
    """The lifter's adversarial loss: low where the discriminator scores its views (B, 1) as real.

    Args:
        score: the discriminator's scores of generated views; higher means more real.
        kind: ``bce``: ``-log D`` with ``D = sigmoid(score)``; ``least squares``: ``(score - 1)^2``; ``wasserstein``: ``-score``.
    """
    if kind == "wasserstein":
        return -score.mean()
    return functional.softplus(-score).mean() if kind == "bce" else (score - 1.0).square().mean()


def discriminator_loss(real: Tensor, fake: Tensor, kind: str) -> Tensor:
    """The discriminator's loss: low where real poses score high and generated views low.

    Args:
        real: (B, 1) scores of real poses.
        fake: (B, 1) scores of generated views.
        kind: ``bce``: ``-log D(real) - log(1 - D(fake))``; ``least squares``: ``(real - 1)^2 + fake^2``;
            ``wasserstein``: ``fake - real``.
    """
    if kind == "wasserstein":
        return fake.mean() - real.mean()
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


def gradient_penalty(discriminator: nn.Module, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Mean of (norm of the discriminator's gradient - 1)^2 at ``share * real + (1 - share) * fake``: WGAN-GP, Gulrajani et al. 2017.

    The weight of the penalty is the caller's.

    Args:
        discriminator: (B, F) to scores (B, 1).
        real: (B, F) real samples.
        fake: (B, F) generated samples.
        share: (B, 1) of the real sample in each mixture, drawn uniformly from 0 to 1.
    """
    mixed = (share * real + (1.0 - share) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(mixed).sum(), mixed, create_graph=True)
    return (gradient.norm(dim=1) - 1.0).square().mean()
