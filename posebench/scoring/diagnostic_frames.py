"""Label-free diagnostics (:mod:`posebench.metrics.behaviour`) of lifters and of prediction files, on frames spread over a dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import skeleton
from posebench.data.clip import Array, Dataset
from posebench.metrics.behaviour import behaviour
from posebench.predictions.archive import Predictions

#: Two cameras are opposite where the angle between their lines of sight exceeds this.
OPPOSITE_DEGREES = 150.0


@dataclass(frozen=True, eq=False)
class DiagnosticFrames:
    """Frames on which a lifter is diagnosed, spread evenly over clips.

    Attributes:
        frames: clip id to the numbers of its frames, in the order of the clips.
        opposite: (P, 2) pairs that show one moment from opposite cameras, as positions in all frames one after the other; empty where no
            cameras are known.
    """

    frames: dict[str, npt.NDArray[np.int64]]
    opposite: npt.NDArray[np.int64]


def diagnostic_frames(dataset: Dataset, clips: list[str], *, most: int = 4000) -> DiagnosticFrames:
    """Choose every k-th frame of the clips, about ``most`` in all. Cameras are read; poses are not."""
    step = max(1, -(-sum(dataset.infos[id].frames for id in clips) // most))
    clips_of_take: dict[str, list[str]] = {}
    for id in clips:
        clips_of_take.setdefault(dataset.infos[id].take, []).append(id)
    frames: dict[str, npt.NDArray[np.int64]] = {}
    pairs: list[npt.NDArray[np.int64]] = [np.zeros((0, 2), dtype=np.int64)]
    position = 0
    for ids in clips_of_take.values():
        positions = {}
        for id in ids:
            count = dataset.infos[id].frames
            frames[id] = np.arange(step // 2 % count, count, step)
            positions[id] = np.arange(position, position + len(frames[id]))
            position += len(frames[id])
        pairs += [
            np.stack([positions[one], positions[other]], axis=1)
            for one, other in _opposite_clips(dataset, ids)
            if len(positions[one]) == len(positions[other])
        ]
    return DiagnosticFrames(frames, np.concatenate(pairs))


def _opposite_clips(dataset: Dataset, ids: list[str]) -> list[tuple[str, str]]:
    """Pairs of clips of one take that opposite cameras see; clips without a camera are in no pair."""
    sights = {id: camera.rotation[2] for id in ids if (camera := dataset.load(id).camera) is not None}
    return [
        (one, other) for one, other in combinations(sights, 2) if float(sights[one] @ sights[other]) < np.cos(np.deg2rad(OPPOSITE_DEGREES))
    ]


def behaviour_on(
    chosen: DiagnosticFrames, skeleton_id: str, poses: Callable[[str, npt.NDArray[np.int64]], npt.NDArray[np.floating]]
) -> dict[str, float]:
    """Label-free diagnostics of poses on the chosen frames.

    Args:
        chosen: see :func:`diagnostic_frames`.
        skeleton_id: joint order of the poses.
        poses: gives a clip's poses (F, J, 3), camera frame, any scale, by its id and the frames' numbers (F,).

    Returns:
        Name to value, over :data:`posebench.metrics.behaviour.BEHAVIOUR`.
    """
    of_clips: list[Array] = [np.asarray(poses(id, frames), dtype=np.float64) for id, frames in chosen.frames.items()]
    return behaviour(np.concatenate(of_clips), skeleton(skeleton_id), chosen.opposite)


def behaviour_of_file(predictions: Predictions, dataset: Dataset, *, most: int = 20_000) -> dict[str, dict[str, float]]:
    """Label-free diagnostics of a prediction file and of the true poses, on the same frames.

    Only clips that the file holds whole, without frame numbers of their own, count.

    Returns:
        ``{"predicted": {name: value}, "true": {name: value}}`` over :data:`posebench.metrics.behaviour.BEHAVIOUR`; empty where no clip
        is whole, or the file has another skeleton.
    """
    whole = [
        id for id, shape in predictions.shapes.items() if id in dataset.infos and shape[-3] == dataset.infos[id].frames and len(shape) == 3
    ]
    if not whole or predictions.meta.skeleton != dataset.skeleton:
        return {}
    chosen = diagnostic_frames(dataset, whole, most=most)
    return {
        "predicted": behaviour_on(chosen, dataset.skeleton, lambda clip, frames: predictions.poses(clip)[frames]),
        "true": behaviour_on(chosen, dataset.skeleton, lambda clip, frames: dataset.load(clip).pose[frames]),
    }
