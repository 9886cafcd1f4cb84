"""Sampled poses of one clip: the data of the checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.scoring.clip_sums import ClipSums

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClipSample:
    """Sampled poses of one clip.

    Attributes:
        clip: the clip id.
        pred, truth: (n, J, 3) root-relative mm; only frames whose predicted pose is valid. Several hypotheses are their mean pose.
        root_distance: largest distance of the predicted root from the origin, mm.
        frames: (n,) positions of these poses among all poses of the clip, from 0.
        length: how many poses the clip has.
        start: the first poses of the clip as stored, whatever they are.
        counts: numbers of all poses of the clip, and of the invalid ones.
        camera: the clip's camera; None where none is known.
    """

    clip: str
    pred: Array
    truth: Array
    frames: npt.NDArray[np.int64]
    length: int
    root_distance: float
    start: Array
    counts: ClipSums
    camera: Camera | None


def rms(pose: Array) -> Array:
    """(n,) root mean square of the joints' distances from the origin, for poses (n, J, d)."""
    out: Array = np.sqrt(np.einsum("njc,njc->n", pose, pose) / pose.shape[1])
    return out


def best_scale(pred: Array, truth: Array) -> Array:
    """(n, 1, 1) the scale that is not negative and brings each pose nearest to the truth."""
    dot = np.einsum("njc,njc->n", pred, truth)
    scale: Array = np.maximum(dot, 0.0) / np.maximum(np.einsum("njc,njc->n", pred, pred), 1e-300)
    return scale[:, None, None]
