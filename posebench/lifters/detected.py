"""From a file of 2D detections to 3D poses: no dataset, and no truth.

**Convention.** Each person is a clip ``<id>/<file>/camera``, with the frame numbers of the file. Keypoints are matched with the lifter's
joints by :mod:`posebench.base.joint_matching`, gaps are filled by :mod:`posebench.data.detections.gaps`, and the parts between longer
gaps are lifted one by one. What was assumed is said in :attr:`Lifted.notes`, which go into the prediction file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera, estimated_camera
from posebench.base.errors import PosebenchError, first_ten
from posebench.base.joint_matching import match_joints
from posebench.data.clip import Clip, Dataset
from posebench.data.detections.files import LEAST_SCORE, read_detections
from posebench.data.detections.gaps import LONGEST, fill
from posebench.data.detections.people import Detections, Person
from posebench.lifters import Lifter, LifterInfo, match_notes
from posebench.lifters.choose import lifter_maker

Array = npt.NDArray[np.float64]

#: Frames of a person from the first to the last, at most.
_MAX_FRAMES = 2**20


@dataclass(frozen=True, eq=False)
class Lifted:
    """Poses lifted from a file.

    Attributes:
        poses: clip id to (n, J, 3) float32, camera frame, root at the origin; mm where the lifter's scale is metric.
        frames: clip id to (n,) frame numbers of the file.
        info: of the lifter.
        joints: how keypoints were matched with the lifter's joints.
        notes: the file, the camera, and what was filled or left out.
    """

    poses: Mapping[str, npt.NDArray[np.float32]]
    frames: Mapping[str, npt.NDArray[np.int64]]
    info: LifterInfo
    joints: tuple[str, ...]
    notes: tuple[str, ...]


def lift(
    keypoints: str | os.PathLike[str],
    lifter: Lifter | str,
    *,
    size: tuple[int, int] | None = None,
    camera: Camera | None = None,
    skeleton: str = "",
    least: float = LEAST_SCORE,
    longest: int = LONGEST,
    largest: bool = False,
) -> Lifted:
    """Lift the people of a file of keypoints.

    Args:
        keypoints: a file or folder that :mod:`posebench.data.detections.files` reads.
        lifter: a lifter, or the name of one: ``flat``, a model of ``posebench models``, a run folder, ``model.onnx``, ``module:function``.
        size: of the images (width, height) px, from which a camera is estimated; by default what the file states.
        camera: the camera, in place of an estimated one.
        skeleton: joint order of the file; empty to tell it by the number of keypoints.
        least: score below which a keypoint is missing.
        longest: frames of a gap that is filled.
        largest: take the largest person of each frame.

    Raises:
        PosebenchError: a file that cannot be read, or does not distinguish its people; no camera and no size; a lifter that cannot be
            used, or that needs joints which the file lacks; or no frame in which all of these were seen.
    """
    if longest < 0 or not 0.0 <= least < 1e9:
        found = f"gaps of {longest} frames" if longest < 0 else f"a least score of {least}"
        raise PosebenchError(found, "a number from 0", "correct --gap or --min-score")
    chosen = _named(lifter) if isinstance(lifter, str) else lifter
    info, path = chosen.info, Path(keypoints)
    found_people = read_detections(path, skeleton=skeleton, least=least, largest=largest)
    match = match_joints(found_people.skeleton, info.skeleton)
    seen_by, said = _camera(camera, size or found_people.size, found_people, path)
    notes = [f"lifted from {path.name}: {found_people.kind}, {found_people.skeleton}", said, *found_people.notes]
    poses, frames, without, filled, dropped, parts = {}, {}, [], 0, 0, 0
    for id, person in found_people.people.items():
        track, first = _track(person, id, path)
        whole = fill(match.of(track), longest)
        if not whole.parts:
            without.append(id)
            continue
        lifted = [chosen.lift(whole.points[start:end], seen_by) for start, end in whole.parts]
        clip = f"{id}/{_stem(path)}/camera"
        with np.errstate(over="ignore"):
            poses[clip] = np.concatenate(lifted).astype(np.float32)
        frames[clip] = np.concatenate([np.arange(start, end) for start, end in whole.parts]) + first
        filled, dropped, parts = filled + whole.filled, dropped + whole.dropped, parts + len(whole.parts)
    if not poses:
        raise PosebenchError(
            f"{path}: no frame in which all joints of {info.skeleton} were seen ({_never_seen(found_people, info.skeleton)})",
            f"{', '.join(_needed(info.skeleton))}, with a score of {least:g} or more",
            "lower --min-score or raise --gap; people whose legs are not in the image cannot be lifted",
        )
    if filled:
        notes.append(f"{filled} keypoints in gaps of up to {longest} frames interpolated")
    if dropped:
        notes.append(f"{dropped} frames left out, in longer gaps: {parts} parts lifted one by one")
    if without:
        notes.append(f"people without a whole frame left out: {first_ten(without)}")
    return Lifted(
        poses, frames, info, match_notes(match.words, f"keypoints of {path.name}", match.source, info.skeleton), tuple(dict.fromkeys(notes))
    )


def _named(name: str) -> Lifter:
    """A lifter by name that needs no dataset."""
    if name == "mean-pose":
        raise PosebenchError("mean-pose without a dataset", "a lifter that sees no truth", "choose flat, a trained run or an ONNX model")
    nothing = Dataset("", "", "h36m17", 0.0, {}, "", official=False, splits={"train": (), "test": ()}, keypoint_sources=(), load=_no_clip)
    return lifter_maker(name)(nothing)


def _no_clip(id: str) -> Clip:
    raise PosebenchError(f"clip {id!r}", "no clip: there is no dataset", "choose a lifter that needs none")


def _camera(camera: Camera | None, size: tuple[int, int] | None, found: Detections, path: Path) -> tuple[Camera, str]:
    """The camera, and what is said of it."""
    points = np.concatenate([person.points.reshape(-1, 2) for person in found.people.values()])
    points = points[np.isfinite(points).all(axis=1)]
    if camera is None and size is None:
        reach = f"{points[:, 0].max():.0f}, {points[:, 1].max():.0f}"
        raise PosebenchError(
            f"{path}, which does not state the size of its images (its keypoints reach to {reach})",
            "their width and height in pixels, or a calibrated camera",
            "--size WIDTHxHEIGHT, such as --size 1920x1080, or --camera cameras.toml",
        )
    width, height = camera.size if camera else size or (0, 0)
    beyond = ((points < -0.5 * np.array([width, height])) | (points > 1.5 * np.array([width, height]))).any(axis=1)
    outside = ((points < 0.0) | (points > np.array([width, height]))).any(axis=1)
    if outside.mean() > 0.5 or beyond.mean() > 0.1:
        raise PosebenchError(
            f"{path}: {100 * outside.mean():.0f} % of the keypoints outside of an image of {width} x {height}",
            "the size of the images in which they were detected, in pixels",
            "correct --size or --camera; keypoints between 0 and 1 have to be multiplied by it",
        )
    if points.max() <= 2.0:
        raise PosebenchError(f"{path}: keypoints up to {points.max():.2f}", "pixels", "multiply them by the size of the images")
    if camera is not None:
        focal, centre = (" ".join(f"{value:.0f}" for value in part) for part in (camera.focal, camera.centre))
        return camera, f"camera stated: {width} x {height}, focal length {focal}, principal point {centre}"
    made = estimated_camera((width, height))
    text = f"camera estimated from an image of {width} x {height}: focal length {made.focal[0]:.0f}, principal point in its middle"
    return made, text


def _track(person: Person, id: str, path: Path) -> tuple[Array, int]:
    """A person's keypoints (T, J, 2) from the first frame to the last, NaN in frames without it, and the first frame."""
    first, last = int(person.frames[0]), int(person.frames[-1])
    if last - first >= _MAX_FRAMES:
        raise PosebenchError(
            f"{path}: person {id} from frame {first} to {last}", f"at most {_MAX_FRAMES:,} frames", "cut the file in parts"
        )
    track = np.full((last - first + 1, *person.points.shape[1:]), np.nan)
    track[person.frames - first] = person.points
    return track, first


def _stem(path: Path) -> str:
    return re.sub(r"[^\w.+-]", "_", path.stem) or "video"


def _needed(order: str) -> tuple[str, ...]:
    from posebench.base.skeletons import skeleton

    return skeleton(order).joints


def _never_seen(found: Detections, order: str) -> str:
    """Joints of the file, needed for the lifter's, that no person ever shows."""
    from posebench.base.skeletons import skeleton

    match, names = match_joints(found.skeleton, order), skeleton(found.skeleton).joints
    used = sorted({index for part in match.parts for index in part})
    never = [names[i] for i in used if not any(np.isfinite(person.points[:, i]).any() for person in found.people.values())]
    return f"never: {first_ten(never)}" if never else "each was seen, but never all at once"
