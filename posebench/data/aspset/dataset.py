"""The ``aspset`` dataset: ``splits.csv``, and C3D and camera files below ``trainval`` and ``test``.

**Convention.** 17 joints, mm, 50 Hz, three cameras (``left mid right``) without distortion; the world is the left camera's frame, y down,
and how that camera is tilted is not known.
Clip ``04ac/0026/left`` is subject, clip and camera. ``splits.csv`` says which cameras of a clip are used: ``all`` or one. There are no
actions. A frame in which one joint is missing is not valid. Keypoints are projections only; none are published.

The pelvis is a joint of its own, some 10 cm from the middle of the hips: root-relative errors depend on which of them is the root.

Source: the official package ``aspset510`` and posekit.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path

import numpy as np

from posebench.base.cameras import Camera
from posebench.base.errors import first_ten
from posebench.base.readers.c3d import read_c3d
from posebench.base.readers.text import read_json, read_text
from posebench.data.clip import Dataset
from posebench.data.recordings import Layout, Recording, open_recordings, subjects_by_split

CAMERAS = ("left", "mid", "right")
FOLDERS = {"train": "trainval", "val": "trainval", "test": "test"}
SPLITS_FILE = "splits.csv"
RATE = 50.0
SIZE = (3840, 2160)
SKELETON_OF_FILE = "aspset_17j"
#: Length of a unit that a C3D file may state, mm.
_UNITS = {"": 1.0, "mm": 1.0, "m": 1000.0}
_MAX_TEXT = 2**22
_ADVICE = "posebench data fetch aspset; docs/datasets.md describes the files"
LAYOUT = Layout("aspset", "1", "aspset17", RATE, "millimetres", _ADVICE)


def open_aspset(root: str | PathLike[str], progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Open the files below ``root``.

    Clips of ``splits.csv`` whose C3D file is missing are left out, and the note says how many.

    Raises:
        PosebenchError: no ``splits.csv``, no clip, a clip without its camera, or a file that holds something else.
    """
    folder = Path(root)
    rows = _rows(folder / SPLITS_FILE)
    present = [row for row in rows if _poses(folder, row).is_file()]
    if not present:
        raise LAYOUT.wrong(f"{folder} without trainval or test/joints_3d/<subject>/<subject>-<clip>.c3d", "the poses that splits.csv lists")
    labels, splits = subjects_by_split((subject, split) for subject, _, split, _ in present)
    files = [path for row in present for path in (_poses(folder, row), *_calibrations(folder, row).values())]

    def read() -> Iterator[Recording]:
        for number, row in enumerate(present, 1):
            yield _recording(folder, row, labels[row[0], row[2]])
            if progress:
                progress(number, len(present))

    missing = len(rows) - len(present)
    note = f"{missing} of {len(rows)} clips of splits.csv have no poses here" if missing else ""
    listed = str(sorted(rows))
    return open_recordings(LAYOUT, list(dict.fromkeys(files)), read, splits, variant=listed, note=note)


Row = tuple[str, str, str, str]


def _rows(path: Path) -> list[Row]:
    """Subject, clip, split and camera of each line."""
    try:
        lines = list(csv.reader(io.StringIO(read_text(path, _MAX_TEXT))))
    except (OSError, ValueError, csv.Error) as error:
        raise LAYOUT.wrong(f"{path}: {error}", "splits.csv with rows subject, clip, split, camera") from error
    heads = [word.strip() for word in lines[0]] if lines else []
    wanted = ["subject", "clip", "split", "camera"]
    names = [name.removesuffix("_id") for name in heads]
    if not set(wanted) <= set(names):
        # Without a line of heads the columns are in this order.
        names, body = wanted, lines
    else:
        body = lines[1:]
    rows: list[Row] = []
    for line in body:
        if not line:
            continue
        values = {name: word.strip() for name, word in zip(names, line, strict=False)}
        subject, clip, split, camera = (values.get(name, "") for name in wanted)
        plain = all(word and word.replace("_", "").isalnum() for word in (subject, clip))
        if not plain or split not in FOLDERS or camera not in ("all", *CAMERAS):
            raise LAYOUT.wrong(f"{path}: {', '.join(line)}", "subject, clip, train or val or test, and all or one of left, mid, right")
        rows.append((subject, clip, split, camera))
    return rows


def _poses(folder: Path, row: Row) -> Path:
    subject, clip, split, _ = row
    return folder / FOLDERS[split] / "joints_3d" / subject / f"{subject}-{clip}.c3d"


def _calibrations(folder: Path, row: Row) -> dict[str, Path]:
    subject, _, split, camera = row
    names = CAMERAS if camera == "all" else (camera,)
    return {name: folder / FOLDERS[split] / "cameras" / subject / f"{subject}-{name}.json" for name in names}


def _recording(folder: Path, row: Row, label: str) -> Recording:
    clip = row[1]
    path = _poses(folder, row)
    content = read_c3d(path)
    kind, unit = content.text("POINT:SKEL"), content.text("POINT:UNITS")
    if content.points.shape[1] != 17 or kind not in ("", SKELETON_OF_FILE):
        raise LAYOUT.wrong(f"{path}: {content.points.shape[1]} points of skeleton {kind or 'unstated'}", f"17 of {SKELETON_OF_FILE}")
    if unit not in _UNITS or abs(content.rate - RATE) > 0.01:
        raise LAYOUT.wrong(f"{path}: {content.rate:g} Hz in {unit!r}", f"{RATE:g} Hz in mm")
    seen = np.asarray(~np.isnan(content.points).any(axis=-1))
    cameras: dict[str, Camera | None] = {name: read_camera(file) for name, file in _calibrations(folder, row).items()}
    return Recording(label, clip, "clip", clip, content.points * _UNITS[unit], cameras, seen=seen)


def read_camera(path: Path) -> Camera:
    """The camera of a file: ``intrinsic_matrix`` (3x4 in row order) and ``extrinsic_matrix`` (4x4, world to camera, mm).

    Raises:
        PosebenchError: the file is missing or holds something else.
    """
    try:
        content = read_json(path, _MAX_TEXT)
        intrinsic = np.array(content["intrinsic_matrix"], dtype=np.float64).reshape(3, 4)
        extrinsic = np.array(content["extrinsic_matrix"], dtype=np.float64).reshape(4, 4)
    except (OSError, ValueError, KeyError, TypeError) as error:
        have = first_ten(list(content)) if isinstance(error, KeyError) else error
        raise LAYOUT.wrong(f"{path}: {have}", "intrinsic_matrix of 12 numbers and extrinsic_matrix of 16") from error
    rotation = extrinsic[:3, :3]
    if not (np.isfinite(intrinsic).all() and np.isfinite(extrinsic).all()) or (intrinsic[[0, 1], [0, 1]] <= 0).any():
        raise LAYOUT.wrong(f"{path}: a camera with a focal length that is not above 0, or a number that is not finite", "finite numbers")
    # Printed with six digits, up to which the axes are orthogonal.
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise LAYOUT.wrong(f"{path}: an extrinsic matrix that is no rotation, or a mirrored one", "world to camera, 4x4")
    position = -np.linalg.solve(rotation, extrinsic[:3, 3]).astype(np.float64)
    return Camera(rotation, position, intrinsic[[0, 1], [0, 1]], intrinsic[:2, 2], SIZE)
