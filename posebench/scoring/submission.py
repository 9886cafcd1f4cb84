"""A prediction file, or arrays in memory, opened next to the truth that it is scored against."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import SKELETONS, joint_map
from posebench.base.units import MM_PER_UNIT
from posebench.predictions.archive import FRAMES_SUFFIX, PIXELS, Meta, Predictions, open_predictions
from posebench.predictions.finding import Finding
from posebench.predictions.formats.foreign import ArrayStore, in_memory
from posebench.predictions.formats.registry import Reading, foreign_format, read_foreign
from posebench.scoring.image_space import IMAGE_SPACE, ImageSpace
from posebench.scoring.protocol import Protocol, load_protocol
from posebench.scoring.scope import Scope, open_scope
from posebench.scoring.truth import TruthLocation

#: What a result names as its file where poses in memory were scored.
IN_MEMORY = "poses in memory"
#: A prediction file, or poses by clip id: (T, J, 3) or (H, T, J, 3), and ``<clip id>#frames`` for sparse clips, as in a file.
Scorable: TypeAlias = str | os.PathLike[str] | Mapping[str, npt.ArrayLike]


@dataclass(frozen=True)
class Header:
    """What the header of a file would state about poses in memory; None and empty are not stated."""

    unit: str | None = None
    skeleton: str | None = None
    scale: str | None = None
    method: str = ""
    keypoints: str = ""

    @property
    def stated(self) -> list[str]:
        """Names of what is stated."""
        return [field.name for field in fields(self) if getattr(self, field.name)]

    def meta(self) -> Meta:
        """As a file would hold it.

        Raises:
            PosebenchError: skeleton or unit is missing or unknown.
        """
        scale = self.scale or "metric"
        wanted: list[tuple[str, str | None, tuple[str, ...]]] = [("scale", scale, ("metric", "unknown"))]
        wanted.append(("skeleton", self.skeleton, tuple(SKELETONS)))
        if self.unit is not None or scale == "metric":
            wanted.append(("unit", self.unit, tuple(MM_PER_UNIT)))
        for name, value, choices in wanted:
            if value not in choices:
                found = (
                    f"no {name}"
                    if value is None
                    else f"{name} {value!r}"
                    if isinstance(value, str)
                    else f"a {type(value).__name__} as {name}"
                )
                raise PosebenchError(
                    f"{found} for poses in memory", f"one of {', '.join(choices)}", f"add it to the call: {name}={choices[0]!r}"
                )
        assert self.skeleton is not None
        meta = Meta(self.skeleton, self.unit, scale, method=self.method, keypoints=self.keypoints)
        return Meta.parse(meta.dump(), "the call")


class PosesInMemory(Predictions):
    """Arrays of the caller, read as a file of them would be.

    Args:
        poses: see :data:`Scorable`.
        header: what the header of a file would state.

    Raises:
        PosebenchError: an array that is no poses of the skeleton, or something missing in the header.
    """

    def __init__(self, poses: Mapping[str, npt.ArrayLike], header: Header) -> None:
        meta = header.meta()
        joints = len(SKELETONS[meta.skeleton])
        self._arrays = {clip: _array(clip, value, joints) for clip, value in poses.items()}
        store = ArrayStore(meta.dump(), {clip: in_memory(array) for clip, array in self._arrays.items()})
        super().__init__(Path(IN_MEMORY), store)

    def sha256(self) -> str:
        """Hash of the header and of the names, types, shapes and bytes of the arrays."""
        digest = hashlib.sha256(self.meta.dump().encode())
        for clip, array in self._arrays.items():
            digest.update(f"{clip}\0{array.dtype.str}{array.shape}\0".encode())
            digest.update(array.data if array.size else b"")
        return digest.hexdigest()


def _array(clip: str, value: npt.ArrayLike, joints: int) -> npt.NDArray[Any]:
    """An array as a file would hold it: float32 unless float64; frame numbers as int64."""
    wanted = f"(T, {joints}, 3) or (H, T, {joints}, 3) numbers by clip id"
    if not isinstance(clip, str):
        raise PosebenchError(f"a {type(clip).__name__} as a clip id", wanted, "name clips subject/take/camera, as the protocol does")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise PosebenchError(f"{clip}: no array ({error})", wanted, "give numpy arrays") from error
    if clip.endswith(FRAMES_SUFFIX):
        if array.dtype.kind not in "iu":
            raise PosebenchError(f"{clip}: {array.dtype}", "whole numbers, one a pose", "give the frame numbers as integers")
        return np.ascontiguousarray(array, dtype=np.int64)
    if array.dtype.kind not in "fiu" or array.ndim not in (3, 4) or array.shape[-2:] != (joints, 3):
        raise PosebenchError(f"{clip}: {array.dtype} of shape {array.shape}", wanted, "transpose, or state the skeleton that it has")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float64 if array.dtype == np.float64 else np.float32)


def loaded(protocol: str | os.PathLike[str] | Protocol) -> Protocol:
    """A protocol, or the one with this id or in this file.

    Raises:
        PosebenchError: see :func:`posebench.load_protocol`; or it is none of these.
    """
    if isinstance(protocol, Protocol):
        return protocol
    if not isinstance(protocol, str | os.PathLike):
        raise PosebenchError(
            f"a {type(protocol).__name__} as a protocol", "an id, a .toml file, or a loaded protocol", "posebench protocol list"
        )
    return load_protocol(os.fspath(protocol))


@dataclass(frozen=True, eq=False)
class Submission:
    """An open prediction file and the scope that it is scored in.

    Attributes:
        file: the prediction file.
        scope: clips and frames that the protocol scores, with their truth.
        clips: ids of the clips that both have, in the scope's order.
        joints: for each joint of the protocol its index in the file's skeleton.
        hypotheses: hypotheses a pose; 1 for a file of single poses.
        reading: how a file of another project's format was read; empty for posebench's own format.
    """

    file: Predictions
    scope: Scope
    clips: list[str]
    joints: list[int]
    hypotheses: int
    reading: tuple[Finding, ...] = ()

    @property
    def how_to_check(self) -> str:
        """What to call to see all findings."""
        protocol = self.scope.protocol.id
        if isinstance(self.file, PosesInMemory):
            return f"posebench.check(poses, {protocol!r}, ...) with the same arguments lists all findings"
        return f"posebench check {self.file.path} --protocol {protocol} (and the same --root or --truth) lists all findings"

    def numbers(self, clip: str) -> npt.NDArray[np.int64] | None:
        """Frame number of each stored pose; None where their count fits neither the clip nor the protocol's frames."""
        stored = self.file.shapes[clip][-3]
        frames = self.file.frames(clip)
        if frames is not None:
            return frames
        if stored in (0, self.scope.clips[clip].frames):
            return np.arange(stored) * self.scope.spacing
        wanted = self.scope.frames(clip)
        return wanted if stored == len(wanted) else None

    def misnumbered(self, clip: str) -> str:
        """What is wrong with the frame numbers that the file states for a clip; empty where nothing is."""
        numbers = self.file.frames(clip)
        if numbers is None or not len(numbers):
            return ""
        last = (self.scope.clips[clip].frames - 1) * self.scope.spacing
        if numbers.min() < 0 or numbers.max() > last:
            return f"frame numbers reach from {numbers.min()} to {numbers.max()} where the clip has 0 to {last}"
        return "frame numbers do not rise" if (np.diff(numbers) <= 0).any() else ""

    def readable_clips(self) -> list[str]:
        """The clips whose poses can be matched with true ones."""
        return [clip for clip in self.clips if self.numbers(clip) is not None and not self.misnumbered(clip)]

    def pair(self, clip: str) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating], npt.NDArray[np.int64]]:
        """The protocol's frames that the file holds of a readable clip.

        Returns:
            Predicted poses (n, J, 3) or (H, n, J, 3) in the file's unit, true poses (T, J, 3) mm of the whole clip, both in the protocol's
            space, and frame numbers (n,).
        """
        numbers = self.numbers(clip)
        assert numbers is not None  # the checks refuse the file otherwise
        pred, truth = self.file.poses(clip), self.scope.truth(clip)
        if self.joints != list(range(pred.shape[-2])):
            pred = pred[..., self.joints, :]
        scored = self.scope.frames(clip)
        if not np.array_equal(numbers, scored) and not (keep := np.isin(numbers, scored)).all():
            pred, numbers = pred[..., keep, :, :], numbers[keep]
        if (space := self.scope.image_space(clip, truth)) is not None:
            return self._seen(pred, space.at(numbers // self.scope.spacing)), space.of_absolute(truth), numbers
        return pred, truth, numbers

    def _seen(self, pred: npt.NDArray[np.floating], space: ImageSpace) -> npt.NDArray[np.floating]:
        """Predicted poses in the space of a protocol that is not the camera frame, still in the file's unit."""
        meta = self.file.meta
        if meta.unit == PIXELS:
            return space.of_pixels(pred)
        if meta.frame == IMAGE_SPACE:
            return pred
        return space.of_relative(pred * np.float64(meta.to_mm), self.scope.protocol.root_indices) / meta.to_mm


@contextmanager
def open_submission(
    predictions: Scorable,
    protocol: Protocol,
    location: TruthLocation,
    from_format: str | Reading | None = None,
    header: Header | None = None,
) -> Iterator[Submission]:
    """Open a prediction file, or poses in memory, and the truth that it is scored against; of files only headers are read.

    Raises:
        PosebenchError: a file is missing, damaged or of another format, or its skeleton lacks joints of the protocol.
    """
    reading = from_format if isinstance(from_format, Reading) else Reading(from_format)
    header = header or Header()
    in_file = isinstance(predictions, str | os.PathLike)
    if in_file and header.stated:
        raise PosebenchError(
            f"{header.stated[0]} stated for a file", "a file states this itself", "leave it out, or give poses in memory: {clip id: array}"
        )
    if not in_file and reading != Reading():
        raise PosebenchError("a format stated for poses in memory", "a format for files only", "leave it out")
    if not in_file and not isinstance(predictions, Mapping):
        raise PosebenchError(f"a {type(predictions).__name__} as predictions", "a path, or {clip id: array}", "name the clip of each array")
    format = foreign_format(predictions, reading) if isinstance(predictions, str | os.PathLike) else None
    with ExitStack() as stack:
        findings: tuple[Finding, ...] = ()
        file: Predictions
        if isinstance(predictions, Mapping):
            file = PosesInMemory(predictions, header)
            scope = stack.enter_context(open_scope(protocol, location))
        elif format is None:
            file = stack.enter_context(open_predictions(predictions))
            scope = stack.enter_context(open_scope(protocol, location))
        else:
            scope = stack.enter_context(open_scope(protocol, location))
            file, finding = read_foreign(predictions, format, reading, scope)
            findings = (finding,)
        _check_space(file, protocol)
        joints = list(joint_map(file.meta.skeleton, protocol.skeleton.id))
        clips = [clip for clip in scope.clips if clip in file.shapes]
        hypotheses = max((shape[0] for shape in file.shapes.values() if len(shape) == 4), default=1)
        yield Submission(file, scope, clips, joints, hypotheses, findings)


def _check_space(file: Predictions, protocol: Protocol) -> None:
    """Refuse poses whose axes are not those of the protocol and cannot be brought there."""
    if protocol.space == "camera" and file.meta.frame != "camera":
        raise PosebenchError(
            f"{file.path}: poses of frame {file.meta.frame}",
            f"poses in the camera frame, as protocol {protocol.id} scores them",
            "score under h36m/motionbert-2.5d, or write the poses in the camera frame",
        )
    if protocol.space != "camera" and file.meta.frame == "camera" and not file.meta.metric_scale:
        raise PosebenchError(
            f"{file.path}: scale unknown",
            f"poses in millimetres, or of frame {protocol.space}: protocol {protocol.id} projects a pose at the true root",
            "score under h36m/s9s11-clean, whose PA- and N- metrics need no scale",
        )
