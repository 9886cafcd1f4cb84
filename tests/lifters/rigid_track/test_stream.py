"""The tracker as a stream: what its poses depend on, that none is lost, and what a prediction file says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.lifters import LifterInfo
from posebench.lifters.flat import Flat
from posebench.lifters.rigid_track.lifter import Tracked
from posebench.lifters.rigid_track.stream import MEMORY, STEP, Stream, TrackedStream
from posebench.metrics.position import pa_mpjpe
from posebench.predictions.provenance import Provenance

CAMERA = Camera(np.eye(3), np.zeros(3), np.full(2, 1145.0), np.full(2, 500.0), (1000, 1000))
MADE = Provenance("tuned", "quick", 0, "cmu 1", "gt", 1, True, online="yes", tta="flip", test_time="none", input_filter="none",
                  oracle="none", selection="last epoch")  # fmt: skip


class Wavy(Flat):
    """Depths that follow from the keypoints of their own frame, with the wrong sign in some."""

    def lift(self, keypoints, camera):
        poses = super().lift(keypoints, camera)
        poses[..., 2] = 0.3 * np.sin(0.02 * keypoints[..., 0] + np.arange(17))
        return poses - poses[:, :1]


class Neighbours(Wavy):
    """The mean of a pose and those beside it."""

    def lift(self, keypoints, camera):
        poses = super().lift(keypoints, camera)
        padded = np.concatenate([poses[:1], poses, poses[-1:]])
        return (padded[:-2] + padded[1:-1] + padded[2:]) / 3.0


def pixels(body):
    return 1145.0 * body[1] + 500.0


@pytest.mark.parametrize("lifter", [Wavy(), Neighbours(info=LifterInfo("n", "h36m17", "none", "unknown", context=3))])
def test_a_stream_that_waits_for_the_whole_clip_is_the_tracker(body, lifter):
    keypoints = pixels(body) + np.random.default_rng(0).normal(0, 2, (120, 17, 2))
    whole = Tracked(lifter).lift(keypoints, CAMERA)
    np.testing.assert_array_equal(TrackedStream(lifter, lag=200).lift(keypoints, CAMERA), whole)


@given(lag=st.integers(0, 20), step=st.integers(1, 12), frames=st.integers(1, 50))
@settings(deadline=None, max_examples=10)
def test_every_frame_has_a_pose_which_no_later_frame_changes(body, lag, step, frames):
    keypoints = pixels(body)[:frames]
    stream = Stream(Wavy(), CAMERA, lag, memory=30, step=step)
    parts = [stream.push(frame) for frame in keypoints]
    given_out = np.cumsum([len(part) for part in parts])
    seen = np.arange(1, frames + 1)
    np.testing.assert_array_equal(given_out, np.maximum(0, (seen - lag) // step) * step)
    poses = np.concatenate([*parts, stream.finish()])
    assert poses.shape == (frames, 17, 3)
    assert np.isfinite(poses).all()
    changed = keypoints.copy()
    changed[-1] += 40.0
    again = TrackedStream(Wavy(), lag, memory=30, step=step).lift(changed, CAMERA)
    # Poses that were given out before the last frame came.
    early = given_out[-2] if frames > 1 else 0
    np.testing.assert_array_equal(again[:early], poses[:early])
    assert not np.array_equal(again[-1], poses[-1])


def test_frames_that_are_older_than_the_memory_do_not_matter(body):
    keypoints = pixels(body)
    lifter = TrackedStream(Wavy(), lag=2, memory=20, step=5)
    moved = keypoints.copy()
    moved[:30] += 25.0
    first, second = (lifter.lift(some, CAMERA) for some in (keypoints, moved))
    np.testing.assert_array_equal(first[30 + 2 * (20 + 5) :], second[30 + 2 * (20 + 5) :])
    assert not np.allclose(first[30:40], second[30:40])


@pytest.mark.parametrize("lifter", [Wavy(), Neighbours(info=LifterInfo("n", "h36m17", "none", "unknown", context=3))])
def test_a_pose_depends_on_as_many_frames_as_are_stated(body, lifter):
    random = np.random.default_rng(0)
    keypoints = pixels(body)[:70] + random.normal(0, 3, (70, 17, 2))
    stream = TrackedStream(lifter, lag=2, memory=13, step=4)
    lifted, before = stream.lift(keypoints, CAMERA), []
    for first in range(20, 24):
        moved = keypoints.copy()
        moved[:first] += random.normal(0, 15, (first, 17, 2))
        last_changed = np.flatnonzero((stream.lift(moved, CAMERA) != lifted).any(axis=(1, 2)))[-1]
        before.append(last_changed - (first - 1))
    # The pose that reaches back farthest is the last of its step, of which lag frames after it are seen.
    assert max(before) + 1 + 2 == stream.context


def test_wrong_signs_are_put_right_as_they_arrive(body):
    poses, _ = body
    truth = poses - poses[:, :1]

    class Wrong(Flat):
        def lift(self, keypoints, camera):  # noqa: ARG002
            out = truth[: len(keypoints)].copy() if len(keypoints) == len(truth) else np.stack([truth[found(frame)] for frame in keypoints])
            out[::7, 12, 2] *= -1.0
            return out

    frames = pixels(body)

    def found(frame):
        return int(np.abs(frames - frame).sum(axis=(1, 2)).argmin())

    lifted, tracked = Wrong().lift(frames, CAMERA), TrackedStream(Wrong(), lag=5).lift(frames, CAMERA)
    assert pa_mpjpe(tracked, truth).mean() < 0.5 * pa_mpjpe(lifted, truth).mean()


def test_it_says_what_it_is_and_refuses_a_lag_without_sense():
    known = Flat(info=LifterInfo("known", "h36m17", "none", "unknown", provenance=MADE))
    info = TrackedStream(known, 5).info
    assert (info.context, info.provenance.context) == (2 * MEMORY + 5 + STEP,) * 2
    assert (info.provenance.recipe, info.provenance.online) == ("tuned-track-lag5", "no")
    assert TrackedStream(Flat(), 5).info.id == "flat+track"
    for lag in (-1, 1001):
        with pytest.raises(PosebenchError, match=f"a lag of {lag} frames"):
            TrackedStream(known, lag)
    optimising = replace(known.info, provenance=replace(MADE, test_time="optimisation (2 steps), own clip"))
    with pytest.raises(PosebenchError, match=r"optimisation.*correction=none"):
        _ = TrackedStream(Flat(info=optimising), 5).info
    calibrating = replace(known.info, provenance=replace(MADE, test_time="calibration, own clip"))
    with pytest.raises(PosebenchError, match=r"Next: leave --track out$"):
        _ = TrackedStream(Flat(info=calibrating), 5).info
    for memory, step in ((0, 5), (-5, 5), (150, 0)):
        for made in (lambda: TrackedStream(known, 5, memory, step), lambda: Stream(known, CAMERA, 5, memory, step)):  # noqa: B023
            with pytest.raises(PosebenchError, match=f"memory {memory} and step {step}"):
                made()
    with pytest.raises(PosebenchError, match="no camera"):
        TrackedStream(Flat(), 5).lift(np.zeros((3, 17, 2)), None)


def test_predict_makes_a_stream_and_refuses_a_lag_alone(tmp_path, monkeypatch, capsys):
    # At this lag each clip of the dataset is tracked once, which is fast.
    import posebench
    from posebench.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["predict", "flat", "--track", "--lag", "1000", "--dataset", "synthetic", "-o", "t.npz"]) == 0
    with posebench.open_predictions("t.npz") as file:
        assert file.meta.method == "flat+track"
    capsys.readouterr()
    assert main(["predict", "flat", "--lag", "5", "--dataset", "synthetic", "-o", "u.npz"]) == 2
    assert "--lag without --track" in capsys.readouterr().err
