"""The adopted metrics: edges, invalid poses, and closed forms against explicit loops."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.skeletons import SKELETONS
from posebench.metrics import (
    cps,
    flipped,
    invalid_poses,
    mpjpe,
    n_mpjpe,
    pa_mpjpe,
    residuals,
    root_relative,
    root_relative_valid,
    velocity_error,
)
from posebench.metrics import position as module

J = 17
H36M17 = SKELETONS["h36m17"]
MIRROR = np.array([1.0, 1.0, -1.0])


def test_the_root_counts_in_the_mean_with_its_error_of_zero():
    truth = np.zeros((1, J, 3))
    truth[0, :, 2] = np.arange(J)
    pred = truth.copy()
    pred[0, 1:, 0] += 34.0
    assert mpjpe(pred, truth).tolist() == [32.0]


def test_the_predicted_root_is_subtracted(pair):
    pred, truth, _ = pair()
    for metric in (mpjpe, n_mpjpe):
        np.testing.assert_allclose(metric(pred + 5000.0, truth + 4000.0), metric(pred, truth), rtol=1e-12)


def test_the_root_of_a_set_without_one_is_the_middle_of_the_hips(pair):
    pred, truth, _ = pair()
    hips = SKELETONS["lsp14"].root_indices
    relative = root_relative(pred[:, :14], hips)
    np.testing.assert_allclose(relative[:, list(hips)].sum(axis=1), 0.0, atol=1e-9)
    expected = np.linalg.norm(relative - root_relative(truth[:, :14], hips), axis=-1).mean(axis=1)
    np.testing.assert_allclose(mpjpe(pred[:, :14], truth[:, :14], root=hips), expected, rtol=1e-12)


def test_a_mirrored_pose_is_forgiven_only_by_the_reflection(pair):
    _, truth, _ = pair()
    mirrored = truth * MIRROR
    assert (pa_mpjpe(mirrored, truth) > 50.0).all()
    assert (residuals(mirrored, truth, ["similarity+reflection"]).errors["similarity+reflection"] < 1e-9).all()
    assert flipped(mirrored, truth).all()
    assert not flipped(truth, truth).any()


def test_planar_poses_are_not_flipped(pair):
    _, truth, _ = pair()
    assert not flipped(truth * [1.0, 1.0, 0.0], truth).any()


def test_a_point_mirrored_pose_takes_a_negative_least_squares_scale(pair):
    _, truth, _ = pair()
    assert (n_mpjpe(-2.0 * truth, truth) < 1e-9).all()


def invalid_examples(pair):
    pred, truth, _ = pair(n=5)
    pred[0, 3, 1] = np.nan
    pred[1, 16, 2] = np.inf
    pred[2] = 0.0
    pred[3] = [12.3, 45.6, 4999.9]
    return pred, truth


def test_an_invalid_pose_is_one_that_is_not_finite_or_has_no_extent(pair):
    pred, _ = invalid_examples(pair)
    assert invalid_poses(pred).tolist() == [True, True, True, True, False]
    assert invalid_poses(pred[4:] * 1e-6).tolist() == [False]
    assert invalid_poses(pred[3:4] + 1e-10 * pred[4:]).tolist() == [True]
    assert invalid_poses(pred[4:] * 1e200).tolist() == [True]
    assert invalid_poses(np.float32(pred[3:4])).tolist() == [True]
    assert invalid_poses(np.empty((0, J, 3))).tolist() == []


def test_invalid_poses_are_scored_at_the_root_and_by_procrustes_at_the_centroid(pair):
    pred, truth = invalid_examples(pair)
    at_root = np.linalg.norm(truth, axis=-1).mean(axis=1)
    at_centroid = np.linalg.norm(truth - truth.mean(axis=1, keepdims=True), axis=-1).mean(axis=1)
    for metric, expected in ((mpjpe, at_root), (n_mpjpe, at_root), (pa_mpjpe, at_centroid)):
        got = metric(pred, truth)
        np.testing.assert_allclose(got[:4], expected[:4], rtol=1e-9)
        assert abs(got[4] - expected[4]) > 1.0


def test_valid_poses_are_made_root_relative_and_invalid_ones_placed_at_the_root(pair):
    pred, _ = invalid_examples(pair)
    pose, invalid = root_relative_valid(pred + 7.0)
    assert invalid.tolist() == [True, True, True, True, False]
    assert (pose[:4] == 0.0).all()
    np.testing.assert_allclose(pose[4], pred[4], atol=1e-9)


def test_a_truth_that_is_not_finite_is_refused(pair):
    pred, truth, _ = pair()
    truth[2, 4, 0] = np.nan
    for metric in (mpjpe, pa_mpjpe, n_mpjpe):
        with pytest.raises(ValueError, match="not finite"):
            metric(pred, truth)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_means_over_joints_ignore_a_common_order_of_the_joints(pair, seed):
    pred, truth, rng = pair(seed)
    order = np.concatenate([[0], 1 + rng.permutation(J - 1)])  # the root stays first
    for metric in (mpjpe, pa_mpjpe, n_mpjpe):
        np.testing.assert_allclose(metric(pred[:, order], truth[:, order]), metric(pred, truth), rtol=1e-9)
    errors = residuals(pred, truth, ["similarity"]).errors["similarity"]
    np.testing.assert_allclose(cps(errors[:, order]), cps(errors))
    np.testing.assert_allclose(velocity_error(pred[:, order], truth[:, order]), velocity_error(pred, truth)[:, order])


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_frames_can_be_scored_in_pieces(pair, seed, cut):
    pred, truth, _ = pair(seed)
    pred[2] = 0.0
    for metric in (mpjpe, pa_mpjpe, n_mpjpe, flipped):
        joined = np.concatenate([metric(pred[:cut], truth[:cut]), metric(pred[cut:], truth[cut:])])
        np.testing.assert_allclose(joined, metric(pred, truth), rtol=1e-9)


def test_least_squares_is_not_least_distance(pair):
    """One outlier joint: Procrustes pulls all the others off their place, and the mean distance grows."""
    _, truth, _ = pair(n=1)
    pred = truth.copy()
    pred[0, 10] += [3000.0, 0.0, 0.0]
    assert pa_mpjpe(pred, truth)[0] > mpjpe(pred, truth)[0]


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0
