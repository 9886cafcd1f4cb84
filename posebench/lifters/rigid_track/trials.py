"""Variants of the tracker that were tried and are not part of it, and bounds that know the truth: for ``study.py`` alone.

Each is another first or third step for :func:`posebench.lifters.rigid_track.track.track`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton
from posebench.lifters.rigid_track.signs import cheapest
from posebench.lifters.rigid_track.track import DEFAULT, Array, Body, Seen, Settings, body_of, places_of, signs_of

#: Ends of the bones that form one line with that of the other side.
LINES = ("hip", "shoulder")
#: Largest speed of the image of a planted ankle, distances from root to head a frame at the distance of the root; fewest frames at rest.
AT_REST, REST = 0.004, 5


def signs_of_lines(values: Array, costs: Array, settings: Settings, children: list[str]) -> npt.NDArray[np.intp]:
    """Signs where both hips, and both shoulders, share one choice: if the right one is near, the left one is far."""
    pairs = [(children.index(f"r_{end}"), children.index(f"l_{end}")) for end in LINES if f"r_{end}" in children and f"l_{end}" in children]
    chosen = signs_of(values, costs, settings, children)
    for right, left in pairs:
        # A choice costs what it costs on both sides; the acceleration is that of the mean of right and mirrored left.
        both = 0.5 * (values[right] - values[left][:, ::-1])
        total = costs[right] + costs[left][:, ::-1]
        chosen[right] = cheapest(both[None], total[None], settings.acceleration / np.sqrt(2.0), settings.most_acceleration)[0]
        chosen[left] = 1 - chosen[right]
    return chosen


def body_with_planted_feet(seen: Seen, joints: Skeleton, settings: Settings) -> Body:
    """The body, whose sizes make ankles whose images rest keep their distance from the camera."""
    from scipy.ndimage import gaussian_filter1d

    body = body_of(seen, joints, settings)
    places = places_of(seen, body, joints, settings)
    size, change, count = np.log(body.sizes), np.zeros(len(places)), np.zeros(len(places))
    for ankle in (joints.index(side) for side in ("r_ankle", "l_ankle")):
        # In the clip's own frame: rays before a camera that looks at the root move with the root.
        ray = np.einsum("tji,tj->ti", seen.turn, seen.rays[:, ankle])
        image = ray[:, :2] / ray[:, 2:]
        speed = np.linalg.norm(np.diff(image, axis=0, append=image[-1:]), axis=1) * seen.distance
        for rest in _stretches(speed < AT_REST):
            # Distance times size is constant.
            wanted = -np.log(places[rest, ankle, 2])
            change[rest] += wanted - wanted.mean() + size[rest].mean() - size[rest]
            count[rest] += 1.0
    size = size + gaussian_filter1d(change / np.maximum(count, 1.0), 3.0, mode="nearest")
    return body._replace(sizes=np.exp(size - size.mean()))


def _stretches(flags: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Stretches of at least :data:`REST` true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return (slice(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end - start >= REST)


def shrunk(mean: Array, frames: float) -> Callable[[Seen, Skeleton, Settings], Body]:
    """A first step whose lengths are drawn towards a mean body (N,) of log lengths, which counts as much as ``frames`` frames."""

    def body(seen: Seen, joints: Skeleton, settings: Settings) -> Body:
        found = body_of(seen, joints, settings)
        logs = np.log(found.lengths)
        # The mean body in the size of this one.
        there, own = mean + np.median(logs - mean), len(seen.depth) / (len(seen.depth) + frames)
        return found._replace(lengths=np.exp(own * logs + (1.0 - own) * there))

    return body


def true_body(truth: Array, *, lengths: bool, sizes: bool) -> Callable[[Seen, Skeleton, Settings], Body]:
    """A first step that knows the true lengths, or the true sizes, of a clip whose absolute poses are (T, J, 3): a bound."""

    def body(seen: Seen, joints: Skeleton, settings: Settings) -> Body:
        found = body_of(seen, joints, settings)
        away = np.linalg.norm(truth[:, joints.root_indices[0]], axis=1)
        mean = np.exp(np.log(away).mean())
        bones = np.stack([np.linalg.norm(truth[:, child] - truth[:, parent], axis=1).mean() for parent, child in joints.bones])
        return Body(bones * seen.distance / mean if lengths else found.lengths, away / mean if sizes else found.sizes)

    return body


def in_windows(tracker: Callable[[Array, Array], Array], frames: int) -> Callable[[Array, Array], Array]:
    """A tracker that sees clips cut into windows of so many frames."""

    def tracked(poses: Array, keypoints: Array) -> Array:
        starts = range(0, len(poses), frames)
        return np.concatenate([tracker(poses[start : start + frames], keypoints[start : start + frames]) for start in starts])

    return tracked


#: Settings that were tried, besides those of the tracker.
SETTINGS: dict[str, Settings] = {
    "signs frame by frame": DEFAULT._replace(most_acceleration=0.0),
    "all bones count alike": DEFAULT._replace(across=1e3),
    "weights: across 0.15": DEFAULT._replace(across=0.15),
    "weights: across 0.6": DEFAULT._replace(across=0.6),
    "depths not mixed with the lifter's": DEFAULT._replace(length_error=0.0),
    "length error 0.05": DEFAULT._replace(length_error=0.05),
    "size smoothed over 5 frames": DEFAULT._replace(smooth=5.0),
    "size smoothed over 20 frames": DEFAULT._replace(smooth=20.0),
    "deviation of lifted depths 0.075": DEFAULT._replace(lifted=0.075),
    "deviation of lifted depths 0.3": DEFAULT._replace(lifted=0.3),
    "deviation of accelerations 0.04": DEFAULT._replace(acceleration=0.04),
    "deviation of accelerations 0.16": DEFAULT._replace(acceleration=0.16),
}
