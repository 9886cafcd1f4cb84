"""Loss terms, without their weights."""

from __future__ import annotations

import torch
from torch import Tensor

from posebench.base.skeletons import Skeleton

#: Shortest bone, of the unit of poses, whose logarithm is taken.
SHORTEST = 1e-3


def weighted_distance(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean over joints of weight times Euclidean distance, for poses (B, T, J, 3) and weights (B, T, J)."""
    return (weights * (predicted - target).norm(dim=-1)).mean()


def changes_of_lengths(predicted: Tensor, bones: list[tuple[int, int]]) -> Tensor:
    """Mean square of the difference of log bone lengths between two frames of a window, over all pairs of frames of poses (B, T, J, 3).

    Lengths of a frame count relative to their geometric mean over the bones: a body that becomes larger as a whole costs nothing.
    """
    parents, children = (list(ends) for ends in zip(*bones, strict=True))
    lengths = (predicted[..., children, :] - predicted[..., parents, :]).norm(dim=-1)
    logs = torch.log(lengths.clamp_min(SHORTEST))
    # The mean square of the difference of two is twice the variance.
    return 2.0 * (logs - logs.mean(dim=-1, keepdim=True)).var(dim=1, unbiased=False).mean()


def least_on_the_way(margins: Tensor, joints: Skeleton) -> Tensor:
    """Of each joint, the least of the margins (..., J) of the bones from the root to it: a joint is as sure as the least sure of these."""
    out = list(margins.unbind(dim=-1))
    waiting = list(joints.bones)
    done = set(joints.root_indices)
    while waiting:
        parent, child = waiting.pop(0)
        if parent in done:
            out[child] = torch.minimum(out[child], out[parent])
            done.add(child)
        else:
            waiting.append((parent, child))
    return torch.stack(out, dim=-1)
