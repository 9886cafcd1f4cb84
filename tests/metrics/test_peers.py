"""Peers' formulas without a golden number of their own, and what sets each apart from the adopted definition."""

import doctest

import numpy as np
import pytest

from posebench.base.skeletons import SKELETONS
from posebench.metrics import acceleration_error, cps, pck, peers, residuals, root_relative

J = 17
H36M17 = SKELETONS["h36m17"]


def pair(n=8, seed=0):
    rng = np.random.default_rng(seed)
    truth = root_relative(rng.normal(size=(n, J, 3)) * 300.0)
    return root_relative(truth + 60.0 * rng.normal(size=truth.shape)), truth


def test_integral_puts_the_roots_together_again_after_the_alignment():
    pred, truth = pair()
    for alignment in ("rigid", "similarity"):
        errors = peers.integral_pa_errors(pred, truth, alignment=alignment)
        np.testing.assert_allclose(errors[:, 0], 0.0, atol=1e-9)
        assert errors.mean() > residuals(pred, truth, [alignment]).errors[alignment].mean()
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(peers.integral_pa_errors(truth @ turn + 5.0, truth), 0.0, atol=1e-9)


def test_3dpws_pck_counts_an_error_at_the_threshold():
    assert pck([150.0], inclusive=True).mean() == 100.0


def test_vibe_leaves_out_every_triple_that_touches_an_invisible_frame():
    pred, truth = pair(n=8)
    visible = np.ones(8, dtype=bool)
    visible[3] = False
    kept = peers.vibe_acceleration_error(pred, truth, visible)
    np.testing.assert_array_equal(kept, acceleration_error(pred, truth)[[0, 4, 5]])


@pytest.mark.parametrize(("frames", "share"), [(1, 0.0), (2, 0.0), (3, 1 / 3), (40, 38 / 40)])
def test_smoothnet_counts_a_zero_at_either_end(frames, share):
    pred, truth = pair(n=frames)
    errors = peers.smoothnet_acceleration_error(pred, truth)
    assert errors.shape == (frames, J)
    inner = acceleration_error(pred, truth)
    assert errors.mean() == pytest.approx(share * (inner.mean() if len(inner) else 0.0))


def test_videopose3d_weights_velocity_by_frames_and_not_by_differences():
    still, moving = np.zeros((2, J, 3)), np.zeros((4, J, 3))
    moving[:, :, 0] = np.arange(4)[:, None] * 10.0
    clips = [(moving[:2], still), (np.zeros((4, J, 3)), np.zeros((4, J, 3))), (moving[:1], still[:1])]
    assert peers.videopose3d_velocity(clips) == pytest.approx((2 * 10.0 + 4 * 0.0) / 6)
    assert peers.videopose3d_velocity([(still[:1], still[:1])]) == 0.0


def test_pstmo_spreads_a_batch_over_the_actions_in_it():
    errors, actions = np.array([1.0, 2.0, 3.0, 10.0, 20.0]), np.array(["b", "b", "b", "a", "a"])
    assert peers.pstmo_average(errors, actions, 1) == pytest.approx((2.0 + 15.0) / 2)
    assert peers.pstmo_average(errors, actions, 3) == pytest.approx((2.0 + 15.0) / 2)
    assert peers.pstmo_average(errors, actions, 5) == pytest.approx(7.2)
    assert peers.pstmo_average(errors, actions, 2) == pytest.approx(((1.5 + 1.5 + 6.5) / 3 + (6.5 + 20.0) / 2) / 2)


def test_eleposes_cps_counts_301_thresholds_and_the_one_at_the_error():
    errors = np.array([[0.0], [0.5], [1.0], [300.0], [300.1], [np.inf]])
    by_loop = sum(~(errors[:, 0] > threshold) for threshold in range(301))
    np.testing.assert_array_equal(peers.elepose_cps(errors), by_loop)


def test_the_oracle_over_depth_flips_forgives_a_flip_and_the_adopted_metric_does_not():
    _, truth = pair()
    best = peers.ites_best_of_flip(truth * [1.0, 1.0, -1.0], truth)
    for values in best:
        np.testing.assert_allclose(values, 0.0, atol=1e-9)
    assert (np.linalg.norm(peers.ites_scaled(truth * [1.0, 1.0, -1.0], truth) - truth, axis=-1).mean(axis=1) > 50.0).all()


def test_probflows_leaves_the_spine_out():
    errors = np.full((1, J), 10.0)
    errors[0, H36M17.index("spine")] = 1000.0
    assert peers.probflows_cps(errors)[0] == cps(np.full((1, J), 10.0))[0]
    assert peers.cp_at_180(errors).tolist() == [True]
    assert peers.probflows_pck(errors).tolist() == [1.0]
    errors[0, H36M17.index("neck_nose")] = 180.0
    assert peers.cp_at_180(errors).tolist() == [False]


def test_eighteen_pairs_of_bones_make_an_angle():
    pred, truth = pair(n=3)
    assert peers.limb_angles(pred, H36M17).shape == (3, 18)
    np.testing.assert_allclose(peers.limb_angle_error(7.0 * pred, pred, H36M17), 0.0, atol=1e-9)
    assert peers.limb_angle_velocity_error(pred[:1], truth[:1], H36M17).shape == (0, 18)


def test_bones_of_one_frame_do_not_vary():
    pred, _ = pair(n=1)
    assert peers.bone_variance(pred, H36M17) == 0.0
    assert peers.bone_deviation(pred, H36M17) == 0.0


@pytest.mark.parametrize("lost", [np.nan, 0.0, 33.3])
def test_a_pose_that_is_not_finite_or_has_no_extent_gets_a_finite_value(lost):
    pred, truth = pair()
    pred[2] = lost
    values = [
        peers.frobenius_errors(pred, truth),
        peers.elepose_pa_errors(pred, truth),
        peers.ites_scaled(pred, truth),
        peers.integral_pa_errors(pred, truth),
        peers.posebench3d_pa_errors(pred, truth),
        *peers.ites_best_of_flip(pred, truth),
        *peers.elepose_scores(pred, truth, use_scaling=True).values(),
        *peers.elepose_scores(pred, truth, use_scaling=False).values(),
    ]
    assert all(np.isfinite(value).all() for value in values)
    centred = np.linalg.norm(truth[2] - truth[2].mean(axis=0), axis=-1)
    np.testing.assert_allclose(peers.elepose_pa_errors(pred, truth)[2], centred, rtol=1e-9)
    np.testing.assert_allclose(peers.frobenius_errors(pred, truth)[2], np.linalg.norm(truth[2], axis=-1), rtol=1e-9)


def test_poses_of_different_shape_and_truths_that_are_not_finite_are_refused():
    pred, truth = pair()
    with pytest.raises(ValueError, match="must both be"):
        peers.frobenius_errors(pred[:, :16], truth)
    truth[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        peers.frobenius_errors(pred, truth)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(peers).failed == 0
    assert doctest.testmod(peers).attempted > 0
