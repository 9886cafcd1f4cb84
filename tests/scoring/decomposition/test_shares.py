"""Every decomposition sums to the squared error to rounding, has no negative part, and says what it should of known cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct

from posebench.metrics.alignment import residuals
from posebench.scoring.decomposition import shares
from posebench.scoring.decomposition.body import Body
from posebench.scoring.decomposition.fixes import Bones
from posebench.scoring.protocol import load_protocol

GOLDEN = Path(__file__).parents[2] / "golden"
BODY = Body.of(load_protocol("pair-17j"))
#: Golden cases of ordinary poses, as distinct from those of one point, line or plane.
CASES = (
    "noise_iid",
    "scale_error",
    "rotation_error",
    "depth_flipped",
    "limb_swap",
    "outlier_joints",
    "unit_mistake_pred_in_m",
    "negative_scale",
)


def component_first(poses):
    """(T, J, 3) to root-relative (3, J, T)."""
    return np.ascontiguousarray((poses - poses[:, :1]).transpose(2, 1, 0))


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "metrics_cases.npz") as file:
        return {name: (component_first(file[f"{name}__pred"]), component_first(file[f"{name}__gt"])) for name in CASES}


@st.composite
def poses(draw, count=5):
    """Predicted and true poses: noise of any size, turned, mirrored, scaled, or with joints in one point."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    truth = random.normal(0.0, 300.0, (3, 17, count))
    factor = np.array(draw(st.tuples(*[st.sampled_from([1.0, -1.0, 0.0, 0.3, 1e-6, 40.0])] * 3)))
    pred = truth * factor[:, None, None] + random.normal(0.0, draw(st.sampled_from([0.0, 1e-9, 1.0, 80.0, 2000.0])), truth.shape)
    pred[:, draw(st.lists(st.integers(0, 16), max_size=17))] = draw(st.sampled_from([0.0, 500.0]))
    return pred, truth


def assert_exact(parts, whole):
    assert (parts >= 0.0).all()
    np.testing.assert_allclose(parts.sum(axis=0), whole, rtol=1e-9, atol=1e-6)


@settings(deadline=None, max_examples=100)
@given(poses())
def test_the_parts_of_any_poses_sum_to_the_squared_error(pair):
    pred, truth = pair
    error = pred - truth
    square = np.einsum("cjn,cjn->jn", error, error)
    assert_exact(shares.pose_parts(shares.correlation(pred, truth)), square.sum(axis=0))
    ray = np.full((3, pred.shape[2]), 1.0 / np.sqrt(3.0))
    assert_exact(shares.ray_parts(error, ray), square)
    moved = error[:, BODY.children] - error[:, BODY.parents]
    assert_exact(shares.bone_parts(*Bones.of(pred, truth, BODY)), np.einsum("cbn,cbn->bn", moved, moved))


