"""Write a dataset in VideoPose3D's layout of HumanEva-I, to try the layout before one has the data.

**Convention.** The first subjects of the training split become Train S1 to S3, those of the test split Validate S1 to S3, with at most
six takes each; actions are named Walking, Jog and Box in turn. Cameras are those of HumanEva with a made-up pinhole of
640 x 480 px, and the person is moved to the middle of the room. A take is cut into two chunks. Detections are the projections in COCO's
order.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posebench.base.cameras import Camera
from posebench.data.clip import Dataset
from posebench.data.humaneva.cameras import CAMERAS, SUBJECTS, place
from posebench.data.humaneva.dataset import PARTS, POSES, PREFIX
from posebench.data.rehearsal import in_order, start, takes

if TYPE_CHECKING:
    from posebench.data.registry import Progress, Writer

ACTIONS = ("Walking", "Jog", "Box")
_MOST = 6
#: Generated motion has y up, HumanEva's world z.
_UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def export_humaneva(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """``data_3d_humaneva15.npz`` with ``gt`` and ``detectron_pt_coco`` keypoints in ``folder``."""
    start(dataset, folder)
    poses: dict[str, Any] = {}
    points: dict[str, dict[str, Any]] = {"gt": {}, "detectron_pt_coco": {}}
    subjects: dict[str, dict[str, str]] = {split: {} for split in PARTS}
    counts: dict[str, int] = {}
    for split, take, clips in takes(dataset, progress, _MOST):
        source, known, part = take.split("/")[0], subjects[split], PARTS[split]
        if source not in known and len(known) == len(SUBJECTS):
            continue
        known.setdefault(source, SUBJECTS[min(len(known), len(SUBJECTS) - 1)])
        subject = known[source]
        counts[source] = number = counts.get(source, -1) + 1
        camera = clips[0].camera
        assert camera is not None
        world = camera.to_world(clips[0].pose) @ _UPRIGHT.T
        world -= world[:, :1].mean(axis=0) * [1.0, 1.0, 0.0]
        name = f"{ACTIONS[number % len(ACTIONS)]} {1 + number // len(ACTIONS)}"
        for chunk, rows in enumerate((slice(0, len(world) // 2), slice(len(world) // 2, None))):
            key = f"{name} chunk{chunk}"
            stored = in_order(world[rows], "humaneva15") / 1000.0
            poses.setdefault(f"{part}/{subject}", {})[key] = stored.astype(np.float32)
            for kind, order in (("gt", "humaneva15"), ("detectron_pt_coco", "coco17")):
                seen = [_seen(in_order(world[rows], order), subject, name) for name in CAMERAS]
                points[kind].setdefault(f"{part}/{subject}", {})[key] = seen
    np.savez_compressed(folder / POSES, positions_3d=np.array(poses, dtype=object))
    for kind, content in points.items():
        np.savez_compressed(folder / f"{PREFIX}{kind}.npz", positions_2d=np.array(content, dtype=object))


def _seen(world: Any, subject: str, name: str) -> Any:
    rotation, position = place(subject, name)
    camera = Camera(rotation, position, np.array([750.0, 750.0]), np.array([320.0, 240.0]), (640, 480))
    return camera.project(camera.to_camera(world)).astype(np.float32)


#: Layout to its writer.
LAYOUTS: dict[str, Writer] = {"humaneva": export_humaneva}
