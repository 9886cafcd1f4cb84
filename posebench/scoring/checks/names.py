"""Predictions under the name of another clip: do the poses of a clip fit another clip's truth far better than its own?

**Convention.** Only clips with the same sampled frames are compared. The error of a clip here is the root mean square over its sampled
poses and joints, mm, each pose at its best scale that is not negative, as in :mod:`.causes`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from posebench.base.errors import first_ten
from posebench.predictions.finding import Finding
from posebench.scoring.checks.sample import ClipSample

Array = npt.NDArray[np.float64]

#: Another clip explains the poses if less than this share of the error is left.
EXPLAINED = 0.5
#: Below this error, mm, there is nothing to explain.
GOOD = 30.0
#: Share of all clips that must fit other clips, and share of these that must fit clips of their own: a weak method tells the same of all.
MIXED, DISTINCT = 0.2, 0.7
#: Share of the explained clips of a camera that must fit one other camera of their take.
SAME_CAMERA = 0.8
#: Successive poses that two clips must share to be one: a method that looks poses up gives one of its own to many clips.
START = 4
#: Clips of one length that are compared at most: the cost is quadratic.
_MOST = 1024


def mixed_up(samples: Sequence[ClipSample]) -> tuple[float, Finding] | None:
    """The median error in mm that is left if each clip that fits another one has the other's name, and the finding; None if none does."""
    own, other = np.zeros(len(samples)), np.zeros(len(samples))
    target = np.arange(len(samples))
    groups: dict[bytes, list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        if len(sample.pred) > 1:
            groups[np.append(sample.frames, sample.length).tobytes()].append(i)
    for group in groups.values():
        if len(group) > 1:
            members = group[:: -(-len(group) // _MOST)]
            errors = _errors([samples[i] for i in members])
            own[members] = np.diagonal(errors)
            best = errors.argmin(axis=1)
            other[members] = errors[np.arange(len(members)), best]
            target[members] = np.array(members)[best]
    judged = [i for i in range(len(samples)) if own[i]]
    explained = [i for i in judged if other[i] < EXPLAINED * own[i] and own[i] > GOOD]
    enough = len(explained) >= max(2, MIXED * len(judged)) and len({target[i] for i in explained}) >= DISTINCT * len(explained)
    if not enough:
        # Two cameras of a take whose poses fit each other's truth were exchanged, however few they are.
        explained = [
            i for i in explained if target[i] in explained and target[target[i]] == i and _same_take(samples[i], samples[target[i]])
        ]
    if not explained:
        return None
    left = float(np.median([other[i] if i in set(explained) else own[i] for i in judged]))
    clips = [samples[i].clip for i in explained]
    fits = {samples[i].clip: samples[target[i]].clip for i in explained}
    before, after = (float(np.median(errors[explained])) for errors in (own, other))
    numbers = f"with {after:.0f} mm instead of {before:.0f} mm (root mean square)"
    cameras = _cameras(fits)
    if cameras:
        message = f"cameras are mixed up: in {len(clips)} of {len(judged)} clips the poses fit another camera of the same take {numbers}: "
        message += ", ".join(f"those of {camera} fit {fit}" for camera, fit in cameras.items())
        return left, Finding("cameras", "error", message, "write the poses of each camera under its own clip id", tuple(clips))
    examples = "; ".join(f"those of {clip} fit {fit}" for clip, fit in list(fits.items())[:3])
    message = f"clips are mixed up: in {len(clips)} of {len(judged)} clips the poses fit another clip {numbers}: {examples}"
    return left, Finding("clips", "error", message, "write the poses of each clip under its own clip id", tuple(clips))


def _same_take(one: ClipSample, other: ClipSample) -> bool:
    return one.clip.rpartition("/")[0] == other.clip.rpartition("/")[0]


def _errors(samples: Sequence[ClipSample]) -> Array:
    """(n, n) error of the poses of each clip against the truth of each."""
    pred, truth = (np.stack(poses) for poses in ([s.pred for s in samples], [s.truth for s in samples]))
    clips, poses, joints = pred.shape[:3]
    flat_pred, flat_truth = (array.reshape(clips, poses, -1).transpose(1, 0, 2) for array in (pred, truth))
    dot = np.maximum(flat_pred @ flat_truth.transpose(0, 2, 1), 0.0)
    size, true_size = (np.einsum("pcd,pcd->pc", flat, flat) for flat in (flat_pred, flat_truth))
    left = true_size[:, None, :] - dot**2 / np.maximum(size, 1e-300)[:, :, None]
    out: Array = np.sqrt(np.maximum(left, 0.0).mean(axis=0) / joints)
    return out


def _cameras(fits: dict[str, str]) -> dict[str, str]:
    """Camera to the camera that its poses fit, if the clips fit another camera of their own take, the same in nearly all takes."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for clip, fit in fits.items():
        (take, _, camera), (other_take, _, other) = clip.rpartition("/"), fit.rpartition("/")
        found[camera][other if take == other_take else ""] += 1
    mapped = {camera: counts.most_common(1)[0] for camera, counts in found.items()}
    steady = all(fit and count >= SAME_CAMERA * found[camera].total() for camera, (fit, count) in mapped.items())
    return {camera: fit for camera, (fit, _) in sorted(mapped.items())} if steady else {}


def repeated(samples: Sequence[ClipSample]) -> list[Finding]:
    """Clips of other motion than a clip before, which begin with the very same poses."""
    first: dict[bytes, ClipSample] = {}
    same = []
    for sample in samples:
        start = np.moveaxis(sample.start, -3, 0)
        if len(sample.pred) < 2 or any(np.array_equal(a, b) for a, b in pairwise(start)):
            continue  # one pose for every frame is another finding; poses that are held, or looked up, may be equal by nature
        key = np.round(start, 3).tobytes()
        before = first.setdefault(key, sample)
        if before is not sample and np.abs(before.truth[0] - sample.truth[0]).max() > GOOD:
            same.append(sample.clip)
    if not same:
        return []
    message = f"{len(same)} clips begin with the very pose of another clip, whose truth is another ({first_ten(same)})"
    fix = "is the output of one clip written to several?"
    return [Finding("repeated-clips", "error", message, fix, tuple(same))]
