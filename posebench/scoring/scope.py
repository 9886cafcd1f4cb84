"""What a protocol asks of a dataset: which clips, which frames, and the true poses in the protocol's skeleton."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map
from posebench.data import open_dataset
from posebench.data.clip import ClipInfo, Dataset
from posebench.predictions.archive import Predictions, open_predictions
from posebench.scoring.protocol import Protocol

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scope:
    """The clips of a dataset that a protocol scores, in the dataset's order.

    Attributes:
        clips: by clip id.
        data: name, version and fingerprint of the data, and ``official``: whether its counts are the definition's.
        truth: clip id to true poses (T, J, 3) mm of the whole clip, camera frame, in the protocol's skeleton.
        camera: clip id to its camera, None where the data has none.
        valid: clip id to the frames that may be scored, where not all may.
        labels: clip id to one action a frame, where the action changes on the way.
        spacing: frames of the definition from one frame of this copy to the next (1, but for a copy that holds only some frames).
        truth_file: the open file where the truth is one; its hash is the data's fingerprint, which ``data`` lacks then: it takes a while.
    """

    protocol: Protocol
    clips: dict[str, ClipInfo]
    data: dict[str, object]
    truth: Callable[[str], npt.NDArray[np.floating]]
    camera: Callable[[str], Camera | None]
    valid: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    labels: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    spacing: int = 1
    truth_file: Predictions | None = None

    @property
    def skeleton(self) -> str:
        """Skeleton id of the true poses."""
        return self.protocol.skeleton.id

    def frames(self, clip: str) -> npt.NDArray[np.int64]:
        """0-based numbers of the clip's frames that the protocol scores: the valid ones out of every ``stride``-th from the first.

        Numbers are those of the dataset's definition, also where the copy holds only some frames.
        """
        stride = self.protocol.stride
        if clip not in self.valid:
            return np.arange(0, self.clips[clip].frames * self.spacing, stride)
        valid = self.valid[clip]
        scored: npt.NDArray[np.int64] = valid[valid % stride == 0]
        return scored

    def actions(self, clip: str, frames: npt.NDArray[np.int64]) -> Iterator[tuple[str, npt.NDArray[np.bool_] | slice]]:
        """Each action of a clip, and which of ``frames`` it has: all of them, unless the dataset labels frames."""
        if clip not in self.labels:
            yield self.clips[clip].action, slice(None)
            return
        labels = self.labels[clip][frames]
        for action in dict.fromkeys(labels.tolist()):
            yield action, labels == action

    @cached_property
    def poses(self) -> int:
        """How many poses the protocol scores."""
        return sum(len(self.frames(clip)) for clip in self.clips)


@contextmanager
def open_scope(
    protocol: Protocol,
    *,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
) -> Iterator[Scope]:
    """The scope of ``protocol`` in its dataset (``root``: the owner's folder; ``cameras``: its camera file) or in a truth file.

    Raises:
        PosebenchError: neither or both are given where one is needed, no clip fits, or the data is not that of the protocol.
    """
    if truth is not None:
        if root is not None:
            raise PosebenchError("both --root and --truth", "one source of truth", "drop one of them")
        with open_predictions(truth) as file:
            yield replace(_select(protocol, *_from_file(file, protocol)), truth_file=file)
        return
    if protocol.dataset == "any":
        raise PosebenchError(
            f"protocol {protocol.id} without --truth", "the true poses, since this protocol is bound to no dataset", "add --truth GT.npz"
        )
    dataset = open_dataset(protocol.dataset, root, annotation=protocol.annotation or None, cameras=cameras)
    if dataset.version != protocol.dataset_version:
        raise PosebenchError(
            f"dataset {dataset.name} version {dataset.version}",
            f"version {protocol.dataset_version}, to which protocol {protocol.id} is bound",
            "use the posebench version that has both",
        )
    joints = list(joint_map(dataset.skeleton, protocol.skeleton.id))
    data = {
        "name": dataset.name,
        "version": dataset.version,
        "fingerprint": dataset.fingerprint,
        "official": dataset.official,
        "note": dataset.note,
    }
    scope = _select(protocol, dataset.infos, data, lambda clip: dataset.load(clip).pose[:, joints], lambda clip: dataset.load(clip).camera)
    yield replace(scope, valid=dataset.valid, labels=dataset.labels, spacing=_spacing(protocol, dataset))


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


def _from_file(
    file: Predictions, protocol: Protocol
) -> tuple[dict[str, ClipInfo], dict[str, object], Callable[[str], npt.NDArray[np.floating]], Callable[[str], Camera | None]]:
    if not file.meta.metric_scale:
        raise PosebenchError(f"{file.path}: scale unknown", "true poses of metric scale", "state the unit of the truth file")
    if file.duplicated:
        raise PosebenchError(f"{file.path}: {file.duplicated[0]} twice", "each true clip once", "write the truth file again")
    joints = list(joint_map(file.meta.skeleton, protocol.skeleton.id))
    infos = {}
    for clip, shape in file.shapes.items():
        if len(shape) != 3 or file.frames(clip) is not None:
            raise PosebenchError(f"{file.path}: {clip} is sparse or has several hypotheses", "one true pose a frame", "write whole clips")
        infos[clip] = clip_info(clip, shape[0])
    data: dict[str, object] = {
        "name": "file",
        "version": "",
        "official": False,
        "note": "scored with --truth: not from a dataset that posebench checks",
    }

    def truth(clip: str) -> npt.NDArray[np.floating]:
        poses = file.poses(clip)[:, joints] if joints != list(range(len(joints))) else file.poses(clip)
        return poses if file.meta.to_mm == 1.0 else poses * np.float64(file.meta.to_mm)

    return infos, data, truth, lambda _: None


def clip_info(clip: str, frames: int) -> ClipInfo:
    """What a clip id alone tells: ``subject/take/camera``; the action is the take's name without a trailing number.

    Example:
        >>> clip_info("S9/Greeting 1/54138969", 100).action
        'Greeting'
    """
    parts = clip.split("/")
    subject, take, camera = parts if len(parts) == 3 else ("", clip, "")
    action = re.sub(r"[ _-]?\d+$", "", take) or take
    return ClipInfo(clip, subject, f"{subject}/{take}" if subject else take, camera, action, frames)


def _select(
    protocol: Protocol,
    infos: dict[str, ClipInfo],
    data: dict[str, object],
    truth: Callable[[str], npt.NDArray[np.floating]],
    camera: Callable[[str], Camera | None],
) -> Scope:
    def wanted(info: ClipInfo) -> bool:
        return (
            (not protocol.subjects or info.subject in protocol.subjects)
            and (not protocol.actions or info.action in protocol.actions)
            and (not protocol.cameras or info.camera in protocol.cameras)
            and info.take not in protocol.excluded
            and info.frames > 0
        )

    clips = {clip: info for clip, info in infos.items() if wanted(info)}
    if not clips:
        raise PosebenchError(
            f"no clip of protocol {protocol.id} among the {len(infos)} true clips ({', '.join(list(infos)[:3])} ...)",
            "clips of subjects " + (", ".join(protocol.subjects) or "any") + " with cameras " + (", ".join(protocol.cameras) or "any"),
            f"posebench protocol show {protocol.id}",
        )

    def finite_truth(clip: str) -> npt.NDArray[np.floating]:
        poses = truth(clip)
        if not np.isfinite(poses).all():
            frame = int(np.flatnonzero(~np.isfinite(poses).all(axis=(1, 2)))[0])
            raise PosebenchError(
                f"true pose of {clip}, frame {frame}, is not finite", "finite truth", "the data file is damaged: get it again"
            )
        return poses

    return Scope(protocol, clips, data, finite_truth, camera)
