"""Prediction files: poses by clip id, with skeleton, unit, frame of reference and scale stated. A file is written whole or not at all.

**Convention.** ``.npz``: an array a clip, key = clip id, ``(T, J, 3)`` or ``(H, T, J, 3)`` for H hypotheses; ``<clip id>#frames`` holds
0-based frame numbers in the clip where the file is sparse; ``__meta__`` is a JSON string. ``.h5``: the same tree (the slashes of clip
ids make groups), ``__meta__`` as an attribute of the root. Truth files have the same format.

Files are not trusted. Nothing is unpickled, and every shape, type and size is checked before memory is allocated.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import MAX_CLIP_BYTES, replacing, sha256_of
from posebench.base.readers.npz import Npz, open_zip, write_npz
from posebench.base.readers.text import parse_json
from posebench.base.schema import Fields
from posebench.base.skeletons import SKELETONS
from posebench.base.units import MM_PER_UNIT, mm_per
from posebench.predictions.finding import Finding
from posebench.predictions.provenance import Provenance, read_provenance

if TYPE_CHECKING:
    from posebench.base.readers.hdf5 import HDF5File

FORMAT = 1
META_KEY = "__meta__"
FRAMES_SUFFIX = "#frames"
SUPERVISIONS = ("none", "multi-view 2D", "unpaired 3D", "paired 3D", "unstated")
MAX_META_BYTES = 2**20
_HDF5_ADVICE = "write the file with posebench.save_predictions('preds.h5', ...)"
#: What the axes of the poses in a file can be: the camera's, or MotionBERT's (:mod:`posebench.scoring.image_space`), then also in pixels.
FRAMES = ("camera", "image-2.5d")
PIXELS = "px"
_ADVICE = "write the file with posebench.save_predictions(path, {clip_id: poses}, unit='mm', skeleton='h36m17')"


@dataclass(frozen=True)
class Meta:
    """What a file states about its poses.

    ``unit`` is None only where ``scale`` is ``unknown``; ``provenance`` is None where no training is stated. ``joints`` are the equations
    and rules by which the lifter was given keypoints of other joints than its own; ``notes`` say of poses that were lifted from a
    detector's file which camera was assumed and how gaps were filled. Both are empty, and then not written, where there are none.
    """

    skeleton: str
    unit: str | None
    scale: str = "metric"
    frame: str = "camera"
    method: str = ""
    keypoints: str = ""
    supervision: str = "unstated"
    provenance: Provenance | None = None
    joints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def metric_scale(self) -> bool:
        """The poses have their true size, so absolute metrics are defined."""
        return self.scale == "metric"

    @property
    def to_mm(self) -> float:
        """Factor to millimetres; 1 where the scale is unknown, and for pixels, which have no such factor."""
        return mm_per(self.unit) if self.unit not in (None, PIXELS) else 1.0

    @classmethod
    def parse(cls, text: str, where: str) -> Meta:
        """From the JSON text in a file; errors name ``where`` and the field."""
        try:
            content = parse_json(text)
        except ValueError as error:
            raise PosebenchError(f"{where}: {META_KEY} is not JSON ({error})", "a JSON object", _ADVICE) from error
        try:
            json.loads(text, object_pairs_hook=_once)
        except ValueError as error:
            raise PosebenchError(f"{where}: {META_KEY}: {error}", "each key once", _ADVICE) from error
        if not isinstance(content, dict):
            raise PosebenchError(f"{where}: {META_KEY} is a {type(content).__name__}", "a JSON object", _ADVICE)
        fields = Fields(content, f"{where}: {META_KEY}", _ADVICE)
        version = fields.whole("posebench")
        if version > FORMAT:
            raise fields.wrong("posebench", version, f"format {FORMAT}, the newest that this posebench reads; upgrade posebench")
        scale = fields.choice("scale", ("metric", "unknown"), default="metric")
        frame = fields.choice("frame", FRAMES, default="camera")
        unit = fields.maybe_choice("unit", MM_PER_UNIT if frame == "camera" else (*MM_PER_UNIT, PIXELS))
        if unit is None and scale == "metric":
            raise fields.wrong("unit", None, "one of " + ", ".join(MM_PER_UNIT) + " (it may be absent only where scale is unknown)")
        meta = cls(
            skeleton=fields.choice("skeleton", SKELETONS),
            unit=unit,
            scale=scale,
            frame=frame,
            method=fields.text("method", default=""),
            keypoints=fields.text("keypoints", default=""),
            supervision=fields.choice("supervision", SUPERVISIONS, default="unstated"),
            provenance=read_provenance(fields.table("provenance")) if "provenance" in content else None,
            joints=fields.texts("joints"),
            notes=fields.texts("notes"),
        )
        fields.finish()
        lines = [("joints", line) for line in meta.joints] + [("notes", line) for line in meta.notes]
        for key, text in (("method", meta.method), ("keypoints", meta.keypoints), *lines):
            if not text.isprintable():
                raise fields.wrong(key, text, "printable text in one line")
        return meta

    def dump(self) -> str:
        """The JSON text that goes into a file."""
        values = {key: value for key, value in asdict(self).items() if value is not None and (value or key not in ("joints", "notes"))}
        if self.provenance and not self.provenance.joints:
            del values["provenance"]["joints"]
        return json.dumps({"posebench": FORMAT, **values}, sort_keys=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; an object that says a key twice does not say which one counts."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} is there twice")
        content[key] = value
    return content


class _Store(Protocol):
    """What npz and HDF5 files have in common."""

    shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
    duplicated: list[str]
    ignored: list[str]
    meta_text: str

    def read(self, key: str) -> npt.NDArray[Any]: ...


class Predictions:
    """An open prediction (or truth) file: its headers are read, poses are read a clip at a time.

    Attributes:
        path: the file.
        meta: what the file states about its poses.
        shapes: shape of each clip's array, by clip id, in file order.
        duplicated: clip ids that the file holds more than once.
        notes: what was left out or changed on reading.
    """

    def __init__(self, path: Path, store: _Store) -> None:
        self.path = path
        self._store = store
        self.meta = Meta.parse(store.meta_text, str(path))
        self.shapes: dict[str, tuple[int, ...]] = {}
        duplicated = {key.replace("\\", "/") for key in store.duplicated}
        self.notes: list[Finding] = []
        if store.ignored:
            self.notes.append(_ignored_entries(store.ignored))
        self._joints = len(SKELETONS[self.meta.skeleton])
        # Some programs write Windows' separators into archives; numpy and zipfile on Windows read them as slashes.
        self._stored: dict[str, str] = {}
        for key in store.shapes:
            if not key.isprintable():
                raise PosebenchError(f"{path}: clip id {key!r}", "printable clip ids such as S9/Greeting 1/54138969", _ADVICE)
            name = key.replace("\\", "/")
            if name in self._stored:
                duplicated.add(name.removesuffix(FRAMES_SUFFIX))
            self._stored[name] = key
        self.duplicated = sorted(duplicated)
        changed = sorted(key for name, key in self._stored.items() if name != key)
        if changed:
            self.notes.append(Finding("separators", "note", f"backslashes in {len(changed)} names are read as slashes", "none needed"))
        for name, key in self._stored.items():
            if name.endswith(FRAMES_SUFFIX):
                self._check_frames(name, *store.shapes[key])
            else:
                self.shapes[name] = self._checked(name, *store.shapes[key])

    def _checked(self, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
        wanted = f"(T, {self._joints}, 3) or (H, T, {self._joints}, 3) floats for skeleton {self.meta.skeleton}"
        if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
            raise PosebenchError(f"{self.path}: {key} holds {dtype}", wanted, _ADVICE)
        if len(shape) not in (3, 4) or shape[-2:] != (self._joints, 3) or (len(shape) == 4 and shape[0] == 0):
            raise PosebenchError(f"{self.path}: {key} has shape {shape}", wanted, _ADVICE)
        size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
        if size > MAX_CLIP_BYTES:
            raise PosebenchError(f"{self.path}: {key} would take {size:,} bytes", f"at most {MAX_CLIP_BYTES:,} a clip", _ADVICE)
        return shape

    def _check_frames(self, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        clip = key.removesuffix(FRAMES_SUFFIX)
        if clip not in self._stored or clip.endswith(FRAMES_SUFFIX):
            raise PosebenchError(f"{self.path}: {key} without {clip}", "frame numbers together with the poses that they number", _ADVICE)
        poses = self._checked(clip, *self._store.shapes[self._stored[clip]])
        if dtype.kind not in "iu" or shape != (poses[-3],):
            swapped = len(poses) == 4 and shape == poses[:1]
            advice = f"store the poses as (H, T, J, 3), hypotheses first; {clip} has shape {poses}" if swapped else _ADVICE
            raise PosebenchError(f"{self.path}: {key} holds {dtype} {shape}", f"{poses[-3]} whole numbers, one a pose", advice)

    def poses(self, clip: str) -> npt.NDArray[np.floating]:
        """Poses of one clip as stored, (T, J, 3) or (H, T, J, 3); times ``meta.to_mm`` they are millimetres. May hold NaN.

        Raises:
            PosebenchError: the stored bytes are fewer or more than the header promises, or damaged.
        """
        return self._store.read(self._stored.get(clip, clip))

    def frames(self, clip: str) -> npt.NDArray[np.int64] | None:
        """Frame numbers of a sparse clip, or None."""
        key = clip + FRAMES_SUFFIX
        return self._store.read(self._stored[key]).astype(np.int64) if key in self._stored else None

    def sha256(self) -> str:
        """Hash of the file's bytes."""
        return sha256_of(self.path)


