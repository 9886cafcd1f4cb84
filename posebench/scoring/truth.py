"""True poses, from a dataset or from a file in the format of predictions.

**Convention.** Poses are millimetres, camera frame, in the skeleton of the protocol that scores them. Frames are numbered as the
dataset's definition counts them, also where a copy holds only some of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map, skeleton
from posebench.data import open_dataset
from posebench.data.clip import ClipInfo, Dataset
from posebench.data.corruption.conditions import Condition
from posebench.data.people import require_size
from posebench.predictions.archive import Predictions, open_predictions
from posebench.scoring.protocol import Protocol
from posebench.scoring.result_parts import ScoredData


@dataclass(frozen=True)
class TruthLocation:
    """Where the true poses are kept.

    Attributes:
        root: folder of the protocol's dataset; None for a dataset that needs no files.
        file: a truth file, used instead of a dataset.
        cameras: the dataset's camera file, where its folder holds none (Human3.6M).
        condition: the corruption or shift that a dataset is read under, for a protocol that has such conditions.
        opened: the dataset, where it is open already; it is then not opened from ``root``.
    """

    root: str | os.PathLike[str] | None = None
    file: str | os.PathLike[str] | None = None
    cameras: str | os.PathLike[str] | None = None
    condition: Condition | None = None
    opened: Dataset | None = None


class Truth(Interface):
    """True poses of all clips, whatever the protocol selects."""

    @property
    def infos(self) -> Mapping[str, ClipInfo]:
        """What is known of each clip, by clip id, in the source's order."""

    @property
    def valid(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Clip id to the numbers of the frames that may be scored, for clips where not all may."""

    def missing(self, clip: str, frames: npt.NDArray[np.int64]) -> Mapping[str, int]:
        """Joints of the source to how many of these frames lack them; those that none lacks are left out."""

    @property
    def labels(self) -> Mapping[str, npt.NDArray[np.str_]]:
        """Clip id to one action a frame, for clips whose action changes."""

    @property
    def spacing(self) -> int:
        """Frames of the definition from one stored frame to the next: 1, unless the copy holds only some frames."""

    @property
    def fps(self) -> float | None:
        """Frames a second of the definition, by which frames are numbered; None where it is unknown."""

    @property
    def up(self) -> tuple[float, float, float] | None:
        """Unit vector that points up in the world frame of the cameras; None where it is unknown."""

    def poses(self, clip: str) -> npt.NDArray[np.floating]:
        """True poses (T, J, 3) mm of the whole clip. They may hold NaN; :meth:`posebench.scoring.scope.Scope.truth` refuses it."""

    def camera(self, clip: str) -> Camera | None:
        """The clip's camera; None where none is known."""

    def keypoints(self, clip: str, source: str) -> npt.NDArray[np.floating] | None:
        """Keypoints (T, J, 2) px of the whole clip from a source; None where they are not known, or of other joints than the poses."""

    def describe(self) -> ScoredData:
        """What the result states of the data. Hashes a truth file, which takes a while."""


class DatasetTruth:
    """A dataset as :class:`Truth`."""

    def __init__(self, dataset: Dataset, protocol: Protocol) -> None:
        self._dataset = dataset
        self._joints = list(joint_map(dataset.skeleton, protocol.skeleton.id))
        wanted = dataset.clip_ids(protocol.split or None)
        self.infos: Mapping[str, ClipInfo] = {id: dataset.infos[id] for id in wanted} if protocol.split else dataset.infos
        self.valid = dataset.valid
        self.labels = dataset.labels
        self.spacing = _spacing(protocol, dataset)
        self.fps: float | None = protocol.fps or dataset.fps * self.spacing
        self.up = dataset.up

    def poses(self, clip: str) -> npt.NDArray[np.floating]:
        """See :class:`Truth`."""
        return self._dataset.load(clip).pose[:, self._joints]

    def missing(self, clip: str, frames: npt.NDArray[np.int64]) -> Mapping[str, int]:
        """See :class:`Truth`."""
        if clip not in self._dataset.seen:
            return {}
        counts = (~self._dataset.seen[clip][frames // self.spacing]).sum(axis=0).tolist()
        return {joint: count for joint, count in zip(skeleton(self._dataset.skeleton).joints, counts, strict=True) if count}

    def camera(self, clip: str) -> Camera | None:
        """See :class:`Truth`."""
        return self._dataset.load(clip).camera

    def keypoints(self, clip: str, source: str) -> npt.NDArray[np.floating] | None:
        """See :class:`Truth`."""
        loaded = self._dataset.load(clip)
        if source not in loaded.sources or (loaded.skeleton_of and loaded.skeleton_of(source) != loaded.skeleton):
            return None
        return loaded.keypoints(source)[:, self._joints]

    def describe(self) -> ScoredData:
        """See :class:`Truth`."""
        data = self._dataset
        return ScoredData(name=data.name, version=data.version, fingerprint=data.fingerprint, official=data.official, note=data.note)


class FileTruth:
    """An open truth file as :class:`Truth`. Its clips have no cameras, and actions follow from their ids (:func:`clip_info`).

    Raises:
        PosebenchError: the file's scale is unknown, it holds a clip twice, or a clip is sparse or has several hypotheses.
    """

    def __init__(self, file: Predictions, protocol: Protocol) -> None:
        if not file.meta.metric_scale:
            raise PosebenchError(f"{file.path}: scale unknown", "true poses of metric scale", "state the unit of the truth file")
        if file.meta.frame != "camera":
            raise PosebenchError(f"{file.path}: true poses of frame {file.meta.frame}", "true poses in the camera frame", "give those")
        if file.duplicated:
            raise PosebenchError(f"{file.path}: {file.duplicated[0]} twice", "each true clip once", "write the truth file again")
        self._file = file
        self._joints = list(joint_map(file.meta.skeleton, protocol.skeleton.id))
        self.infos: Mapping[str, ClipInfo] = {clip: self._info(clip, shape) for clip, shape in file.shapes.items()}
        self.valid: Mapping[str, npt.NDArray[np.int64]] = {}
        self.labels: Mapping[str, npt.NDArray[np.str_]] = {}
        self.spacing = 1
        self.fps: float | None = protocol.fps or None
        self.up: tuple[float, float, float] | None = None

    def _info(self, clip: str, shape: tuple[int, ...]) -> ClipInfo:
        if len(shape) != 3 or self._file.frames(clip) is not None:
            raise PosebenchError(
                f"{self._file.path}: {clip} is sparse or has several hypotheses", "one true pose a frame", "write whole clips"
            )
        return clip_info(clip, shape[0])

    def poses(self, clip: str) -> npt.NDArray[np.floating]:
        """See :class:`Truth`.

        Raises:
            PosebenchError: the people are not of a person's size: the unit of the truth file is wrong.
        """
        poses = self._file.poses(clip)
        if self._joints != list(range(len(self._joints))):
            poses = poses[:, self._joints]
        to_mm = self._file.meta.to_mm
        poses = poses if to_mm == 1.0 else poses * np.float64(to_mm)
        stated = "metres" if self._file.meta.unit == "m" else "millimetres"
        require_size(poses, f"{self._file.path}: {clip}", "write the truth file again, with the unit of its numbers", stated=stated)
        return poses

    def missing(self, clip: str, frames: npt.NDArray[np.int64]) -> Mapping[str, int]:  # noqa: ARG002 - a truth file holds all joints
        """None: a truth file whose poses are not finite is refused."""
        return {}

    def camera(self, clip: str) -> Camera | None:  # noqa: ARG002 - a truth file holds no cameras
        """None: a truth file holds no cameras."""
        return None

    def keypoints(self, clip: str, source: str) -> npt.NDArray[np.floating] | None:  # noqa: ARG002 - a truth file holds no keypoints
        """None: a truth file holds no keypoints."""
        return None

    def describe(self) -> ScoredData:
        """See :class:`Truth`. The fingerprint is the file's sha256."""
        note = "scored with --truth: not from a dataset that posebench checks"
        return ScoredData(name="file", version="", fingerprint=self._file.sha256(), official=False, note=note)


@contextmanager
def open_truth(protocol: Protocol, location: TruthLocation) -> Iterator[Truth]:
    """The true poses of a protocol: from its dataset, or from a truth file.

    Raises:
        PosebenchError: neither or both are given where one is needed, or the data is not that of the protocol.
    """
    if protocol.conditions and location.condition is None:
        raise PosebenchError(
            f"one prediction file under protocol {protocol.id}",
            f"a method under all its conditions ({', '.join(protocol.conditions)}, at severities 1 to 5)",
            "posebench robustness LIFTER, or for predictions made elsewhere posebench robustness score: docs/robustness.md",
        )
    if location.file is not None:
        if location.root is not None:
            raise PosebenchError("both --root and --truth", "one source of truth", "drop one of them")
        with open_predictions(location.file) as file:
            yield FileTruth(file, protocol)
        return
    if protocol.dataset == "any":
        raise PosebenchError(
            f"protocol {protocol.id} without --truth", "the true poses, since this protocol is bound to no dataset", "add --truth GT.npz"
        )
    dataset = location.opened or open_dataset(
        protocol.dataset, location.root, annotation=protocol.annotation or None, cameras=location.cameras
    )
    if dataset.version != protocol.dataset_version:
        raise PosebenchError(
            f"dataset {dataset.name} version {dataset.version}",
            f"version {protocol.dataset_version}, to which protocol {protocol.id} is bound",
            "use the posebench version that has both",
        )
    yield DatasetTruth(location.condition.of(dataset) if location.condition else dataset, protocol)


def _spacing(protocol: Protocol, dataset: Dataset) -> int:
    """Frames of the definition from one frame of the copy to the next; refuses a copy that lacks frames of the protocol."""
    spacing = round(protocol.fps / dataset.fps) if protocol.fps else 1
    if protocol.stride % spacing:
        raise PosebenchError(
            f"a copy of {dataset.name} that holds every {spacing}th frame",
            f"every {protocol.stride}th frame, which protocol {protocol.id} scores" if protocol.stride > 1 else "every frame",
            f"use a protocol whose stride is a multiple of {spacing} (posebench protocol list), or a whole copy",
        )
    return spacing


def clip_info(clip: str, frames: int) -> ClipInfo:
    """What follows from a clip id ``subject/take/camera``; the action is the take's name without a trailing number.

    Example:
        >>> clip_info("S9/Greeting 1/54138969", 100).action
        'Greeting'
    """
    parts = clip.split("/")
    subject, take, camera = parts if len(parts) == 3 else ("", clip, "")
    action = re.sub(r"[ _-]?\d+$", "", take) or take
    return ClipInfo(clip, subject, f"{subject}/{take}" if subject else take, camera, action, frames)
