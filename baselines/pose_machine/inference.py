"""Running a network of windows over a clip at test time.

**Convention.** A clip is the sequence (T, ...) of one take seen by one camera; no window reaches beyond its ends. Every frame gets an
output, for any T.
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


def consecutive_windows(network: Network, clip: Tensor, window: int) -> Tensor:
    """Windows one after the other, the state reset for each; the last one is moved back to end with the clip.

    A clip that is shorter than a window is continued with its last frame.
    """
    parts = []
    for batch in whole_batches(len(clip), window, AT_ONCE):
        frames, take = (torch.from_numpy(indices).to(clip.device) for indices in (batch.frames, batch.take))
        parts.append(network(clip[frames])[take[:, 0], take[:, 1]])
    return torch.cat(parts)


def overlapping_windows(network: Network, clip: Tensor, window: int, stride: int) -> Tensor:
    """Windows ``stride`` frames apart, and one that ends with the clip; a frame's output is a weighted mean over its windows.

    The weight of a frame in a window grows with its distance from the window's nearer end, so that the output does not jump where a window
    begins.
    """
    length = len(clip)
    if length <= window:
        return consecutive_windows(network, clip, window)
    last = length - window
    starts = torch.tensor([*range(0, last, stride), last], device=clip.device)
    inside = torch.arange(window, device=clip.device)
    weight = torch.minimum(inside + 1, window - inside).to(clip.dtype)[:, None]
    total, weights = clip.new_zeros(()), clip.new_zeros(length, 1)
    for some in torch.split(starts, max(1, AT_ONCE // window)):
        frames = some[:, None] + inside
        output = network(clip[frames])
        if not total.dim():  # only now the number of outputs is known
            total = clip.new_zeros(length, output.shape[-1])
        total.index_add_(0, frames.flatten(), (output * weight).flatten(0, 1))
        weights.index_add_(0, frames.flatten(), weight.repeat(len(some), 1))
    return total / weights


def run_network(network: Network, clip: Tensor, inference: str, window: int, stride: int, frame_step: int = 1) -> Tensor:
    """Outputs (T, K) of a clip (T, ...): ``windows``, ``overlap``, or ``whole`` for the clip as one window.

    With ``frame_step`` k the clip is run as k clips of every k-th frame.
    """
    if frame_step > 1:
        phases = range(min(frame_step, len(clip)))
        parts = [run_network(network, clip[phase::frame_step], inference, window, stride) for phase in phases]
        outputs = parts[0].new_empty(len(clip), *parts[0].shape[1:])
        for phase, part in zip(phases, parts, strict=True):
            outputs[phase::frame_step] = part
        return outputs
    if inference == "windows":
        return consecutive_windows(network, clip, window)
    return overlapping_windows(network, clip, window, stride) if inference == "overlap" else network(clip[None])[0]