def _ignored_entries(names: list[str]) -> Finding:
    """The finding that names entries which a file manager added."""
    message = f"{len(names)} entries that a file manager added to the archive are ignored ({first_ten(names)})"
    return Finding("stray-entries", "note", message, "none needed")


@contextmanager
def open_predictions(path: str | os.PathLike[str]) -> Iterator[Predictions]:
    """Open a prediction or truth file, ``.npz`` or ``.h5`` (recognised by its first bytes, not by its name).

    Raises:
        PosebenchError: the file is missing, of another kind, damaged, holds objects, or its shapes do not fit its skeleton.
    """
    path = Path(path)
    wanted = "a posebench prediction file, .npz or .h5"
    with ExitStack() as stack:
        try:
            predictions = Predictions(path, _open_store(path, stack))
        except OSError as error:
            raise PosebenchError(f"{path}: {error.strerror or error}", wanted, "check the path, or copy the file again") from error
        yield predictions


class _Archive(Npz):
    """An npz archive: the arrays of the clips, and the text of ``__meta__``."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        super().__init__(path, archive)
        if META_KEY not in self.shapes:
            folder = next((key.removesuffix(META_KEY) for key in self.shapes if key.endswith("/" + META_KEY)), None)
            if folder is not None:
                raise PosebenchError(
                    f"{path}: {META_KEY} in the folder {folder}",
                    f"{META_KEY} outside of any folder",
                    "zip what is in the folder, without it",
                )
            held = first_ten([f"{key} {shape}" for key, (shape, _) in self.shapes.items()][:4]) or "no array"
            raise PosebenchError(f"{path}: no {META_KEY}, only {held}", "skeleton, unit, frame and scale stated in the file", _ADVICE)
        self.meta_text = self.text(META_KEY, MAX_META_BYTES)
        del self.shapes[META_KEY]
        self.duplicated = [key.removesuffix(FRAMES_SUFFIX) for key in self.duplicated]


class _HDF5Store:
    """An HDF5 file as a store: clip ids are paths of datasets, and ``__meta__`` is an attribute."""

    def __init__(self, file: HDF5File) -> None:
        self.shapes = file.shapes
        self.duplicated: list[str] = []
        self.ignored: list[str] = []
        self.meta_text = file.text_attribute(META_KEY, MAX_META_BYTES)
        self.read = file.read


def _open_store(path: Path, stack: ExitStack) -> _Store:
    file = stack.enter_context(path.open("rb"))
    magic = file.read(8)
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _Archive(path, stack.enter_context(open_zip(path, file)))
    if magic == b"\x89HDF\r\n\x1a\n":
        from posebench.base.readers.hdf5 import open_hdf5

        return _HDF5Store(stack.enter_context(open_hdf5(path, _HDF5_ADVICE)))
    raise PosebenchError(
        f"{path}: neither a zip archive nor HDF5 (first bytes {magic!r})", "a posebench prediction file, .npz or .h5", _ADVICE
    )


def save_predictions(
    path: str | os.PathLike[str],
    poses: Mapping[str, npt.ArrayLike] | Iterable[tuple[str, npt.ArrayLike]],
    *,
    skeleton: str,
    unit: str | None = None,
    scale: str = "metric",
    frames: Mapping[str, npt.ArrayLike] | None = None,
    method: str = "",
    keypoints: str = "",
    supervision: str = "unstated",
    provenance: Provenance | None = None,
    frame: str = "camera",
    joints: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Path:
    """Write a prediction (or truth) file that ``posebench score`` reads; the same input gives the same bytes.

    **Convention.** Camera frame (x right, y down, z forward), unless ``frame`` says otherwise. The root need not be at zero: the scorer
    subtracts it.

    Args:
        path: ``.npz`` or ``.h5``; replaced only when the new file is complete.
        poses: clip id to (T, J, 3), or (H, T, J, 3) hypotheses; a mapping, or pairs made one at a time. Stored as float32 unless float64.
        skeleton: joint order, an id of :mod:`posebench.base.skeletons`.
        unit: ``mm`` or ``m``; may be left out only when ``scale`` is ``unknown``.
        scale: ``metric``, or ``unknown`` where the method cannot know it; absolute metrics are then empty.
        frames: clip id to 0-based frame numbers, for clips that hold only some frames.
        method: name of the method.
        keypoints: keypoint source that it was given.
        supervision: the 3D that its training saw: ``none``, ``multi-view 2D``, ``unpaired 3D``, ``paired 3D``.
        provenance: how it was trained; the leaderboard separates seeds and presets by it.
        frame: ``camera``, or ``image-2.5d`` for MotionBERT's 2.5D poses, for protocols of that space; their ``unit`` can also be ``px``, as
            its network gives them, before the factor.
        joints: how keypoints of other joints were matched with the lifter's: :func:`posebench.lifters.joint_notes`.
        notes: what else a reader should know of the poses, in lines: the camera that was assumed, gaps that were filled.

    Raises:
        PosebenchError: an unknown skeleton, unit or scale, or poses of a shape that the skeleton does not have.

    Example:
        >>> import numpy as np, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> save_predictions(folder + "/p.npz", {"S1/Walk/c0": np.zeros((5, 17, 3))}, unit="mm", skeleton="h36m17").name
        'p.npz'
    """
    path = Path(path)
    meta = Meta(
        skeleton,
        unit,
        scale,
        frame,
        method=method,
        keypoints=keypoints,
        supervision=supervision,
        provenance=provenance,
        joints=joints,
        notes=notes,
    )
    Meta.parse(meta.dump(), "save_predictions")
    pairs = poses.items() if isinstance(poses, Mapping) else poses
    arrays = _arrays(pairs, frames or {}, len(SKELETONS[skeleton]))
    with replacing(path) as temporary:
        if path.suffix in (".h5", ".hdf5"):
            from posebench.base.readers.hdf5_writer import write_hdf5

            write_hdf5(temporary, {META_KEY: meta.dump()}, arrays)
        elif path.suffix == ".npz":
            write_npz(temporary, chain([(META_KEY, np.array(meta.dump()))], arrays))
        else:
            raise PosebenchError(f"{path.name}", "a name that ends with .npz or .h5", "rename the output file")
    return path


def _arrays(
    pairs: Iterable[tuple[str, npt.ArrayLike]], frames: Mapping[str, npt.ArrayLike], joints: int
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for clip, value in pairs:
        pose = np.asarray(value)
        pose = np.ascontiguousarray(pose, dtype=np.float64 if pose.dtype == np.float64 else np.float32)
        if pose.ndim not in (3, 4) or pose.shape[-2:] != (joints, 3):
            raise PosebenchError(
                f"{clip}: poses of shape {pose.shape}", f"(T, {joints}, 3) or (H, T, {joints}, 3)", "transpose or re-order joints"
            )
        yield clip, pose
        if clip in frames:
            yield clip + FRAMES_SUFFIX, np.ascontiguousarray(frames[clip], dtype=np.int64)
