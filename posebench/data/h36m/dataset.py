"""The ``h36m`` dataset: the user's own copy of Human3.6M, in any of its usual layouts.

**Convention.** Skeleton ``h36m17``; clip id ``S9/Greeting 1/54138969``: subject, take (named as in :mod:`posebench.data.h36m.names`),
camera. Poses in the camera frame, mm, float64. 50 Hz; a copy that holds a subset of the frames says so in its note, numbers the frames
that it holds from 0, and is never official. Keypoints ``gt`` are those of the copy if it has any of 17 joints, else the pose projected
with distortion (as VideoPose3D does, without its clamp).

Poses are read once and then mapped from the cache (:mod:`posebench.data.cache`); a 2D source is read when it is first used. Layouts,
cameras, counts: ``docs/h36m.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import CHECK_PERMISSIONS, sha256_of_input
from posebench.data.cache import CacheEntry, cached
from posebench.data.clip import Array, Clip, ClipInfo, Dataset
from posebench.data.h36m.cameras import ADVICE, Cameras, find_cameras, read_cameras
from posebench.data.h36m.copy import Finder, H36MCopy, Opener, Progress
from posebench.data.h36m.layouts import cdf, h36m_fetch, martinez, mmpose, videopose3d
from posebench.data.h36m.metadata import read_metadata
from posebench.data.h36m.names import CAMERAS, DAMAGED, SPLITS, SUBJECTS, TEST_FRAMES, UNREADABLE, Mapped, action_of, in_order
from posebench.data.h36m.sources import SKELETON, ExactKeypoints, SourceOrders, completed, joint_order, order_of_source, read_keypoints
from posebench.data.people import require_size

FPS = 50.0
#: Raise it when the reading changes: old cache entries are then ignored. Results do not depend on it.
READER_VERSION = "1"

#: Layout to its finder, its opener, and the files by which it is recognised.
LAYOUTS: dict[str, tuple[Finder, Opener, str]] = {
    "videopose3d": (videopose3d.find, videopose3d.open_copy, "data_3d_h36m.npz"),
    "h36m-cdf": (cdf.find, cdf.open_copy, "S9/MyPoseFeatures/D3_Positions_mono/*.cdf or D3_Positions/*.cdf"),
    "martinez": (martinez.find, martinez.open_copy, "S9/MyPoses/3D_positions/*.h5"),
    "mmpose": (mmpose.find, mmpose.open_copy, "h36m_test.npz, also below annotation_body3d/fps10"),
    "h36m-fetch": (h36m_fetch.find, h36m_fetch.open_copy, "S9/Greeting-1/annot.h5"),
}


def open_h36m(root: str | PathLike[str], *, cameras: str | PathLike[str] | None = None, progress: Progress | None = None) -> Dataset:
    """Open a copy of Human3.6M below ``root``.

    Args:
        root: the folder of a layout in :data:`LAYOUTS`, or the ``.npz`` file itself if a folder holds several copies.
        cameras: the camera file, if the folder has none: ``metadata.xml``, ``cameras.h5``, ``cameras.pkl`` or ``h36m_dataset.py``.
        progress: called with (files or takes read, in all) while a copy is read for the first time.

    Raises:
        PosebenchError: no layout or several are found, cameras are missing or do not fit the poses, or a file cannot be used.
    """
    copy, mapped = _find_copy(Path(root), Path(cameras) if cameras is not None else None)
    entry = _read_poses(copy, mapped, progress)
    parts: dict[str, tuple[int, int]] = {name: (start, frames) for name, start, frames in entry.facts["parts"]}
    file = Path(cameras) if cameras is not None else find_cameras(*copy.folders)
    known = read_cameras(file) if file is not None else {}
    infos = _clip_infos(copy, parts)
    _check_unit(copy, entry.arrays["poses"], parts)
    first = next(((info.id, info.frames) for info in infos.values()), None)
    load = partial(_load_clip, copy, SourceOrders(copy, first), entry.arrays["poses"], parts, known, infos)
    _check_cameras(copy, infos, known, file)
    if file is not None:
        _check_views(copy, infos, load, file)

    fingerprint = hashlib.sha256("".join(f"{info.id} {info.frames}\n" for info in infos.values()).encode()).hexdigest()
    differs = _differences(infos) if copy.fps == FPS else [copy.note]
    # A copy without the unreadable take S11 Directions is still official, since no protocol scores that take.
    origin = f"layout {copy.layout}, {f'cameras of {file.name}' if file else 'no cameras'}, positions {entry.facts['positions'][:16]}"
    notes = [*differs, *_remarks(infos), *([entry.note] if entry.note else []), origin]
    return Dataset(
        name="h36m",
        version="1",
        skeleton=SKELETON,
        fps=copy.fps,
        infos=infos,
        fingerprint=fingerprint,
        official=not differs,
        splits={split: tuple(s for s in subjects) for split, subjects in SPLITS.items()},
        keypoint_sources=tuple(dict.fromkeys(["gt", *copy.keypoints])),
        load=load,
        note="; ".join(notes),
        up=(0.0, 0.0, 1.0),
        unreadable=(UNREADABLE,),
    )


def details(dataset: Dataset) -> dict[str, object]:
    """Facts for ``posebench data info h36m`` in addition to :func:`posebench.data.clip.describe`, as JSON values."""
    infos = dataset.infos.values()
    cameras = {name: sum(info.camera == name for info in infos) for name in CAMERAS}
    joints = {source: joint_order(dataset, source) for source in dataset.keypoint_sources}
    rules = {source: how for source in joints if (how := completed(dataset, source))}
    return {
        "cameras": ", ".join(f"{name}: {count} clips" for name, count in cameras.items()),
        "keypoint joints": ", ".join(f"{source}: {id}" for source, id in joints.items() if id != SKELETON) or f"{SKELETON} in all",
        **({"completed joints": "; ".join(f"{source}: {how}" for source, how in rules.items())} if rules else {}),
        "damaged takes": ", ".join(take for take in DAMAGED if any(info.take == take for info in infos)) or "none present",
        "missing": first_ten(_missing(dataset.infos)) or "nothing",
        "test frames": f"{_test_frames(dataset.infos):,} of {sum(TEST_FRAMES.values()):,}",
    }


def _find_copy(root: Path, cameras: Path | None) -> tuple[H36MCopy, Mapped]:
    """The one copy at ``root``, and the names of takes in its ``metadata.xml`` (empty if there is none)."""
    found = [(name, path) for name, (find, _, _) in LAYOUTS.items() for path in find(root)]
    if not found:
        known = "; ".join(f"{name}: {files}" for name, (_, _, files) in LAYOUTS.items())
        what = "no layout of Human3.6M is recognised" if root.is_dir() else "no such folder"
        raise PosebenchError(f"{root}: {what}", known, "name the folder with --root; docs/h36m.md says how to obtain the files")
    if len(found) > 1:
        raise PosebenchError(
            f"{root} holds {len(found)} copies of Human3.6M: " + ", ".join(f"{name} at {path}" for name, path in found),
            "one, so that it is clear which is scored",
            "point --root at one of them (the .npz file or the inner folder), or move the others away",
        )
    ((name, path),) = found
    folders = [root, path, path.parent] if path.name == "processed" else [root, path]
    candidates = [cameras] if cameras is not None and cameras.suffix == ".xml" else []
    candidates += [folder / "metadata.xml" for folder in folders]
    metadata = next((file for file in candidates if file.is_file()), None)
    mapped = read_metadata(metadata).mapped if metadata is not None else {}
    return LAYOUTS[name][1](path, mapped), mapped


def _read_poses(copy: H36MCopy, mapped: Mapped, progress: Progress | None) -> CacheEntry:
    """All poses of the copy, from the cache if its files and the names of its takes are unchanged."""
    key = hashlib.sha256(f"{READER_VERSION} {copy.layout} {sorted(mapped.items())}\n".encode())
    for path in copy.files:
        key.update(f"{path.name} {sha256_of_input(path, CHECK_PERMISSIONS)}\n".encode())
    return cached("h36m", key.hexdigest(), partial(_collect, copy, progress))


def _clip_infos(copy: H36MCopy, parts: Mapping[str, tuple[int, int]]) -> dict[str, ClipInfo]:
    """The clips of the copy in dataset order; ``parts`` maps take ids (poses in the world frame) or clip ids to (start, frames)."""
    infos: dict[str, ClipInfo] = {}
    for subject, name in in_order({(part.split("/")[0], part.split("/")[1]) for part in parts}):
        for camera in CAMERAS:
            take, id = f"{subject}/{name}", f"{subject}/{name}/{camera}"
            part = take if copy.world else id
            if part in parts:
                infos[id] = ClipInfo(id, subject, take, camera, action_of(name), parts[part][1])
    return infos


def _collect(copy: H36MCopy, progress: Progress | None) -> CacheEntry:
    """All poses of a copy in one array, the rows of each take or clip, and a hash of the positions rounded to 0.01 mm."""
    poses: list[npt.NDArray[np.floating]] = []
    parts: list[tuple[str, int, int]] = []
    digests: dict[str, str] = {}
    start = 0
    for name, pose in copy.read(progress):
        if "" in name.split("/") or name.count("/") != (1 if copy.world else 2):
            raise PosebenchError(f"{copy.files[0].parent}: a take named {name!r}", "subject and take", "get the file again from its source")
        if name in digests:
            raise PosebenchError(
                f"{copy.files[0].parent}: {name} twice", "each take once", "two files bear the names of one take: remove one"
            )
        if not np.isfinite(pose).all():
            raise PosebenchError(f"{copy.files[0].parent}: {name} is not finite", "finite poses", "the file is damaged: get it again")
        with np.errstate(invalid="ignore"):  # an absurd coordinate beyond 64 bits still gives some hash
            hundredths = np.rint(pose.astype(np.float64) * (copy.to_mm * 100.0)).astype("<i8")
        digests[name] = hashlib.sha256(hundredths.tobytes()).hexdigest()
        parts.append((name, start, len(pose)))
        poses.append(np.ascontiguousarray(pose))
        start += len(pose)
    if not poses:
        raise PosebenchError(f"{copy.files[0].parent}: no take of {', '.join(SUBJECTS)}", "poses of these subjects", "name another folder")
    positions = hashlib.sha256("".join(f"{name} {digests[name]}\n" for name in sorted(digests)).encode())
    return CacheEntry({"poses": np.concatenate(poses)}, {"parts": parts, "positions": positions.hexdigest()})


def _has_keypoints(copy: H36MCopy, source: str, id: str, frames: int) -> bool:
    """Whether a copy has a source's keypoints of a clip; of a video that cannot be read it may have none."""
    try:
        copy.keypoints[source](id, frames)
    except PosebenchError:
        return False
    return True


