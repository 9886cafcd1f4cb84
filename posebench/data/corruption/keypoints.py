"""Errors of keypoints at severities 1 to 5: white noise, a detector's noise, outliers, lost joints, swaps, lost frames, a coarse grid.

**Convention.** Exact keypoints (T, J, 2) px of one clip in, keypoints with errors out. A length of 1 u is 1/390 of the body's height in the
image (:func:`body_height`), so that an error means the same for a person near and far: on a body of 390 px, 1 u is 1 px. Random numbers
come from ``numpy.random.RandomState(words)``, whose stream numpy guarantees, with the eight little-endian uint32 of the sha256 of the clip
id, one zero byte and ``noise/<name>/<severity>`` as ``words``. Each function states the order of its draws.

A burst is a run of frames. Bursts begin and end at random (a Markov chain with two states in its stationary state), so that a stated share
of frames is in a burst, and bursts have a stated mean length.

Sources: the detector's noise is the model of MotionBERT (Zhu et al. 2023, ``lib/data/augmentation.py`` and its published parameters), with
left and right joints averaged and rounded; the other corruptions follow what coco-analyze (Ronchi and Perona 2017) and PoseFix (Moon et al.
2019) name as the errors of detectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Height of a body in the image at which 1 u is 1 px.
REFERENCE_HEIGHT = 390.0
#: Seconds from one knot of the detector's noise to the next: MotionBERT's 9 frames at 50 Hz.
KNOT_S = 0.18
#: Half the side of the square that a detector's larger errors are drawn from, and the standard deviation of its noise of each frame, u.
SQUARE, WHITE = 15.0, 1.0
#: Joint, without its side, to the standard deviation of a detector's usual error in u, and the share of its larger errors.
DETECTOR: Mapping[str, tuple[float, float]] = {
    "pelvis": (1.8, 0.0),
    "hip": (3.1, 0.03),
    "knee": (2.9, 0.12),
    "ankle": (3.7, 0.14),
    "spine": (2.9, 0.04),
    "thorax": (2.7, 0.08),
    "neck_nose": (2.6, 0.03),
    "head_top": (1.7, 0.02),
    "shoulder": (3.7, 0.11),
    "elbow": (2.7, 0.19),
    "wrist": (2.6, 0.28),
}
#: Pairs of joints that a swap exchanges.
_LEGS, _ARMS = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")


class Setting(NamedTuple):
    """What a corruption is applied to.

    Attributes:
        exact: (T, J, 2) px.
        skeleton: the joint order.
        fps: frames a second.
        unit: px of 1 u.
        random: the clip's own stream.
    """

    exact: Array
    skeleton: Skeleton
    fps: float
    unit: float
    random: np.random.RandomState


class Corruption(NamedTuple):
    """A kind of error.

    Attributes:
        amounts: of severities 1 to 5.
        unit: of the amounts, in words.
        apply: setting and amount to keypoints with errors.
        summary: what happens, in words.
    """

    amounts: tuple[float, ...]
    unit: str
    apply: Callable[[Setting, float], Array]
    summary: str


def body_height(keypoints: npt.ArrayLike) -> float:
    """Height of a body in the image: the median over frames of the vertical extent of its keypoints (T, J, 2), px; 0 without frames."""
    y = np.asarray(keypoints, dtype=np.float64)[..., 1]
    return float(np.median(y.max(axis=1) - y.min(axis=1))) if len(y) else 0.0


def corrupted(exact: npt.ArrayLike, clip_id: str, joints: str, fps: float, name: str, severity: int) -> Array:
    """Exact keypoints of a clip with errors; see the module for conventions.

    Args:
        exact: (T, J, 2) px.
        clip_id: the clip, whose id seeds the random numbers.
        joints: id of the joint order.
        fps: frames a second.
        name: one of :data:`CORRUPTIONS`.
        severity: 1 to 5; 0 gives the exact keypoints.

    Returns:
        (T, J, 2) px.

    Raises:
        PosebenchError: no such corruption or severity, or the detector's noise for a joint that its model lacks.
    """
    exact = np.asarray(exact, dtype=np.float64)
    if name not in CORRUPTIONS:
        raise PosebenchError(f"corruption {name!r}", f"one of {', '.join(CORRUPTIONS)}", "correct the name")
    if severity not in range(6):
        raise PosebenchError(f"severity {severity} of {name}", "a whole number from 0 (none) to 5", "correct the severity")
    if severity == 0 or not len(exact):
        return exact
    corruption = CORRUPTIONS[name]
    unit = body_height(exact) / REFERENCE_HEIGHT
    stream = np.random.RandomState(seed_of(clip_id, f"noise/{name}/{severity}"))
    return corruption.apply(Setting(exact, skeleton(joints), fps, unit, stream), corruption.amounts[severity - 1])


def seed_of(clip_id: str, source: str) -> npt.NDArray[np.uint32]:
    """The seed of a clip's random numbers for a keypoint source: 256 bits, as the module's convention says."""
    return np.frombuffer(hashlib.sha256(f"{clip_id}\0{source}".encode()).digest(), dtype="<u4")


def white(setting: Setting, sigma: float) -> Array:
    """Independent normal noise of ``sigma`` u. Draws: ``standard_normal((T, J, 2))``."""
    return setting.exact + sigma * setting.unit * setting.random.standard_normal(setting.exact.shape)


def detector(setting: Setting, times: float) -> Array:
    """A detector's noise, ``times`` as large: drawn at knots :data:`KNOT_S` apart, linear between them, plus white noise in each frame.

    At a knot the error of a joint is uniform in a square with a joint's share, and otherwise normal (:data:`DETECTOR`). The first knot is
    at frame 0. Draws, with K knots: ``random_sample((K, J))`` (which of the two), ``uniform(-1, 1, (K, J, 2))``,
    ``standard_normal((K, J, 2))``, ``standard_normal((T, J, 2))``.

    Raises:
        PosebenchError: a joint that the model lacks.
    """
    frames, joints, _ = setting.exact.shape
    names = [_without_side(joint) for joint in setting.skeleton.joints]
    lacking = [joint for joint in names if joint not in DETECTOR]
    if lacking:
        raise PosebenchError(
            f"a detector's noise for joint {lacking[0]} of {setting.skeleton.id}",
            f"a skeleton of {', '.join(DETECTOR)}",
            "choose another keypoint source",
        )
    sigma, share = np.array([DETECTOR[name] for name in names]).T
    knots = int(np.floor((frames - 1) / (KNOT_S * setting.fps))) + 2
    stream = setting.random
    large = stream.random_sample((knots, joints)) < share
    square = SQUARE * stream.uniform(-1.0, 1.0, (knots, joints, 2))
    usual = sigma[:, None] * stream.standard_normal((knots, joints, 2))
    at_knots = np.where(large[..., None], square, usual)
    place = np.arange(frames) / (KNOT_S * setting.fps)
    before = np.minimum(place.astype(np.intp), knots - 2)
    part = (place - before)[:, None, None]
    smooth: Array = (1.0 - part) * at_knots[before] + part * at_knots[before + 1]
    noise: Array = times * setting.unit * (smooth + WHITE * stream.standard_normal((frames, joints, 2)))
    return setting.exact + noise


def outlier(setting: Setting, percent: float) -> Array:
    """Joints far off for a few frames: in bursts of 3 frames on average, by 0.1 to 0.3 body heights in a random direction.

    A joint keeps its displacement through a burst. Draws: ``random_sample((T, J))`` (bursts, by joint), ``random_sample((T, J))``
    (direction), ``uniform(0.1, 0.3, (T, J))`` (distance); a burst has those of its first frame.
    """
    shape = setting.exact.shape[:2]
    off = bursts(setting.random.random_sample(shape), percent / 100.0, 3.0)
    angle = 2.0 * np.pi * setting.random.random_sample(shape)
    distance = REFERENCE_HEIGHT * setting.unit * setting.random.uniform(0.1, 0.3, shape)
    first = _first_of_burst(off)
    angle, distance = (np.take_along_axis(values, first, axis=0) for values in (angle, distance))
    moved = distance[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return np.where(off[..., None], setting.exact + moved, setting.exact)


def hold(setting: Setting, percent: float) -> Array:
    """Joints that are not seen in bursts of 10 frames on average, and stay where they were seen last.

    Before a joint is seen, it is where it will be seen first; one that is never seen keeps its first position.
    Draws: ``random_sample((T, J))`` (bursts, by joint).
    """
    missing = bursts(setting.random.random_sample(setting.exact.shape[:2]), percent / 100.0, 10.0)
    held: Array = np.take_along_axis(setting.exact, _last_seen(missing)[..., None], axis=0)
    return held


def swap(setting: Setting, percent: float) -> Array:
    """Left and right exchanged in bursts of 6 frames on average: legs (40 % of the bursts), arms (40 %), or both.

    Draws: ``random_sample((T, 1))`` (bursts), ``random_sample(T)`` (which limbs; a burst has that of its first frame).
    """
    off = bursts(setting.random.random_sample((len(setting.exact), 1)), percent / 100.0, 6.0)
    kind = setting.random.random_sample(len(off))[_first_of_burst(off)[:, 0]]
    out = setting.exact.copy()
    for limbs, chosen in ((_LEGS, (kind < 0.4) | (kind >= 0.8)), (_ARMS, kind >= 0.4)):
        order = np.arange(len(setting.skeleton))
        for left, right in setting.skeleton.pairs:
            if _without_side(setting.skeleton.joints[left]) in limbs:
                order[[left, right]] = right, left
        rows = off[:, 0] & chosen
        out[rows] = out[rows][:, order]
    return out


def freeze(setting: Setting, percent: float) -> Array:
    """Frames that repeat the one before, in bursts of 3 frames on average; the first frame is never lost.

    Draws: ``random_sample((T, 1))`` (bursts).
    """
    lost = bursts(setting.random.random_sample((len(setting.exact), 1)), percent / 100.0, 3.0)
    lost[0] = False
    return setting.exact[_last_seen(lost)[:, 0]]


def grid(setting: Setting, step: float) -> Array:
    """Keypoints rounded to a grid of ``step`` u, as by the maximum of a coarse heatmap. No random numbers."""
    size = step * setting.unit
    return np.round(setting.exact / size) * size if size > 0.0 else setting.exact


def bursts(uniform: Array, share: float, length: float) -> Flags:
    """Which frames are in a burst, from numbers (T, K) uniform in [0, 1) of K independent chains: (T, K).

    **Convention.** A frame is in a burst with probability ``share``; a burst lasts ``length`` frames on average. The first frame is in a
    burst with the same probability. A burst lasts for another frame with probability 1 - 1/length; one begins with probability
    share / (length (1 - share)).
    """
    on, begin = 1.0 - 1.0 / length, share / (length * (1.0 - share))
    out = np.zeros(uniform.shape, dtype=np.bool_)
    if not len(uniform):
        return out
    out[0] = uniform[0] < share
    lasts, begins = uniform < on, uniform < begin
    for t in range(1, len(out)):
        np.copyto(out[t], np.where(out[t - 1], lasts[t], begins[t]))
    return out


def _first_of_burst(off: Flags) -> npt.NDArray[np.intp]:
    """For each frame and chain of ``off`` (T, K) the first frame of its burst; outside of bursts the frame itself."""
    frames = np.arange(len(off))[:, None]
    starts = off & ~np.vstack([np.zeros_like(off[:1]), off[:-1]])
    return np.where(off, np.maximum.accumulate(np.where(starts, frames, 0), axis=0), frames)


def _last_seen(missing: Flags) -> npt.NDArray[np.intp]:
    """For each frame and chain of ``missing`` (T, K) the last frame that is not missing, or before the first such frame, that one."""
    frames = np.arange(len(missing))[:, None]
    last = np.maximum.accumulate(np.where(missing, -1, frames), axis=0)
    first = np.where(missing.all(axis=0), 0, np.argmin(missing, axis=0))
    return np.where(last < 0, first, last)


def _without_side(joint: str) -> str:
    return joint.removeprefix("l_").removeprefix("r_")


#: Every corruption by name, in the order of tables.
CORRUPTIONS: Mapping[str, Corruption] = {
    "white": Corruption((2.5, 5.0, 7.5, 10.0, 15.0), "u", white, "independent normal noise"),
    "detector": Corruption((0.5, 1.0, 1.5, 2.0, 3.0), "times", detector, "a detector's noise: correlated in time, with tails"),
    "outlier": Corruption((1.0, 2.0, 5.0, 10.0, 20.0), "% of joints", outlier, "joints far off in bursts of 3 frames"),
    "hold": Corruption((5.0, 10.0, 20.0, 30.0, 50.0), "% of joints", hold, "joints lost in bursts of 10 frames, which keep their place"),
    "swap": Corruption((1.0, 2.0, 5.0, 10.0, 20.0), "% of frames", swap, "left and right exchanged in bursts of 6 frames"),
    "freeze": Corruption((10.0, 20.0, 30.0, 50.0, 70.0), "% of frames", freeze, "frames that repeat the one before, in bursts of 3"),
    "grid": Corruption((1.0, 2.0, 4.0, 6.0, 8.0), "u", grid, "keypoints rounded to a grid"),
}
#: The severity of ``detector`` that is the keypoint source of this name.
DETECTOR_SOURCE_SEVERITY = 2
