"""Write a dataset in the layout of ASPset-510, to try the layout without a download.

**Convention.** Each take becomes a clip. The cameras ``left mid right`` of a subject are the first three of the subject's first take,
and the world is the frame of the left one. The last training subject is the split ``val``, where there are several. In every 50th frame a
wrist is missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posebench.base.cameras import Camera
from posebench.base.files import write_text
from posebench.base.readers.c3d import write_c3d
from posebench.base.skeletons import skeleton
from posebench.data.aspset.dataset import CAMERAS, FOLDERS, RATE, SKELETON_OF_FILE, SPLITS_FILE
from posebench.data.clip import Dataset
from posebench.data.rehearsal import start, takes, world

if TYPE_CHECKING:
    from posebench.data.registry import Progress, Writer

MISSING = 50


def export_aspset(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """``splits.csv``, ``{trainval,test}/joints_3d/*/*.c3d`` and ``{trainval,test}/cameras/*/*.json`` in ``folder``."""
    start(dataset, folder)
    rows = ["subject,clip,split,camera"]
    rigs: dict[str, list[Camera]] = {}
    training = list(dict.fromkeys(dataset.infos[id].subject for id in dataset.clip_ids("train")))
    last = training[-1] if len(training) > 1 else ""
    for number, (part, take, clips) in enumerate(takes(dataset, progress)):
        subject, clip = take.split("/")[0].lower(), f"{number + 1:04d}"
        split = "val" if part == "train" and take.split("/")[0] == last else part
        if subject not in rigs:
            rigs[subject] = [one.camera for one in clips if one.camera is not None][: len(CAMERAS)]
            for name, camera in zip(CAMERAS, rigs[subject], strict=False):
                path = folder / FOLDERS[split] / "cameras" / subject / f"{subject}-{name}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_text(path, json.dumps(_matrices(rigs[subject][0], camera)))
        points = rigs[subject][0].to_camera(world(clips[0], "aspset17"))
        points[MISSING - 1 :: MISSING, skeleton("aspset17").index("l_wrist")] = np.nan
        text: dict[str, str | list[str]] = {"UNITS": "mm", "SKEL": SKELETON_OF_FILE, "LABELS": list(skeleton("aspset17").joints)}
        write_c3d(folder / FOLDERS[split] / "joints_3d" / subject / f"{subject}-{clip}.c3d", points, RATE, text)
        rows.append(f"{subject},{clip},{split},{'all' if split != 'test' else CAMERAS[number % 3]}")
    write_text(folder / SPLITS_FILE, "\n".join(rows) + "\n")


def _matrices(base: Camera, camera: Camera) -> dict[str, list[float]]:
    """The matrices of a camera, where the world is the frame of ``base``."""
    intrinsic, extrinsic = np.zeros((3, 4)), np.eye(4)
    intrinsic[[0, 1], [0, 1]], intrinsic[:2, 2], intrinsic[2, 2] = camera.focal, camera.centre, 1.0
    extrinsic[:3, :3] = camera.rotation @ base.rotation.T
    extrinsic[:3, 3] = camera.rotation @ (base.position - camera.position)
    return {"intrinsic_matrix": intrinsic.ravel().tolist(), "extrinsic_matrix": extrinsic.ravel().tolist()}


#: Layout to its writer.
LAYOUTS: dict[str, Writer] = {"aspset": export_aspset}
