"""The ``cmu`` dataset: 157 takes of the CMU Graphics Lab Motion Capture Database under four simulated cameras each.

**Convention.** 30 Hz (frames 0, 4, 8, ... of the 120 Hz takes), skeleton ``h36m17``, cameras and noise of :mod:`posebench.data.simulation`.
The motion is captured; cameras and 2D noise are simulated. Scores are not comparable with those on Human3.6M: hips are narrower and
forearms longer in this skeleton, and there is no detector.

The takes (subject, trial, action, frames at 120 Hz, and the start of the sha256 of the parsed values) are ``takes.csv``.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.resources
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import CHECK_PERMISSIONS, sha256_of_input
from posebench.base.skeletons import skeleton
from posebench.data.cache import CacheEntry, cached
from posebench.data.clip import Clip, ClipInfo, Dataset
from posebench.data.cmu.acclaim import Body, forward_kinematics
from posebench.data.cmu.amc import read_amc
from posebench.data.cmu.asf import read_asf
from posebench.data.people import require_size
from posebench.data.simulation import CAMERAS, PROJECTION_VERSION, SOURCES, simulated_sources, static_camera

Array = npt.NDArray[np.float64]

SPLITS = {"train": ("S01", "S03", "S05", "S14", "S16", "S17", "S131"), "test": ("S07", "S09", "S29", "S35", "S135")}
STRIDE = 4
FPS = 30.0
SKELETON = "h36m17"

#: Raise it when the kinematics change: old cache entries are then ignored. Results do not depend on it.
READER_VERSION = "1"

#: Joint to the ASF bones whose ends are averaged. The ASF root is not used: it is some 92 mm above the pelvis of Human3.6M.
JOINT_ENDS = {
    "pelvis": ("rhipjoint", "lhipjoint"),
    "r_hip": ("rhipjoint",),
    "r_knee": ("rfemur",),
    "r_ankle": ("rtibia",),
    "l_hip": ("lhipjoint",),
    "l_knee": ("lfemur",),
    "l_ankle": ("ltibia",),
    "spine": ("lowerback",),
    "thorax": ("thorax",),
    "neck_nose": ("upperneck",),
    "head_top": ("head",),
    "l_shoulder": ("lclavicle",),
    "l_elbow": ("lhumerus",),
    "l_wrist": ("lwrist",),
    "r_shoulder": ("rclavicle",),
    "r_elbow": ("rhumerus",),
    "r_wrist": ("rwrist",),
}


@dataclass(frozen=True)
class Take:
    """A row of ``takes.csv``; ``frames`` at 120 Hz, ``values`` the first 16 hex digits of :func:`content_digest`."""

    subject: str
    trial: str
    action: str
    frames: int
    values: str

    @property
    def id(self) -> str:
        """Subject and trial, ``S07/07_01``."""
        return f"{self.subject}/{self.trial}"


@cache
def takes() -> tuple[Take, ...]:
    """The 157 takes in dataset order."""
    table = importlib.resources.files("posebench.data.cmu") / "takes.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return tuple(Take(row["subject"], row["trial"], row["action"], int(row["frames"]), row["values"]) for row in rows)


def world_pose(body: Body, values: npt.ArrayLike) -> Array:
    """The 17 joints (F, 17, 3) mm in the world (y up) of AMC values (F, channels).

    Raises:
        PosebenchError: the skeleton lacks one of the bones.
    """
    ends = forward_kinematics(body, values)
    return np.stack([ends[:, [body.index(b) for b in JOINT_ENDS[j]]].mean(axis=1) for j in skeleton(SKELETON).joints], axis=1)


def content_digest(body: Body, values: Array) -> str:
    """sha256 (hex) of a take's content; line ends, compression and frame numbers do not change it.

    **Convention.** JSON of the skeleton (millimetres per unit, then name, parent, direction, length, axis and dof of every bone, parents
    first), a newline, then the float64 values, little-endian, (F, channels).
    """
    bones = [[b.name, b.parent, b.direction, b.length, b.axis, b.dof] for b in body.bones]
    digest = hashlib.sha256(json.dumps([body.mm_per_unit, bones]).encode() + b"\n")
    digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return digest.hexdigest()


def open_cmu(root: str | PathLike[str], progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Open the CMU files below ``root``.

    The first call parses every file. Later calls read the joints from the cache (:mod:`posebench.data.cache`) if the sha256 of every
    file is unchanged.

    Args:
        root: the folder of ``posebench data fetch cmu``, the unpacked official archive (``subjects/07/07.asf``, also below
            ``all_asfamc``, or ``subjects`` itself), or ``S07/S07.asf`` with ``S07/S07_01.amc`` or ``.amc.gz``.
        progress: called with (takes parsed, takes in all).

    Raises:
        PosebenchError: no such layout, missing files, or a file that cannot be parsed.
    """
    files = find_files(Path(root))
    key = hashlib.sha256(f"{READER_VERSION}\n{PROJECTION_VERSION}\n".encode())
    for name, path in files.items():
        key.update(f"{name} {sha256_of_input(path, CHECK_PERMISSIONS)}\n".encode())
    entry = cached("cmu", key.hexdigest(), partial(_parse, files, progress))
    facts = entry.facts

    infos: dict[str, ClipInfo] = {}
    first_row: dict[str, int] = {}
    row = 0
    for take, frames in zip(takes(), facts["frames"], strict=True):
        length = -(-frames // STRIDE)  # rounded up: frame 0 is kept
        first_row[take.id] = row
        row += length
        for camera in CAMERAS:
            infos[f"{take.id}/{camera}"] = ClipInfo(f"{take.id}/{camera}", take.subject, take.id, camera, take.action, length)
    other_counts = [take.id for take, frames in zip(takes(), facts["frames"], strict=True) if frames != take.frames]
    return Dataset(
        name="cmu",
        version="1",
        skeleton=SKELETON,
        fps=FPS,
        infos=infos,
        fingerprint=facts["fingerprint"],
        official=not other_counts,
        splits=dict(SPLITS),
        keypoint_sources=SOURCES,
        load=partial(_load_clip, entry.arrays["poses"], first_row, infos),
        note=_note(entry, other_counts),
        up=(0.0, 1.0, 0.0),
    )


def _note(entry: CacheEntry, other_counts: list[str]) -> str:
    """How the copy differs from the definition."""
    facts = entry.facts
    other_values = [take.id for take, digest in zip(takes(), facts["digests"], strict=True) if digest[:16] != take.values]
    notes = [f"frame counts differ from the definition's in {first_ten(other_counts)}"] if other_counts else []
    notes += [f"values differ from the reference copy's in {first_ten(other_values)}"] if other_values else []
    notes += [first_ten(facts["renumbered"])] if facts["renumbered"] else []
    notes += [entry.note] if entry.note else []
    return "; ".join(notes)


def find_files(root: Path) -> dict[str, Path]:
    """Names of skeletons (``S07``) and takes (``S07/07_01``) to their files, in reading order.

    Raises:
        PosebenchError: the layout is unknown, or files are missing (the first ten are listed).
    """
    subjects = list(dict.fromkeys(take.subject for take in takes()))
    # A layout is a folder, and what its file and folder names put before the number of the subject.
    layouts = [(root, "S")] + [(base, "") for base in (root / "subjects", root / "all_asfamc" / "subjects", root)]

    def path_of(layout: tuple[Path, str], subject: str, file: str) -> Path:
        base, prefix = layout
        return base / f"{prefix}{subject[1:]}" / f"{prefix}{file}"

    def skeleton_path(layout: tuple[Path, str], subject: str) -> Path:
        return path_of(layout, subject, f"{subject[1:]}.asf")

    def present(path: Path) -> Path | None:
        return next((file for file in (path, Path(f"{path}.gz")) if file.is_file()), None)

    layout = next((layout for layout in layouts if any(present(skeleton_path(layout, subject)) for subject in subjects)), None)
    if layout is None:
        raise PosebenchError(
            f"{root}, which {'holds none of the skeletons of the cmu takes' if root.is_dir() else 'is not a folder'}",
            "S07/S07.asf, subjects/07/07.asf, all_asfamc/subjects/07/07.asf or 07/07.asf in it",
            "posebench data fetch cmu",
        )
    wanted = {subject: skeleton_path(layout, subject) for subject in subjects}
    wanted |= {take.id: path_of(layout, take.subject, f"{take.trial}.amc") for take in takes()}
    found = {name: present(path) for name, path in wanted.items()}
    missing = [str(path.relative_to(root)) for name, path in wanted.items() if found[name] is None]
    if missing:
        raise PosebenchError(
            f"{root} without {first_ten(missing)}", f"all {len(wanted)} files of the cmu takes, plain or .gz", "posebench data fetch cmu"
        )
    return {name: path for name, path in found.items() if path is not None}


def _parse(files: Mapping[str, Path], progress: Callable[[int, int], None] | None) -> CacheEntry:
    """Joints (frames of all takes, 17, 3) mm, world, 30 Hz, with the frame count and content digest of each take."""
    bodies: dict[str, Body] = {}
    poses: list[Array] = []
    facts: dict[str, Any] = {"frames": [], "digests": [], "renumbered": []}
    fingerprint = hashlib.sha256(f"projection {PROJECTION_VERSION}\n".encode())
    for take in takes():
        if take.subject not in bodies:
            bodies[take.subject] = read_asf(files[take.subject])
        body = bodies[take.subject]
        # Renumbered frames are accepted: a lost frame would still show in the frame count and in the digest.
        motion = read_amc(files[take.id], body, any_numbers=True)
        digest = content_digest(body, motion.values)
        fingerprint.update(f"{take.id} {digest}\n".encode())
        poses.append(world_pose(body, motion.values[::STRIDE]))
        facts["frames"].append(len(motion.values))
        facts["digests"].append(digest)
        if motion.renumbered:
            facts["renumbered"].append(f"{take.id}: {motion.renumbered}")
        if progress:
            progress(len(poses), len(takes()))
    return CacheEntry({"poses": np.concatenate(poses)}, facts | {"fingerprint": fingerprint.hexdigest()})


def _load_clip(poses: Array, first_row: Mapping[str, int], infos: Mapping[str, ClipInfo], id: str) -> Clip:
    if id not in infos:
        raise PosebenchError(f"clip {id!r}", f"a clip of cmu: {first_ten(list(infos))}")
    info = infos[id]
    row = first_row[info.take]
    world = np.array(poses[row : row + info.frames])
    camera = static_camera(world[:, 0], info.camera)
    pose = camera.to_camera(world)
    require_size(
        pose, f"{id} of cmu, whose skeleton file states its unit", "get the skeleton (.asf) of the take again: its length unit is wrong"
    )
    return Clip(info, pose, SKELETON, FPS, camera, simulated_sources(camera, pose, id, SKELETON, FPS))
