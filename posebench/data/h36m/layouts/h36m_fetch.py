"""h36m-fetch's layout of Human3.6M: ``S9/Greeting-1/annot.h5``, also below ``processed``; the number is that of the sub-action.

**Convention.** ``pose/3d`` (N, 32, 3) mm, camera frame; ``pose/2d`` (N, 32, 2) px; ``frame`` (N,) from 1; ``camera`` (N,) ids. The
files hold a subset of the frames: every 64th of the test subjects, and those with enough movement of the training subjects. So the frame
rate is that of the median step in a test take, frames are numbered as stored, and the copy is not official. ``pose/3d-univ``, whose
skeleton is rescaled, is never read.

Takes are named by ``metadata.xml`` if there is one, else by :func:`posebench.data.h36m.names.take_of_subaction`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.data.h36m.copy import H36MCopy, Progress, to_h36m17, trim
from posebench.data.h36m.layouts.martinez import read_h5
from posebench.data.h36m.names import CAMERAS, SPLITS, SUBJECTS, Mapped, take_of_subaction

_FOLDER = re.compile(r"(\w+)-(\d)")


def find(root: Path) -> list[Path]:
    """Folders that hold the subjects: ``root`` or ``root/processed``."""
    return [base for base in (root, root / "processed") if any(_files(base))]


def _files(base: Path) -> list[Path]:
    files = [path for subject in SUBJECTS for path in sorted((base / subject).glob("*/annot.h5"))]
    return [path for path in files if _FOLDER.fullmatch(path.parent.name)]


def open_copy(base: Path, mapped: Mapped | None) -> H36MCopy:
    """The copy in this folder."""
    files = {_take(path, mapped): path for path in _files(base)}
    tests = [path for path in files.values() if path.parents[1].name in SPLITS["test"]] or list(files.values())
    step = _step(tests[0])
    unnamed = any("sub-action" in take for take in files)
    note = f"a subset of the frames, every {step}th of the test subjects"
    return H36MCopy(
        layout="h36m-fetch",
        files=tuple(files.values()),
        world=False,
        to_mm=1.0,
        read=partial(_poses, files),
        keypoints={"gt": partial(_keypoints, files)},
        folders=(base, base.parent) if base.name == "processed" else (base,),
        fps=50.0 / step,
        note=note + ("; takes of the training subjects are named by number, since metadata.xml is not there" if unnamed else ""),
    )


def _take(path: Path, mapped: Mapped | None) -> str:
    subject = path.parents[1].name
    match = _FOLDER.fullmatch(path.parent.name)
    assert match is not None
    return f"{subject}/{take_of_subaction(subject, match[1], int(match[2]), mapped)}"


def _step(path: Path) -> int:
    """Median step of the frame numbers; 64, as h36m-fetch chooses, if the file has a single frame."""
    frames = read_h5(path, "frame")
    steps = np.diff(np.unique(frames))
    return max(1, int(np.median(steps))) if len(steps) else 64


def _rows_by_camera(path: Path) -> dict[str, npt.NDArray[np.intp]]:
    """Camera id to its rows, by ascending frame number."""
    frames, cameras = read_h5(path, "frame"), read_h5(path, "camera")
    if frames.ndim != 1 or frames.shape != cameras.shape:
        raise PosebenchError(f"{path}: frame {frames.shape}, camera {cameras.shape}", "a number a row in each", "get the file again")
    order = np.argsort(frames, kind="stable")
    return {camera: order[cameras[order] == int(camera)] for camera in CAMERAS}


def _poses(files: dict[str, Path], progress: Progress | None) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    for number, (take, path) in enumerate(files.items(), 1):
        pose = to_h36m17(read_h5(path, "pose/3d"), str(path))
        for camera, rows in _rows_by_camera(path).items():
            if len(rows):
                yield f"{take}/{camera}", _rows_of(pose, rows, path)
        if progress:
            progress(number, len(files))


def _rows_of(values: npt.NDArray[np.floating], rows: npt.NDArray[np.intp], path: Path) -> npt.NDArray[np.floating]:
    if rows.max() >= len(values):
        raise PosebenchError(f"{path}: {len(values)} poses", "one a row of frame", "the file is damaged: get it again")
    return values[rows]


def _keypoints(files: dict[str, Path], clip: str, frames: int) -> npt.NDArray[np.floating]:
    take, _, camera = clip.rpartition("/")
    path = files[take]
    return trim(_rows_of(to_h36m17(read_h5(path, "pose/2d"), str(path)), _rows_by_camera(path)[camera], path), frames, str(path))
