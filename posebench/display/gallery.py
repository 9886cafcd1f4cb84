"""A picture of random poses of a split, true and predicted, from two views."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset
from posebench.display.poses import draw_poses
from posebench.metrics.alignment import aligned
from posebench.metrics.position import mpjpe, root_relative
from posebench.predictions.archive import Predictions, open_predictions
from posebench.scoring.submission import Header, PosesInMemory, Scorable


def draw(
    predictions: Scorable | Mapping[str, Scorable],
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    split: str = "test",
    count: int = 4,
    seed: int = 0,
    unit: str | None = None,
    scale: str | None = None,
) -> None:
    """Draw random frames of a split: a row for each set of predictions, over the ground truth.

    **Convention.** Frames are drawn uniformly, by ``numpy.random.RandomState(seed)``, before any prediction is read. Poses of unknown
    scale are drawn at the scale that N-MPJPE gives each pose. The root is subtracted. A row's label gives the mean over the
    drawn poses, which is not the mean over the split.

    Args:
        predictions: a file, or poses in memory by clip id, (T, J, 3); or several of these by name. Each holds every frame of the split's
            clips; poses in memory have the dataset's joint order.
        dataset: the opened dataset.
        path: image file; its suffix gives the format.
        split: name of a split of the dataset.
        count: number of poses.
        seed: of the random choice.
        unit: for poses in memory: ``mm`` or ``m``; may be left out only where ``scale`` is ``unknown``.
        scale: for poses in memory: ``metric`` (the default), or ``unknown`` where the method cannot know it.

    Raises:
        PosebenchError: predictions have another skeleton or lack a chosen clip; or the unit of poses in memory is missing.
    """
    header = Header(unit=unit, skeleton=dataset.skeleton, scale=scale)
    clips = dataset.clip_ids(split)
    lengths = np.array([dataset.infos[id].frames for id in clips])
    frames = np.sort(np.random.RandomState(seed).choice(lengths.sum(), count, replace=False))
    which = np.searchsorted(np.cumsum(lengths), frames, side="right")
    chosen = [(clips[k], int(frame - lengths[:k].sum())) for k, frame in zip(which, frames, strict=True)]
    root = skeleton(dataset.skeleton).root_indices
    truth = [root_relative(dataset.load(id).pose[frame : frame + 1], root) for id, frame in chosen]
    rows: dict[str, list[Array]] = {}
    with ExitStack() as stack:
        for name, source in _by_name(predictions).items():
            file = PosesInMemory(source, header) if isinstance(source, Mapping) else stack.enter_context(open_predictions(source))
            poses = [_pose(file, id, frame, dataset, root) for id, frame in chosen]
            if not file.meta.metric_scale:
                poses = [aligned(pose, true, "scale") for pose, true in zip(poses, truth, strict=True)]
            error = float(np.mean([mpjpe(pose, true).mean() for pose, true in zip(poses, truth, strict=True)]))
            rows[_label(name, error, count, metric_scale=file.meta.metric_scale)] = [pose[0] for pose in poses]
    titles = [f"{dataset.infos[id].action} {dataset.infos[id].camera}" for id, _ in chosen]
    draw_poses(path, [true[0] for true in truth], rows, titles, skeleton(dataset.skeleton))


def _by_name(predictions: Scorable | Mapping[str, Scorable]) -> Mapping[str, Scorable]:
    """Several predictions by name; a single file is called by its own name, a single mapping of arrays ``poses``."""
    if isinstance(predictions, str | os.PathLike):
        return {Path(predictions).stem: predictions}
    if not isinstance(predictions, Mapping) or not predictions:
        raise PosebenchError(
            "no predictions" if isinstance(predictions, Mapping) else f"a {type(predictions).__name__} as predictions",
            "a file, poses by clip id, or several of these by name",
            "draw({'mine': 'preds.npz'}, dataset, 'poses.png')",
        )
    several = all(isinstance(value, str | os.PathLike | Mapping) for value in predictions.values())
    return cast("Mapping[str, Scorable]", predictions if several else {"poses": predictions})


def _label(name: str, error: float, count: int, *, metric_scale: bool) -> str:
    """A row's label: the file's name, and its error in mm over the drawn poses alone; N-MPJPE where the scale is unknown."""
    drawn = "this pose" if count == 1 else f"these {count} poses"
    return f"{name}\n{'' if metric_scale else 'N-'}MPJPE {error:.0f} mm\n({drawn})"


def _pose(file: Predictions, id: str, frame: int, dataset: Dataset, root: tuple[int, ...]) -> Array:
    shape = file.shapes.get(id)
    if file.meta.skeleton != dataset.skeleton or shape is None or len(shape) != 3 or shape[0] != dataset.infos[id].frames:
        raise PosebenchError(
            f"{file.path}: {file.meta.skeleton}, {id} {'missing' if shape is None else shape}",
            f"{dataset.skeleton} and every frame of the split's clips",
            "posebench predict LIFTER --dataset NAME -o PREDS",
        )
    return root_relative(np.asarray(file.poses(id)[frame : frame + 1], dtype=np.float64) * file.meta.to_mm, root)
