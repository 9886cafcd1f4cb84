"""Clips, and the dataset that loads them: the two types that scoring and training work on.

**Convention.** Poses are absolute, millimetres, camera frame (x right, y down, z forward); keypoints are pixels from the top-left
corner; joints in the order of the named skeleton (:mod:`posebench.base.skeletons`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError, did_you_mean
from posebench.base.joint_matching import JointMatch, match_joints
from posebench.base.skeletons import SKELETONS

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClipInfo:
    """Facts about a clip that are known without reading its poses.

    Attributes:
        id: ``subject/take/camera``, for example ``S07/07_01/c0``.
        subject: for example ``S07``.
        take: subject and trial, ``S07/07_01``: the unique key of the recorded performance, shared by its cameras.
        camera: for example ``c0``.
        action: the take's label, ``walk``.
        frames: T, at the dataset's frame rate.
    """

    id: str
    subject: str
    take: str
    camera: str
    action: str
    frames: int


@dataclass(frozen=True, eq=False, repr=False)
class Clip:
    """One take seen by one camera.

    Attributes:
        info: names, action and length.
        pose: (T, J, 3) mm, camera frame, absolute.
        skeleton: id of the joint order.
        fps: frames per second.
        camera: calibration, or None if it is unknown.
        sources: keypoint source to the function that reads or computes its keypoints; call :meth:`keypoints`.
        skeleton_of: keypoint source to the id of its joint order; None where all sources have the joints of the pose.
    """

    info: ClipInfo
    pose: Array
    skeleton: str
    fps: float
    camera: Camera | None
    sources: Mapping[str, Callable[[], Array]]
    skeleton_of: Callable[[str], str] | None = None

    def __repr__(self) -> str:
        sources = ", ".join(self.sources) or "none"
        return f"<Clip {self.id!r}: {self.info.action}, {len(self.pose):,} frames of {self.skeleton}, keypoints {sources}>"

    @property
    def id(self) -> str:
        """The clip id, ``subject/take/camera``."""
        return self.info.id

    def keypoints(self, source: str) -> Array:
        """2D joints of this clip from ``source``, (T, J, 2) px, in the source's own joint order.

        Raises:
            PosebenchError: the clip has no such source; the message names those it has.
        """
        return self._source(source)()

    def _source(self, source: str) -> Callable[[], Array]:
        try:
            return self.sources[source]
        except KeyError:
            advice = did_you_mean(source, self.sources, "choose with --keypoints")
            raise PosebenchError(f"keypoint source {source!r} for clip {self.id}", f"one of {', '.join(self.sources)}", advice) from None

    def matched(self, source: str, skeleton: str) -> JointMatch:
        """How the joints of ``skeleton`` are taken from the keypoints of ``source``.

        Raises:
            PosebenchError: the clip has no such source, or the source lacks joints that no rule completes.
        """
        self._source(source)
        return match_joints(self.skeleton_of(source) if self.skeleton_of else self.skeleton, skeleton)

    def keypoints_as(self, source: str, skeleton: str) -> Array:
        """2D joints of this clip from ``source`` in the order of ``skeleton``, (T, J, 2) px: see :mod:`posebench.base.joint_matching`.

        Raises:
            PosebenchError: the clip has no such source, or the source lacks joints that no rule completes, or has another number of joints
                than its order says.
        """
        points, match = self.keypoints(source), self.matched(source, skeleton)
        joints = len(SKELETONS[match.source])
        if points.shape[1] != joints:
            raise PosebenchError(
                f"{points.shape[1]} joints in keypoint source {source} of {self.id}",
                f"the {joints} of {match.source}",
                "choose another source with --keypoints",
            )
        matched: Array = match.of(points)
        return matched


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """An opened dataset: the list of its clips, and a function that loads one.

    Attributes:
        name: ``cmu``, ...
        version: of the definition (takes, cameras, frame rate), not of the files.
        skeleton: id of the joint order of every clip.
        fps: frames per second of every clip.
        infos: clip id to its :class:`ClipInfo`, in dataset order.
        fingerprint: sha256 (hex) of the content; compression and file layout do not change it.
        official: the frame counts are those of the dataset's definition.
        splits: split name (``train``, ``test``) to subjects.
        keypoint_sources: names that :meth:`Clip.keypoints` takes.
        load: clip id to :class:`Clip`.
        note: how this copy differs from the definition; empty if it does not.
        valid: clip id to the frames that may be scored, ascending; clips without an entry are scored on all frames.
        seen: clip id to (T, J), which true joints are known; clips without an entry know all. A frame that lacks one is not in ``valid``.
        labels: clip id to the action of each frame, for clips whose action changes (the activities of 3DHP).
        up: unit vector that points up in the world frame of the cameras; None if it is unknown.
        protocol: file of the protocol that comes with this copy; empty where the dataset has one of its own.
        unreadable: takes with a video that cannot be read; a clip of them may lack keypoints that others have.
    """

    name: str
    version: str
    skeleton: str
    fps: float
    infos: dict[str, ClipInfo]
    fingerprint: str
    official: bool
    splits: dict[str, tuple[str, ...]]
    keypoint_sources: tuple[str, ...]
    load: Callable[[str], Clip]
    note: str = ""
    valid: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    labels: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    up: tuple[float, float, float] | None = None
    unreadable: tuple[str, ...] = ()
    protocol: str = ""
    seen: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    def __repr__(self) -> str:
        poses = sum(info.frames for info in self.infos.values())
        copy = "" if self.official else ", not the official copy"
        return f"<Dataset {self.name} {self.version}: {len(self.infos):,} clips, {poses:,} poses of {self.skeleton}{copy}>"

    def clip_ids(self, split: str | None = None) -> list[str]:
        """Ids of a split, or of all clips, in dataset order.

        Raises:
            PosebenchError: no such split.
        """
        if split is None:
            return list(self.infos)
        if split not in self.splits:
            advice = did_you_mean(split, self.splits, "choose with --split")
            raise PosebenchError(f"split {split!r}", f"one of {', '.join(self.splits)}", advice)
        return [info.id for info in self.infos.values() if info.subject in self.splits[split]]

    def clips(self, split: str | None = None) -> Iterator[Clip]:
        """Load the clips of a split, or of all splits, one at a time."""
        return map(self.load, self.clip_ids(split))


def describe(dataset: Dataset) -> dict[str, object]:
    """The facts that ``posebench data info`` prints, as JSON values."""

    def count(split: str) -> str:
        infos = [dataset.infos[id] for id in dataset.clip_ids(split)]
        takes = len({info.take for info in infos})
        return f"{', '.join(dataset.splits[split])}: {takes} takes, {len(infos)} clips, {sum(info.frames for info in infos)} poses"

    unscored = {id: dataset.infos[id].frames - len(rows) for id, rows in dataset.valid.items()}
    lost: dict[str, int] = {}
    for seen in dataset.seen.values():
        for joint, frames in zip(SKELETONS[dataset.skeleton].joints, (~seen).sum(axis=0).tolist(), strict=True):
            lost[joint] = lost.get(joint, 0) + frames
    joints = ", ".join(f"{joint} {frames:,}" for joint, frames in lost.items() if frames)
    left_out = f"{sum(unscored.values()):,} poses in {len(unscored):,} clips" + (f"; joints that are missing: {joints}" if joints else "")
    return {
        "dataset": f"{dataset.name} {dataset.version}",
        "official": dataset.official,
        "note": dataset.note,
        "fingerprint": dataset.fingerprint,
        "skeleton": dataset.skeleton,
        "fps": dataset.fps,
        "keypoints": ", ".join(dataset.keypoint_sources),
        "actions": ", ".join(sorted({info.action for info in dataset.infos.values()})),
        **{split: count(split) for split in dataset.splits},
        **({"not scored": left_out} if unscored else {}),
    }
