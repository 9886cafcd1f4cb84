"""How the tracker was chosen: ``python -m posebench.lifters.rigid_track.study RUN --root DIR``, for a run made with ``--tune``.

Prints a table of PA-MPJPE by frame on ``cmu``'s tuning subject, in mm, one column for each source of keypoints: of the lifter, of the
tracker, of trackers with one thing changed, and of bounds that know the truth. ``--body`` adds lengths drawn towards the mean body of the
training clips; ``--clips N`` takes about so many clips, ``--rows WORD`` only some rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from posebench.base.cameras import Camera
from posebench.base.skeletons import Skeleton, skeleton
from posebench.data import open_dataset
from posebench.data.clip import Clip
from posebench.lifters import Lifter
from posebench.lifters.choose import lifter_maker
from posebench.lifters.rigid_track import trials
from posebench.lifters.rigid_track.smooth import removed, smoothed
from posebench.lifters.rigid_track.stream import TrackedStream
from posebench.lifters.rigid_track.track import DEFAULT, Array, Body, Seen, Settings, body_of, track
from posebench.metrics.position import pa_mpjpe

SUBJECT = "S131"
SOURCES = ("gt", "gauss5", "detector")
#: Frames of windows, and lags, memories and steps of streams, that are tried.
WINDOWS, STREAMS = (27, 81, 162), ((0, 150, 5), (5, 150, 5), (15, 150, 5), (5, 75, 5), (5, 300, 5), (5, 150, 1), (5, 150, 10))
#: First lengths, frames, of the groups of clips that are reported.
LENGTHS = (0, 200, 300, 400)
#: Frames that the mean body of the training clips counts for, and how many of these clips are taken.
SHRUNK, TAKEN = (10.0, 25.0), 35


class Case(NamedTuple):
    """One clip and source.

    Attributes:
        clip, source: that were lifted.
        truth: (T, J, 3) mm, camera frame, absolute.
        given, smooth: (T, J, 2) keypoints, unit focal length, as given and smoothed.
        lifted, from_smooth: (T, J, 3) the lifter's poses from either.
        noise: (J,) deviation that smoothing took away.
    """

    clip: Clip
    source: str
    truth: Array
    given: Array
    smooth: Array
    lifted: Array
    from_smooth: Array
    noise: Array


def case_of(lifter: Lifter, clip: Clip, source: str) -> Case:
    """A clip, lifted from its keypoints as they are and smoothed."""
    camera = clip.camera
    assert camera is not None, "cmu has cameras"
    given = clip.keypoints(source)
    smooth = smoothed(given)

    def lifted(keypoints: Array) -> Array:
        return np.asarray(lifter.lift(keypoints, camera), np.float64)

    noise = removed(given, smooth) / camera.focal.mean()
    return Case(clip, source, clip.pose, _rays(given, camera), _rays(smooth, camera), lifted(given), lifted(smooth), noise)


def _rays(keypoints: Array, camera: Camera) -> Array:
    rays: Array = (keypoints - camera.centre) / camera.focal
    return rays


def table(lifter: Lifter, joints: Skeleton, mean_body: Array | None) -> Iterator[tuple[str, Callable[[Case], Array]]]:
    """The rows: words, and what makes the poses of a case."""

    def tracker(case: Case, settings: Settings = DEFAULT) -> Callable[[Array, Array], Array]:
        return lambda poses, keypoints: track(poses, keypoints, joints, settings, noise=case.noise)

    def body(make: Callable[[Case], Callable[[Seen, Skeleton, Settings], Body]]) -> Callable[[Case], Array]:
        return lambda case: track(case.from_smooth, case.smooth, joints, noise=case.noise, body=make(case))

    yield "as lifted", lambda case: case.lifted
    yield "smoothed and lifted", lambda case: case.from_smooth
    yield "tracked", lambda case: tracker(case)(case.from_smooth, case.smooth)
    yield "keypoints not smoothed", lambda case: track(case.lifted, case.given, joints)
    yield "smoothed behind the lifter only", lambda case: tracker(case)(case.lifted, case.smooth)
    yield "noise not known to the tracker", lambda case: track(case.from_smooth, case.smooth, joints)
    for words, settings in trials.SETTINGS.items():
        yield words, lambda case, settings=settings: tracker(case, settings)(case.from_smooth, case.smooth)  # type: ignore[misc]
    yield (
        "hips, shoulders as one line each",
        lambda case: track(case.from_smooth, case.smooth, joints, noise=case.noise, signs=trials.signs_of_lines),
    )
    yield "planted feet", body(lambda _: trials.body_with_planted_feet)
    if mean_body is not None:
        for frames in SHRUNK:
            yield f"mean body counts {frames:g} frames", body(lambda _, frames=frames: trials.shrunk(mean_body, frames))  # type: ignore[misc]
    for frames in WINDOWS:
        yield (
            f"clips cut to {frames} frames",
            lambda case, frames=frames: trials.in_windows(tracker(case), frames)(case.from_smooth, case.smooth),  # type: ignore[misc]
        )
    yield "bound: true lengths", body(lambda case: trials.true_body(case.truth, lengths=True, sizes=False))
    yield "bound: true sizes", body(lambda case: trials.true_body(case.truth, lengths=False, sizes=True))
    yield "bound: true lengths and sizes", body(lambda case: trials.true_body(case.truth, lengths=True, sizes=True))
    for lag, memory, step in STREAMS:
        stream = TrackedStream(lifter, lag, memory, step)
        yield (
            f"stream: lag {lag}, memory {memory}, step {step}",
            lambda case, stream=stream: stream.lift(case.clip.keypoints(case.source), case.clip.camera),  # type: ignore[misc]
        )


def error(cases: Sequence[Case], of: Callable[[Case], Array]) -> float:
    """PA-MPJPE by frame of what ``of`` makes of the cases."""
    return float(np.concatenate([pa_mpjpe(of(case), case.truth - case.truth[:, :1]) for case in cases]).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("lifter", help="a run, or another lifter: docs/lifters.md")
    parser.add_argument("--root", required=True, help="folder of cmu")
    parser.add_argument("--keypoints", nargs="+", metavar="SOURCE", default=list(SOURCES), help="2D sources")
    parser.add_argument("--clips", type=int, default=0, help="about so many clips of the subject (default: all)")
    parser.add_argument("--rows", nargs="+", metavar="WORD", default=[""], help="only rows whose words contain one of these")
    parser.add_argument("--body", action="store_true", help="also lengths drawn towards the mean body of training clips")
    args = parser.parse_args()
    dataset = open_dataset("cmu", args.root)
    lifter = lifter_maker(args.lifter, threads=1)(dataset)
    joints = skeleton(lifter.info.skeleton)
    ids = [id for id in dataset.infos if id.startswith(f"{SUBJECT}/")]
    # A step that is not a multiple of the number of cameras, so that all cameras are seen.
    ids = ids[:: max(1, len(ids) // args.clips) | 1] if args.clips else ids
    cases = {source: [case_of(lifter, dataset.load(id), source) for id in ids] for source in args.keypoints}
    mean_body = None
    if args.body:
        others = [id for id in dataset.clip_ids("train") if not id.startswith(f"{SUBJECT}/")]
        bodies: list[Array] = []

        def remembered(seen: Seen, joints: Skeleton, settings: Settings) -> Body:
            found = body_of(seen, joints, settings)
            bodies.append(np.log(found.lengths))
            return found

        for id in others[:: max(1, len(others) // TAKEN)]:
            case = case_of(lifter, dataset.load(id), "gt")
            track(case.from_smooth, case.smooth, joints, body=remembered)
        mean_body = np.mean(bodies, axis=0)
    print(f"{'PA-MPJPE by frame, mm':36}" + "".join(f"{source:>10}" for source in cases))
    for words, of in table(lifter, joints, mean_body):
        if not any(word in words for word in args.rows):
            continue
        print(f"{words:36}" + "".join(f"{error(some, of):10.2f}" for some in cases.values()), flush=True)
    some = next(iter(cases.values()))
    for start, end in zip(LENGTHS, [*LENGTHS[1:], 10**9], strict=True):
        if group := [case for case in some if start <= len(case.truth) < end]:
            errors = [error(group, lambda case: case.lifted), error(group, lambda c: track(c.from_smooth, c.smooth, joints, noise=c.noise))]
            until = f"to {end - 1} " if end < 10**9 else "or more "
            print(f"{len(group)} clips of {start} {until}frames, {next(iter(cases))}: lifted {errors[0]:.2f}, tracked {errors[1]:.2f}")
    began = time.process_time()
    count = sum(len(track(case.from_smooth, case.smooth, joints, noise=case.noise)) for case in some)
    between = time.process_time()
    for case in some:
        smoothed(case.given)
    ended = time.process_time()
    print(f"{1000.0 * (between - began) / count:.3f} ms of CPU time a pose, and {1000.0 * (ended - between) / count:.3f} ms for smoothing")


if __name__ == "__main__":
    main()
