"""Files of other projects as :class:`posebench.predictions.archive.Predictions`, and what their readers share."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.base.units import mm_per
from posebench.data.clip import ClipInfo
from posebench.data.h36m.names import CAMERAS, NUMBERED_ACTIONS, take_name, take_of_subaction
from posebench.predictions.archive import FRAMES_SUFFIX, Meta, Predictions
from posebench.predictions.finding import Finding

#: Distance from root to head of a person, mm. If the median is outside of it both in mm and in m, the unit is not clear.
ROOT_TO_HEAD = (300.0, 1200.0)
_SAMPLE = 16
_NUMERIC = re.compile(
    r"s_?(?P<subject>\d{1,2})_act_?(?P<action>\d{1,2})_subact_?(?P<subaction>\d{1,2})_ca_?(?P<camera>[1-4]|0[1-4])", re.IGNORECASE
)
#: Units in words, for findings.
UNIT_WORDS = {"m": "metres", "mm": "millimetres"}


class KnownClips(Protocol):
    """The clips that a file may be about, to look up clip ids and to find frames by their truth (a scoring scope, for example)."""

    @property
    def clips(self) -> Mapping[str, ClipInfo]:
        """By clip id, in the dataset's order."""

    @property
    def skeleton(self) -> str:
        """Skeleton id of the true poses."""

    @property
    def spacing(self) -> int:
        """Frames of the dataset's definition from one frame of this copy to the next."""

    def truth(self, clip: str) -> npt.NDArray[np.floating]:
        """True poses (T, J, 3) mm of the whole clip, camera frame."""

    def frames(self, clip: str) -> npt.NDArray[np.int64]:
        """0-based numbers of the clip's frames that are scored, as the dataset's definition counts."""


@dataclass(frozen=True)
class Reading:
    """How to read a file of another project.

    Attributes:
        format: an id of :data:`posebench.predictions.formats.registry.FORMATS`; None to recognise it from the file.
        clip: the clip id of a file that holds one clip and no id.
        ids: a file that gives the clip and frame of each pose (mmpose's annotation npz).
        unit: ``mm`` or ``m``, where the file does not follow its format or is not clear.
    """

    format: str | None = None
    clip: str | None = None
    ids: str | os.PathLike[str] | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        if self.unit is not None:
            mm_per(self.unit)


