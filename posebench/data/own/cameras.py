"""Cameras of the user's own recordings, in the tables that Anipose and Pose2Sim write.

**Convention.** A table a camera: ``name``, ``size`` (width, height), ``matrix`` (3x3), ``distortions`` (k1 k2 p1 p2 [k3], OpenCV),
``rotation`` (Rodrigues vector, world to camera) and ``translation`` (world to camera, in the unit that the card states). A table of tables
belongs to a subject, ``[S1.cam1]``, or to a take, ``["S1/walk".cam1]``, and replaces the camera of that name there.

The library's lens has Human3.6M's tangential terms, which are not OpenCV's. OpenCV's are left out, and the dataset's note says by how many
pixels at most; a camera of which they move pixels by more than :data:`LARGEST` is refused.

Source: aniposelib's and Pose2Sim's calibration files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posebench.base.cameras import Camera, rotation_from_vector
from posebench.base.errors import PosebenchError
from posebench.base.readers.text import read_json, read_toml
from posebench.base.schema import Fields

FILES = ("cameras.toml", "cameras.json")
_MAX_TEXT = 2**22
_MAX_SIDE = 2**16
_ADVICE = "write the calibration again, as Anipose or Pose2Sim does; docs/own.md shows a table"
#: Pixels by which tangential distortion that is left out may move a corner of the image.
LARGEST = 5.0


@dataclass(frozen=True)
class Rig:
    """All cameras of a folder: those of every take, and by subject or take those that replace them.

    ``left_out`` is by how many pixels the tangential distortion that is left out moves a corner of an image, at most.
    """

    common: Mapping[str, Camera]
    special: Mapping[str, Mapping[str, Camera]]
    left_out: float = 0.0

    def of(self, subject: str, take: str) -> dict[str, Camera]:
        """The cameras of a take."""
        return {**self.common, **self.special.get(subject, {}), **self.special.get(f"{subject}/{take}", {})}


def read_rig(folder: Path, mm: float) -> tuple[Rig, Path | None]:
    """The cameras of a folder, empty without a file of them, and the file.

    Args:
        folder: holds one of :data:`FILES`, or none.
        mm: millimetres in the unit of translations.

    Raises:
        PosebenchError: a table is no camera, or a lens that the library has no model of.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        return Rig({}, {}), None
    return read_cameras(path, mm), path


def read_cameras(path: Path, mm: float) -> Rig:
    """The cameras in a TOML file, or in a JSON list of such tables; see :func:`read_rig`."""
    try:
        content: Any = read_json(path, _MAX_TEXT) if path.suffix == ".json" else read_toml(path)
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "a calibration file in TOML, or a list of its tables in JSON", _ADVICE) from error
    if isinstance(content, list):
        content = {f"cam_{number}": table for number, table in enumerate(content)}
    if not isinstance(content, dict):
        raise PosebenchError(f"{path}: a {type(content).__name__}", "tables of cameras", _ADVICE)
    common: dict[str, Camera] = {}
    special: dict[str, dict[str, Camera]] = {}
    bent = [0.0]
    for key, table in content.items():
        if key == "metadata":
            continue
        if not isinstance(table, dict):
            raise PosebenchError(f"{path}: {key} is a {type(table).__name__}", "a table for each camera", _ADVICE)
        if "matrix" in table:
            bent.append(_add(common, table, key, path, mm))
        else:
            for name, inner in table.items():
                if not isinstance(inner, dict) or "matrix" not in inner:
                    raise PosebenchError(f"{path}: [{key}] with {name}", "tables of cameras, each with its matrix", _ADVICE)
                bent.append(_add(special.setdefault(key, {}), inner, name, path, mm))
    if not common and not special:
        raise PosebenchError(f"{path}: no camera", "a table for each camera", _ADVICE)
    return Rig(common, special, max(bent))


def _add(cameras: dict[str, Camera], table: dict[str, Any], key: str, path: Path, mm: float) -> float:
    name = table.get("name", key)
    name = name if isinstance(name, str) and name else key
    if name in cameras:
        raise PosebenchError(f"{path}: camera {name} twice", "each camera once", _ADVICE)
    if any(sign in name for sign in "/#.\\") or not name.isprintable():
        raise PosebenchError(f"{path}: camera {name!r}", "a name without / # . and \\, since it is part of clip ids", _ADVICE)
    cameras[name], bent = _camera(Fields(table, f"{path}: [{key}]", _ADVICE), mm)
    return bent


def _camera(fields: Fields, mm: float) -> tuple[Camera, float]:
    fields.text("name", "")
    if fields.present("fisheye") and fields.flag("fisheye"):
        raise fields.wrong("fisheye", True, "a pinhole camera: keypoints of a fisheye lens have to be undistorted first")
    width, height = fields.nested("size", [(2,)])
    matrix = np.array(fields.nested("matrix", [(3, 3)]), dtype=np.float64)
    lens = np.zeros(5)
    given = fields.nested("distortions", [(n,) for n in (1, 2, 4, 5)], [0.0])
    lens[: len(given)] = given
    # In the camera's own frame there is nothing to state of its place.
    rotation = rotation_from_vector(np.array(fields.nested("rotation", [(3,), (3, 1)], [0.0] * 3), dtype=np.float64).ravel())
    translation = mm * np.array(fields.nested("translation", [(3,), (3, 1)], [0.0] * 3), dtype=np.float64).ravel()
    for unused in ("error", "grid", "comment"):
        fields.present(unused)
    fields.finish()
    if not 1.0 <= min(width, height) <= max(width, height) < _MAX_SIDE:
        raise fields.wrong("size", [width, height], "width and height of the images in pixels")
    focal, centre = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    if (focal <= 0.0).any() or abs(matrix[2, 2] - 1.0) > 1e-6:
        raise fields.wrong("matrix", matrix.tolist(), "[fx 0 cx], [0 fy cy], [0 0 1] in pixels")
    reach = float(np.max((np.array([width, height]) / focal) ** 2))
    moved = float(3.0 * np.abs(lens[2:4]).max() * reach * focal.max())
    if moved > LARGEST:
        found = f"tangential distortion {lens[2]:g}, {lens[3]:g}, which moves pixels by up to {moved:.0f}"
        raise fields.wrong("distortions", found, f"at most {LARGEST:g} px: undistort the keypoints, or calibrate without these terms")
    position = -rotation.T @ translation
    return Camera(rotation, position, focal, centre, (int(width), int(height)), lens[[0, 1, 4]]), moved
