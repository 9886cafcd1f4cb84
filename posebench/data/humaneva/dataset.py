"""The ``humaneva`` dataset: HumanEva-I in VideoPose3D's archives, ``data_3d_humaneva15.npz`` and ``data_2d_humaneva15_<source>.npz``.

**Convention.** 15 joints, 60 fps, three cameras of 640 x 480 px. A take (``Walking 1``) has a training and a validation part, each
cut into chunks where the motion capture has gaps: clip ``Validate-S1/Walking 1 chunk0/C1`` is of the take ``Validate-S1/Walking 1``. The
subject's label holds the part, since the same people are in both. The archives hold no intrinsics: clips have no camera, and ``gt``
keypoints come from the file. Detections (``*_coco``) have the joints of COCO.

Source: VideoPose3D ``run.py``, ``common/humaneva_dataset.py``, ``data/prepare_data_humaneva.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from posebench.base.errors import first_ten
from posebench.base.readers.pickles import numbers, read_object
from posebench.data.clip import Dataset
from posebench.data.humaneva.cameras import CAMERAS, SUBJECTS, place
from posebench.data.people import require_size
from posebench.data.recordings import Layout, Recording, mapping, open_recordings

POSES = "data_3d_humaneva15.npz"
PREFIX = "data_2d_humaneva15_"
PARTS = {"train": "Train", "test": "Validate"}
SPLITS = {split: tuple(f"{part}-{subject}" for subject in SUBJECTS) for split, part in PARTS.items()}
_ADVICE = "make the archives with VideoPose3D's data/prepare_data_humaneva.py; docs/datasets.md describes them"


def layout_of(sources: list[str]) -> Layout:
    """The layout of a copy with these keypoint sources."""
    skeletons = {source: "coco17" for source in sources if source.endswith("_coco")}
    return Layout("humaneva", "1", "humaneva15", 60.0, "metres", _ADVICE, skeletons=skeletons)


def open_humaneva(root: str | PathLike[str], progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Open the archives in a folder.

    Raises:
        PosebenchError: they are missing or damaged, or hold something else.
    """
    del progress  # two files
    folder = Path(root)
    two = {path.name.removeprefix(PREFIX).removesuffix(".npz"): path for path in sorted(folder.glob(f"{PREFIX}*.npz"))}
    layout = layout_of(list(two))
    if not (folder / POSES).is_file():
        raise layout.wrong(f"{folder} without {POSES}", f"{POSES} and {PREFIX}gt.npz in it")
    if not two:
        raise layout.wrong(f"{folder} without keypoints", f"{PREFIX}gt.npz or {PREFIX}detectron_pt_coco.npz beside {POSES}")
    return open_recordings(layout, [folder / POSES, *two.values()], lambda: _read(layout, folder / POSES, two), SPLITS)


def _read(layout: Layout, poses: Path, two: dict[str, Path]) -> Iterator[Recording]:
    positions = mapping(read_object(poses, "positions_3d"), layout, f"{poses}: positions_3d")
    points = {source: mapping(read_object(path, "positions_2d"), layout, f"{path}: positions_2d") for source, path in two.items()}
    for part in PARTS.values():
        for subject in SUBJECTS:
            chunks = mapping(positions.get(f"{part}/{subject}", {}), layout, f"{poses}: {part}/{subject}")
            for chunk, value in chunks.items():
                yield from _chunk(layout, f"{part}/{subject}", str(chunk), value, points, two)


def _chunk(
    layout: Layout, who: str, chunk: str, value: object, points: dict[str, dict[str, Any]], files: dict[str, Path]
) -> Iterator[Recording]:
    where = f"{layout.name}, {who}/{chunk}"
    found = re.fullmatch(r"(\w+) (\d+)( chunk\d+)?", chunk)
    if found is None:
        raise layout.wrong(f"{where}", "an action, a trial and a chunk, such as Walking 1 chunk0")
    pose = np.asarray(numbers(value, (None, 15, 3), where), dtype=np.float64) * 1000.0
    if not len(pose):
        return
    require_size(pose, where, layout.advice, stated=layout.unit)
    part, subject = who.split("/")
    of_camera: dict[str, dict[str, Any]] = {camera: {} for camera in CAMERAS}
    for source, table in points.items():
        by_camera = mapping(table.get(who, {}), layout, f"{files[source]}: {who}").get(chunk)
        if not isinstance(by_camera, list | tuple) or len(by_camera) != len(CAMERAS):
            raise layout.wrong(f"{files[source]} without three cameras of {where}", "keypoints of every chunk, from C1, C2 and C3")
        for camera, array in zip(CAMERAS, by_camera, strict=True):
            joints = 17 if source in layout.skeletons else 15
            at = f"{files[source]}: {where}/{camera}"
            if (
                not isinstance(array, np.ndarray)
                or array.ndim != 3
                or array.shape[1] != joints
                or array.shape[2] < 2
                or len(array) < len(pose)
            ):
                shape = getattr(array, "shape", type(array).__name__)
                raise layout.wrong(f"{at} is {shape}", f"({len(pose)}, {joints}, 2) px: a point for each of {joints} joints and every pose")
            of_camera[camera][source] = numbers(array, (None, joints, None), at)[: len(pose), :, :2]
    for camera, keypoints in of_camera.items():
        rotation, position = place(subject, camera)
        seen = (pose - position) @ rotation.T
        if (seen[..., 2] > 0.0).mean() < 0.5:
            raise layout.wrong(f"{where}: poses behind camera {camera}", f"metres in HumanEva's world, before {first_ten(list(CAMERAS))}")
        one_camera = {source: {camera: array} for source, array in keypoints.items()}
        yield Recording(f"{part}-{subject}", f"{found[1]} {found[2]}", found[1], chunk, seen, {camera: None}, one_camera)
