"""Keypoint sources of a folder of own motion: ``keypoints/<source>/<subject>/<take>.<camera>`` as arrays or as detectors write them.

**Convention.** Frames are those of the dataset, from 0. Keypoints that were not detected are put on the straight line between the frames
before and after, and at the ends they are those of the nearest frame: a prediction has to cover every frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.detections.files import read_detections
from posebench.data.own.card import ADVICE

Array = npt.NDArray[np.float64]


class SourceFile(NamedTuple):
    """A file, or OpenPose's folder, of one clip; ``stated`` is the skeleton that the card states, or empty."""

    path: Path
    subject: str
    take: str
    camera: str
    stated: str


def find_sources(folder: Path, stated: Mapping[str, str]) -> dict[str, list[SourceFile]]:
    """The files of each source that the card names.

    Raises:
        PosebenchError: a source without files, or files of a source that the card does not name.
    """
    base = folder / "keypoints"
    there = sorted(path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith(".")) if base.is_dir() else []
    odd = [name for name in there if name not in stated]
    if odd:
        wanted = f'[keypoints.{odd[0]}] what = "..." in the card: which detector, trained on what'
        raise PosebenchError(f"{base / odd[0]}, which the card does not name", wanted, ADVICE)
    found: dict[str, list[SourceFile]] = {}
    for name, order in stated.items():
        files = []
        for path in sorted((base / name).glob("*/*")) if name in there else []:
            stem = path.name if path.is_dir() else path.stem
            take, _, camera = stem.rpartition(".")
            if take and not path.name.startswith("."):
                files.append(SourceFile(path, path.parent.name, take, camera, order))
        if not files:
            wanted = f"keypoints/{name}/<subject>/<take>.<camera>, a file or OpenPose's folder"
            raise PosebenchError(f"{folder}: no file of keypoint source {name}", wanted, ADVICE)
        found[name] = files
    return found


def contents(files: list[SourceFile]) -> list[Path]:
    """Every file that the sources are read from."""
    return [path for one in files for path in (sorted(one.path.glob("*_keypoints.json")) if one.path.is_dir() else [one.path])]


def order_of(files: list[SourceFile]) -> str:
    """The joint order of a source: the card's, or that of its first file."""
    return files[0].stated or read_detections(files[0].path, largest=True).skeleton


def read_source(one: SourceFile, order: str, frames: int) -> Array:
    """Keypoints (T, J, 2) px of a clip.

    Raises:
        PosebenchError: several people, other joints than those of the source, or frames beyond the clip's.
    """
    found = read_detections(one.path, skeleton=one.stated)
    if len(found.people) > 1:
        raise PosebenchError(f"{one.path}: {len(found.people)} people", "the one person whose motion the take holds", "remove the others")
    if found.skeleton != order:
        raise PosebenchError(f"{one.path}: keypoints of {found.skeleton}", f"{order}, as the other files of this source", ADVICE)
    (person,) = found.people.values()
    first, last = int(person.frames[0]), int(person.frames[-1])
    if last >= frames:
        raise PosebenchError(f"{one.path}: frames {first} to {last}, and the take has {frames}", "frames of the dataset, from 0", ADVICE)
    points = np.full((frames, len(skeleton(order)), 2), np.nan)
    points[person.frames] = person.points
    for joint, name in enumerate(skeleton(order).joints):
        seen = np.flatnonzero(np.isfinite(points[:, joint]).all(axis=1))
        if not len(seen):
            raise PosebenchError(f"{one.path}: {name} is never seen", "each joint in at least a frame", "leave this clip out of the source")
        for axis in range(2):
            points[:, joint, axis] = np.interp(np.arange(frames), seen, points[seen, joint, axis])
    return points
