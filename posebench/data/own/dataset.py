"""A folder of the user's own motion as a dataset.

**Convention.** Poses are turned so that y is up in the world; real cameras turn with them. Where the card says so the four cameras of
``cmu`` stand around each take, with the floor where the card or the lowest joint puts it. Clip ids are ``subject/take/camera``.

A file is judged as those of other datasets are (size, limbs, knees, cameras), and by what its card states: the person stands along ``up``,
and moves as fast as people do at ``fps``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import sha256_of_input
from posebench.base.skeletons import skeleton
from posebench.data.clip import Clip, Dataset
from posebench.data.own.cameras import Rig, read_rig
from posebench.data.own.card import ADVICE, CAPTURES, CARD, UNITS, UPS, Card, read_card
from posebench.data.own.sources import SourceFile, contents, find_sources, order_of, read_source
from posebench.data.own.takes import TakeFile, find_takes, read_take, to_y_up
from posebench.data.people import not_a_person
from posebench.data.recordings import Layout, Recording, open_recordings, subjects_by_split
from posebench.data.simulation import CAMERAS, SOURCES, simulated_sources, static_camera

Array = npt.NDArray[np.float64]

#: The protocol beside the card, which trainings are scored under.
PROTOCOL = "protocol.toml"
#: Height of the lowest joint over the floor where the floor is measured: that of an ankle, mm.
ANKLE = 80.0
#: Farthest that the feet of a take may be from the floor that the card states, mm: people on a stair or a box.
OFF_FLOOR = 1000.0
#: Least and greatest height of a person who stands, from the lengths of its bones, mm.
STATURE = (1200.0, 2200.0)
#: Ankle to shoulder as a share of the height: 0.818 - 0.039, by Drillis and Contini's lengths of segments.
SHARE_OF_HEIGHT = 0.78
#: Greatest median speed of a joint over the root, mm/s.
SPEED = 5000.0
#: Least share of joints in the image of a camera that sees them.
IN_IMAGE = 0.5
#: Least cosine of the angle between the person and ``up``, median over frames.
_ALONG = 0.5


def open_own(root: str | PathLike[str], progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Open a folder with a card.

    Raises:
        PosebenchError: no card or one with an open question; a file that cannot be read, or that does not hold what the card states.
    """
    folder = Path(root)
    card = read_card(folder)
    takes = find_takes(folder, card)
    rig, rig_file = read_rig(folder, card.camera_mm)
    if rig_file and card.simulated:
        raise PosebenchError(f"{rig_file}, and simulated cameras in the card", "one of the two", "remove [rig] simulated, or the file")
    if not rig_file and not card.simulated:
        wanted = 'cameras.toml, or [rig] simulated = "cmu" in the card'
        raise PosebenchError(f"{folder} without cameras", wanted, ADVICE)
    sources = find_sources(folder, {name: source.skeleton for name, source in card.sources.items()})
    labels, splits = _splits(card, takes)
    layout = Layout(
        name=card.name,
        version=card.version,
        skeleton=card.skeleton,
        fps=card.fps,
        unit="millimetres",
        advice=ADVICE,
        up=None if card.frame == "camera" else (0.0, 1.0, 0.0),
        skeletons={name: order_of(listed) for name, listed in sources.items()},
    )

    def read() -> Iterator[Recording]:
        for number, one in enumerate(takes, 1):
            if (label := labels.get((one.subject, one.take))) is not None:
                yield _recording(one, label, card, rig, sources, layout)
            if progress:
                progress(number, len(takes))

    used = [one.path for one in takes if (one.subject, one.take) in labels]
    detected = [path for listed in sources.values() for path in contents(listed)]
    files = [*used, *([rig_file] if rig_file else []), *detected]
    dataset = open_recordings(
        layout, files, read, splits, variant=_variant(card, used, folder), note=_note(card, rig, takes, labels), tested=True
    )
    protocol = folder / PROTOCOL
    fingerprint = _fingerprint(dataset.fingerprint, card, rig, detected)
    dataset = replace(dataset, fingerprint=fingerprint, protocol=str(protocol) if protocol.is_file() else "")
    return _with_noise(dataset)


