"""Recordings as a reader finds them in a dataset's files, and the dataset that they make: judged once, then kept in the cache.

**Convention.** A recording is one stretch of motion. Its poses are in the world of its cameras, or in the frame of its single camera where
that moves or has no known place; then the clip's camera has intrinsics only, at the origin, and its rotation says nothing of
the ground. Frames that are not valid hold the nearest valid pose, so that every number is finite; they are never scored and no network is
trained on them.

A frame in which one joint is missing is not valid, whichever joints a metric is of; ``Dataset.seen`` says which joints were missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import sha256_of_input
from posebench.data.bodies import require_body, require_in_front, require_projection
from posebench.data.cache import CacheEntry, cached
from posebench.data.clip import Clip, ClipInfo, Dataset
from posebench.data.people import require_size

Array = npt.NDArray[np.float64]

#: Raise it when the judging or the stored form changes: old cache entries are then ignored.
READER_VERSION = "2"
#: What every copy of these datasets is noted with: no file of them was at hand.
UNTESTED = "this reader was tested on generated files only"


@dataclass(frozen=True, eq=False)
class Recording:
    """One stretch of motion.

    Attributes:
        subject, take, action: labels; ``take`` without the subject.
        name: the second part of its clip ids; differs from ``take`` where a take has several recordings.
        pose: (T, J, 3) mm, world; camera frame where the camera is None or stands at the origin.
        cameras: camera name to calibration; None where it is unknown and the poses are in this camera's frame.
        keypoints: source to camera to (T, K, 2) px.
        valid: (T,) frames that may be scored; None for all.
        seen: (T, J) joints that the files hold; None for all. A frame that lacks one may not be scored.
    """

    subject: str
    take: str
    action: str
    name: str
    pose: Array
    cameras: Mapping[str, Camera | None]
    keypoints: Mapping[str, Mapping[str, npt.NDArray[np.floating]]] = field(default_factory=dict)
    valid: npt.NDArray[np.bool_] | None = None
    seen: npt.NDArray[np.bool_] | None = None

    @property
    def scorable(self) -> npt.NDArray[np.bool_]:
        """(T,) frames that may be scored and lack no joint."""
        usable = np.ones(len(self.pose), dtype=bool) if self.valid is None else self.valid
        return usable if self.seen is None else np.asarray(usable & self.seen.all(axis=1))


@dataclass(frozen=True, eq=False)
class Layout:
    """What is the same for every copy of a dataset.

    Attributes:
        name, version: of the definition.
        skeleton: joint order of the poses.
        fps: frames per second; nominal where frames are not evenly spaced.
        unit: in which the files state lengths: ``metres``, ``centimetres`` or ``millimetres``.
        advice: what messages say to do with a file that cannot be used.
        up: unit vector that points up in the world of the cameras; None where it is unknown or the camera moves.
        skeletons: keypoint source to joint order, where it is not that of the poses.
    """

    name: str
    version: str
    skeleton: str
    fps: float
    unit: str
    advice: str
    up: tuple[float, float, float] | None = None
    skeletons: Mapping[str, str] = field(default_factory=dict)

    def wrong(self, found: str, wanted: str) -> PosebenchError:
        """The error for a file that holds something else."""
        return PosebenchError(found, wanted, self.advice)


def still(focal: npt.ArrayLike, centre: npt.ArrayLike, size: tuple[int, int] | None = None) -> Camera:
    """A camera at the origin of its own frame, for poses of a camera that moves; the size by default twice the principal point."""
    middle = np.asarray(centre, dtype=np.float64)
    whole = size or (round(2 * float(middle[0])), round(2 * float(middle[1])))
    return Camera(np.eye(3), np.zeros(3), np.asarray(focal, dtype=np.float64), middle, whole)


def open_recordings(
    layout: Layout,
    files: Sequence[Path],
    read: Callable[[], Iterable[Recording]],
    splits: Mapping[str, Sequence[str]],
    *,
    variant: str = "",
    note: str = "",
    later: Mapping[str, Callable[[str], Array]] | None = None,
    tested: bool = False,
) -> Dataset:
    """The dataset of what ``read`` yields; it is called only if the cache does not know these files.

    Args:
        layout: facts of the dataset.
        files: the files that the recordings are read from; their content is the key of the cache.
        read: yields the recordings.
        splits: split to subjects.
        variant: what else the recordings depend on.
        note: how this copy differs from the definition.
        later: keypoint source to a function from clip id to keypoints, for sources that are read when a clip needs them.
        tested: the reader was tested on files that others wrote; otherwise the dataset's note says that it was not.

    Raises:
        PosebenchError: no recording, or one that is judged to be no people, of another unit, order or camera.
    """
    digest = hashlib.sha256(f"{READER_VERSION} {layout.name} {layout.version} {variant}\n".encode())
    for path in files:
        digest.update(f"{path.name} {sha256_of_input(path, layout.advice)}\n".encode())
    entry = cached(layout.name, digest.hexdigest(), partial(_build, layout, read))
    clips = {facts[0]: _Stored.of(facts) for facts in entry.facts["clips"]}
    present = {stored.info.subject for stored in clips.values()}
    kept = {split: tuple(subject for subject in subjects if subject in present) for split, subjects in splits.items()}
    sources = tuple(dict.fromkeys(source for stored in clips.values() for source in stored.sources))
    return Dataset(
        name=layout.name,
        version=layout.version,
        skeleton=layout.skeleton,
        fps=layout.fps,
        infos={id: stored.info for id, stored in clips.items()},
        fingerprint=entry.facts["fingerprint"],
        official=False,
        splits={"train": (), "test": ()} | {split: subjects for split, subjects in kept.items() if subjects},
        keypoint_sources=(*sources, *(later or {})),
        load=partial(_load, layout, entry.arrays, clips, later or {}),
        note="; ".join(part for part in ("" if tested else UNTESTED, note, _left_out(entry.facts["empty"]), entry.note) if part),
        valid={id: rows for id, stored in clips.items() if len(rows := _valid(entry.arrays, stored)) < stored.info.frames},
        up=layout.up,
        seen=_gaps(entry.arrays, clips),
    )


def _left_out(empty: list[str]) -> str:
    return f"no frame with all joints in {first_ten(empty)}, left out" if empty else ""


def _gaps(arrays: Mapping[str, npt.NDArray[Any]], clips: Mapping[str, _Stored]) -> dict[str, npt.NDArray[np.bool_]]:
    if "seen" not in arrays:
        return {}
    return {id: seen for id, stored in clips.items() if not (seen := arrays["seen"][stored.rows]).all()}


@dataclass(frozen=True)
class _Stored:
    """A clip in the cache: its labels, where its arrays start, and its camera."""

    info: ClipInfo
    start: int
    camera: Camera | None
    sources: Mapping[str, int]

    @classmethod
    def of(cls, facts: Sequence[Any]) -> _Stored:
        """From the JSON values of :func:`_build`."""
        id, subject, take, action, frames, start, camera, sources = facts
        names = dict(sources) if camera is None else {"gt": -1} | dict(sources)
        return cls(ClipInfo(id, subject, take, id.rpartition("/")[2], action, frames), start, _camera(camera), names)

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.info.frames)


def _camera(facts: Mapping[str, Any] | None) -> Camera | None:
    if facts is None:
        return None
    arrays = {name: np.array(values) for name, values in facts.items() if name != "size"}
    return Camera(**arrays, size=(int(facts["size"][0]), int(facts["size"][1])))


def _facts_of(camera: Camera | None) -> dict[str, Any] | None:
    if camera is None:
        return None
    names = ("rotation", "position", "focal", "centre", "radial", "tangential")
    return {"size": list(camera.size)} | {name: getattr(camera, name).tolist() for name in names}


def _valid(arrays: Mapping[str, npt.NDArray[Any]], stored: _Stored) -> npt.NDArray[np.int64]:
    return np.flatnonzero(arrays["valid"][stored.rows]).astype(np.int64)


def _build(layout: Layout, read: Callable[[], Iterable[Recording]]) -> CacheEntry:
    poses: list[Array] = []
    valids: list[npt.NDArray[np.bool_]] = []
    seens: list[npt.NDArray[np.bool_]] = []
    empty: list[str] = []
    points: dict[str, list[npt.NDArray[np.float32]]] = {}
    clips: list[Any] = []
    start, starts, seen = 0, dict[str, int](), set[str]()
    digest = hashlib.sha256(f"{layout.name} {layout.version}\n".encode())
    for one in read():
        frames = len(one.pose)
        valid = one.scorable
        if not valid.any():
            empty.append(f"{one.subject}/{one.name}")
            continue
        pose = _filled(np.asarray(one.pose, dtype=np.float64), valid)
        _judge(layout, one, pose, valid)
        for name, camera in one.cameras.items():
            id = f"{one.subject}/{one.name}/{name}"
            if id in seen:
                raise layout.wrong(f"{id} twice", "each clip once")
            seen.add(id)
            sources = {}
            for source, by_camera in one.keypoints.items():
                if name not in by_camera:
                    continue
                array = np.nan_to_num(np.asarray(by_camera[name], dtype=np.float32))
                key = f"keypoints {source}"
                sources[source] = starts.get(key, 0)
                starts[key] = sources[source] + frames
                points.setdefault(key, []).append(array)
            take = f"{one.subject}/{one.take}"
            clips.append([id, one.subject, take, one.action, frames, start, _facts_of(camera), sources])
            digest.update(f"{id} {frames} {one.action}\n".encode())
        digest.update(np.round(pose[valid] * 100.0).astype("<i8").tobytes() + valid.tobytes())
        poses.append(pose)
        seens.append(one.seen if one.seen is not None else np.ones(pose.shape[:2], dtype=bool))
        valids.append(valid)
        start += frames
    if not clips:
        raise layout.wrong(f"no recording of {layout.name} with a frame that may be scored", "at least one")
    arrays: dict[str, npt.NDArray[Any]] = {"poses": np.concatenate(poses), "valid": np.concatenate(valids)}
    if not all(seen.all() for seen in seens):
        arrays["seen"] = np.concatenate(seens)
    arrays |= {key: np.concatenate(values) for key, values in points.items()}
    return CacheEntry(arrays, {"clips": clips, "fingerprint": digest.hexdigest(), "empty": empty})


def _filled(pose: Array, valid: npt.NDArray[np.bool_]) -> Array:
    """The poses, in frames that are not valid those of the nearest valid frame."""
    if valid.all():
        return pose
    good = np.flatnonzero(valid)
    after = np.clip(np.searchsorted(good, np.arange(len(pose))), 0, len(good) - 1)
    before = np.maximum(after - 1, 0)
    frames = np.arange(len(pose))
    nearest = np.where(np.abs(good[before] - frames) <= np.abs(good[after] - frames), good[before], good[after])
    return pose[nearest]


def _judge(layout: Layout, one: Recording, pose: Array, valid: npt.NDArray[np.bool_]) -> None:
    """Refuse a recording that holds no people, or other ones than its layout states."""
    place = f"{layout.name}, {one.subject}/{one.name}"
    scored = pose[valid]
    if not np.isfinite(scored).all():
        raise layout.wrong(f"{place}: a pose that is not finite", "finite numbers in every valid frame")
    require_size(scored, place, layout.advice, stated=layout.unit)
    require_body(scored, layout.skeleton, place, layout.advice)
    for name, camera in one.cameras.items():
        seen = scored if camera is None else camera.to_camera(scored)
        if camera is not None:
            require_in_front(seen, f"{place}/{name}", layout.advice)
        for source, by_camera in one.keypoints.items():
            if name in by_camera:
                order = layout.skeletons.get(source, layout.skeleton)
                points = np.asarray(by_camera[name], dtype=np.float64)[valid]
                require_projection(seen, layout.skeleton, points, order, f"{place}/{name}, {source}", layout.advice)


def _load(
    layout: Layout,
    arrays: Mapping[str, npt.NDArray[Any]],
    clips: Mapping[str, _Stored],
    later: Mapping[str, Callable[[str], Array]],
    id: str,
) -> Clip:
    if id not in clips:
        raise PosebenchError(f"clip {id!r}", f"a clip of {layout.name}: {first_ten(list(clips))}")
    stored = clips[id]
    camera = stored.camera
    pose = np.array(arrays["poses"][stored.rows], dtype=np.float64)
    pose = pose if camera is None else camera.to_camera(pose)

    def kept(source: str) -> Array:
        first = stored.sources[source]
        if first < 0:
            assert camera is not None
            return camera.project(pose)
        return np.array(arrays[f"keypoints {source}"][first : first + len(pose)], dtype=np.float64)

    sources: dict[str, Callable[[], Array]] = {source: partial(kept, source) for source in stored.sources}
    sources |= {source: partial(function, id) for source, function in later.items()}
    return Clip(
        stored.info, pose, layout.skeleton, layout.fps, camera, sources, lambda source: layout.skeletons.get(source, layout.skeleton)
    )


def subjects_by_split(pairs: Iterable[tuple[str, str]]) -> tuple[dict[tuple[str, str], str], dict[str, list[str]]]:
    """(subject, split) to the subject's label, and split to labels: a subject of several splits is one for each, ``d04-train``."""
    splits: dict[str, list[str]] = {}
    for subject, split in pairs:
        splits.setdefault(subject, [])
        if split not in splits[subject]:
            splits[subject].append(split)
    labels = {(who, split): who if len(of) == 1 else f"{who}-{split}" for who, of in splits.items() for split in of}
    by_split: dict[str, list[str]] = {}
    for (_, split), label in labels.items():
        by_split.setdefault(split, []).append(label)
    return labels, by_split


def mapping(value: object, layout: Layout, place: str, keys: Iterable[str] = ()) -> dict[str, Any]:
    """``value`` as a dict that has ``keys``.

    Raises:
        PosebenchError: it is something else; ``place`` names it.
    """
    if not isinstance(value, dict):
        raise layout.wrong(f"{place}: a {type(value).__name__}", "a dict")
    missing = [key for key in keys if key not in value]
    if missing:
        have = first_ten([str(key) for key in value]) or "nothing"
        raise layout.wrong(f"{place} without {', '.join(missing)} (it has {have})", "all of them")
    return value
