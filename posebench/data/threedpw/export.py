"""Write a dataset in the layout of 3DPW's sequence files, to try the layout before one has the data.

**Convention.** Each take becomes a sequence, of the training split alternately in ``train`` and ``validation``, seen by a camera that
sways by some degrees around one of the source's. Every 40th frame has no valid camera pose, and in every 25th the person is not detected.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posebench.base.cameras import rotation_about
from posebench.base.files import replacing
from posebench.data.clip import Clip, Dataset
from posebench.data.rehearsal import in_order, start, takes, world
from posebench.data.threedpw.dataset import FOLDER

if TYPE_CHECKING:
    from posebench.data.registry import Progress, Writer

NO_CAMERA, NOT_DETECTED = 40, 25


def export_3dpw(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """``sequenceFiles/{train,validation,test}/*.pkl`` in ``folder``."""
    start(dataset, folder)
    for number, (split, take, clips) in enumerate(takes(dataset, progress)):
        part = split if split == "test" else ("train", "validation")[number % 2]
        stem = take.replace("/", "_").replace(" ", "_").lower()
        path = folder / FOLDER / part / f"{stem}_00.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            pickle.dump(_sequence(clips[number % len(clips)], stem), file, protocol=2)


def _sequence(clip: Clip, stem: str) -> dict[str, Any]:
    camera = clip.camera
    assert camera is not None
    frames = np.arange(len(clip.pose))
    sway = rotation_about(1, 0.05 * np.sin(frames / 15.0))
    extrinsics = np.tile(np.eye(4), (len(frames), 1, 1))
    extrinsics[:, :3, :3] = sway @ camera.rotation
    extrinsics[:, :3, 3] = sway @ (-camera.rotation @ camera.position) / 1000.0
    seen = np.einsum("tij,tkj->tki", sway, in_order(clip.pose, "openpose18"))
    points = np.concatenate([camera.project(seen), np.full((len(frames), 18, 1), 0.9)], axis=2)
    points[frames % NOT_DETECTED == NOT_DETECTED - 1] = 0.0
    intrinsics = np.eye(3)
    intrinsics[[0, 1], [0, 1]], intrinsics[:2, 2] = camera.focal, camera.centre
    return {
        "sequence": stem,
        "jointPositions": [world(clip, "smpl24").reshape(len(frames), 72) / 1000.0],
        "poses2d": [np.swapaxes(points, 1, 2).copy()],
        "campose_valid": [(frames % NO_CAMERA != NO_CAMERA - 1).astype(np.int64)],
        "cam_poses": extrinsics,
        "cam_intrinsics": intrinsics,
        "img_frame_ids": frames,
    }


#: Layout to its writer.
LAYOUTS: dict[str, Writer] = {"3dpw": export_3dpw}
