"""What a protocol scores of a dataset: which clips, and which frames of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.data.clip import ClipInfo
from posebench.data.people import not_a_person
from posebench.scoring.image_space import ImageSpace
from posebench.scoring.protocol import Protocol
from posebench.scoring.truth import Truth, TruthLocation, open_truth


class LeftOut(NamedTuple):
    """Frames of the scored clips, every ``stride``-th counted, that are not scored: how many, and how many of them lack a joint."""

    frames: int
    joints: dict[str, int]


@dataclass(frozen=True, eq=False)
class Scope:
    """The clips that a protocol scores, with their true poses.

    Attributes:
        protocol: the protocol.
        source: true poses of these and of all other clips.
        clips: the scored clips by id, in the source's order.
    """

    protocol: Protocol
    source: Truth
    clips: dict[str, ClipInfo]

    @property
    def skeleton(self) -> str:
        """Skeleton id of the true poses."""
        return self.protocol.skeleton.id

    @property
    def spacing(self) -> int:
        """Frames of the dataset's definition from one frame of this copy to the next."""
        return self.source.spacing

    def truth(self, clip: str) -> npt.NDArray[np.floating]:
        """True poses (T, J, 3) mm of the whole clip, camera frame, in the protocol's skeleton, whatever the protocol's space.

        Raises:
            PosebenchError: a pose is not finite, or one that the protocol scores is no person's: all joints in one point, or metres apart.
        """
        poses = self.source.poses(clip)
        if not np.isfinite(poses).all():
            frame = int(np.flatnonzero(~np.isfinite(poses).all(axis=(1, 2)))[0])
            raise self._damaged(clip, frame, "is not finite")
        scored = self.frames(clip) // self.spacing
        if (fault := not_a_person(poses if len(scored) == len(poses) else poses[scored])) is not None:
            raise self._damaged(clip, int(scored[fault[0]]), fault[1])
        return poses

    def _damaged(self, clip: str, index: int, fault: str) -> PosebenchError:
        return PosebenchError(
            f"true pose of {clip}, frame {index * self.spacing}, {fault}",
            "true poses of people, in millimetres once the stated unit is applied",
            "the data file is damaged: get it again",
        )

    def camera(self, clip: str) -> Camera | None:
        """The clip's camera; None where none is known, or where the poses are not scored in its frame."""
        return self.source.camera(clip) if self.protocol.space == "camera" else None

    def image_space(self, clip: str, truth: npt.NDArray[np.floating]) -> ImageSpace | None:
        """The 2.5D space in which the protocol scores a clip with these true poses (T, J, 3) mm; None for the camera frame.

        Raises:
            PosebenchError: the clip has no camera.
        """
        if self.protocol.space == "camera":
            return None
        camera = self.source.camera(clip)
        if camera is None:
            raise PosebenchError(
                f"{clip} without a camera",
                f"its camera, to project true poses: protocol {self.protocol.id} scores in the image",
                "give the dataset with --root and its camera file with --cameras",
            )
        return ImageSpace.of(camera, truth, self.protocol.root_indices)

    def frames(self, clip: str) -> npt.NDArray[np.int64]:
        """0-based numbers of the clip's frames that the protocol scores: the valid ones out of every ``stride``-th from the first.

        Numbers are those of the dataset's definition, also where the copy holds only some frames.
        """
        stride = self.protocol.stride
        if clip not in self.source.valid:
            return self._all_frames(clip)
        valid = self.source.valid[clip]
        scored: npt.NDArray[np.int64] = valid[valid % stride == 0]
        return scored

    def _all_frames(self, clip: str) -> npt.NDArray[np.int64]:
        return np.arange(0, self.clips[clip].frames * self.spacing, self.protocol.stride)

    @cached_property
    def left_out(self) -> LeftOut:
        """What the protocol does not score of its clips: frames that lack a joint, whichever joints a metric is of, or are not valid."""
        frames, joints = 0, dict[str, int]()
        for clip in self.clips:
            if clip in self.source.valid:
                absent = np.setdiff1d(self._all_frames(clip), self.source.valid[clip])
                frames += len(absent)
                for joint, count in self.source.missing(clip, absent).items():
                    joints[joint] = joints.get(joint, 0) + count
        return LeftOut(frames, joints)

    def actions(self, clip: str, frames: npt.NDArray[np.int64]) -> Iterator[tuple[str, npt.NDArray[np.bool_] | slice]]:
        """Each action of a clip, and which of ``frames`` it has: all of them, unless the dataset labels frames."""
        if clip not in self.source.labels:
            yield self.clips[clip].action, slice(None)
            return
        labels = self.source.labels[clip][frames]
        for action in dict.fromkeys(labels.tolist()):
            yield action, labels == action

    @cached_property
    def pose_count(self) -> int:
        """How many poses the protocol scores."""
        return sum(len(self.frames(clip)) for clip in self.clips)


@contextmanager
def open_scope(protocol: Protocol, location: TruthLocation) -> Iterator[Scope]:
    """The clips of ``protocol``, with their truth.

    Raises:
        PosebenchError: see :func:`posebench.scoring.truth.open_truth`; or no clip fits.
    """
    with open_truth(protocol, location) as truth:
        clips = {clip: info for clip, info in truth.infos.items() if selects(protocol, info)}
        if not clips:
            raise PosebenchError(
                f"no clip of protocol {protocol.id} among the {len(truth.infos)} true clips ({', '.join(list(truth.infos)[:3])} ...)",
                "clips of subjects " + (", ".join(protocol.subjects) or "any") + " with cameras " + (", ".join(protocol.cameras) or "any"),
                f"posebench protocol show {protocol.id}",
            )
        _require(protocol, clips)
        yield Scope(protocol, truth, clips)


def _require(protocol: Protocol, clips: dict[str, ClipInfo]) -> None:
    """Refuse a copy without a take that tells this protocol from another: its scores would be those of the other under a wrong name."""
    for take in protocol.required:
        present = [info.camera for info in clips.values() if info.take == take]
        excluded = {clip.rpartition("/")[2] for clip in protocol.excluded_clips if clip.rpartition("/")[0] == take}
        wanted = [camera for camera in protocol.cameras if camera not in excluded]
        missing = [camera for camera in wanted if camera not in present]
        if missing or not present:
            raise PosebenchError(
                f"true poses without {take}" + (f" of camera {', '.join(missing)}" if missing and present else ""),
                f"this take, which protocol {protocol.id} scores",
                "use a copy that holds it, or a protocol without it (posebench protocol list)",
            )


def selects(protocol: Protocol, info: ClipInfo) -> bool:
    """Whether the protocol scores a clip."""
    return (
        (not protocol.subjects or info.subject in protocol.subjects)
        and (not protocol.actions or info.action in protocol.actions)
        and (not protocol.cameras or info.camera in protocol.cameras)
        and not protocol.excludes(info.id)
        and info.frames > 0
    )
