"""The 2D sources of a copy of Human3.6M: in which joint order each is, and its keypoints in that order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map, skeleton
from posebench.data.clip import Array, Dataset
from posebench.data.h36m import hourglass
from posebench.data.h36m.copy import H36MCopy

#: Of the poses, and of every source that is not said to be in another order.
SKELETON = "h36m17"
#: Joint order of a source of 16 joints, as the scripts of SemGCN and PoseAug write ``data_2d_h36m_gt.npz``: without neck/nose.
WITHOUT_NECK = "h36m16"


@dataclass(frozen=True, eq=False)
class ExactKeypoints:
    """Keypoints ``gt`` of one clip: those of the copy, or the projected pose where the copy has none or has them with fewer joints.

    Attributes:
        stored: reads those of the copy; None if it has none.
        camera: of the clip.
        pose: (T, J, 3) mm, camera frame.
    """

    stored: Callable[[], Array] | None
    camera: Camera
    pose: Array

    def __call__(self) -> Array:
        """(T, J, 2) px."""
        if self.stored is not None and (keypoints := self.stored()).shape[1] == self.pose.shape[1]:
            return keypoints
        return self.camera.project(self.pose)


class SourceOrders:
    """The joint order of each 2D source of a copy, found from the copy's first clip.

    Args:
        copy: the copy.
        first: id and frames of its first clip; None if it has no clips.
    """

    def __init__(self, copy: H36MCopy, first: tuple[str, int] | None) -> None:
        self.copy = copy
        self._first = first
        self._known: dict[str, str] = {}

    def order(self, source: str, id: str, frames: int) -> str:
        """Id of the skeleton of a source, from the first clip, or from clip ``id`` if the source lacks the first."""
        if source not in self._known:
            measured, frames_of_it = self._first or (id, frames)
            try:
                stored = self.copy.keypoints[source](measured, frames_of_it)
            except PosebenchError:
                measured, stored = id, self.copy.keypoints[source](id, frames)
            place = f"2D source {source} of {measured}"
            order = self.copy.skeletons.get(source, SKELETON)
            if source in self.copy.hourglass and stored.shape[1:] == (16, 2):
                order = hourglass.order_of(stored, place)
            elif order == SKELETON and stored.shape[1:] == (len(skeleton(WITHOUT_NECK)), 2):
                order = hourglass.order_of(stored[:, list(joint_map(WITHOUT_NECK, "sh16"))], place)
            self._known[source] = order
        return self._known[source]


def order_of_source(orders: SourceOrders, sources: Mapping[str, Callable[[], Array]], id: str, frames: int, source: str) -> str:
    """Id of the skeleton of a clip's keypoints from ``source``."""
    return SKELETON if isinstance(sources.get(source), ExactKeypoints) else orders.order(source, id, frames)


def read_keypoints(orders: SourceOrders, source: str, id: str, frames: int) -> Array:
    """Keypoints of a clip in the order that ``orders`` states of their source."""
    copy = orders.copy
    keypoints: Array = np.asarray(copy.keypoints[source](id, frames), dtype=np.float64)
    wanted = skeleton(orders.order(source, id, frames)) if source != "gt" else skeleton(SKELETON)
    if keypoints.shape[1:] == (16, 2):
        if source in copy.hourglass:
            return hourglass.in_order(keypoints, wanted.id)
        if wanted.id == hourglass.WITH_NECK:
            return hourglass.in_order(keypoints[:, list(joint_map(WITHOUT_NECK, "sh16"))], wanted.id)
        if source == "gt" or wanted.id == WITHOUT_NECK:
            return keypoints
    if keypoints.shape[1:] != (len(wanted), 2):
        raise PosebenchError(
            f"2D source {source} of {id} with {keypoints.shape[1]} joints", f"the {len(wanted)} of {wanted.id}", "choose another source"
        )
    return keypoints


def joint_order(dataset: Dataset, source: str) -> str:
    """The joint order of a source, as its first clip shows it."""
    if not dataset.infos:
        return SKELETON
    clip = dataset.load(next(iter(dataset.infos)))
    read = clip.sources.get(source)
    try:
        if isinstance(read, ExactKeypoints):
            fewer = read.stored is not None and read.stored().shape[1] == len(skeleton(WITHOUT_NECK))
            return WITHOUT_NECK + " in the copy; projected from its poses instead" if fewer else SKELETON
        return clip.skeleton_of(source) if clip.skeleton_of else SKELETON
    except PosebenchError:
        return "cannot be read"


def completed(dataset: Dataset, source: str) -> str:
    """The joints that a source lacks and how they are made for a lifter of the poses' skeleton; empty if it has all."""
    if not dataset.infos:
        return ""
    try:
        return ", ".join(dataset.load(next(iter(dataset.infos))).matched(source, SKELETON).words)
    except PosebenchError:
        return ""
