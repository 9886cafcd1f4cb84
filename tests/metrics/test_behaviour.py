"""Diagnostics without true poses, on poses for which their values are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.skeletons import skeleton
from posebench.metrics.behaviour import BEHAVIOUR, behaviour

H36M = skeleton("h36m17")
PAIRS = np.arange(80).reshape(2, 40).T


@pytest.fixture(scope="module")
def poses(walker):
    """Forty moments from one camera, then the same from the camera exactly opposite."""
    one = walker(40)
    return np.concatenate([one, one * [-1.0, 1.0, -1.0]])


def diagnostics(poses, **options):
    return behaviour(poses, H36M, PAIRS, **options)


def test_a_lifter_that_sees_depth_has_all_four_diagnostics(poses):
    found = diagnostics(poses)
    assert tuple(found) == BEHAVIOUR
    assert found["opposite depth"] == pytest.approx(-1.0, abs=1e-12)
    assert found["bone spread"] < 1e-12  # one body, stiff bones
    assert 0.2 < found["depth extent"] < 1.0
    assert 0.1 < found["pose variation"] < 1.0


def test_flat_poses_have_no_depth_and_no_correlation_of_it(poses):
    found = diagnostics(poses * [1.0, 1.0, 0.0])
    assert found["depth extent"] == 0.0
    assert "opposite depth" not in found
    assert found["bone spread"] > 0.05


def test_depth_told_from_the_outline_alone_is_the_same_from_behind(poses):
    # The outline of the opposite camera is the mirror image; a depth that is a function of |x| and y cannot turn round with the camera.
    outline = poses - poses.mean(axis=1, keepdims=True)
    outline[..., 2] = np.abs(outline[..., 0]) + 0.3 * outline[..., 1]
    assert diagnostics(outline)["opposite depth"] == pytest.approx(1.0, abs=1e-12)


def test_one_pose_for_all_frames_has_no_variation(poses):
    found = diagnostics(np.repeat(poses[:1], 80, axis=0))
    assert found["pose variation"] < 1e-12
    assert found["bone spread"] < 1e-12
    assert found["opposite depth"] == pytest.approx(1.0)


def test_the_depth_extent_is_depth_over_what_is_across():
    joints = np.zeros((1, 17, 3))
    joints[0, :, 0] = np.tile([-1.0, 1.0], 9)[:17]
    joints[0, :, 1] = joints[0, :, 0]
    joints[0, :, 2] = 3.0 * joints[0, :, 0]
    assert behaviour(joints, H36M)["depth extent"] == pytest.approx(3.0)


def test_the_spread_of_bones_is_that_of_their_shares_of_the_body():
    # Two bodies that differ in one bone: pelvis to right hip.
    joints = np.zeros((2, 17, 3))
    for parent, child in H36M.bones:
        joints[:, child] = joints[:, parent] + [0.0, 1.0, 0.0]
    for joint in ("r_hip", "r_knee", "r_ankle"):
        joints[1, H36M.index(joint)] += [0.0, 1.0, 0.0]
    shares = np.full((2, 16), 1.0)
    shares[1, list(H36M.bones).index((H36M.index("pelvis"), H36M.index("r_hip")))] = 2.0
    shares /= shares.sum(axis=1, keepdims=True)
    assert behaviour(joints, H36M)["bone spread"] == pytest.approx((shares.std(axis=0) / shares.mean(axis=0)).mean())


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(1e-6, 1e6),
    shift=st.tuples(*[st.floats(-1e4, 1e4)] * 3),
    sizes=st.lists(st.floats(0.5, 2.0), min_size=80, max_size=80),
    angle=st.floats(0.0, 6.3),
)
def test_unit_place_size_of_the_body_and_roll_of_the_camera_change_no_diagnostic(poses, scale, shift, sizes, angle):
    before = diagnostics(poses)
    roll = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    centred = poses - poses.mean(axis=1, keepdims=True)
    # Depth extent is a ratio of means, so that it weighs poses by their size: one scale for all leaves it.
    moved = diagnostics(scale * (centred @ roll.T + np.array(shift)))
    for name in BEHAVIOUR:
        assert moved[name] == pytest.approx(before[name], abs=1e-6)
    sized = diagnostics(centred * np.array(sizes)[:, None, None])
    for name in ("bone spread", "pose variation", "opposite depth"):
        assert sized[name] == pytest.approx(before[name], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(40)))
def test_the_order_of_poses_and_of_each_pair_changes_no_sign(poses, order):
    order = np.array(order)
    shuffled = poses[np.concatenate([order + 40, order])]
    for name, value in behaviour(shuffled, H36M, PAIRS[:, ::-1]).items():
        assert value == pytest.approx(diagnostics(poses)[name], abs=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_poses_that_are_not_finite_are_left_out_with_their_pair(poses, bad):
    broken = poses.copy()
    broken[[3, 50], 7, 1] = bad
    rest = [i for i in range(80) if i not in (3, 50)]
    wanted = behaviour(poses[rest], H36M, [(rest.index(a), rest.index(b)) for a, b in PAIRS if a in rest and b in rest])
    assert diagnostics(broken) == pytest.approx(wanted)


def test_what_cannot_be_told_is_left_out(poses):
    assert "opposite depth" not in behaviour(poses, H36M)
    assert "opposite depth" not in behaviour(poses, H36M, np.zeros((0, 2), dtype=int))
    assert behaviour(np.full((5, 17, 3), np.nan), H36M, [(0, 1)]) == {}
    assert behaviour(np.zeros((0, 17, 3)), H36M) == {}
    assert behaviour(np.zeros((3, 17, 3)), H36M, [(0, 1)]) == {}
