"""Windows of frames about each frame of a clip, with the clip's first and last frame repeated beyond its ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some windows for a network, and where the poses that it gives go.

    Attributes:
        frames: (B, T) frames of the clip that each window holds.
        given: T', frames that the network gives for each window.
        take: (N, 2) window and frame in it of each pose that is kept.
        put: (N,) frame of the clip that each of these is.
    """

    frames: Indices
    given: int
    take: Indices
    put: Indices


def centre_batches(length: int, window: int, poses: int) -> Iterator[Batch]:
    """One window (odd length) about every frame of a clip; the network gives the middle one. At most ``poses`` frames a batch."""
    step = max(1, poses // window)
    for start in range(0, length, step):
        put = np.arange(start, min(start + step, length))
        frames = np.clip(put[:, None] + np.arange(window) - window // 2, 0, length - 1)
        yield Batch(frames, 1, np.stack([np.arange(len(put)), np.zeros_like(put)], axis=1), put)


def whole_batches(length: int, window: int, poses: int) -> Iterator[Batch]:
    """Windows one after the other; the network gives all their frames.

    The last window is moved back to end with the clip, and only its new frames are kept. A clip that is shorter than the window is
    continued with its last frame.
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
    """Stretches of at most ``poses`` frames with half a window (odd length) more at either end.

    The network is a convolution in time without padding of its own: it gives all frames but those ends.
    """
    for start in range(0, length, poses):
        put = np.arange(start, min(start + poses, length))
        frames = np.clip(np.arange(start - window // 2, put[-1] + window // 2 + 1), 0, length - 1)
        yield Batch(frames[None], len(put), np.stack([np.zeros_like(put), np.arange(len(put))], axis=1), put)


#: What a network gives of a window, in a TOML's words, and the batches that suit it.
BATCHES = {"centre": centre_batches, "window": whole_batches, "slide": sliding_batches}
