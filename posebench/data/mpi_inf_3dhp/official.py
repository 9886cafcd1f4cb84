"""MPI-INF-3DHP as its authors distribute it: ``S1/Seq1/annot.mat`` with ``camera.calibration``, and ``TS1/annot_data.mat``.

**Convention.** Poses in millimetres, camera frame (both annotations are stored so; extrinsics are not applied), in the 17-joint order
of the test (``mpi17``); keypoints in pixels. ``annot_data.mat`` is HDF5, whose axes h5py returns in reverse: (N, 1, 17, 3).

Sources: the official ``mpii_get_joints.m`` and P-STMO's readers of both files; mmpose ``preprocess_mpi_inf_3dhp.py`` for the calibration.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.readers.matlab import read_cells, read_numbers, variables
from posebench.base.skeletons import joint_map
from posebench.data.clip import ClipInfo

if TYPE_CHECKING:
    from posebench.base.readers.hdf5 import HDF5File

Array = npt.NDArray[np.float64]

#: Frames and frames that may be scored of each test sequence.
TEST = {"TS1": (6151, 603), "TS2": (6080, 540), "TS3": (5838, 505), "TS4": (6007, 553), "TS5": (320, 276), "TS6": (492, 452)}
#: Frames and frames per second of each training recording.
TRAIN = {
    "S1/Seq1": (6416, 25.0),
    "S1/Seq2": (12430, 50.0),
    "S2/Seq1": (6502, 25.0),
    "S2/Seq2": (6081, 25.0),
    "S3/Seq1": (12488, 50.0),
    "S3/Seq2": (12283, 50.0),
    "S4/Seq1": (6171, 25.0),
    "S4/Seq2": (6675, 25.0),
    "S5/Seq1": (12820, 50.0),
    "S5/Seq2": (12312, 50.0),
    "S6/Seq1": (6188, 25.0),
    "S6/Seq2": (6145, 25.0),
    "S7/Seq1": (6239, 25.0),
    "S7/Seq2": (6320, 25.0),
    "S8/Seq1": (6468, 25.0),
    "S8/Seq2": (6054, 25.0),
}
#: The training cameras, of 14, that lifters are commonly trained on.
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
#: Activities by their number in ``activity_annotation``, from 1.
ACTIVITIES = ("Standing/Walking", "Exercising", "Sitting", "Reaching/Crouching", "On The Floor", "Sports", "Miscellaneous")
#: Label of a frame without such a number; such a frame is never scored.
UNLABELLED = "unlabelled"
#: Nominal: the test files do not state a frame rate.
TEST_FPS = 25.0
TEST_FOLDER = "mpi_inf_3dhp_test_set"

_ADVICE = "the file is damaged, or not that of the release: get it again (docs/3dhp.md)"
_MAX_FRAMES = 1_000_000
_MAX_BYTES = _MAX_FRAMES * 17 * 3 * 8


@dataclass(frozen=True, eq=False)
class Recording:
    """One clip of a layout: ``read`` returns pose (T, 17, 3) mm, keypoints (T, 17, 2) px and the camera, if it is known."""

    info: ClipInfo
    fps: float
    read: Callable[[], tuple[Array, Array, Camera | None]]
    valid: npt.NDArray[np.int64] | None = None
    labels: npt.NDArray[np.str_] | None = None


def open_test_sequence(path: Path, sequence: str, annotation: str) -> Recording:
    """The recording of one ``annot_data.mat``; shapes, valid frames and activities are read now, poses when the clip is loaded.

    Raises:
        PosebenchError: the file is missing or damaged, an array has another shape, or a valid frame has no activity.
    """
    with _open(path) as file:
        frames = _frames(path, file, annotation, 3)
        if _frames(path, file, "annot2", 2) != frames:
            raise PosebenchError(f"{path}: annot2 and {annotation} of different lengths", f"{frames} frames in both", _ADVICE)
        valid = _column(path, file, "valid_frame", frames)
        activity = _column(path, file, "activity_annotation", frames)
    if not np.isin(valid, (0.0, 1.0)).all():
        raise PosebenchError(f"{path}: valid_frame holds {valid[~np.isin(valid, (0.0, 1.0))][0]:g}", "0 or 1 a frame", _ADVICE)
    known = np.isin(activity, np.arange(1, len(ACTIVITIES) + 1))
    if not known[valid == 1].all():
        frame = int(np.flatnonzero((valid == 1) & ~known)[0])
        raise PosebenchError(f"{path}: activity {activity[frame]:g} in valid frame {frame}", f"1 to {len(ACTIVITIES)}", _ADVICE)
    names = np.array([UNLABELLED, *ACTIVITIES])
    labels = names[np.where(known, activity, 0).astype(np.intp)]
    info = ClipInfo(f"{sequence}/{sequence}/0", sequence, f"{sequence}/{sequence}", "0", "TS", frames)
    return Recording(info, TEST_FPS, partial(_read_test, path, annotation, frames), np.flatnonzero(valid == 1), labels)


def _read_test(path: Path, annotation: str, frames: int) -> tuple[Array, Array, None]:
    with _open(path) as file:
        if {_frames(path, file, annotation, 3), _frames(path, file, "annot2", 2)} != {frames}:
            raise PosebenchError(f"{path} has changed", f"{frames} frames, as when it was opened", "run the command again")
        pose, keypoints = (file.numbers(name, _MAX_BYTES)[:, 0].astype(np.float64) for name in (annotation, "annot2"))
    return pose, keypoints, None


def _open(path: Path) -> AbstractContextManager[HDF5File]:
    from posebench.base.readers.hdf5 import open_hdf5

    return open_hdf5(path, _ADVICE)


def _frames(path: Path, file: HDF5File, name: str, axes: int) -> int:
    """The number of frames of an array (N, 1, 17, axes)."""
    shape = file.shape(name)
    if len(shape) != 4 or shape[1:] != (1, 17, axes) or not shape[0]:
        raise PosebenchError(f"{path}: {name} of shape {shape} (axes as h5py gives them)", f"(frames, 1, 17, {axes})", _ADVICE)
    if shape[0] > _MAX_FRAMES:
        raise PosebenchError(f"{path}: {name} of shape {shape}", f"at most {_MAX_FRAMES:,} frames", _ADVICE)
    return shape[0]


def _column(path: Path, file: HDF5File, name: str, frames: int) -> Array:
    shape = file.shape(name)
    if sorted(shape) != sorted((frames, 1)):
        raise PosebenchError(f"{path}: {name} of shape {shape}", f"one number for each of {frames} frames", _ADVICE)
    return file.numbers(name, _MAX_BYTES).astype(np.float64).ravel()


def open_training_folder(folder: Path, annotation: str) -> list[Recording]:
    """The recordings of one ``S1/Seq1`` folder, one per camera; only the headers of the arrays are read now.

    **Convention.** The cameras are those of :data:`CAMERAS` that ``cameras`` in the file lists; cell k belongs to camera k.

    Raises:
        PosebenchError: a file is damaged, or its content differs in form from the release.
    """
    path, take = folder / "annot.mat", f"{folder.parent.name}/{folder.name}"
    stored = variables(path)
    for name, columns in ((annotation, 84), ("annot2", 56)):
        found = stored.get(name)
        if found is None or not found.cells or found.shape != (14, 1) or len(found.first) != 2 or found.first[1] != columns:
            what = f"{name} as {found.shape} {'cells' if found.cells else 'matrix'}, the first {found.first}" if found else f"no {name}"
            raise PosebenchError(f"{path}: {what}", f"{name} as (14, 1) cells of (frames, {columns})", _ADVICE)
    frames = stored[annotation].first[0]
    if not 0 < frames <= _MAX_FRAMES:
        raise PosebenchError(f"{path}: {annotation} of {frames:,} frames", f"1 to {_MAX_FRAMES:,} frames", _ADVICE)
    listed = read_numbers(path, "cameras").ravel().tolist() if "cameras" in stored and not stored["cameras"].cells else list(range(14))
    cameras = tuple(camera for camera in CAMERAS if camera in listed)
    if not cameras:
        raise PosebenchError(f"{path}: cameras {listed}", f"one or more of {', '.join(map(str, CAMERAS))}", _ADVICE)
    fps = TRAIN.get(take, (0, 25.0))[1]
    recordings = []
    for camera in cameras:
        info = ClipInfo(f"{take}/{camera}", folder.parent.name, take, str(camera), "Seq", frames)
        recordings.append(Recording(info, fps, partial(_read_train, folder, annotation, frames, cameras, camera)))
    return recordings


def _read_train(folder: Path, annotation: str, frames: int, cameras: tuple[int, ...], camera: int) -> tuple[Array, Array, Camera | None]:
    path = folder / "annot.mat"
    poses, keypoints = _annotations(path, path.stat().st_mtime_ns, annotation, frames, cameras)
    calibration = folder / "camera.calibration"
    known = read_calibration(calibration) if calibration.is_file() else None
    if known is not None and camera >= len(known):
        raise PosebenchError(f"{calibration}: {len(known)} cameras", f"camera {camera}, which annot.mat has", _ADVICE)
    return poses[camera].copy(), keypoints[camera].copy(), None if known is None else known[camera]


@lru_cache(maxsize=2)
def _annotations(
    path: Path, changed: int, annotation: str, frames: int, cameras: tuple[int, ...]
) -> tuple[dict[int, Array], dict[int, Array]]:
    # Eight cameras read the same file in turn. `changed`, its time of modification, is only a key of the cache.
    del changed
    joints = list(joint_map("mpi28", "mpi17"))
    out = []
    for name, axes in ((annotation, 3), ("annot2", 2)):
        cells = read_cells(path, name, cameras)
        for camera, cell in cells.items():
            if cell.shape != (frames, 28 * axes):
                raise PosebenchError(f"{path}: cell {camera} of {name} has size {cell.shape}", f"({frames}, {28 * axes})", _ADVICE)
        out.append({camera: cell.reshape(frames, 28, axes)[:, joints] for camera, cell in cells.items()})
    return out[0], out[1]


def read_calibration(path: Path) -> list[Camera]:
    """The cameras of a ``camera.calibration`` file, in file order.

    **Convention.** A heading line, then seven lines a camera: the image size is on the third, the 4x4 intrinsic matrix on the fifth and
    the 4x4 extrinsic one (world to camera, mm) on the sixth, in row order after a keyword. Distortion is not read.

    Raises:
        PosebenchError: the file has another form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not 8 <= len(lines) <= 7 * 1000:
            raise ValueError(f"{len(lines)} lines")
        return [_camera_at(lines, start) for start in range(0, len(lines) - 7, 7)]
    except (OSError, ValueError) as error:
        wanted = "a heading, then seven lines a camera: size on the third, 4x4 matrices on the fifth and sixth"
        raise PosebenchError(f"{path}: {error}", wanted, _ADVICE) from error


def _camera_at(lines: list[str], start: int) -> Camera:
    def numbers(line: int, count: int) -> list[float]:
        words = lines[start + line].split()
        if len(words) < count:
            raise ValueError(f"line {start + line + 1} has {len(words)} words where {count} numbers are wanted")
        return [float(word) for word in words[-count:]]

    size = numbers(3, 2)
    lacking = size == [0.0, 0.0]  # how an export states a camera that it has not
    if not lacking and not all(0 < length < 1e6 for length in size):
        raise ValueError(f"line {start + 4} says an image of {size[0]:g} x {size[1]:g}")
    intrinsic, extrinsic = (np.array(numbers(line, 16)).reshape(4, 4) for line in (5, 6))
    rotation = extrinsic[:3, :3]
    if not (np.isfinite(intrinsic).all() and np.isfinite(extrinsic).all() and np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-2):
        raise ValueError(f"line {start + 7} does not hold a rotation")
    position = -rotation.T @ extrinsic[:3, 3]
    return Camera(rotation, position, intrinsic[[0, 1], [0, 1]], intrinsic[:2, 2], (int(size[0]), int(size[1])))
