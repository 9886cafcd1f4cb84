"""Write a dataset in the layouts of H3WB, to try them before one has the data.

**Convention.** The training subjects become S1, S5, S6 and S7 of the archive, in turn and with their first takes; every 16th frame. The
test subjects' frames, every 16th, are the samples of both tests; task 2 lacks each joint with a chance of one in four.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posebench.base.files import write_text
from posebench.data.clip import Clip, Dataset
from posebench.data.h3wb.dataset import ARCHIVE, SUBJECTS, TASKS
from posebench.data.rehearsal import in_order, projected, start, takes, world

if TYPE_CHECKING:
    from posebench.data.registry import Progress, Writer

EVERY = 16
_MOST = 4
_MISSING = 0.25


def export_h3wb(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """``h3wb_train.npz`` and the four files of the tests in ``folder``."""
    start(dataset, folder)
    random = np.random.RandomState(0)
    train: dict[str, Any] = {}
    about: dict[str, Any] = {}
    samples: list[tuple[Any, Any]] = []
    subjects = list(dict.fromkeys(dataset.infos[id].subject for id in dataset.clip_ids("train")))
    for number, (split, take, clips) in enumerate(takes(dataset, progress, _MOST)):
        name = take.split("/")[1]
        if split == "test":
            samples += list(zip(projected(clips[0], "coco133")[::EVERY], in_order(clips[0].pose, "coco133")[::EVERY], strict=True))
            continue
        position = subjects.index(take.split("/")[0]) if len(subjects) > 1 else number
        subject = SUBJECTS[position % len(SUBJECTS)]
        views = {clip.info.camera: _view(clip) for clip in clips}
        frames = {"frame_id": np.arange(len(clips[0].pose))[::EVERY], "global_3d": world(clips[0], "coco133")[::EVERY]}
        train.setdefault(subject, {})[name] = frames | views
        about.setdefault(subject, {}).update({clip.info.camera: _facts(clip) for clip in clips})
    arrays: dict[str, Any] = {"train_data": np.array(train, dtype=object), "metadata": np.array(about, dtype=object)}
    np.savez_compressed(folder / ARCHIVE, **arrays)
    for task, (two, three) in TASKS.items():
        first = 4 if task == "task2" else 0
        ids = [8 * (k // 4) + k % 4 + first for k in range(len(samples))]
        kept = [random.uniform(size=133) >= (_MISSING if first else 0.0) for _ in samples]
        points = {id: _named(pair[0], "xy", keep) for id, pair, keep in zip(ids, samples, kept, strict=True)}
        poses = {id: _named(pair[1], "xyz", np.ones(133, dtype=bool)) for id, pair in zip(ids, samples, strict=True)}
        write_text(folder / two, json.dumps({str(id): {"keypoints_2d": value} for id, value in points.items()}))
        write_text(folder / three, json.dumps({str(id): {"keypoints_3d": value} for id, value in poses.items()}))


def _view(clip: Clip) -> dict[str, Any]:
    return {"pose_2d": projected(clip, "coco133")[::EVERY], "camera_3d": in_order(clip.pose, "coco133")[::EVERY]}


def _facts(clip: Clip) -> dict[str, Any]:
    camera = clip.camera
    assert camera is not None
    matrix = np.eye(3)
    matrix[[0, 1], [0, 1]], matrix[:2, 2] = camera.focal, camera.centre
    return {"K": matrix, "R": camera.rotation, "T": -camera.rotation @ camera.position, "Distortion": np.zeros(5)}


def _named(points: Any, axes: str, keep: Any) -> dict[str, dict[str, float | None]]:
    """Joints by their numbers; coordinates of a joint that is left out are null."""
    rounded = np.round(points, 3).tolist()
    return {
        str(joint): {axis: value if keep[joint] else None for axis, value in zip(axes, values, strict=True)}
        for joint, values in enumerate(rounded)
    }


#: Layout to its writer.
LAYOUTS: dict[str, Writer] = {"h3wb": export_h3wb}
