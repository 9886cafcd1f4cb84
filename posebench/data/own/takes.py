"""The files of a folder of own motion, a take each, as poses in the skeleton of its card.

**Convention.** ``poses/<subject>/<take>.<suffix>``; in the camera's frame ``<take>.<camera>.<suffix>``. An ``.npz`` or ``.h5`` file holds
``pose`` (T, J, 3), in the skeleton's order or with ``labels``; ``valid`` (T,) or (T, J), and ``fps``, are optional.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, did_you_mean, first_ten
from posebench.base.files import MAX_CLIP_BYTES
from posebench.base.readers.npy import open_file
from posebench.base.readers.npz import Npz, open_zip
from posebench.base.readers.points import PointFile, read_points
from posebench.base.skeletons import skeleton
from posebench.data.own.card import ADVICE, UPS, Card

Array = npt.NDArray[np.float64]

SUFFIXES = (".npz", ".h5", ".c3d", ".bvh", ".bvh.gz", ".trc", ".csv")
#: Rates of files that are a multiple of the card's up to this share count as that: BVH states 120 Hz as 0.0083333 s.
_RATE = 2e-3
_MAX_LABELS = 2**16


class TakeFile(NamedTuple):
    """A file of a take; ``camera`` is empty where its poses are in the world."""

    path: Path
    subject: str
    take: str
    camera: str


class Take(NamedTuple):
    """Poses (T, J, 3) mm in the card's skeleton, in the axes of the file; the joints (T, J) that were seen; the frames (T,) to score.

    A joint was seen where all points that it is made of were, and where the file does not mark it as invalid.
    """

    pose: Array
    seen: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]


def find_takes(folder: Path, card: Card) -> list[TakeFile]:
    """The files of the takes in order of their names.

    Raises:
        PosebenchError: there are none, two of one take, or a name that cannot be part of a clip id.
    """
    base = folder / "poses"
    found: list[TakeFile] = []
    for path in sorted(base.glob("*/*")) if base.is_dir() else []:
        suffix = suffix_of(path)
        if not suffix or path.name.startswith("."):
            continue
        stem, camera = path.name[: -len(suffix)], ""
        if card.frame == "camera":
            stem, _, camera = stem.rpartition(".")
            if not stem:
                raise PosebenchError(f"{path}: no camera in its name", "<take>.<camera>" + suffix + ', since frame = "camera"', ADVICE)
        if any(not part.isprintable() or "#" in part or "\\" in part for part in (path.parent.name, stem, camera)):
            raise PosebenchError(f"{path}: its name", "names of subjects and takes without # and \\, since they make clip ids", "rename it")
        found.append(TakeFile(path, path.parent.name, stem, camera))
    keys = [one[1:] for one in found]
    twice = [one.path for one in found if keys.count(one[1:]) > 1]
    if twice:
        raise PosebenchError(f"{first_ten([str(path) for path in twice])} for one take", "one file a take", "remove the others")
    if not found:
        raise PosebenchError(f"{base}: no file of motion", f"poses/<subject>/<take> with one of {' '.join(SUFFIXES)}", ADVICE)
    return found


def suffix_of(path: Path) -> str:
    """The one of :data:`SUFFIXES` that a file has, as it is written; empty if it has another."""
    suffix = next((one for one in SUFFIXES if path.name.lower().endswith(one)), "")
    return path.name[len(path.name) - len(suffix) :] if suffix else ""


def read_file(path: Path) -> tuple[PointFile, npt.NDArray[np.bool_] | None]:
    """The points of a file of any kind, NaN where one is missing, and where it says so the frames (T,) that may be used.

    Labels are empty for poses in a stated order.

    Raises:
        PosebenchError: it cannot be read.
    """
    if path.suffix.lower() == ".npz":
        with open_file(path) as file, open_zip(path, file) as archive:
            npz = Npz(path, archive)
            return _of_arrays(path, npz.shapes, npz.read)
    if path.suffix.lower() == ".h5":
        from posebench.base.readers.hdf5 import open_hdf5

        with open_hdf5(path, ADVICE) as hdf5:
            return _of_arrays(path, hdf5.shapes, hdf5.read)
    return read_points(path), None


def _of_arrays(
    path: Path, shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]], read: Callable[[str], npt.NDArray[Any]]
) -> tuple[PointFile, npt.NDArray[np.bool_] | None]:
    shape, dtype = shapes.get("pose", ((), np.dtype("U1")))
    if len(shape) != 3 or shape[2] != 3 or dtype.kind not in "fiu" or 0 in shape:
        found = f"pose of {dtype} {shape}" if "pose" in shapes else f"no pose among {first_ten(list(shapes)) or 'its arrays'}"
        raise PosebenchError(f"{path}: {found}", "pose (T, J, 3)", ADVICE)
    if math.prod(shape) * 8 > MAX_CLIP_BYTES:
        raise PosebenchError(f"{path}: pose {shape}", f"at most {MAX_CLIP_BYTES:,} bytes a take", "cut the take in parts")
    labels: tuple[str, ...] = ()
    if "labels" in shapes:
        of, kind = shapes["labels"]
        if of != shape[1:2] or kind.kind not in "US" or math.prod(of) * kind.itemsize > _MAX_LABELS:
            raise PosebenchError(f"{path}: labels of {kind} {of}", f"the names of its {shape[1]} points", ADVICE)
        labels = tuple(_text(label) for label in read("labels").tolist())
        if len(set(labels)) < len(labels):
            raise PosebenchError(f"{path}: a label twice", "different names of points", ADVICE)
    fps = 0.0
    if "fps" in shapes and shapes["fps"][0] == () and shapes["fps"][1].kind in "fiu":
        fps = float(read("fps"))
    valid: npt.NDArray[np.bool_] | None = None
    if "valid" in shapes:
        of, kind = shapes["valid"]
        if of not in (shape[:1], shape[:2]) or kind.kind not in "bui":
            raise PosebenchError(f"{path}: valid of {kind} {of}", f"valid {shape[:1]} or {shape[:2]}, true or false", ADVICE)
        valid = read("valid").astype(bool)
    points = np.array(read("pose"), dtype=np.float64)
    if valid is not None and valid.ndim == 2:
        points[~valid], valid = np.nan, None
    return PointFile(labels, points, fps, ""), valid


def _text(label: object) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def read_take(one: TakeFile, card: Card) -> Take:
    """The poses of a take.

    Raises:
        PosebenchError: points that the card names are missing, or the file's rate or unit is not the card's.
    """
    content, marked = read_file(one.path)
    _agrees(one.path, content, card)
    step = _step(one.path, content.fps, card.fps)
    points = content.points[card.first :: step]
    valid = None if marked is None else marked[card.first :: step]
    if not len(points):
        raise PosebenchError(f"{one.path}: {len(content.points)} frames", f"more than first_frame = {card.first}", ADVICE)
    if len(points) < 2 <= len(content.points[card.first :]):
        found = f"{one.path}: 1 frame of {len(content.points)} is left of {content.fps:g} Hz, if fps = {card.fps:g}"
        raise PosebenchError(found, "at least two frames of a take", ADVICE)
    pose = _joints(one.path, points, content.labels, card)
    seen = np.asarray(np.isfinite(pose).all(axis=2))
    finite = np.asarray(seen.all(axis=1))
    pose = np.where(finite[:, None, None], pose, 0.0) * card.mm
    if card.mirrored:
        pose[..., "xyz".index(card.mirrored)] *= -1.0
    return Take(pose, seen, finite if valid is None else finite & valid)


def to_y_up(points: npt.ArrayLike, up: str) -> Array:
    """Points (..., 3) whose axis ``up`` points up, turned so that y does."""
    out: Array = np.asarray(points, dtype=np.float64) @ np.array(UPS[up], dtype=np.float64).T
    return out


def _joints(path: Path, points: Array, labels: tuple[str, ...], card: Card) -> Array:
    order = skeleton(card.skeleton)
    if not card.joints:
        if points.shape[1] == len(order) and (not labels or labels == order.joints):
            return points
        names = f"points {first_ten(list(labels))}" if labels else f"{points.shape[1]} points without names"
        wanted = f"the {len(order)} joints of {order.id} in its order, or [joints] in the card"
        raise PosebenchError(f"{path}: {names}", wanted, ADVICE)
    if not labels:
        raise PosebenchError(f"{path}: points without names", "labels, since the card makes joints of named points", ADVICE)
    index = {label: number for number, label in enumerate(labels)}
    missing = [name for joint in order.joints for name in card.joints[joint] if name not in index]
    if missing:
        raise PosebenchError(
            f"{path}: no point {first_ten(list(dict.fromkeys(missing)))} (it has {first_ten(list(labels))})",
            "every point that the card names",
            did_you_mean(missing[0], labels, "correct [joints] in dataset.toml"),
        )
    return np.stack([points[:, [index[name] for name in card.joints[joint]]].mean(axis=1) for joint in order.joints], axis=1)


def _agrees(path: Path, content: PointFile, card: Card) -> None:
    """Refuse a file that states another unit than the card."""
    stated = {"mm": 1.0, "cm": 10.0, "m": 1000.0}.get(content.unit.strip().lower())
    if stated is not None and not math.isclose(stated, card.mm, rel_tol=0.01):
        raise PosebenchError(
            f"{path}: its unit is {content.unit}, and the card says {card.mm:g} mm", "one unit for all files, the card's", ADVICE
        )


def _step(path: Path, stated: float, wanted: float) -> int:
    """Frames of the file from one of the dataset to the next."""
    if not stated:
        return 1
    step = max(1, round(stated / wanted))
    if abs(stated / step - wanted) > _RATE * wanted:
        found = f"{path}: {stated:g} frames a second, and fps = {wanted:g} in the card"
        raise PosebenchError(found, "a whole multiple of fps: frames are left out, never made", ADVICE)
    return step
