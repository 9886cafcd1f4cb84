"""mmpose's layout of Human3.6M: annotations ``h36m_train.npz`` and ``h36m_test.npz``, with ``cameras.pkl`` in their folder or its parent.

**Convention.** ``imgname`` (N,) ``S9_Greeting_1.54138969_000001.jpg`` with a frame number from 1; ``S`` (N, 17, 4): x, y, z in
**metres**, camera frame, and visibility; ``part`` (N, 17, 3): px and visibility. mmpose keeps every fifth frame of the 50 Hz recording
by default: then the frame rate is 10 Hz, frames are numbered as stored, and the copy is not official. The step is the median step of the
frame numbers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.npy import open_file
from posebench.base.readers.npz import Npz, open_zip
from posebench.base.readers.pickles import numbers
from posebench.data.cache import CacheEntry, cached
from posebench.data.h36m.copy import H36MCopy, Progress, trim
from posebench.data.h36m.names import CAMERAS, SUBJECTS, Mapped, take_name

FILES = ("h36m_train.npz", "h36m_test.npz")
_IMAGE = re.compile(r"(S\d+)_(.+)\.(\d{8})_(\d{6})(?:\.\w+)?")
_MAX_BYTES = 8 * 2**30
_ADVICE = "make the file again with mmpose's preprocess_h36m.py"


def find(root: Path) -> list[Path]:
    """Folders with annotation files: ``root`` or its subfolders as in mmpose's tree; or ``root``, if it is such a file."""
    if root.name in FILES:
        return [root] if root.is_file() else []
    folders = (root, *(root / "annotation_body3d" / rate for rate in ("fps10", "fps50")), *(root / rate for rate in ("fps10", "fps50")))
    return [folder for folder in folders if any((folder / name).is_file() for name in FILES)]


def open_copy(path: Path, _mapped: Mapped | None) -> H36MCopy:
    """The copy in this folder, or this file."""
    files = (path,) if path.is_file() else tuple(path / name for name in FILES if (path / name).is_file())
    folder = path.parent if path.is_file() else path
    step = _step(_clips(files[-1])[0])
    return H36MCopy(
        layout="mmpose",
        files=files,
        world=False,
        to_mm=1000.0,
        read=partial(_poses, files),
        keypoints={"gt": partial(_keypoints, files)},
        folders=(folder, folder.parent) if folder.name.startswith("fps") else (folder,),
        fps=50.0 / step,
        note=f"every {step}th frame of the 50 Hz recording" if step > 1 else "",
    )


def _clips(path: Path) -> tuple[dict[str, npt.NDArray[np.int64]], int]:
    """Clip id to its rows and frame numbers, (2, T) by ascending frame number; and the number of rows in the file."""
    names = _array(path, "imgname").astype(str).tolist()
    rows: dict[str, list[tuple[int, int]]] = {}
    other: list[str] = []
    for row, name in enumerate(names):
        match = _IMAGE.fullmatch(str(name).rpartition("/")[2])
        if match is None:
            other.append(str(name))
        elif match[1] in SUBJECTS and match[3] in CAMERAS:
            rows.setdefault(f"{match[1]}/{take_name(match[2])}/{match[3]}", []).append((int(match[4]), row))
    if other or not rows:
        raise PosebenchError(
            f"{path}: imgname {other[0] if other else 'of no known subject'}", "names like S9_Greeting_1.54138969_000001.jpg", _ADVICE
        )
    return {id: np.array([(row, frame) for frame, row in sorted(pairs)]).T for id, pairs in rows.items()}, len(names)


def _step(clips: dict[str, npt.NDArray[np.int64]]) -> int:
    steps = np.concatenate([np.diff(frames) for _, frames in clips.values()])
    return max(1, int(np.median(steps))) if len(steps) else 1


def _array(path: Path, key: str) -> npt.NDArray[np.generic]:
    with open_file(path) as file, open_zip(path, file) as archive:
        npz = Npz(path, archive)
        if key not in npz.shapes:
            raise PosebenchError(f"{path} without {key}", "imgname, S and part", _ADVICE)
        shape, dtype = npz.shapes[key]
        if np.prod(shape, dtype=object) * dtype.itemsize > _MAX_BYTES:
            raise PosebenchError(f"{path}: {key} {shape} {dtype}", f"at most {_MAX_BYTES:,} bytes", _ADVICE)
        return npz.read(key)


def _values(path: Path, key: str, width: int, rows: int) -> npt.NDArray[np.floating]:
    return numbers(_array(path, key), (rows, 17, width), f"{path}: {key}")


def _poses(files: tuple[Path, ...], progress: Progress | None) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    for number, path in enumerate(files, 1):
        clips, total = _clips(path)
        values = _values(path, "S", 4, total)
        for id, (rows, _) in clips.items():
            yield id, values[rows, :, :3]
        if progress:
            progress(number, len(files))


def _keypoints(files: tuple[Path, ...], clip: str, frames: int) -> npt.NDArray[np.floating]:
    entry = _stored(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))
    start, length = entry.facts["clips"][clip]
    return trim(entry.arrays["keypoints"][start : start + length], frames, clip)


@lru_cache(maxsize=2)
def _stored(files: tuple[tuple[Path, int, int], ...]) -> CacheEntry:
    key = hashlib.sha256(b"mmpose 2d 1\n")
    for path, _, _ in files:
        with path.open("rb") as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    return cached("h36m-2d", key.hexdigest(), partial(_collect, [path for path, _, _ in files]))


def _collect(files: list[Path]) -> CacheEntry:
    """All keypoints of the files in one array, and the rows of each clip."""
    spans: dict[str, tuple[int, int]] = {}
    parts = []
    start = 0
    for path in files:
        clips, total = _clips(path)
        values = _values(path, "part", 3, total)
        for id, (rows, _) in clips.items():
            spans[id] = (start, len(rows))
            start += len(rows)
            parts.append(values[rows, :, :2])
    return CacheEntry({"keypoints": np.concatenate(parts)}, {"clips": spans})
