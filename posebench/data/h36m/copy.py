"""A copy of Human3.6M in one of its layouts: what each reader in ``layouts/`` returns to :func:`posebench.data.h36m.dataset.open_h36m`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map
from posebench.data.h36m.names import Mapped

#: Called with (files or takes read, in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class H36MCopy:
    """The files of a copy, and functions that read its poses and 2D joints.

    Attributes:
        layout: a key of :data:`posebench.data.h36m.dataset.LAYOUTS`.
        files: the files that hold poses; their content is the key of the cache.
        world: poses are in the world frame, one array per take; else in the camera frame, one per clip.
        to_mm: millimetres per unit of the poses.
        read: yields (take or clip id, poses (T, 17, 3)) in any order.
        keypoints: source to a function of (clip id, frames) that returns keypoints (frames, J, 2) px.
        skeletons: source to the id of its joint order, for sources that are not in ``h36m17`` order.
        hourglass: sources in the order of the Stacked Hourglass, :mod:`posebench.data.h36m.hourglass`.
        folders: folders in which to look for a camera file.
        fps: frames per second of the poses as stored.
        note: what the copy lacks compared with the full 50 Hz recording.
    """

    layout: str
    files: tuple[Path, ...]
    world: bool
    to_mm: float
    read: Callable[[Progress | None], Iterator[tuple[str, npt.NDArray[np.floating]]]]
    keypoints: Mapping[str, Callable[[str, int], npt.NDArray[np.floating]]]
    folders: tuple[Path, ...]
    skeletons: Mapping[str, str] = field(default_factory=dict)
    hourglass: frozenset[str] = frozenset()
    fps: float = 50.0
    note: str = ""


#: Lists the copies of a layout in a folder, each by the path that its opener takes.
Finder = Callable[[Path], list[Path]]
#: Opens the copy at a path, given the names of takes in ``metadata.xml`` if there is one.
Opener = Callable[[Path, Mapped | None], H36MCopy]


def to_h36m17(pose: npt.NDArray[Any], place: str) -> npt.NDArray[np.floating]:
    """Poses or keypoints (T, 17 or 32, D) as (T, 17, D) in ``h36m17`` order.

    Raises:
        PosebenchError: another number of joints, or not floating point; ``place`` names the array in the message.
    """
    if pose.ndim != 3 or pose.shape[1] not in (17, 32) or pose.dtype.kind != "f":
        raise PosebenchError(
            f"{place}: {pose.dtype} {pose.shape}", "poses (frames, 17 or 32 joints, coordinates)", "get the file again from its source"
        )
    return pose[:, list(joint_map("h36m32", "h36m17"))] if pose.shape[1] == 32 else pose


def trim(keypoints: npt.NDArray[np.floating], frames: int, place: str) -> npt.NDArray[np.floating]:
    """The first ``frames`` of detections: videos are longer than the motion capture (VideoPose3D ``run.py``).

    Raises:
        PosebenchError: they are shorter.
    """
    if len(keypoints) < frames:
        raise PosebenchError(
            f"{place}: 2D joints of {len(keypoints)} frames for {frames} frames of motion capture",
            "2D joints of every frame (more are cut)",
            "the two files are not of one copy, or the 2D file is cut off",
        )
    return keypoints[:frames]
