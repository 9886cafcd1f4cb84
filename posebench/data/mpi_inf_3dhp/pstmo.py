"""MPI-INF-3DHP as P-STMO and its successors distribute it: ``data_train_3dhp.npz`` and ``data_test_3dhp.npz``, pickled dictionaries.

**Convention.** ``data`` of the first maps ``"S1 Seq1"`` to ``[{camera: {data_2d, data_3d}}, frames per second]``, of the second
``"TS1"`` to ``{data_2d, data_3d, valid}``; (n, 17, 2) pixels and (n, 17, 3) millimetres of ``univ_annot3`` in the test's joint order.
There are no cameras and no activities. Only plain data is unpickled (:mod:`posebench.base.readers.pickles`). Each archive is read once
and then kept in the cache, because the training archive is large.

Source: P-STMO ``common/data_to_npz_3dhp.py``, ``common/data_to_npz_3dhp_test.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of_input
from posebench.base.readers.pickles import numbers, read_object
from posebench.data.cache import CacheEntry, cached
from posebench.data.clip import ClipInfo
from posebench.data.mpi_inf_3dhp.official import TEST, TEST_FPS, TRAIN, Recording

Array = npt.NDArray[np.float64]

TRAIN_FILE, TEST_FILE = "data_train_3dhp.npz", "data_test_3dhp.npz"
#: Raise it when the reading changes: old cache entries are then ignored. Results do not depend on it.
READER_VERSION = "1"
_ADVICE = "get the archive again, or use the files of the release: docs/3dhp.md"


def archive_recordings(path: Path) -> tuple[list[Recording], str]:
    """The recordings of one archive, and the note of its cache entry; the file's name says whether it is the training archive.

    Raises:
        PosebenchError: the archive is damaged, holds more than plain data, or has another structure.
    """
    key = hashlib.sha256(f"{READER_VERSION} {path.name} {sha256_of_input(path, _ADVICE)}".encode()).hexdigest()
    entry = cached("3dhp", key, partial(_build, path))
    recordings, start = [], 0
    for subject, take, camera, frames, fps in entry.facts["clips"]:
        info = ClipInfo(f"{subject}/{take}/{camera}", subject, f"{subject}/{take}", camera, take.rstrip("0123456789"), frames)
        rows = slice(start, start + frames)
        valid = np.flatnonzero(entry.arrays["valid"][rows]) if subject in TEST else None
        recordings.append(Recording(info, fps, partial(_read, entry.arrays, rows), valid))
        start += frames
    return recordings, entry.note


def _read(arrays: dict[str, npt.NDArray[Any]], rows: slice) -> tuple[Array, Array, Camera | None]:
    return np.array(arrays["poses"][rows], dtype=np.float64), np.array(arrays["keypoints"][rows], dtype=np.float64), None


def _build(path: Path) -> CacheEntry:
    content = read_object(path, "data")
    if isinstance(content, np.ndarray) and content.shape == ():
        content = content.item()  # the pickle holds the 0-d array itself
    if not isinstance(content, dict):
        raise PosebenchError(f"{path}: data is a {type(content).__name__}", "a dictionary of recordings", _ADVICE)
    read: Callable[[str, Any, str], Iterator[_Clip]] = _test_clip if path.name == TEST_FILE else _train_clips
    clips = [clip for name, value in content.items() for clip in read(str(name), value, str(path))]
    if not clips:
        raise PosebenchError(f"{path}: no recordings", "at least one", _ADVICE)
    facts = {"clips": [clip.facts for clip in clips]}
    names = ("poses", "keypoints", "valid")
    return CacheEntry({name: np.concatenate([getattr(clip, name) for clip in clips]) for name in names}, facts)


class _Clip:
    """The arrays of one clip, checked for type and shape."""

    def __init__(self, names: tuple[str, str, str], fps: float, value: object, place: str) -> None:
        if not isinstance(value, dict) or not {"data_2d", "data_3d"} <= set(value):
            raise PosebenchError(f"{place}: {type(value).__name__} without data_2d and data_3d", "a dictionary with both", _ADVICE)
        self.poses = numbers(value["data_3d"], (None, 17, 3), f"{place}, data_3d")
        self.keypoints = numbers(value["data_2d"], (len(self.poses), 17, 2), f"{place}, data_2d")
        self.valid = np.ones(len(self.poses), dtype=bool)
        # Subject, take, camera, frames and rate: JSON values for the cache.
        self.facts = (*names, len(self.poses), fps)


def _train_clips(name: str, value: object, path: str) -> Iterator[_Clip]:
    place = f"{path}: {name}"
    if name.replace(" ", "/") not in TRAIN:
        raise PosebenchError(place, "recordings S1 Seq1 to S8 Seq2", _ADVICE)
    if not isinstance(value, list | tuple) or len(value) != 2 or not isinstance(value[0], dict):
        raise PosebenchError(f"{place} holds a {type(value).__name__}", "[{camera: arrays}, frames per second]", _ADVICE)
    subject, take = name.split(" ")
    for camera, arrays in value[0].items():
        if not isinstance(value[1], int | float) or not 0 < value[1] < 1000 or str(camera) not in map(str, range(14)):
            raise PosebenchError(f"{place}: camera {camera!s:.20}, {value[1]!s:.20} fps", "cameras 0 to 13, 25 or 50 fps", _ADVICE)
        yield _Clip((subject, take, str(camera)), float(value[1]), arrays, f"{place}, camera {camera}")


def _test_clip(name: str, value: Any, path: str) -> Iterator[_Clip]:
    place = f"{path}: {name}"
    if name not in TEST:
        raise PosebenchError(place, "sequences TS1 to TS6", _ADVICE)
    clip = _Clip((name, name, "0"), TEST_FPS, value, place)
    valid = value.get("valid")
    if not isinstance(valid, np.ndarray) or valid.dtype.kind not in "biuf" or valid.size != len(clip.poses):
        raise PosebenchError(f"{place}: no valid, or of another size", f"0 or 1 for each of {len(clip.poses)} frames", _ADVICE)
    if not np.isin(valid, (0, 1)).all():
        raise PosebenchError(f"{place}: valid holds other values", "0 or 1 a frame", _ADVICE)
    clip.valid = valid.ravel() == 1
    yield clip
