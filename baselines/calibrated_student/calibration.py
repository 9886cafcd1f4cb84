"""The body of a clip, from the student's own poses: its bone lengths, and how far away it is in each frame.

**Convention.** Lengths in mean lengths from root to head. They are weighted medians over the clip and over left and right; what the lengths
of a frame differ by as a whole is an error of its distance, which is smoothed in time; the two are computed in turn. Bones across the view
count most, because an error of their depth hardly changes their length. The tracker has the same rule (baselines/rigid_track/README.md).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from posebench.base.skeletons import Skeleton

from .losses import SHORTEST

#: A bone counts by 1 / (ACROSS^2 + (depth / length)^2).
ACROSS = 0.3
#: Standard deviation of the Gaussian in time, frames; and how far it reaches.
SMOOTH, REACH = 10.0, 40
ROUNDS = 3


def bone_lengths(poses: Tensor, bones: list[tuple[int, int]]) -> Tensor:
    """Lengths (..., N) of the bones of poses (..., J, 3)."""
    parents, children = (list(ends) for ends in zip(*bones, strict=True))
    return (poses[..., children, :] - poses[..., parents, :]).norm(dim=-1).clamp_min(SHORTEST)


def calibrated(poses: Tensor, joints: Skeleton) -> tuple[Tensor, Tensor]:
    """Of the poses (T, J, 3) of a clip: log bone lengths (N,), and by how much (T,) the log distance of each frame is too small."""
    parents, children = (list(ends) for ends in zip(*joints.bones, strict=True))
    lengths = bone_lengths(poses, list(joints.bones))
    depth = poses[:, children, 2] - poses[:, parents, 2]
    logs, weights = lengths.log(), 1.0 / (ACROSS**2 + (depth / lengths) ** 2)
    size = poses.new_zeros(len(poses))
    for _ in range(ROUNDS):
        body = _of_both_sides(logs + size[:, None], weights, joints)
        size = smoothed(weighted_median((body - logs).T, weights.T))
        size = size - size.mean()
    return _of_both_sides(logs + size[:, None], weights, joints), size


def _of_both_sides(logs: Tensor, weights: Tensor, joints: Skeleton) -> Tensor:
    """The log length (N,) of each bone over the frames of (T, N), one of left and right."""
    found = weighted_median(logs, weights)
    for pair in (list(pair) for pair in joints.bone_pairs):
        found[pair] = weighted_median(logs[:, pair].reshape(-1, 1), weights[:, pair].reshape(-1, 1))
    return found


def weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    """Of each column of values (T, N): the least value up to which half of the weights lie."""
    ordered, order = values.sort(dim=0)
    below = weights.gather(0, order).cumsum(dim=0)
    middle = (below >= 0.5 * below[-1:]).int().argmax(dim=0, keepdim=True)
    return ordered.gather(0, middle)[0]


def smoothed(track: Tensor) -> Tensor:
    """Numbers (T,), smoothed by a Gaussian; beyond the ends the end values are repeated."""
    offsets = torch.arange(-REACH, REACH + 1, device=track.device, dtype=track.dtype)
    kernel = torch.exp(-0.5 * (offsets / SMOOTH) ** 2)
    padded = torch.cat([track[:1].expand(REACH), track, track[-1:].expand(REACH)])
    return functional.conv1d(padded[None, None], (kernel / kernel.sum())[None, None])[0, 0]
