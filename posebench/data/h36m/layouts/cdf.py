"""The official layout of Human3.6M: a tree of CDF files, ``S9/MyPoseFeatures/<feature>/*.cdf``.

**Convention.** ``D3_Positions_mono/Greeting 1.54138969.cdf`` holds poses in the camera frame, ``D3_Positions/Greeting 1.cdf`` in the
world frame, ``D2_Positions/Greeting 1.54138969.cdf`` their projections; each has one variable ``Pose`` of shape (1, T, 32 x D), mm or
px. Poses in the camera frame are preferred, since they need no camera file. ``D3_Positions_mono_universal``, whose skeleton is rescaled,
is never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.cdf import read_cdf
from posebench.data.h36m.copy import H36MCopy, Progress, to_h36m17, trim
from posebench.data.h36m.names import CAMERAS, SUBJECTS, Mapped, take_name

#: More than three times the longest take; the files are not compressed.
_MAX_BYTES = 64 * 2**20


def find(root: Path) -> list[Path]:
    """``root``, if it holds ``S*/MyPoseFeatures`` with poses."""
    return [root] if root.is_dir() and any(_files(root)) else []


def _files(root: Path) -> list[Path]:
    """Pose files: in the camera frame, or else in the world frame; without the calibration take ``_ALL``."""
    for feature in ("D3_Positions_mono", "D3_Positions"):
        files = [path for subject in SUBJECTS for path in sorted((root / subject / "MyPoseFeatures" / feature).glob("[!_]*.cdf"))]
        if files:
            return files
    return []


def open_copy(root: Path, _mapped: Mapped | None) -> H36MCopy:
    """The copy in this folder."""
    files = tuple(_files(root))
    world = files[0].parent.name == "D3_Positions"
    keypoints = {clip: path for path in root.glob("S*/MyPoseFeatures/D2_Positions/*.cdf") if (clip := _id(path, world=False))}
    return H36MCopy(
        layout="h36m-cdf",
        files=files,
        world=world,
        to_mm=1.0,
        read=partial(_poses, files, world),
        keypoints={"gt": partial(_keypoints, keypoints)} if keypoints else {},
        folders=(root,),
    )


def _id(path: Path, *, world: bool) -> str:
    """Take id (poses in the world frame) or clip id of a file; empty for a camera that is not in :data:`CAMERAS`."""
    subject = path.parents[2].name
    if world:
        return f"{subject}/{take_name(path.stem)}"
    take, _, camera = path.stem.rpartition(".")
    return f"{subject}/{take_name(take)}/{camera}" if camera in CAMERAS else ""


def _poses(files: tuple[Path, ...], world: bool, progress: Progress | None) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    for number, path in enumerate(files, 1):
        if id := _id(path, world=world):
            yield id, to_h36m17(_read(path, 3), str(path))
        if progress:
            progress(number, len(files))


def _keypoints(files: dict[str, Path], clip: str, frames: int) -> npt.NDArray[np.floating]:
    if clip not in files:
        raise PosebenchError(f"no D2_Positions of {clip}", "a file for each clip", "get the missing files, or choose another source")
    return trim(to_h36m17(_read(files[clip], 2), str(files[clip])), frames, str(files[clip]))


def _read(path: Path, size: int) -> npt.NDArray[np.floating]:
    """The variable ``Pose`` as (T, 32, size), float32 or float64 as stored."""
    wanted, advice = "a CDF file with Pose (1, frames, 32 joints)", "the file is damaged: get it again"
    pose = read_cdf(path, "Pose", _MAX_BYTES, wanted, advice)
    if not pose.size or pose.size % (32 * size) or pose.shape[-1] != 32 * size:
        raise PosebenchError(f"{path}: Pose of shape {pose.shape}", f"(1, frames, {32 * size})", advice)
    return pose.reshape(-1, 32, size)