def _load_clip(
    copy: H36MCopy,
    orders: SourceOrders,
    poses: npt.NDArray[Any],
    parts: Mapping[str, tuple[int, int]],
    cameras: Cameras,
    infos: Mapping[str, ClipInfo],
    id: str,
) -> Clip:
    if id not in infos:
        raise PosebenchError(f"clip {id!r}", f"a clip of h36m: {first_ten(list(infos))}")
    info = infos[id]
    camera = cameras.get((info.subject, info.camera))
    start, frames = parts[info.take if copy.world else id]
    pose: Array = np.asarray(poses[start : start + frames], dtype=np.float64) * copy.to_mm
    if copy.world and camera is not None:
        pose = camera.to_camera(pose)
    names = [source for source in copy.keypoints if info.take != UNREADABLE or _has_keypoints(copy, source, id, frames)]
    sources: dict[str, Callable[[], Array]] = {source: partial(read_keypoints, orders, source, id, frames) for source in names}
    if camera is not None:
        sources = {"gt": ExactKeypoints(sources.get("gt"), camera, pose)} | {k: v for k, v in sources.items() if k != "gt"}
    return Clip(info, pose, SKELETON, copy.fps, camera, sources, partial(order_of_source, orders, sources, id, frames))


def _check_unit(copy: H36MCopy, poses: npt.NDArray[Any], parts: Mapping[str, tuple[int, int]]) -> None:
    """Refuse poses in another unit than the layout's, before cameras are blamed for it."""
    unit = "metres" if copy.to_mm >= 1000.0 else "millimetres"
    for name, (start, frames) in parts.items():
        place = f"{copy.files[0].parent}: {name} in the {copy.layout} layout"
        sample = np.asarray(poses[start : start + frames : max(1, frames // 4)], dtype=np.float64)
        require_size(sample * copy.to_mm, place, f"get the copy again, or write its positions in {unit}", stated=unit)


def _check_cameras(copy: H36MCopy, infos: Mapping[str, ClipInfo], cameras: Cameras, file: Path | None) -> None:
    """Refuse missing cameras if the copy needs them: for poses in the world frame, or to project 2D joints that it lacks."""
    if not copy.world and "gt" in copy.keypoints:
        return
    missing = list(dict.fromkeys(f"{i.subject}/{i.camera}" for i in infos.values() if (i.subject, i.camera) not in cameras))
    if missing:
        what = "holds no camera file" if file is None else f"goes with {file}, which lacks {first_ten(missing)}"
        why = "poses of the world" if copy.world else "no 2D joints of its own"
        raise PosebenchError(
            f"{copy.files[0].parent} {what}", f"the cameras of each subject, since the {copy.layout} layout has {why}", ADVICE
        )


def _check_views(copy: H36MCopy, infos: Mapping[str, ClipInfo], load: Any, file: Path) -> None:
    """Refuse cameras that do not fit the poses, which is how a wrong unit or a transposed rotation shows.

    For each subject and camera, the pelvis of the first frame must be in front of the camera and projected near the image. Cameras of
    ``metadata.xml``, whose Euler angles are easy to misread, must also reproject the copy's own 2D joints.
    """
    first = {(info.subject, info.camera): id for id, info in reversed(list(infos.items())) if info.frames}
    for (subject, name), id in sorted(first.items()):
        clip: Clip = load(id)
        if clip.camera is None:
            continue
        size = np.array(clip.camera.size)
        pelvis = clip.camera.project(clip.pose[0, 0])
        misses = clip.pose[0, 0, 2] <= 0 or (np.abs(pelvis - size / 2) > size).any()
        if not misses and file.suffix == ".xml" and "gt" in copy.keypoints:
            error_px = np.median(np.abs(clip.camera.project(clip.pose[0]) - clip.keypoints("gt")[0]))
            misses = bool(error_px > 5.0)
        if misses:
            raise PosebenchError(
                f"camera {name} of {subject} in {file} does not see the person at the start of {clip.info.take}",
                "the cameras with which this copy was recorded, in the unit and convention of their file",
                ADVICE,
            )


def _test_frames(infos: Mapping[str, ClipInfo]) -> int:
    return sum(i.frames for i in infos.values() if i.subject in SPLITS["test"] and i.take != UNREADABLE)


def _differences(infos: Mapping[str, ClipInfo]) -> list[str]:
    """How the test frames differ from the official ones; empty if they do not."""
    counted = dict.fromkeys(TEST_FRAMES, 0)
    for info in infos.values():
        if info.subject in SPLITS["test"] and info.take != UNREADABLE:
            counted[info.action] = counted.get(info.action, 0) + info.frames
    off = [
        f"{action} {counted[action]}, officially {TEST_FRAMES.get(action, 0)}"
        for action in counted
        if counted[action] != TEST_FRAMES.get(action)
    ]
    return [f"test frames differ: {first_ten(off)}"] if off else []


def _missing(infos: Mapping[str, ClipInfo]) -> list[str]:
    """Subjects without a clip, and subjects with fewer than their 30 takes (S11: 29)."""
    takes: dict[str, set[str]] = {subject: set() for subject in SUBJECTS}
    for info in infos.values():
        takes[info.subject].add(info.take)
    short: Iterable[tuple[str, int, int]] = ((s, len(t - {UNREADABLE}), 29 if s == "S11" else 30) for s, t in takes.items())
    return [f"all of {s}" if have == 0 else f"{want - have} of {want} takes of {s}" for s, have, want in short if have < want]


def _remarks(infos: Mapping[str, ClipInfo]) -> list[str]:
    missing = _missing(infos)
    damaged = [take for take in DAMAGED if any(info.take == take for info in infos.values())]
    return ([f"missing: {first_ten(missing)}"] if missing else []) + ([f"damaged takes present: {', '.join(damaged)}"] if damaged else [])
