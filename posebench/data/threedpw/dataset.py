"""The ``3dpw`` dataset: ``sequenceFiles/{train,validation,test}/*.pkl``, one pickle a sequence, read without running anything in it.

**Convention.** The 24 joints that SMPL's body model gives, at 30 fps, by one camera that moves: poses are stored in its frame, and a clip's
camera has intrinsics only. Clip ``test/downtown_walking_00_1/cam`` is person 1 of a sequence; the take is the sequence, since its people
are not independent. There are no subjects: the subject's label is the split.

Which frames may be scored is the annotation's: ``tracked`` (the default) leaves out frames whose camera pose is not valid and frames in
which the person was not detected; ``all`` leaves out the former only, as PoseBench3D does.

Keypoints: ``gt`` is the projection without distortion, ``openpose`` the detections in the files (18 joints, no scores are kept; (0, 0)
where a joint was not found).

The 14 joints that papers on meshes score are regressed from SMPL's vertices: not in these files, and approximated nowhere here.

Source: 3dpw-eval, SPIN ``datasets/preprocess/pw3d.py``, posepile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.pickles import numbers, read_pickle
from posebench.data.clip import Dataset
from posebench.data.recordings import Layout, Recording, mapping, open_recordings, still

FOLDER = "sequenceFiles"
PARTS = ("train", "validation", "test")
SPLITS = {part: (part,) for part in PARTS}
ANNOTATIONS = ("tracked", "all")
CAMERA = "cam"
#: Sequences of the release, by part. Second-hand numbers.
SEQUENCES = {"train": 24, "validation": 12, "test": 24}
_KEYS = ("jointPositions", "poses2d", "campose_valid", "cam_poses", "cam_intrinsics")
_ADVICE = "get sequenceFiles.zip of 3DPW again and unpack it; --root is the folder that holds sequenceFiles (docs/datasets.md)"
LAYOUT = Layout("3dpw", "1", "smpl24", 30.0, "metres", _ADVICE, skeletons={"openpose": "openpose18"})


def open_3dpw(root: str | PathLike[str], *, annotation: str | None = None, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Open the sequence files below ``root``.

    Args:
        root: the folder of ``sequenceFiles``, or that folder.
        annotation: ``tracked`` (the default) or ``all``.
        progress: called with (files read, files in all).

    Raises:
        PosebenchError: no sequence files, or one that is damaged, holds more than plain data or something else.
    """
    annotation = annotation or ANNOTATIONS[0]
    if annotation not in ANNOTATIONS:
        raise PosebenchError(f"annotation {annotation!r} for dataset 3dpw", f"one of {', '.join(ANNOTATIONS)}", "correct the protocol")
    base = Path(root) / FOLDER if (Path(root) / FOLDER).is_dir() else Path(root)
    files = {part: sorted((base / part).glob("*.pkl")) for part in PARTS}
    if not any(files.values()):
        raise LAYOUT.wrong(f"{base} without train, validation or test/*.pkl", f"{FOLDER}/test/*.pkl and the other parts")
    lacking = [f"{len(files[part])} of {count} sequences of {part}" for part, count in SEQUENCES.items() if len(files[part]) != count]
    every = [path for part in PARTS for path in files[part]]

    def read() -> Iterator[Recording]:
        for number, path in enumerate(every, 1):
            yield from _people(path, annotation)
            if progress:
                progress(number, len(every))

    return open_recordings(LAYOUT, every, read, SPLITS, variant=annotation, note="; ".join(lacking))


def _people(path: Path, annotation: str) -> Iterator[Recording]:
    content = mapping(read_pickle(path), LAYOUT, str(path), _KEYS)
    intrinsics = numbers(content["cam_intrinsics"], (3, 3), f"{path}: cam_intrinsics").astype(np.float64)
    poses = [content[key] for key in ("jointPositions", "poses2d", "campose_valid")]
    if not all(isinstance(value, list | tuple) and len(value) == len(poses[0]) for value in poses) or not poses[0]:
        raise LAYOUT.wrong(
            f"{path}: jointPositions, poses2d and campose_valid of different people", "lists of one length, an item a person"
        )
    if not (np.isfinite(intrinsics).all() and (intrinsics[[0, 1], [0, 1]] > 0).all() and (intrinsics[:2, 2] > 0).all()):
        raise LAYOUT.wrong(f"{path}: cam_intrinsics with a focal length or centre that is not above 0", "the camera's matrix, in pixels")
    camera = still(intrinsics[[0, 1], [0, 1]], intrinsics[:2, 2])
    for person, (joints, points, campose) in enumerate(zip(*poses, strict=True)):
        place = f"{path}: person {person}"
        world = numbers(joints, (None, 72), f"{place}, jointPositions").astype(np.float64).reshape(-1, 24, 3)
        found = numbers(points, (len(world), 3, 18), f"{place}, poses2d").astype(np.float64)
        known = np.asarray(campose).reshape(-1)
        if known.dtype.kind not in "biuf" or known.shape != (len(world),):
            raise LAYOUT.wrong(f"{place}, campose_valid of {len(known)} {known.dtype} values", f"{len(world)}, one a frame")
        valid = known.astype(bool) & _tracked(found, annotation)
        yield Recording(
            subject=path.parent.name,
            take=path.stem,
            action=re.sub(r"_\d+$", "", path.stem),
            name=f"{path.stem}_{person}",
            pose=_in_camera(path, world, content["cam_poses"], valid) * 1000.0,
            cameras={CAMERA: camera},
            keypoints={"openpose": {CAMERA: np.swapaxes(found[:, :2], 1, 2)}},
            valid=valid,
        )


def _tracked(points: npt.NDArray[np.float64], annotation: str) -> npt.NDArray[np.bool_]:
    detected: npt.NDArray[np.bool_] = (points != 0.0).any(axis=(1, 2))
    return detected if annotation == "tracked" else np.ones(len(points), dtype=bool)


def _in_camera(path: Path, world: npt.NDArray[np.float64], value: Any, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Poses (T, 24, 3) m in the frame of the camera, which moves."""
    extrinsics = numbers(value, (len(world), 4, 4), f"{path}: cam_poses").astype(np.float64)
    rotation = extrinsics[:, :3, :3]
    with np.errstate(invalid="ignore"):
        turned = np.abs(rotation @ np.swapaxes(rotation, 1, 2) - np.eye(3)).max(axis=(1, 2)) < 1e-2
        turned &= np.linalg.det(np.nan_to_num(rotation)) > 0
    if not turned[valid].all():
        frame = int(np.flatnonzero(valid & ~turned)[0])
        raise LAYOUT.wrong(
            f"{path}: cam_poses of frame {frame} hold no rotation, or a mirrored one", "4x4 matrices, world to camera, metres"
        )
    out: npt.NDArray[np.float64] = np.einsum("tij,tkj->tki", rotation, world) + extrinsics[:, None, :3, 3]
    return out
