"""A copy of Human3.6M in one of its layouts: what a reader of a layout hands to :func:`posebench.data.h36m.dataset.open_h36m`."""

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
    """Where the poses and 2D joints of a copy are, and how to read them.

    Attributes:
        layout: ``videopose3d``, ...
        files: on which the poses depend; their content identifies the copy.
        world: poses are of the world, one a take; else of the camera, one a clip.
        to_mm: millimetres of one unit of the poses.
        read: yields (take id or clip id, poses (T, 17, 3)), in any order.
        keypoints: source to what reads (clip id, frames) to keypoints (T, J, 2) px.
        skeletons: source to the id of its joint order, where it is not ``h36m17``.
        folders: where a camera file may lie.
        fps: frames per second of the poses as stored.
        note: what this layout lacks against 50 fps data.
    """

    layout: str
    files: tuple[Path, ...]
    world: bool
    to_mm: float
    read: Callable[[Progress | None], Iterator[tuple[str, npt.NDArray[np.floating]]]]
    keypoints: Mapping[str, Callable[[str, int], npt.NDArray[np.floating]]]
    folders: tuple[Path, ...]
    skeletons: Mapping[str, str] = field(default_factory=dict)
    fps: float = 50.0
    note: str = ""


#: Recognises a layout below a folder: a reader's name for every place where one begins. Given the mapping of ``metadata.xml``, if any.
Finder = Callable[[Path], list[Path]]
Opener = Callable[[Path, Mapped | None], H36MCopy]


def to_h36m17(pose: npt.NDArray[Any], place: str) -> npt.NDArray[np.floating]:
    """Poses or keypoints (T, 17 or 32, D) with the 17 joints of ``h36m17``.

    Raises:
        PosebenchError: another number of joints, or no numbers; ``place`` names the array.
    """
    if pose.ndim != 3 or pose.shape[1] not in (17, 32) or pose.dtype.kind != "f":
        raise PosebenchError(
            f"{place}: {pose.dtype} {pose.shape}", "poses (frames, 17 or 32 joints, coordinates)", "get the file again from its source"
        )
    return pose[:, list(joint_map("h36m32", "h36m17"))] if pose.shape[1] == 32 else pose


def trim(keypoints: npt.NDArray[np.floating], frames: int, place: str) -> npt.NDArray[np.floating]:
    """Detections cut to the length of the motion capture: videos go on longer (VideoPose3D ``run.py``).

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
