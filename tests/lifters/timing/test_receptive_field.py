"""Which frames a pose depends on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.lifters.timing.receptive_field import CUTS, clip_length, receptive_field


def keypoints(frames):
    return np.random.default_rng(1).normal(500.0, 100.0, (frames, 17, 2))


def averaged(back, ahead):
    """A lifter whose pose is the mean over ``back`` frames before and ``ahead`` frames after its own."""

    def lift(points):
        padded = np.concatenate([points[:1]] * back + [points] + [points[-1:]] * ahead)
        mean = sum(padded[i : i + len(points)] for i in range(back + ahead + 1)) / (back + ahead + 1)
        return np.concatenate([mean, mean[..., :1]], axis=-1)

    return lift


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10), st.integers(0, 10))
def test_the_frames_of_a_moving_average_are_found(back, ahead):
    assert receptive_field(averaged(back, ahead), keypoints(clip_length(back + 1 + ahead))) == (back, ahead)


def test_windows_one_after_the_other_see_most_at_their_ends():
    def lift(points):
        whole = points.reshape(-1, 8, 17, 2).mean(axis=1).repeat(8, axis=0)
        return np.concatenate([whole, whole[..., :1]], axis=-1)

    assert receptive_field(lift, keypoints(clip_length(8))) == (7, 7)


def test_a_lifter_that_states_one_frame_and_looks_at_the_clip_is_found_out():
    def lift(points):
        return np.concatenate([points - points.mean(axis=0), points[..., :1]], axis=-1)

    back, ahead = receptive_field(lift, keypoints(clip_length(1)))
    assert min(back, ahead) > 1


@pytest.mark.parametrize("context", [1, 27, 243])
def test_a_clip_holds_three_contexts_and_is_cut_a_bounded_number_of_times(context):
    calls = []

    def lift(points):
        calls.append(len(points))
        return np.concatenate([points, points[..., :1]], axis=-1)

    assert receptive_field(lift, keypoints(clip_length(context))) == (0, 0)
    assert set(calls) == {max(12, 3 * context)}
    assert len(calls) <= 1 + 2 * CUTS