@settings(deadline=None, max_examples=30)
@given(st.integers(40, 200), st.sampled_from([10.0, 25.0, 30.0, 50.0]), st.integers(0, 99))
def test_the_bands_of_time_sum_to_the_squared_error_and_are_those_of_scipy(count, rate, seed):
    error = np.random.default_rng(seed).normal(0.0, 50.0, (3, 17, count))
    parts, smooth = shares.band_parts(error, rate)
    assert_exact(parts, np.einsum("cjt,cjt->j", error, error))
    power = (dct(error, norm="ortho", axis=-1) ** 2).sum(axis=0)
    hertz = np.arange(count) * rate / (2 * count)
    of_scipy = [hertz == 0, (hertz > 0) & (hertz < 1), (hertz >= 1) & (hertz <= 6), hertz > 6]
    np.testing.assert_allclose(parts, [power[:, band].sum(axis=1) for band in of_scipy], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(((error - smooth) ** 2).sum(axis=(0, 2)), parts[3], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_the_chain_of_a_pose_is_what_the_alignments_leave(golden, case):
    pred, truth = golden[case]
    parts = shares.pose_parts(shares.correlation(pred, truth))
    assert_exact(parts, ((pred - truth) ** 2).sum(axis=(0, 1)))
    errors, _ = residuals(pred.transpose(2, 1, 0), truth.transpose(2, 1, 0), ["similarity", "similarity+reflection"])
    left = {name: (values**2).sum(axis=1) for name, values in errors.items()}
    np.testing.assert_allclose(parts[3:].sum(axis=0), left["similarity"], rtol=1e-8, atol=1e-6)
    np.testing.assert_allclose(parts[4], left["similarity+reflection"], rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize(("case", "percent"), [("depth_flipped", (0.5, 0.6, 99.0)), ("scale_error", (93.5, 4.1, 2.3))])
def test_the_bones_of_golden_cases(golden, case, percent):
    parts = shares.bone_parts(*Bones.of(*golden[case], BODY)).sum(axis=(1, 2))
    assert np.round(shares.percent_of(parts), 1).tolist() == list(percent)


def test_a_part_is_alone_where_the_error_is_of_one_kind():
    truth = np.random.default_rng(0).normal(0.0, 300.0, (3, 17, 4))
    moved, mirrored = truth + np.array([10.0, -20.0, 5.0])[:, None, None], truth * np.array([1.0, 1.0, -1.0])[:, None, None]
    centred = truth - truth.mean(axis=1, keepdims=True)
    for pred, part in ((moved, 0), (centred * 0.9 + truth.mean(axis=1, keepdims=True), 1)):
        found = shares.percent_of(shares.pose_parts(shares.correlation(pred, truth)).sum(axis=1))
        assert found[part] == pytest.approx(100.0)
    found = shares.pose_parts(shares.correlation(mirrored, truth)).sum(axis=1)
    assert found[3] > 0.0
    assert found[4] == pytest.approx(0.0, abs=1e-6)


def test_a_prediction_without_extent_has_placement_and_shape_only():
    truth = np.random.default_rng(1).normal(0.0, 300.0, (3, 17, 2))
    parts = shares.pose_parts(shares.correlation(np.zeros_like(truth), truth))
    assert_exact(parts, (truth**2).sum(axis=(0, 1)))
    assert not parts[1:4].any()
    assert not shares.bone_parts(*Bones.of(np.zeros_like(truth), truth, BODY))[1:].any()


def test_a_constant_offset_of_a_turning_body_is_bias_in_its_frame(walker):
    truth = component_first(walker(60))
    axes = BODY.axes(truth)
    np.testing.assert_allclose(np.einsum("bcn,dcn->bdn", axes, axes), np.eye(3)[..., None] * np.ones(60), atol=1e-12)
    left, right = BODY.hips
    assert (np.einsum("cn,cn->n", truth[:, left] - truth[:, right], axes[0]) > 0.0).all()
    offset = np.random.default_rng(2).normal(0.0, 20.0, (3, 17))
    error = np.einsum("bcn,bj->cjn", axes, offset)
    in_frame = shares.in_body_frame(error, axes)
    values = np.concatenate([in_frame.mean(axis=2).ravel(), (error**2).sum(axis=0).mean(axis=1)])
    bias, spread = shares.mean_squares("body", values)
    assert bias == pytest.approx((offset**2).sum() / 17)
    assert spread == pytest.approx(0.0, abs=1e-9)


def test_shares_of_no_error_are_zero():
    assert shares.percent_of(np.array([[0.0, 1e-9], [3.0, 1.0]])).tolist() == [[0.0, 0.0], [75.0, 25.0]]


def test_golden_cases_are_the_peers(golden):
    """The poses that these tests cut to be root-relative are those that the peers' numbers are of."""
    expected = json.loads((GOLDEN / "metrics_expected.json").read_text())["cases"]
    for case in ("noise_iid", "depth_flipped", "limb_swap"):
        pred, truth = golden[case]
        assert np.sqrt(((pred - truth) ** 2).sum(axis=0)).mean() == pytest.approx(expected[case]["vp3d.mpjpe"])
