"""VideoPose3D's layout of Human3.6M: ``data_3d_h36m.npz`` and ``data_2d_h36m_<source>.npz`` in one folder.

**Convention.** ``positions_3d``: dict[subject][take name] of (T, 32 or 17, 3) float32, world, metres. ``positions_2d``:
dict[subject][take name] of a list of (T', J, 2) float32 px, one per camera by index, T' >= T. Both are pickles inside npz files, which
:mod:`posebench.base.readers.pickles` reads. The cameras are in the repository's ``common/h36m_dataset.py``.

Joint order of a source: ``h36m17``, or ``coco17`` for ``*_coco``. Sources ``sh_*`` of 16 joints are in the hourglass' order if
``metadata`` gives the joint pairs of that order, as VideoPose3D's own script writes it; else, and for all other sources of 16, the order is
``h36m16``, as SemGCN's and PoseAug's scripts write it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of_input
from posebench.base.readers.pickles import read_object
from posebench.base.skeletons import skeleton
from posebench.data.cache import CacheEntry, cached
from posebench.data.h36m.copy import H36MCopy, Progress, to_h36m17, trim
from posebench.data.h36m.names import CAMERAS, SUBJECTS, UNREADABLE, Mapped, take_name

POSES = "data_3d_h36m.npz"
_PREFIX = "data_2d_h36m_"
#: Raise it when the reading changes: old cache entries are then ignored.
_READER = "1"
_ADVICE = "get the file again from its source, or make it with VideoPose3D's own scripts"


def find(root: Path) -> list[Path]:
    """The pose file: ``root`` itself, or in ``root``."""
    path = root if root.name == POSES else root / POSES
    return [path] if path.is_file() else []


def open_copy(path: Path, _mapped: Mapped | None) -> H36MCopy:
    """The copy that this pose file belongs to."""
    folder = path.parent
    sources = {file.name.removeprefix(_PREFIX).removesuffix(".npz"): file for file in sorted(folder.glob(f"{_PREFIX}*.npz"))}
    return H36MCopy(
        layout="videopose3d",
        files=(path,),
        world=True,
        to_mm=1000.0,
        read=partial(_poses, path),
        keypoints={name: partial(_keypoints, file) for name, file in sources.items()},
        skeletons={name: "coco17" for name in sources if name.endswith("_coco")},
        hourglass=frozenset(name for name, file in sources.items() if name.startswith("sh_") and _in_hourglass_order(file)),
        folders=(folder, folder.parent / "common"),  # data/ and common/ of the repository
    )


def _in_hourglass_order(path: Path) -> bool:
    """Whether the left and right joints that a 2D file names are those of the hourglass' order; so too where it names none."""
    try:
        metadata = read_object(path, "metadata")
    except PosebenchError:
        return True  # VideoPose3D's script is the one of these names; what the file holds is judged when it is read
    pairs = metadata.get("keypoints_symmetry") if isinstance(metadata, dict) else None
    if not isinstance(pairs, list | tuple) or len(pairs) != 2:
        return True
    try:
        left, right = ({int(joint) for joint in np.asarray(side).ravel()} for side in pairs)
    except (TypeError, ValueError) as error:
        raise PosebenchError(
            f"{path}: keypoints_symmetry is no two lists of joints", "numbers of left and of right joints", _ADVICE
        ) from error
    order = skeleton("sh16").pairs
    return (left, right) == ({one for one, _ in order}, {one for _, one in order})


def _by_take(path: Path, key: str) -> Iterator[tuple[str, object]]:
    table = read_object(path, key)
    if not isinstance(table, dict):
        raise PosebenchError(f"{path}: {key} is a {type(table).__name__}", "a dict of subjects", _ADVICE)
    for subject, takes in table.items():
        if subject not in SUBJECTS:
            continue
        if not isinstance(takes, dict):
            raise PosebenchError(f"{path}: {key}[{subject!r}] is a {type(takes).__name__}", "a dict of takes", _ADVICE)
        for take, value in takes.items():
            yield f"{subject}/{take_name(str(take))}", value


def _poses(path: Path, progress: Progress | None) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    takes = list(_by_take(path, "positions_3d"))
    for number, (take, value) in enumerate(takes, 1):
        yield take, to_h36m17(np.asarray(value), f"{path}: {take}")
        if progress:
            progress(number, len(takes))


def _keypoints(path: Path, clip: str, frames: int) -> npt.NDArray[np.floating]:
    status = path.stat()
    entry = _stored(path, status.st_size, status.st_mtime_ns)
    if clip not in entry.facts["clips"]:
        raise PosebenchError(f"{path} without {clip}", "2D joints of every clip", "choose another source with --keypoints")
    start, length = entry.facts["clips"][clip]
    return trim(entry.arrays["keypoints"][start : start + length], frames, f"{path}: {clip}")


@lru_cache(maxsize=8)
def _stored(path: Path, _size: int, _changed: int) -> CacheEntry:
    key = hashlib.sha256(f"videopose3d 2d {_READER} {sha256_of_input(path, _ADVICE)}".encode()).hexdigest()
    return cached("h36m-2d", key, partial(_collect, path))


def _collect(path: Path) -> CacheEntry:
    """All keypoints of a file in one array, and the rows of each clip."""
    clips: dict[str, tuple[int, int]] = {}
    parts: list[npt.NDArray[np.float32]] = []
    start = 0
    for take, value in _by_take(path, "positions_2d"):
        if not isinstance(value, list | tuple):
            raise PosebenchError(f"{path}: {take} is a {type(value).__name__}", "a list of four arrays, one a camera", _ADVICE)
        if len(value) != len(CAMERAS) and take == UNREADABLE:
            continue  # the file holds three cameras, and it is unknown which
        if len(value) != len(CAMERAS):
            raise PosebenchError(f"{path}: {take} with {len(value)} arrays", "a list of four arrays, one a camera", _ADVICE)
        for camera, array in zip(CAMERAS, value, strict=True):
            points = np.asarray(array)
            if points.ndim != 3 or points.dtype.kind != "f" or points.shape[2] < 2 or points.shape[1] not in (16, 17, 32):
                raise PosebenchError(f"{path}: {take}/{camera} is {points.dtype} {points.shape}", "keypoints (T, J, 2)", _ADVICE)
            if points.shape[1] == 32:
                points = to_h36m17(points, f"{path}: {take}/{camera}")
            if parts and points.shape[1] != parts[0].shape[1]:
                raise PosebenchError(f"{path}: {points.shape[1]} joints and {parts[0].shape[1]} joints", "one number of joints", _ADVICE)
            clips[f"{take}/{camera}"] = (start, len(points))
            start += len(points)
            parts.append(points[..., :2].astype(np.float32, copy=False))
    if not parts:
        raise PosebenchError(f"{path}: no clip of {', '.join(SUBJECTS)}", "2D joints of Human3.6M", _ADVICE)
    return CacheEntry({"keypoints": np.concatenate(parts)}, {"clips": clips})