def _with_noise(dataset: Dataset) -> Dataset:
    """The dataset with the noisy keypoint sources of ``cmu`` beside the projection, where clips have cameras."""
    if "gt" not in dataset.keypoint_sources:
        return dataset
    inner = dataset.load

    def load(id: str) -> Clip:
        clip = inner(id)
        if clip.camera is None:
            return clip
        made = simulated_sources(clip.camera, clip.pose, id, clip.skeleton, clip.fps)
        return replace(clip, sources={**made, **clip.sources})

    made = [name for name in SOURCES if name not in dataset.keypoint_sources]
    return replace(dataset, load=load, keypoint_sources=(*dataset.keypoint_sources, *made))


def action_of(subject: str, take: str) -> str:
    """What a take shows, by its name: without its number, and without the subject in front; the whole name where that leaves nothing.

    Example:
        >>> action_of("S1", "walk_02"), action_of("S1", "S1_walk_02"), action_of("07", "07_01")
        ('walk', 'walk', '07_01')
    """
    left = take.removeprefix(subject).strip("_- ").rstrip("0123456789").rstrip("_- ")
    return left or take


def _splits(card: Card, takes: list[TakeFile]) -> tuple[dict[tuple[str, str], str], dict[str, list[str]]]:
    """(subject, take) to the subject's label, for the takes of a split; and split to labels."""
    split_of: dict[tuple[str, str], str] = {}
    present = {(one.subject, one.take) for one in takes}
    for split, members in card.splits.items():
        for member in members:
            subject, _, take = member.partition("/")
            chosen = [key for key in present if key[0] == subject and take in ("", key[1])]
            if not chosen:
                known = first_ten(sorted({f"{one.subject}/{one.take}" for one in takes}))
                raise PosebenchError(f"{CARD}: splits.{split} names {member}", f"a subject or take of {known}", ADVICE)
            split_of |= dict.fromkeys(chosen, split)
    unknown = [take for take in card.actions if tuple(take.split("/", 1)) not in present]
    if unknown:
        raise PosebenchError(f"{CARD}: actions names {first_ten(unknown)}", "takes subject/take of this folder", ADVICE)
    labels, by_split = subjects_by_split(sorted((subject, split) for (subject, _), split in split_of.items()))
    return {key: labels[key[0], split] for key, split in split_of.items()}, by_split


def _recording(one: TakeFile, label: str, card: Card, rig: Rig, sources: Mapping[str, list[SourceFile]], layout: Layout) -> Recording:
    take = read_take(one, card)
    pose, place = take.pose, str(one.path)
    if not take.valid.any():
        raise layout.wrong(f"{place}: no frame in which all joints were seen", "at least one")
    with np.errstate(over="ignore", invalid="ignore"):
        if card.up:
            pose = to_y_up(pose, card.up)
            _require_upright(pose[take.valid], card, place, layout)
        _require_stature(pose[take.valid], card, place, layout)
    if (fault := not_a_person(pose[take.valid])) is not None:
        frame = int(np.flatnonzero(take.valid)[fault[0]])
        wrong = f"{place}: the pose of frame {frame} at {card.fps:g} Hz {fault[1]}"
        raise layout.wrong(wrong, "poses of a person; a joint that was not seen is NaN, or marked in valid")
    _require_speed(pose, take.valid, card, place, layout)
    if card.simulated:
        pose = pose - [0.0, _floor(pose[take.valid], card, place, layout), 0.0]
        root = list(skeleton(card.skeleton).root_indices)
        pelvis = pose[take.valid][:, root].mean(axis=1)
        cameras: dict[str, Camera | None] = {name: static_camera(pelvis, name) for name in CAMERAS}
    else:
        known = rig.of(one.subject, one.take)
        if one.camera:
            if one.camera not in known:
                raise layout.wrong(f"{place}: camera {one.camera}", f"one of {first_ten(list(known))}, which have a calibration")
            cameras = {one.camera: _unplaced(known[one.camera])}
        else:
            cameras = {name: _turned(camera, card.up) for name, camera in known.items()}
        if not cameras:
            raise layout.wrong(f"{place}: no camera of {one.subject}/{one.take}", "a camera in cameras.toml for every take")
        _require_in_image(pose[take.valid], cameras, place, layout)
    keypoints = {
        name: {
            camera: read_source(found, layout.skeletons[name], len(pose)) for camera in cameras if (found := _source(files, one, camera))
        }
        for name, files in sources.items()
    }
    action = card.actions.get(f"{one.subject}/{one.take}", action_of(one.subject, one.take))
    present = {name: by_camera for name, by_camera in keypoints.items() if by_camera}
    return Recording(label, one.take, action, one.take, pose, cameras, present, take.valid, take.seen)


