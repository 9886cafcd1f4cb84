"""Windows of frames of a clip for networks with a context; beyond the clip's ends its first and last frame are repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of windows for a network, and the frames that its predictions belong to.

    Attributes:
        frames: (B, T) frames of the clip that each window holds.
        given: T', frames that the network predicts for each window.
        take: (N, 2) window and frame in it of each predicted pose that is used.
        put: (N,) the clip's frame that each of these poses belongs to.
    """

    frames: Indices
    given: int
    take: Indices
    put: Indices


def centre_batches(length: int, window: int, poses: int) -> Iterator[Batch]:
    """A window (odd length) centred on every frame; the network predicts its middle frame. At most ``poses`` frames in a batch."""
    step = max(1, poses // window)
    for start in range(0, length, step):
        put = np.arange(start, min(start + step, length))
        frames = np.clip(put[:, None] + np.arange(window) - window // 2, 0, length - 1)
        yield Batch(frames, 1, np.stack([np.arange(len(put)), np.zeros_like(put)], axis=1), put)


def whole_batches(length: int, window: int, poses: int) -> Iterator[Batch]:
    """Consecutive windows; the network predicts all their frames.

    The last window is moved back to end with the clip, and only its new frames are used. A clip that is shorter than the window is
    padded with its last frame.
    """
    starts = np.arange(0, length, window)
    firsts = np.clip(starts, 0, max(length - window, 0))
    step = max(1, poses // window)
    for k in range(0, len(starts), step):
        first = firsts[k : k + step]
        put = np.arange(starts[k], min(starts[k] + len(first) * window, length))
        row = (put - starts[k]) // window
        frames = np.minimum(first[:, None] + np.arange(window), length - 1)
        yield Batch(frames, window, np.stack([row, put - first[row]], axis=1), put)


def sliding_batches(length: int, window: int, poses: int) -> Iterator[Batch]:
    """Segments of at most ``poses`` frames, with half a window (odd length) more at either end.

    The network is a convolution over time without padding: it predicts all frames but those at the ends.
    """
    for start in range(0, length, poses):
        put = np.arange(start, min(start + poses, length))
        frames = np.clip(np.arange(start - window // 2, put[-1] + window // 2 + 1), 0, length - 1)
        yield Batch(frames[None], len(put), np.stack([np.zeros_like(put), np.arange(len(put))], axis=1), put)


#: By the value of ``frames`` in a network's TOML: the batches for it.
BATCHES = {"centre": centre_batches, "window": whole_batches, "slide": sliding_batches}