@dataclass(frozen=True, eq=False)
class LazyArray:
    """An array that is read when it is needed."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], npt.NDArray[Any]]


def in_memory(array: npt.NDArray[Any]) -> LazyArray:
    """An array that is already in memory."""
    return LazyArray(array.shape, array.dtype, lambda: array)


@dataclass(frozen=True, eq=False)
class ForeignFile:
    """A file of another project, as read.

    Attributes:
        meta: what the format or the user states.
        clips: poses by clip id.
        finding: how the file was read, for the user.
        frames: frame numbers of sparse clips.
        used: options of :class:`Reading` that were used; any other that was given is an error.
    """

    meta: Meta
    clips: dict[str, LazyArray]
    finding: Finding
    frames: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    used: tuple[str, ...] = ("unit",)

    def store(self) -> ArrayStore:
        """In the form that :class:`posebench.predictions.archive.Predictions` reads."""
        arrays = dict(self.clips)
        arrays |= {clip + FRAMES_SUFFIX: in_memory(numbers) for clip, numbers in self.frames.items()}
        return ArrayStore(self.meta.dump(), arrays)


class ArrayStore:
    """Poses by clip id in memory, or read from foreign files one by one."""

    def __init__(self, meta_text: str, arrays: dict[str, LazyArray]) -> None:
        self.meta_text = meta_text
        self.shapes = {key: (stored.shape, stored.dtype) for key, stored in arrays.items()}
        self.duplicated: list[str] = []
        self.ignored: list[str] = []
        self._arrays = arrays

    def read(self, key: str) -> npt.NDArray[Any]:
        """One array."""
        return self._arrays[key].read()


class ForeignPredictions(Predictions):
    """Predictions read from a foreign file or folder; ``path`` and hash are those of the original."""

    def sha256(self) -> str:
        """Hash of the file's bytes, or of the names and bytes of all files in a folder."""
        if not self.path.is_dir():
            return super().sha256()
        digest = hashlib.sha256()
        for file in sorted(path for path in self.path.rglob("*") if path.is_file()):
            digest.update(file.relative_to(self.path).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()


def reading_note(format: str, text: str, *, severity: str = "note", clips: Iterable[str] = ()) -> Finding:
    """The finding that states how the file was read."""
    fix = "none needed, if that is what the file holds; otherwise state it with --from and --unit, or write posebench's own format"
    return Finding("format", severity, f"read as {format}: {text}", fix, tuple(clips))


def stated_clip(path: Path, format: str, reading: Reading, known: KnownClips | None) -> str:
    """The clip id that the user gave for a file without any.

    Raises:
        PosebenchError: none was given.
    """
    if reading.clip is None:
        example = "S9/Greeting 1/54138969" if known is None else next(iter(known.clips))
        raise PosebenchError(
            f"{path}: {format} holds one clip without its id", "the clip id", f"add --clip '{example}' with the clip that it is"
        )
    return reading.clip


def find_unit(path: Path, poses: Iterable[npt.NDArray[np.floating]], order: str, reading: Reading) -> tuple[str, str]:
    """The unit, and how it is known: stated by the user, or inferred from the size of the people.

    **Convention.** The median distance from root to head is between 0.3 and 1.2 metres, or between 300 and 1200 millimetres.

    Raises:
        PosebenchError: it is neither.
    """
    if reading.unit is not None:
        return reading.unit, "stated"
    bones = skeleton(order)
    sizes = []
    for pose in poses:
        some = np.asarray(pose[:: max(1, len(pose) // 256)], dtype=np.float64)
        sizes.append(np.linalg.norm(some[:, bones.index("head_top")] - some[:, list(bones.root_indices)].mean(axis=1), axis=-1))
    every = np.concatenate(sizes) if sizes else np.empty(0)
    every = every[np.isfinite(every)]
    size = float(np.median(every)) if len(every) else 0.0
    low, high = ROOT_TO_HEAD
    for unit in ("mm", "m"):
        if low <= size * mm_per(unit) <= high:
            return unit, f"inferred from the size: root to head {size:.3g}"
    raise PosebenchError(
        f"{path}: poses whose median distance from root to head is {size:.4g}",
        "a person's, 0.3 to 1.2 (metres) or 300 to 1200 (millimetres)",
        "state it: --unit mm or --unit m",
    )


def sampled(clips: dict[str, LazyArray]) -> Iterable[npt.NDArray[np.floating]]:
    """The poses of a few clips, evenly spaced over all."""
    stored = list(clips.values())
    return (one.read() for one in stored[:: max(1, len(stored) // _SAMPLE)])


def clip_from_name(name: str, known: KnownClips | None) -> str | None:
    """The clip id in a relative path or file name without its ending; None where there is none.

    **Convention.** ``subject/take/camera``, ``subject_take_camera`` or mmpose's ``subject_take.camera``, in any mix with folders. A known
    id that differs in its separators only is taken. Without known clips an underscore between an action's word and its number is a space
    (Human3.6M's ``Greeting 1``), and any other underscore in a take is kept. Human3.6M's numbers, in any folder, are names too:
    ``s_09_act_05_subact_01_ca_01`` is ``S9/Greeting 1/54138969`` (Integral, 3DMPPE, LCN, MotionBERT).

    Example:
        >>> clip_from_name("S9_Greeting_1.54138969", None), clip_from_name("S07_07_01_c0", None)
        ('S9/Greeting 1/54138969', 'S07/07_01/c0')
    """
    return clips_from_names([name], known)[name]


def clips_from_names(names: Iterable[str], known: KnownClips | None) -> dict[str, str | None]:
    """:func:`clip_from_name` of many names."""
    plain: dict[str, list[str]] = {}
    for clip in known.clips if known is not None else ():
        plain.setdefault(_plain(clip), []).append(clip)
    out: dict[str, str | None] = {}
    for name in names:
        meant = plain.get(_plain(name), [])
        out[name] = meant[0] if len(meant) == 1 else _clip_by_form(name.replace("\\", "/"))
    return out


def _clip_by_form(name: str) -> str | None:
    """The clip id that the form of a name gives."""
    numeric = _NUMERIC.fullmatch(name.rpartition("/")[2])
    if numeric is not None:
        return _clip_of_numbers(*(int(numeric[key]) for key in ("subject", "action", "subaction", "camera")))
    found = re.fullmatch(r"([^/_.]+)[/_](.+)[/_.]([^/_.]+)", name)
    if found is None or "/" in found[2]:
        return None
    take = take_name(found[2]) if re.fullmatch(r"[A-Za-z]+([ _]\d+)?", found[2]) else found[2]
    return f"{found[1]}/{take}/{found[3]}"


def _clip_of_numbers(subject: int, action: int, subaction: int, camera: int) -> str | None:
    """The clip id of Human3.6M's numbers, cameras from 1; None for a number that no action has."""
    if not 0 <= action - 2 < len(NUMBERED_ACTIONS):
        return None
    take = take_of_subaction(f"S{subject}", NUMBERED_ACTIONS[action - 2], subaction)
    return f"S{subject}/{take}/{CAMERAS[camera - 1]}"


def _plain(name: str) -> str:
    return re.sub(r"[ _./\\-]+", " ", name).casefold()
