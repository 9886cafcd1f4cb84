"""A picture of random poses of a split, true and predicted, from two views."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset
from posebench.display.poses import draw_poses
from posebench.metrics.alignment import aligned
from posebench.metrics.position import mpjpe, root_relative
from posebench.predictions.archive import Predictions, open_predictions


def draw(
    predictions: Mapping[str, str | os.PathLike[str]],
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    split: str = "test",
    count: int = 4,
    seed: int = 0,
) -> None:
    """Draw random frames of a split: a row per prediction file, over the ground truth.

    **Convention.** Frames are drawn uniformly, by ``numpy.random.RandomState(seed)``, before any prediction is read. Files of unknown
    scale are drawn at the scale that N-MPJPE gives each pose. The root is subtracted. A row's label gives the mean over the
    drawn poses, which is not the mean over the split.

    Args:
        predictions: name to file; each holds every frame of the split's clips.
        dataset: the opened dataset.
        path: image file; its suffix gives the format.
        split: name of a split of the dataset.
        count: number of poses.
        seed: of the random choice.

    Raises:
        PosebenchError: a file has another skeleton or lacks a chosen clip.
    """
    clips = dataset.clip_ids(split)
    lengths = np.array([dataset.infos[id].frames for id in clips])
    frames = np.sort(np.random.RandomState(seed).choice(lengths.sum(), count, replace=False))
    which = np.searchsorted(np.cumsum(lengths), frames, side="right")
    chosen = [(clips[k], int(frame - lengths[:k].sum())) for k, frame in zip(which, frames, strict=True)]
    root = skeleton(dataset.skeleton).root_indices
    truth = [root_relative(dataset.load(id).pose[frame : frame + 1], root) for id, frame in chosen]
    rows: dict[str, list[Array]] = {}
    with ExitStack() as stack:
        for name, source in predictions.items():
            file = stack.enter_context(open_predictions(source))
            poses = [_pose(file, id, frame, dataset, root) for id, frame in chosen]
            if not file.meta.metric_scale:
                poses = [aligned(pose, true, "scale") for pose, true in zip(poses, truth, strict=True)]
            error = float(np.mean([mpjpe(pose, true).mean() for pose, true in zip(poses, truth, strict=True)]))
            rows[_label(name, error, count, metric_scale=file.meta.metric_scale)] = [pose[0] for pose in poses]
    titles = [f"{dataset.infos[id].action} {dataset.infos[id].camera}" for id, _ in chosen]
    draw_poses(path, [true[0] for true in truth], rows, titles, skeleton(dataset.skeleton))


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
