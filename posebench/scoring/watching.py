"""Which frames to watch a lifter by, and what it does on them: :mod:`posebench.metrics.behaviour` for datasets and prediction files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import skeleton
from posebench.data.clip import Array, Dataset
from posebench.metrics.behaviour import behaviour
from posebench.predictions.archive import Predictions

#: Lines of sight further apart than this are those of opposite cameras.
OPPOSITE_DEGREES = 150.0


@dataclass(frozen=True, eq=False)
class Watch:
    """Frames spread evenly over clips.

    Attributes:
        frames: clip id to the numbers of its watched frames, in the order of the clips.
        opposite: (P, 2) positions in all watched frames, one after the other, that show one moment from opposite cameras; empty where no
            cameras are known.
    """

    frames: dict[str, npt.NDArray[np.int64]]
    opposite: npt.NDArray[np.int64]


def watch(dataset: Dataset, clips: list[str], *, most: int = 4000) -> Watch:
    """Choose every k-th frame of the clips, at most about ``most`` in all. Reads cameras; looks at no pose."""
    step = max(1, -(-sum(dataset.infos[id].frames for id in clips) // most))
    takes: dict[str, list[str]] = {}
    for id in clips:
        takes.setdefault(dataset.infos[id].take, []).append(id)
    frames: dict[str, npt.NDArray[np.int64]] = {}
    pairs: list[npt.NDArray[np.int64]] = []
    position = 0
    for ids in takes.values():
        sights = {id: camera.rotation[2] for id in ids if (camera := dataset.load(id).camera) is not None}
        places = {}
        for id in ids:
            count = dataset.infos[id].frames
            frames[id] = np.arange(step // 2 % count, count, step)
            places[id] = np.arange(position, position + len(frames[id]))
            position += len(frames[id])
        pairs += [
            np.stack([places[one], places[other]], axis=1)
            for i, one in enumerate(ids)
            for other in ids[i + 1 :]
            if one in sights
            and other in sights
            and len(places[one]) == len(places[other])
            and float(sights[one] @ sights[other]) < np.cos(np.deg2rad(OPPOSITE_DEGREES))
        ]
    return Watch(frames, np.concatenate(pairs) if pairs else np.zeros((0, 2), dtype=np.int64))


def behaviour_on(
    watched: Watch, skeleton_id: str, poses: Callable[[str, npt.NDArray[np.int64]], npt.NDArray[np.floating]]
) -> dict[str, float]:
    """What a lifter does on watched frames.

    Args:
        watched: see :func:`watch`.
        skeleton_id: joint order of the poses.
        poses: gives a clip's poses (F, J, 3), camera frame, any scale, by its id and the frames' numbers (F,).
    """
    chosen: list[Array] = [np.asarray(poses(id, frames), dtype=np.float64) for id, frames in watched.frames.items()]
    return behaviour(np.concatenate(chosen), skeleton(skeleton_id), watched.opposite)


def behaviour_of_file(predictions: Predictions, dataset: Dataset, *, most: int = 20_000) -> dict[str, dict[str, float]]:
    """What the lifter of a prediction file does, and what the true poses give, on the same frames.

    Only clips that the file holds whole, without frame numbers of their own, are watched.

    Returns:
        ``{"predicted": {sign: value}, "true": {sign: value}}`` over :data:`posebench.metrics.behaviour.BEHAVIOUR`; empty where no clip
        is whole.
    """
    whole = [
        id for id, shape in predictions.shapes.items() if id in dataset.infos and shape[-3] == dataset.infos[id].frames and len(shape) == 3
    ]
    if not whole or predictions.meta.skeleton != dataset.skeleton:
        return {}
    watched = watch(dataset, whole, most=most)
    return {
        "predicted": behaviour_on(watched, dataset.skeleton, lambda clip, frames: predictions.poses(clip)[frames]),
        "true": behaviour_on(watched, dataset.skeleton, lambda clip, frames: dataset.load(clip).pose[frames]),
    }
