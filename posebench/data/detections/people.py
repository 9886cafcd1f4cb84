"""The people of a file of detections, each with the frames in which they were found.

**Convention.** Keypoints are pixels from the top-left corner. A keypoint is missing where a number is not finite, where it lies at exactly
(0, 0), or where its score is below the least that is asked for; it is then NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import SKELETONS, skeleton

Array = npt.NDArray[np.float64]

#: Joint order by the number of keypoints, for files that do not state it.
BY_COUNT = {14: "lsp14", 17: "coco17", 18: "openpose18", 25: "openpose25", 26: "halpe26", 133: "coco133"}
#: Share of frames in which people of a right joint order stand upright, and of a wrong one do not.
_MOSTLY = 0.8
#: Frames that tell a joint order from another: a single pose may be of any kind.
_FRAMES = 10
#: Points of a face, which stand in for each other where a person is seen from behind.
FACE = ("nose", "l_eye", "r_eye", "l_ear", "r_ear")


@dataclass(frozen=True, eq=False)
class Person:
    """One person.

    Attributes:
        frames: (n,) frame numbers of the file, ascending.
        points: (n, J, 2) px; NaN where missing.
    """

    frames: npt.NDArray[np.int64]
    points: Array


@dataclass(frozen=True, eq=False)
class Detections:
    """What a file holds.

    Attributes:
        kind: what the file is, in words.
        skeleton: joint order.
        people: by the file's own ids.
        size: of the images (width, height) px; None where the file does not state it.
        notes: what was left out.
    """

    kind: str
    skeleton: str
    people: Mapping[str, Person]
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Detection:
    """One person in one frame, as a file states it: (J, 3) x, y and score, the id or an empty text, and the area of the box or 0."""

    frame: int
    id: str
    points: Array
    area: float = 0.0


def gathered(
    found: list[Detection], kind: str, order: str, place: str, *, least: float, largest: bool, size: tuple[int, int] | None = None
) -> Detections:
    """Detections of frames as people.

    Args:
        found: in the order of the file.
        kind: of the file.
        order: skeleton id; empty to tell it by the number of keypoints.
        place: the file, for messages.
        least: score below which a keypoint is missing.
        largest: of several people without ids, or with ids that are not to be used, take the largest of each frame.
        size: of the images.

    Raises:
        PosebenchError: nothing was found, an order that does not fit, or several people in a frame that the file does not distinguish.
    """
    if not found:
        raise PosebenchError(f"{place}: no person in {kind}", "at least one detection", "name another file")
    counts = sorted({len(one.points) for one in found})
    stated = bool(order)
    order = order or BY_COUNT.get(counts[0], "")
    if len(counts) > 1 or not order or len(skeleton(order)) != counts[0]:
        wrong = f", and {order} has {len(skeleton(order))}" if order else ""
        known = ", ".join(f"{count} ({id})" for count, id in BY_COUNT.items())
        raise PosebenchError(
            f"{place}: {' or '.join(map(str, counts))} keypoints a person{wrong}", f"one number for all: {known}", "state --skeleton"
        )
    by_person: dict[str, dict[int, Detection]] = {}
    doubled = 0
    for one in found:
        frames = by_person.setdefault("0" if largest else one.id or "0", {})
        other = frames.get(one.frame)
        if other is not None:
            if not largest and not one.id:
                raise PosebenchError(
                    f"{place}: several people in frame {one.frame}, and no ids that tell them apart",
                    "ids of a tracker (idx, track_id, person_id), or one person a frame",
                    "track the people with the detector, or take the largest person of each frame: --largest",
                )
            doubled += 1
            better = _size(one) > _size(other) if largest else one.points[:, 2].sum() > other.points[:, 2].sum()
            one = one if better else other
        frames[one.frame] = one
    notes = []
    if doubled:
        notes.append(f"{doubled} detections left out: " + ("smaller people" if largest else "an id twice in a frame, with lower scores"))
    people = {}
    for id, frames in by_person.items():
        numbers = sorted(frames)
        values = np.stack([frames[number].points for number in numbers])
        points = _with_gaps(values, least, skeleton(order).joints)
        if np.isfinite(points).any():
            people[id] = Person(np.array(numbers, dtype=np.int64), points)
    if not people:
        raise PosebenchError(f"{place}: no keypoint with a score of {least:g} or more", "keypoints that were seen", "lower --min-score")
    notes += _judged_order(people, order, place, stated=stated)
    return Detections(kind, order, people, size, tuple(notes))


def _judged_order(people: Mapping[str, Person], order: str, place: str, *, stated: bool) -> list[str]:
    """A note on people who stand on their heads in an order, and on their feet in another one; refused if none is stated."""
    points = np.concatenate([person.points for person in people.values()])
    if not _upright(points, order) < 1.0 - _MOSTLY:
        return []
    likely = [one for one, names in SKELETONS.items() if len(names) == len(skeleton(order)) and _upright(points, one) > _MOSTLY]
    if not likely:
        return []
    found = f"people upside down in the joint order {order}, and on their feet in {' or '.join(likely)}"
    if not stated:
        advice = f"--skeleton {likely[0]}; or --skeleton {order}, if they do stand on their heads"
        raise PosebenchError(f"{place}: {found}", "the joint order of the keypoints", advice)
    return [found]


def _upright(points: Array, order: str) -> float:
    """Share of keypoints (n, J, 2) with shoulders above hips above ankles, of those in which all were seen; NaN where these are few."""
    joints = skeleton(order)
    names = [[f"{side}_{joint}" for side in "lr"] for joint in ("shoulder", "hip", "ankle")]
    if any(name not in joints.joints for pair in names for name in pair):
        return np.nan
    with np.errstate(over="ignore"):
        heights = np.stack([points[:, [joints.index(name) for name in pair], 1].mean(axis=1) for pair in names])
    heights = heights[:, np.isfinite(heights).all(axis=0)]
    return float((np.diff(heights, axis=0) > 0.0).all(axis=0).mean()) if heights.shape[1] >= _FRAMES else np.nan


def _size(one: Detection) -> float:
    if one.area > 0.0:
        return one.area
    seen = one.points[(one.points[:, :2] != 0.0).any(axis=1), :2]
    return float(np.prod(np.ptp(seen, axis=0))) if len(seen) else 0.0


def _with_gaps(values: Array, least: float, joints: tuple[str, ...]) -> Array:
    """Points (n, J, 2) of x, y and score (n, J, 3); missing ones are NaN, but for a face of which a point was seen."""
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(values).all(axis=-1) & (values[..., :2] != 0.0).any(axis=-1) & (values[..., 2] >= least)
    points = np.where(seen[..., None], values[..., :2], np.nan)
    face = [joints.index(name) for name in FACE if name in joints]
    if face:
        count = seen[:, face].sum(axis=1)
        with np.errstate(over="ignore"):
            middle = np.where(seen[:, face, None], values[:, face, :2], 0.0).sum(axis=1) / np.maximum(count, 1)[:, None]
        for joint in face:
            instead = ~seen[:, joint] & (count > 0)
            points[instead, joint] = middle[instead]
    return points
