"""Loss terms of the student, without their weights. Source: the official code, sjtuxcx/ITES at 50bb6a9.

**Convention.** Lengths in mean root-to-head lengths; depths are counted from the root.
"""

from __future__ import annotations

from torch import Tensor


def distillation_loss(depth: Tensor, teacher_depth: Tensor) -> Tensor:
    """L_dist: mean absolute difference of depths (B, J) from the teacher's."""
    return (depth - teacher_depth).abs().mean()


def equivariance_loss(lifted_view: Tensor, rotated: Tensor) -> Tensor:
    """L_eq: mean distance of joints between the pose lifted from a view and the rotated pose (R B, J, 3) that the view is a projection of.

    Neither side is detached, as in the official code.
    """
    return (lifted_view - rotated).norm(dim=-1).mean()
