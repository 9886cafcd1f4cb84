"""A dataset in ``h36m17`` order as another dataset would hold it: its joints, and its subjects and takes, for writers of layouts.

**Convention.** A joint that ``h36m17`` lacks lies near the mean of some of its joints (:data:`NEAR`), so that limbs are right and faces,
hands and feet are small clouds. Files written so are to try a reader or a program with, never to measure on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Clip, Dataset

if TYPE_CHECKING:
    from posebench.data.registry import Progress

Array = npt.NDArray[np.float64]

#: Beginning of a joint's name to the joints of ``h36m17`` whose mean stands in for it; ``{side}`` is the joint's own side.
NEAR: dict[str, tuple[str, ...]] = {
    "spine_low": ("pelvis", "spine"),
    "spine_mid": ("spine",),
    "spine_high": ("spine", "thorax"),
    "neck": ("thorax",),
    "head_joint": ("neck_nose",),
    "head_centre": ("neck_nose", "head_top"),
    "head": ("neck_nose",),
    "nose": ("neck_nose",),
    "face": ("neck_nose",),
    "collar": ("thorax", "{side}_shoulder"),
    **dict.fromkeys(("eye", "ear"), ("neck_nose", "head_top")),
    "hand": ("{side}_wrist",),
    **dict.fromkeys(("foot", "big_toe", "small_toe", "heel"), ("{side}_ankle",)),
}


#: Distance of a joint that is not in ``h36m17`` from the place that it is given there, mm.
APART = 15.0


def in_order(points: Array, order: str) -> Array:
    """Poses (T, 17, 3) mm of ``h36m17`` as (T, J, 3) of another skeleton."""
    source = skeleton("h36m17")
    columns: list[Array] = []
    for joint in skeleton(order).joints:
        side, _, rest = joint.partition("_") if joint[:2] in ("l_", "r_") else ("", "", joint)
        near = (joint,) if joint in source.joints else next(parts for name, parts in NEAR.items() if rest.startswith(name))
        parts = [part.format(side=side) for part in near]
        column = points[:, [source.index(part) for part in parts]].mean(axis=1)
        columns.append(column if joint in source.joints else column + _aside(len(columns)))
    return np.stack(columns, axis=1)


def _aside(joint: int) -> Array:
    """An offset (3,) of :data:`APART` in a direction of the joint's own, so that no two joints are one point."""
    height, angle = np.cos(1.0 + joint), 2.4 * joint
    flat = np.sqrt(1.0 - height**2)
    return APART * np.array([flat * np.cos(angle), flat * np.sin(angle), height])


def start(dataset: Dataset, folder: Path) -> None:
    """Make the folder.

    Raises:
        PosebenchError: the dataset has another skeleton or the folder is not empty.
    """
    if dataset.skeleton != "h36m17":
        raise PosebenchError(f"dataset {dataset.name} in skeleton {dataset.skeleton}", "one in h36m17", "export synthetic")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PosebenchError(f"{folder}, which is not empty", "a new or empty folder", "choose another with -o")
    folder.mkdir(parents=True, exist_ok=True)


def takes(dataset: Dataset, progress: Progress | None = None, most: int = 0) -> Iterator[tuple[str, str, list[Clip]]]:
    """Yields split (``train``, then ``test``), take and the clips of its cameras, of at most ``most`` takes of each subject (0: all).

    Raises:
        PosebenchError: a clip without a camera.
    """
    chosen: list[tuple[str, str]] = []
    for split in ("train", "test"):
        by_subject: dict[str, list[str]] = {}
        for id in dataset.clip_ids(split):
            info = dataset.infos[id]
            known = by_subject.setdefault(info.subject, [])
            known += [info.take] if info.take not in known else []
        chosen += [(split, take) for of_subject in by_subject.values() for take in of_subject[: most or None]]
    for done, (split, take) in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen))
        clips = [dataset.load(info.id) for info in dataset.infos.values() if info.take == take]
        if any(clip.camera is None for clip in clips):
            raise PosebenchError(f"take {take} of {dataset.name} without a camera", "cameras with their calibration", "export synthetic")
        yield split, take, clips


def world(clip: Clip, order: str) -> Array:
    """(T, J, 3) mm in the world of the cameras."""
    assert clip.camera is not None
    return clip.camera.to_world(in_order(clip.pose, order))


def projected(clip: Clip, order: str) -> Array:
    """(T, J, 2) px: the projection of the joints."""
    assert clip.camera is not None
    return clip.camera.project(in_order(clip.pose, order))
