"""Martinez' layout of Human3.6M: ``S9/MyPoses/3D_positions/*.h5``, ``S9/StackedHourglass*/*.h5`` and ``cameras.h5``.

**Convention.** ``3D_positions`` is (96, T): 32 joints x 3, world, mm, one file a take (``Greeting 1.h5``, blanks or underscores).
Stacked-Hourglass detections are ``poses`` (T, 16, 2) px, one file a clip (``Greeting_1.54138969.h5``), in the hourglass' order. Their
sources are named as in VideoPose3D: ``sh_pt_mpii`` those of ``StackedHourglass``, the network as trained on MPII, and ``sh_ft_h36m``
those of ``StackedHourglassFineTuned240``, fine-tuned on Human3.6M.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.data.h36m.copy import H36MCopy, Progress, to_h36m17, trim
from posebench.data.h36m.names import CAMERAS, SUBJECTS, Mapped, take_name

#: Four times the longest take at 32 joints, float64.
_MAX_BYTES = 64 * 2**20
#: Folder of detections to keypoint source, named as in VideoPose3D ``data/prepare_data_2d_h36m_sh.py``.
DETECTIONS = {"StackedHourglass": "sh_pt_mpii", "StackedHourglassFineTuned240": "sh_ft_h36m"}


def find(root: Path) -> list[Path]:
    """Folders that hold ``S*/MyPoses/3D_positions``: ``root`` or ``root/h36m``."""
    return [base for base in (root, root / "h36m") if any(_files(base))]


def _files(root: Path) -> list[Path]:
    return [path for subject in SUBJECTS for path in sorted((root / subject / "MyPoses" / "3D_positions").glob("[!_]*.h5"))]


def open_copy(root: Path, _mapped: Mapped | None) -> H36MCopy:
    """The copy in this folder."""
    files = tuple(_files(root))
    detections = {source: found for folder, source in DETECTIONS.items() if (found := _detections(root, folder))}
    return H36MCopy(
        layout="martinez",
        files=files,
        world=True,
        to_mm=1.0,
        read=partial(_poses, files),
        keypoints={source: partial(_keypoints, files_of) for source, files_of in detections.items()},
        hourglass=frozenset(detections),
        folders=(root, root.parent) if root.name == "h36m" else (root,),
    )


def _detections(root: Path, folder: str) -> dict[str, Path]:
    """The files of detections in the ``folder`` of each subject, by clip id."""
    found = {}
    for subject in SUBJECTS:
        for path in (root / subject / folder).glob("*.h5"):
            take, _, camera = path.stem.rpartition(".")
            if camera in CAMERAS:
                found[f"{subject}/{take_name(take)}/{camera}"] = path
    return found


def _poses(files: tuple[Path, ...], progress: Progress | None) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    for number, path in enumerate(files, 1):
        values = read_h5(path, "3D_positions")
        if values.ndim != 2 or values.shape[0] != 96:
            raise PosebenchError(f"{path}: 3D_positions {values.shape}", "(96, frames)", "get the file again from its source")
        pose = np.ascontiguousarray(values.reshape(32, 3, -1).transpose(2, 0, 1))
        yield f"{path.parents[2].name}/{take_name(path.stem)}", to_h36m17(pose, str(path))
        if progress:
            progress(number, len(files))


def _keypoints(files: dict[str, Path], clip: str, frames: int) -> npt.NDArray[np.floating]:
    if clip not in files:
        raise PosebenchError(
            f"no file of {clip} in {next(iter(files.values())).parent.name}", "one for each clip", "choose another source with --keypoints"
        )
    points = read_h5(files[clip], "poses")
    if points.ndim != 3 or points.shape[1:] != (16, 2):
        raise PosebenchError(f"{files[clip]}: poses {points.shape}", "(frames, 16, 2)", "get the file again from its source")
    return trim(points, frames, str(files[clip]))


def read_h5(path: Path, key: str) -> npt.NDArray[np.floating]:
    """One array of numbers of an HDF5 file, as float32 or float64.

    Raises:
        PosebenchError: no such array, stored elsewhere, of another type, too large, or damaged.
    """
    from posebench.base.readers.hdf5 import open_hdf5

    with open_hdf5(path, "get the file again from its source") as file:
        return file.numbers(key, _MAX_BYTES)
