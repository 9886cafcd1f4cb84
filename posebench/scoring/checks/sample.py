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
        counts: numbers of all poses of the clip, and of the invalid ones.
        camera: the clip's camera; None where none is known.
    """

    clip: str
    pred: Array
    truth: Array
    root_distance: float
    counts: ClipSums
    camera: Camera | None


def rms(pose: Array) -> Array:
    """(n,) root mean square of the joints' distances from the origin, for poses (n, J, d)."""
    out: Array = np.sqrt(np.einsum("njc,njc->n", pose, pose) / pose.shape[1])
    return out
