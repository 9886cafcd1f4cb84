"""Loss terms of the generator and of the critic.

**Convention.** Scores (B, 1) of the critic are high for real poses. Weak-perspective cameras (B, 2, 3), the paper's K.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .geometry import TINY


def reprojection_loss(image: Tensor, reprojected: Tensor, weights: Tensor) -> Tensor:
    """L_rep: absolute difference of images (B, J, 2), weighted by joint (J,), mean over all B J 2 numbers."""
    return (weights[:, None] * (image - reprojected).abs()).mean()


def camera_orthogonality_loss(camera: Tensor, norm: str) -> Tensor:
    """L_cam: how far each camera (B, 2, 3) is from a scaled rotation, the norm of ``2 / trace(K K^T) K K^T - I``: (B,).

    Args:
        camera: (B, 2, 3) K.
        norm: ``frobenius``, or ``entries`` for the sum of absolute entries.
    """
    square = camera @ camera.transpose(1, 2)
    trace = (square[:, 0, 0] + square[:, 1, 1]).clamp_min(TINY)
    difference = 2.0 / trace[:, None, None] * square - torch.eye(2, dtype=camera.dtype, device=camera.device)
    if norm == "entries":
        return difference.abs().sum(dim=(1, 2))
    return (difference.square().sum(dim=(1, 2)) + TINY**2).sqrt()


def generator_loss(fake: Tensor) -> Tensor:
    """The generator's Wasserstein loss on the critic's scores (B, 1) of its poses: falls as they are scored as more real."""
    return -fake.mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The critic's Wasserstein loss on its scores (B, 1) of real and generated poses: falls as real ones score higher than generated."""
    return fake.mean() - real.mean()


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Squared difference of the critic's gradient norm from 1, at random points between pairs of poses, mean over pairs.

    Gulrajani et al. 2017, equation 3, without its weight.

    Args:
        critic: from poses (B, J, 3) to scores (B, 1).
        real: (B, J, 3).
        fake: (B, J, 3).
    """
    share = torch.rand(len(real), 1, 1, device=real.device, dtype=real.dtype)
    between = (real + share * (fake - real)).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1.0).square().mean()