def _source(files: list[SourceFile], one: TakeFile, camera: str) -> SourceFile | None:
    return next((file for file in files if (file.subject, file.take, file.camera) == (one.subject, one.take, camera)), None)


def _turned(camera: Camera, up: str) -> Camera:
    """The camera in the world whose y is up."""
    turn = np.array(UPS[up], dtype=np.float64)
    return replace(camera, rotation=camera.rotation @ turn.T, position=turn @ camera.position)


def _unplaced(camera: Camera) -> Camera:
    """The camera at the origin of its own frame."""
    return replace(camera, rotation=np.eye(3), position=np.zeros(3))


def _floor(pose: Array, card: Card, place: str, layout: Layout) -> float:
    """Height of the floor: the card's, or :data:`ANKLE` below the lowest joint of all but one in a hundred frames.

    Raises:
        PosebenchError: the card's is farther than :data:`OFF_FLOOR` from the feet.
    """
    measured = float(np.quantile(pose[..., 1].min(axis=1), 0.01)) - ANKLE
    if card.floor is None:
        return measured
    if abs(measured - card.floor) > OFF_FLOOR:
        side = "above" if measured > card.floor else "below"
        found = f"{place}: feet {abs(measured - card.floor) / 1000.0:.3g} m {side} the floor, if floor = {card.floor / card.mm:g}"
        raise layout.wrong(found, f'a floor at most {OFF_FLOOR / 1000:g} m from the feet, in the unit of the poses, or "measured"')
    return card.floor


def _mean(pose: Array, order: str, *names: str) -> Array | None:
    joints = skeleton(order).joints
    if any(name not in joints for name in names):
        return None
    out: Array = pose[:, [joints.index(name) for name in names]].mean(axis=1)
    return out


def _require_upright(pose: Array, card: Card, place: str, layout: Layout) -> None:
    """Refuse people who do not stand along ``up`` in half of the frames."""
    shoulders, ankles = (_mean(pose, card.skeleton, f"l_{name}", f"r_{name}") for name in ("shoulder", "ankle"))
    if shoulders is None or ankles is None:
        return
    along = shoulders - ankles
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    middle = np.median(along, axis=0)
    if middle[1] < _ALONG:
        turned = {up: float((middle @ np.array(UPS[card.up])) @ np.array(UPS[up])[1]) for up in UPS}
        likely = max(turned, key=lambda up: turned[up])
        seen = f"they stand along {likely}" if turned[likely] >= _ALONG else "they stand along no axis"
        found = f'{place}: people who do not stand along up = "{card.up}" in half of the frames; {seen}'
        raise layout.wrong(found, "the axis that points up; takes of lying people belong in a folder with other ones")


def _require_stature(pose: Array, card: Card, place: str, layout: Layout) -> None:
    """Refuse people of another height than people have, and name the likely unit."""

    def length(*ends: tuple[str, ...]) -> float | None:
        places = [_mean(pose, card.skeleton, *names) for names in ends]
        if any(one is None for one in places):
            return None
        parts = [np.linalg.norm(b - a, axis=1) for a, b in pairwise(places) if a is not None and b is not None]
        return float(np.median(np.sum(parts, axis=0)))

    legs = [length((f"{side}_ankle",), (f"{side}_knee",), (f"{side}_hip",)) for side in "lr"]
    trunk = length(("l_hip", "r_hip"), ("l_shoulder", "r_shoulder"))
    if trunk is None or legs[0] is None or legs[1] is None:
        return
    height = (0.5 * (legs[0] + legs[1]) + trunk) / SHARE_OF_HEIGHT
    if STATURE[0] <= height <= STATURE[1]:
        return
    fits = [name for name, mm in UNITS.items() if STATURE[0] <= height / card.mm * mm <= STATURE[1]]
    likely = f"; in {' or '.join(fits)} it would be right" if fits else f"; a unit of {1700.0 / height * card.mm:.3g} mm would give 1.7 m"
    found = f"{place}: a person {height / 1000.0:.3g} m tall by its bones, if the unit is {card.mm:g} mm{likely}"
    raise layout.wrong(found, f"people {STATURE[0] / 1000:g} to {STATURE[1] / 1000:g} m tall")


