"""Running a network of windows over a clip: how its frames become windows, and the windows' outcomes the clip's.

**Convention.** A clip is the sequence (T, ...) of one take seen by one camera; no window reaches beyond its ends. Every frame gets an
outcome, whatever T is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from posebench.networks.windows import whole_batches

#: Frames that go through the network at once.
AT_ONCE = 4096
#: Windows (B, W, ...) to (B, W, K).
Network = Callable[[Tensor], Tensor]


def in_windows(network: Network, clip: Tensor, window: int) -> Tensor:
    """Windows one after the other, the state reset with each; the last one is moved back to end with the clip.

    A clip that is shorter than a window is continued with its last frame.
    """
    parts = []
    for batch in whole_batches(len(clip), window, AT_ONCE):
        frames, take = (torch.from_numpy(numbers).to(clip.device) for numbers in (batch.frames, batch.take))
        parts.append(network(clip[frames])[take[:, 0], take[:, 1]])
    return torch.cat(parts)


def overlapping(network: Network, clip: Tensor, window: int, hop: int) -> Tensor:
    """Windows ``hop`` frames apart, and one that ends with the clip; each frame's outcome is the mean over the windows that hold it.

    In the mean a window's frame weighs by how far it is from the window's nearer end, so that nothing jumps where a window begins.
    """
    length = len(clip)
    if length <= window:
        return in_windows(network, clip, window)
    last = length - window
    starts = torch.tensor([*range(0, last, hop), last], device=clip.device)
    inside = torch.arange(window, device=clip.device)
    weight = torch.minimum(inside + 1, window - inside).to(clip.dtype)[:, None]
    total, weights = clip.new_zeros(()), clip.new_zeros(length, 1)
    for some in torch.split(starts, max(1, AT_ONCE // window)):
        frames = some[:, None] + inside
        told = network(clip[frames])
        if not total.dim():
            total = told.new_zeros(length, told.shape[-1])
        total.index_add_(0, frames.flatten(), (told * weight).flatten(0, 1))
        weights.index_add_(0, frames.flatten(), weight.repeat(len(some), 1))
    return total / weights


def run_over(network: Network, clip: Tensor, how: str, window: int, hop: int) -> Tensor:
    """Outcomes (T, K) of a clip (T, ...): ``windows``, ``overlap`` or ``whole``, which is the clip as one window."""
    if how == "windows":
        return in_windows(network, clip, window)
    return overlapping(network, clip, window, hop) if how == "overlap" else network(clip[None])[0]
