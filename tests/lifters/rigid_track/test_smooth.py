"""Smoothing of keypoints: the criterion and the solution by plain algebra, exact tracks untouched, noise taken away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.lifters.rigid_track.smooth import FEWEST, ORDER, WEIGHTS, _penalty, _solved, _times, kept, removed, smoothed


@settings(deadline=None, max_examples=30)
@given(st.integers(FEWEST, 40), st.sampled_from(WEIGHTS), st.integers(0, 10**6))
def test_the_solution_is_that_of_full_matrices(frames, weight, seed):
    track = np.random.default_rng(seed).normal(size=(frames, 3))
    differences = np.diff(np.eye(frames), ORDER, axis=0)
    full = differences.T @ differences
    np.testing.assert_allclose(_times(_penalty(frames), track), full @ track, atol=1e-9)
    np.testing.assert_allclose(_solved(_penalty(frames), weight, track), np.linalg.solve(np.eye(frames) + weight * full, track), atol=1e-7)


@pytest.mark.parametrize("weight", [0.1, 10.0, 1000.0])
def test_the_share_of_freedom_is_the_trace_of_the_smoother(weight):
    frames = 400
    differences = np.diff(np.eye(frames), ORDER, axis=0)
    smoother = np.linalg.inv(np.eye(frames) + weight * differences.T @ differences)
    assert kept(weight) == pytest.approx(np.trace(smoother) / frames, rel=0.05)


def test_exact_tracks_stay_to_the_last_bit_and_noise_is_taken_from_noisy_ones():
    time = np.linspace(0.0, 6.0, 180)
    exact = np.stack([500 + 100 * np.sin(2 * time), 400 + 60 * np.cos(3 * time)], axis=-1)[:, None].repeat(4, axis=1)
    np.testing.assert_array_equal(smoothed(exact), exact)
    noise = np.random.default_rng(1).normal(0, 1, exact.shape) * np.array([0, 2, 5, 10])[:, None]
    smooth = smoothed(exact + noise)
    np.testing.assert_array_equal(smooth[:, 0], exact[:, 0])
    left, given_ = np.sqrt(((smooth - exact) ** 2).mean(axis=(0, 2))), np.sqrt((noise**2).mean(axis=(0, 2)))
    assert (left[1:] < 0.5 * given_[1:]).all()
    np.testing.assert_allclose(removed(exact + noise, smooth)[1:], [2, 5, 10], rtol=0.15)


@settings(deadline=None, max_examples=30)
@given(st.floats(-1e3, 1e3), st.floats(0.01, 100.0), st.integers(0, 10**6))
def test_place_and_unit_do_not_matter(shift, scale, seed):
    track = np.cumsum(np.random.default_rng(seed).normal(size=(30, 2, 2)), axis=0)
    np.testing.assert_allclose(smoothed(scale * track + shift), scale * smoothed(track) + shift, rtol=1e-5, atol=1e-5 * scale)


def test_short_clips_and_joints_that_are_not_finite_stay_as_they_are():
    noisy = np.random.default_rng(0).normal(size=(40, 3, 2))
    np.testing.assert_array_equal(smoothed(noisy[: FEWEST - 1]), noisy[: FEWEST - 1])
    noisy[7, 1, 0] = np.nan
    smooth = smoothed(noisy)
    np.testing.assert_array_equal(smooth[:, 1], noisy[:, 1])
    assert (smooth[:, 0] != noisy[:, 0]).any()
    assert removed(noisy, smooth)[1] == 0.0
    assert smoothed(noisy[:0]).shape == (0, 3, 2)
    assert (removed(noisy[:0], noisy[:0]) == 0.0).all()
