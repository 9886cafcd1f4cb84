"""Several hypotheses a pose, on numbers small enough to check by eye."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.metrics import hypotheses
from posebench.metrics.alignment import residuals

# hypothesis x pose x joint: each oracle picks differently.
#            pose 0          pose 1
ERRORS = [
    [[1.0, 9.0, 5.0], [8.0, 8.0, 8.0]],  # mean 5, 8; both 6.5
    [[6.0, 6.0, 6.0], [9.0, 3.0, 6.0]],  # mean 6, 6; both 6.0
    [[9.0, 0.0, 9.0], [7.0, 7.0, 1.0]],  # mean 6, 5; both 5.5
]


def test_the_best_joint_comes_from_any_hypothesis():
    assert hypotheses.best_joint(ERRORS).tolist() == [[1.0, 0.0, 5.0], [7.0, 3.0, 1.0]]


def test_the_best_pose_is_chosen_pose_by_pose():
    assert hypotheses.best_pose(ERRORS).tolist() == [[1.0, 9.0, 5.0], [7.0, 7.0, 1.0]]


def test_the_best_of_a_batch_is_one_hypothesis_for_all_poses():
    assert hypotheses.best_batch(ERRORS).tolist() == ERRORS[2]


def test_the_joint_nearest_in_the_image_is_taken_without_the_truth():
    poses = np.arange(2 * 1 * 3 * 3, dtype=float).reshape(2, 1, 3, 3)
    picked = hypotheses.nearest_reprojection(poses, [[[1.0, 5.0, 2.0]], [[3.0, 4.0, 9.0]]])
    np.testing.assert_array_equal(picked, [[poses[0, 0, 0], poses[1, 0, 1], poses[0, 0, 2]]])


def test_the_mean_pose_is_the_mean_of_the_joints():
    np.testing.assert_array_equal(hypotheses.mean_pose([[[[0.0, 2.0, 4.0]]], [[[2.0, 4.0, 8.0]]]]), [[[1.0, 3.0, 6.0]]])


@pytest.mark.parametrize("alignment", ["root", "scale", "similarity"])
def test_each_hypothesis_has_its_own_alignment(alignment):
    rng = np.random.default_rng(0)
    truth, poses = rng.normal(size=(4, 17, 3)), rng.normal(size=(3, 4, 17, 3))
    expected = [residuals(pose, truth, [alignment]).errors[alignment] for pose in poses]
    np.testing.assert_array_equal(hypotheses.errors(poses, truth, alignment), expected)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_oracles_are_ordered_and_one_hypothesis_leaves_no_choice(seed, count):
    errors = np.random.default_rng(seed).uniform(0.0, 100.0, size=(count, 6, 17))
    joint, pose, batch = (f(errors).mean() for f in (hypotheses.best_joint, hypotheses.best_pose, hypotheses.best_batch))
    assert joint <= pose <= batch <= errors.mean() + 1e-9
    if count == 1:
        assert joint == pose == batch
    else:
        assert joint < batch


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_oracles_ignore_the_order_of_the_hypotheses(seed):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.0, 100.0, size=(5, 6, 17))
    shuffled = errors[rng.permutation(5)]
    for oracle in (hypotheses.best_joint, hypotheses.best_pose, hypotheses.best_batch):
        np.testing.assert_array_equal(oracle(shuffled), oracle(errors))