def _require_speed(pose: Array, valid: npt.NDArray[np.bool_], card: Card, place: str, layout: Layout) -> None:
    """Refuse joints that move faster about the root than people do: the rate is wrong, or the poses jump."""
    pairs = valid[1:] & valid[:-1]
    if pairs.sum() < 10:
        return
    apart = pose - pose[:, list(skeleton(card.skeleton).root_indices)].mean(axis=1, keepdims=True)
    speed = np.linalg.norm(apart[1:][pairs] - apart[:-1][pairs], axis=-1) * card.fps
    median = float(np.median(speed))
    if median > SPEED:
        found = f"{place}: joints at {median / 1000.0:.0f} m/s about the root (median), if fps = {card.fps:g}"
        raise layout.wrong(found, "people: fps or the unit is wrong, or frames are out of order")


def _require_in_image(pose: Array, cameras: Mapping[str, Camera | None], place: str, layout: Layout) -> None:
    """Refuse cameras that do not look at the people."""
    some = pose[:: max(1, len(pose) // 512)]
    for name, camera in cameras.items():
        assert camera is not None
        points = camera.to_camera(some)
        pixels = camera.project(points)
        seen = (points[..., 2] > 0.0) & (pixels >= 0.0).all(axis=-1) & (pixels <= np.array(camera.size)).all(axis=-1)
        if (share := float(seen.mean())) < IN_IMAGE:
            found = f"{place}: {100 * share:.0f} % of the joints in the image of camera {name}"
            raise layout.wrong(found, "cameras that see the person: their unit ([rig] unit), the axes and the take have to fit the poses")


def _facts(card: Card) -> str:
    """The card without its prose."""
    facts = asdict(card)
    for prose in ("title", "licence", "redistribution", "citation", "url", "capture", "sources"):
        del facts[prose]
    return json.dumps(facts, sort_keys=True, default=list)


def _variant(card: Card, used: list[Path], folder: Path) -> str:
    """What the recordings depend on beside the bytes of the files."""
    return hashlib.sha256(json.dumps([_facts(card), [path.relative_to(folder).as_posix() for path in used]]).encode()).hexdigest()


def _fingerprint(motion: str, card: Card, rig: Rig, sources: list[Path]) -> str:
    """That of the motion, with the card without prose, the cameras, and the files of keypoints."""
    digest = hashlib.sha256(f"{motion} {_facts(card)}\n".encode())
    for name, cameras in (("", rig.common), *rig.special.items()):
        for camera_name, camera in cameras.items():
            arrays = (camera.rotation, camera.position, camera.focal, camera.centre, camera.radial)
            numbers = [float(f"{value:.9g}") for array in arrays for value in array.ravel()]
            digest.update(f"{name} {camera_name} {camera.size} {numbers}\n".encode())
    for path in sources:
        digest.update(sha256_of_input(path, ADVICE).encode())
    return digest.hexdigest()


def _note(card: Card, rig: Rig, takes: list[TakeFile], labels: Mapping[tuple[str, str], str]) -> str:
    notes = [f"capture: {card.capture}, {CAPTURES[card.capture]}"]
    if card.simulated:
        notes.append("cameras and their keypoints are simulated, those of cmu")
    notes += [f"{joint} is {' and '.join(of)}, another joint (equated)" for joint, of in card.equated.items()]
    if rig.left_out > 0.0:
        notes.append(f"tangential distortion of cameras is left out: up to {rig.left_out:.1f} px")
    left = sorted({f"{one.subject}/{one.take}" for one in takes} - {f"{subject}/{take}" for subject, take in labels})
    if left:
        notes.append(f"in no split: {first_ten(left)}")
    return "; ".join(notes)
