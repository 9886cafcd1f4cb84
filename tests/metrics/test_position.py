"""The adopted metrics: edges, invalid poses, and closed forms against explicit loops."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.skeletons import SKELETONS
from posebench.metrics import peers as compat
from posebench.metrics import position as metrics
from posebench.metrics.alignment import residuals
from posebench.metrics.position import (
    acceleration_error,
    auc,
    bone_length_error,
    bone_symmetry_error,
    cps,
    flipped,
    invalid_poses,
    mpjpe,
    n_mpjpe,
    pa_mpjpe,
    pck,
    root_relative,
    sound,
    threshold_values,
    velocity_error,
    within,
)

J = 17
H36M17 = SKELETONS["h36m17"]
MIRROR = np.array([1.0, 1.0, -1.0])


def pair(seed=0, n=6, noise=60.0):
    rng = np.random.default_rng(seed)
    truth = root_relative(rng.normal(size=(n, J, 3)) * 300.0)
    return root_relative(truth + noise * rng.normal(size=truth.shape)), truth, rng


def test_the_root_counts_in_the_mean_with_its_error_of_zero():
    truth = np.zeros((1, J, 3))
    truth[0, :, 2] = np.arange(J)
    pred = truth.copy()
    pred[0, 1:, 0] += 34.0
    assert mpjpe(pred, truth).tolist() == [32.0]


def test_the_predicted_root_is_subtracted():
    pred, truth, _ = pair()
    for metric in (mpjpe, n_mpjpe):
        np.testing.assert_allclose(metric(pred + 5000.0, truth + 4000.0), metric(pred, truth), rtol=1e-12)


def test_the_root_of_a_set_without_one_is_the_middle_of_the_hips():
    pred, truth, _ = pair()
    hips = SKELETONS["lsp14"].root_indices
    relative = root_relative(pred[:, :14], hips)
    np.testing.assert_allclose(relative[:, list(hips)].sum(axis=1), 0.0, atol=1e-9)
    expected = np.linalg.norm(relative - root_relative(truth[:, :14], hips), axis=-1).mean(axis=1)
    np.testing.assert_allclose(mpjpe(pred[:, :14], truth[:, :14], root=hips), expected, rtol=1e-12)


def test_a_mirrored_pose_is_forgiven_only_by_the_reflection():
    _, truth, _ = pair()
    mirrored = truth * MIRROR
    assert (pa_mpjpe(mirrored, truth) > 50.0).all()
    assert (residuals(mirrored, truth, ["similarity+reflection"]).errors["similarity+reflection"] < 1e-9).all()
    assert flipped(mirrored, truth).all()
    assert not flipped(truth, truth).any()


def test_planar_poses_are_not_flipped():
    _, truth, _ = pair()
    assert not flipped(truth * [1.0, 1.0, 0.0], truth).any()


def test_a_point_mirrored_pose_takes_a_negative_least_squares_scale():
    _, truth, _ = pair()
    assert (n_mpjpe(-2.0 * truth, truth) < 1e-9).all()


def invalid_examples():
    pred, truth, _ = pair(n=5)
    pred[0, 3, 1] = np.nan
    pred[1, 16, 2] = np.inf
    pred[2] = 0.0
    pred[3] = [12.3, 45.6, 4999.9]
    return pred, truth


def test_an_invalid_pose_is_one_that_is_not_finite_or_has_no_extent():
    pred, _ = invalid_examples()
    assert invalid_poses(pred).tolist() == [True, True, True, True, False]
    assert invalid_poses(pred[4:] * 1e-6).tolist() == [False]
    assert invalid_poses(pred[3:4] + 1e-10 * pred[4:]).tolist() == [True]
    assert invalid_poses(pred[4:] * 1e200).tolist() == [True]
    assert invalid_poses(np.float32(pred[3:4])).tolist() == [True]
    assert invalid_poses(np.empty((0, J, 3))).tolist() == []


def test_invalid_poses_are_scored_at_the_root_and_by_procrustes_at_the_centroid():
    pred, truth = invalid_examples()
    at_root = np.linalg.norm(truth, axis=-1).mean(axis=1)
    at_centroid = np.linalg.norm(truth - truth.mean(axis=1, keepdims=True), axis=-1).mean(axis=1)
    for metric, expected in ((mpjpe, at_root), (n_mpjpe, at_root), (pa_mpjpe, at_centroid)):
        got = metric(pred, truth)
        np.testing.assert_allclose(got[:4], expected[:4], rtol=1e-9)
        assert abs(got[4] - expected[4]) > 1.0


def test_a_sound_prediction_keeps_valid_poses_and_zeroes_the_others():
    pred, _ = invalid_examples()
    pose, invalid = sound(pred + 7.0)
    assert invalid.tolist() == [True, True, True, True, False]
    assert (pose[:4] == 0.0).all()
    np.testing.assert_allclose(pose[4], pred[4], atol=1e-9)


def test_a_truth_that_is_not_finite_is_refused():
    pred, truth, _ = pair()
    truth[2, 4, 0] = np.nan
    for metric in (mpjpe, pa_mpjpe, n_mpjpe):
        with pytest.raises(ValueError, match="not finite"):
            metric(pred, truth)


def test_pck_is_strict_unless_asked():
    errors = [np.nextafter(150.0, 0.0), 150.0, np.nextafter(150.0, 200.0)]
    assert pck(errors).tolist() == [100.0, 0.0, 0.0]
    assert pck(errors, inclusive=True).tolist() == [100.0, 100.0, 0.0]
    assert pck([[0.0, 49.0], [51.0, 50.0]], 50.0).tolist() == [[100.0, 100.0], [0.0, 0.0]]


def edges(last, step):
    exact = np.arange(0.0, last + 2 * step, step)
    return np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, 0.0), [0.1, 33.3, 1e6, np.inf]])


def area_by_loop(errors):
    return np.mean([pck(errors, threshold) for threshold in range(0, 151, 5)], axis=0)


def test_auc_is_the_mean_of_pck_over_31_thresholds_at_every_edge():
    errors = edges(150.0, 5.0)
    np.testing.assert_allclose(auc(errors), area_by_loop(errors), rtol=1e-13)
    assert auc(0.0) == pytest.approx(100.0 * 30 / 31)
    assert auc(150.0) == 0.0


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=50))
def test_auc_is_the_mean_of_pck_over_31_thresholds(errors):
    np.testing.assert_allclose(auc(errors), area_by_loop(np.array(errors)), rtol=1e-13)


@pytest.mark.parametrize("thresholds", [(0.0, 150.0, 5.0), (5.0, 200.0, 5.0), (0.1, 0.9, 0.1)])
def test_the_curve_under_an_area_is_pck_at_each_threshold(thresholds):
    first, last, step = thresholds
    exact = first + step * np.arange(round((last - first) / step) + 1)
    errors = np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf), [1e6]])[:, None]
    assert threshold_values(thresholds) == exact.tolist()
    expected = [(errors < threshold).sum() for threshold in exact]
    assert within(auc(errors, thresholds), thresholds).tolist() == expected


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=50))
def test_the_curve_averages_to_the_area(errors):
    area = auc(errors)
    np.testing.assert_allclose(100.0 * within(area).mean() / len(errors), area.mean(), rtol=1e-12)


def test_auc_takes_other_thresholds():
    errors = edges(200.0, 5.0)
    expected = np.mean([pck(errors, threshold) for threshold in range(5, 201, 5)], axis=0)
    np.testing.assert_allclose(auc(errors, (5.0, 200.0, 5.0)), expected, rtol=1e-13)


@pytest.mark.parametrize("thresholds", [(0.0, 0.15, 0.005), (0.0, 30.0, 0.1), (0.1, 0.9, 0.1), (1.0, 300.0, 1.0)])
def test_auc_is_exact_at_thresholds_that_are_not_binary_fractions(thresholds):
    first, last, step = thresholds
    exact = first + step * np.arange(round((last - first) / step) + 1)
    errors = np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf)])
    expected = np.mean([pck(errors, threshold) for threshold in exact], axis=0)
    np.testing.assert_allclose(auc(errors, thresholds), expected, rtol=1e-12)


def cps_by_loop(errors):
    thresholds = np.arange(1, 301)
    correct = (np.asarray(errors).max(axis=1)[:, None] < thresholds).astype(float)
    return np.trapezoid(correct, thresholds, axis=1)


def test_cps_is_the_trapezoid_area_at_every_edge():
    errors = edges(300.0, 1.0)[:, None] * [1.0, 0.5]
    np.testing.assert_allclose(cps(errors), cps_by_loop(errors), rtol=1e-13)
    assert cps([[0.0, 0.0]]).tolist() == [299.0]
    assert cps([[299.0, 0.0], [299.5, 0.0], [300.0, 0.0]]).tolist() == [0.5, 0.5, 0.0]


@given(st.lists(st.lists(st.floats(0.0, 400.0), min_size=3, max_size=3), min_size=1, max_size=20))
def test_cps_is_the_trapezoid_area_of_the_worst_joint(errors):
    np.testing.assert_allclose(cps(errors), cps_by_loop(errors), rtol=1e-13)


@pytest.mark.parametrize(("metric", "order"), [(velocity_error, 1), (acceleration_error, 2)])
def test_differences_in_time_need_enough_frames(metric, order):
    pred, truth, _ = pair(n=4)
    for frames in range(5):
        assert metric(pred[:frames], truth[:frames]).shape == (max(0, min(frames, 4) - order), J)


def test_velocity_and_acceleration_are_differences_of_consecutive_frames():
    t = np.arange(5.0)[:, None, None]
    truth = np.zeros((5, J, 3))
    pred = np.broadcast_to(3.0 * t * [1.0, 0.0, 0.0] + 2.0 * t**2 * [0.0, 1.0, 0.0], truth.shape)
    np.testing.assert_allclose(velocity_error(pred, truth)[:, 0], np.hypot(3.0, [2.0, 6.0, 10.0, 14.0]))
    np.testing.assert_allclose(acceleration_error(pred, truth), 4.0)
    np.testing.assert_allclose(velocity_error(pred + 99.0, truth), velocity_error(pred, truth))


def test_bones_are_measured_from_parent_to_child():
    pred, truth, _ = pair(n=3)
    expected = [
        [abs(np.linalg.norm(p[child] - p[parent]) - np.linalg.norm(g[child] - g[parent])) for parent, child in H36M17.bones]
        for p, g in zip(pred, truth, strict=True)
    ]
    np.testing.assert_allclose(bone_length_error(pred, truth, H36M17), expected, rtol=1e-12)


def test_a_symmetric_body_has_no_symmetry_error_and_a_longer_left_forearm_has_its_difference():
    _, truth, _ = pair(n=3)
    body = root_relative(truth)
    for left, right in H36M17.pairs:
        body[:, right] = body[:, left] * [-1.0, 1.0, 1.0]
    for middle in ("pelvis", "spine", "thorax", "neck_nose", "head_top"):
        body[:, H36M17.index(middle), 0] = 0.0
    assert bone_symmetry_error(body, H36M17).shape == (3, 6)
    np.testing.assert_allclose(bone_symmetry_error(body, H36M17), 0.0, atol=1e-9)
    elbow, wrist = H36M17.index("l_elbow"), H36M17.index("l_wrist")
    forearm = body[:, wrist] - body[:, elbow]
    body[:, wrist] += forearm * (25.0 / np.linalg.norm(forearm, axis=-1, keepdims=True))
    np.testing.assert_allclose(np.sort(bone_symmetry_error(body, H36M17), axis=1)[:, 4:], [[0.0, 25.0]] * 3, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_means_over_joints_ignore_a_common_order_of_the_joints(seed):
    pred, truth, rng = pair(seed)
    order = np.concatenate([[0], 1 + rng.permutation(J - 1)])  # the root stays first
    for metric in (mpjpe, pa_mpjpe, n_mpjpe):
        np.testing.assert_allclose(metric(pred[:, order], truth[:, order]), metric(pred, truth), rtol=1e-9)
    errors = residuals(pred, truth, ["similarity"]).errors["similarity"]
    np.testing.assert_allclose(cps(errors[:, order]), cps(errors))
    np.testing.assert_allclose(velocity_error(pred[:, order], truth[:, order]), velocity_error(pred, truth)[:, order])


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_frames_can_be_scored_in_pieces(seed, cut):
    pred, truth, _ = pair(seed)
    pred[2] = 0.0
    for metric in (mpjpe, pa_mpjpe, n_mpjpe, flipped):
        joined = np.concatenate([metric(pred[:cut], truth[:cut]), metric(pred[cut:], truth[cut:])])
        np.testing.assert_allclose(joined, metric(pred, truth), rtol=1e-9)


def test_least_squares_is_not_least_distance():
    """One outlier joint: Procrustes pulls all the others off their place, and the mean distance grows."""
    _, truth, _ = pair(n=1)
    pred = truth.copy()
    pred[0, 10] += [3000.0, 0.0, 0.0]
    assert pa_mpjpe(pred, truth)[0] > mpjpe(pred, truth)[0]


@pytest.mark.parametrize("module", [metrics, compat])
def test_the_examples_in_the_docstrings_run(module):
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0
