"""Martinez-style HDF5: ``3D_positions`` (96, n) in a file a clip, or in one file with the same paths as groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.skeletons import joint_map
from posebench.data.h36m.names import take_name
from posebench.predictions.archive import Meta
from posebench.predictions.formats.foreign import UNIT_WORDS, ForeignFile, LazyArray, Reading, reading_note

MAX_FILES = 100_000
MAGIC = b"\x89HDF\r\n\x1a\n"
_KEY = "3D_positions"
_ADVICE = "copy the file again"
_JOINTS = list(joint_map("h36m32", "h36m17"))


def read_martinez(path: Path, reading: Reading) -> ForeignFile:
    """``S9/MyPoses/3D_positions/Greeting 1.54138969.h5`` with ``3D_positions`` (96, n): millimetres, h36m32, of which 17 are taken by name.

    **Convention.** Row 3 j + c is coordinate c of joint j. The subject is a folder (or group), the file's name take and camera; an
    underscore in the take is a space. The camera frame is assumed; Martinez' own files are in world coordinates, which the
    checks report.
    Source: una-dinosauria/3d-pose-baseline, ``src/data_utils.py``. That repository exports no predictions; users write them in its layout.

    Raises:
        PosebenchError: a path without subject, take and camera, a clip twice, or another shape.
    """
    clips: dict[str, LazyArray] = {}
    for name, file, key, shape, dtype in _datasets(path):
        if len(shape) != 2 or shape[0] != 96 or dtype.kind != "f":
            raise PosebenchError(
                f"{path}: {name} holds {dtype} {shape}", "(96, n) floats: 32 joints, n frames", "write it as Martinez' data are"
            )
        clip = clip_of(name)
        if clip is None:
            raise PosebenchError(
                f"{path}: {name}, without subject, take and camera (Martinez' own files hold world coordinates and no camera)",
                "paths such as 'S9/MyPoses/3D_positions/Greeting 1.54138969.h5'",
                "write the poses of each camera, in its frame, under such a path",
            )
        if clip in clips:
            raise PosebenchError(f"{path}: {clip} twice, the second time as {name}", "each clip once", "take one of them away")
        clips[clip] = LazyArray((shape[1], 17, 3), dtype, partial(_read, file, key))
    if not clips:
        raise PosebenchError(f"{path}: no dataset {_KEY}", "(96, n) floats under that name", "see docs/formats.md")
    unit = reading.unit or "mm"
    text = (
        f"{UNIT_WORDS[unit]}, h36m32 taken to h36m17 by name, camera frame by assumption;"
        f" {len(clips)} clips by their paths ({first_ten(list(clips)[:2])} ...)"
    )
    return ForeignFile(Meta("h36m17", unit), clips, reading_note("martinez-h5", text))


def clip_of(name: str) -> str | None:
    """The clip id in a path of Martinez' form, or None.

    Example:
        >>> clip_of("h36m/S9/MyPoses/3D_positions/Greeting_1.54138969.h5"), clip_of("S9/MyPoses/3D_positions/Greeting.h5")
        ('S9/Greeting 1/54138969', None)
    """
    subjects = [part for part in name.split("/")[:-1] if re.fullmatch(r"S\d+", part)]
    found = re.fullmatch(r"(.+)\.(\d+)(?:\.h5|\.hdf5)?", name.rpartition("/")[2])
    return f"{subjects[-1]}/{take_name(found[1])}/{found[2]}" if subjects and found else None


def h5_files(folder: Path) -> list[Path]:
    """All HDF5 files under a folder, sorted."""
    files = sorted(path for path in folder.rglob("*.h5") if path.is_file())
    if len(files) > MAX_FILES:
        raise PosebenchError(f"{folder}: {len(files):,} h5 files", f"at most {MAX_FILES:,}", "name the folder that holds one file a clip")
    return files


def _datasets(path: Path) -> Iterator[tuple[str, Path, str, tuple[int, ...], np.dtype[Any]]]:
    """Name (the path of the clip), file, key, shape and type of every ``3D_positions``, or of every dataset where one file holds all."""
    if not path.is_dir():
        for key, (shape, dtype) in _shapes(path).items():
            # In a file a clip the dataset is called 3D_positions, and the clip is in the file's own path.
            yield (path.as_posix() if key == _KEY else key.removesuffix("/" + _KEY)), path, key, shape, dtype
        return
    for file in h5_files(path):
        shapes = _shapes(file)
        if _KEY in shapes:
            yield (path.resolve().name + "/" + file.relative_to(path).as_posix()), file, _KEY, *shapes[_KEY]


def _shapes(file: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    from posebench.base.readers.hdf5 import open_hdf5

    with open_hdf5(file, _ADVICE) as stored:
        return stored.shapes


def _read(file: Path, key: str) -> npt.NDArray[np.floating]:
    from posebench.base.readers.hdf5 import open_hdf5

    with open_hdf5(file, _ADVICE) as stored:
        poses: npt.NDArray[np.floating] = stored.read(key).reshape(32, 3, -1).transpose(2, 0, 1)[:, _JOINTS]
        return np.ascontiguousarray(poses)
