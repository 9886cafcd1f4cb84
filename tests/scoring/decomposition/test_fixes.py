"""Rungs and oracles leave what the metrics measure, and what plain loops find."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench import metrics
from posebench.base.cameras import rotation_xyz
from posebench.base.skeletons import SKELETONS
from posebench.scoring.decomposition.body import Body
from posebench.scoring.decomposition.chunks import Setting
from posebench.scoring.decomposition.fixes import (
    ROTATIONS,
    Fixer,
    Poses,
    Scales,
    apply_discrete,
    best_scale,
    choose_discrete,
    turned_to,
)
from posebench.scoring.protocol import load_protocol, protocol_ids

GOLDEN = Path(__file__).parents[2] / "golden"
BODY = Body.of(load_protocol("pair-17j"))
EXPECTED = json.loads((GOLDEN / "metrics_expected.json").read_text())["cases"]


def component_first(poses):
    return np.ascontiguousarray((poses - poses[:, :1]).transpose(2, 1, 0))


def frames_first(poses):
    return poses.transpose(2, 1, 0)


def fixed(pred, truth, body=BODY, **more):
    """Everything that the fixes leave of root-relative poses (3, J, n), with factors of these poses."""
    codes, _ = choose_discrete(pred, truth, body)
    after = apply_discrete(pred, codes, body)
    alone, on_top = (float(np.vdot(poses, truth) / max(np.vdot(poses, poses), 1e-300)) for poses in (pred, after))
    lengths = np.linalg.norm(truth[:, body.children] - truth[:, body.parents], axis=0).mean(axis=1)
    given = {"ray": None, "offset": None, "axes": None, **more}
    poses, fixer = Poses(pred, truth, codes, True, Scales(alone, on_top, alone, on_top), lengths=lengths, **given), Fixer(body)
    ladder = fixer.ladder(poses)
    oracles = fixer.oracles(poses, ladder.errors["start"])
    return replace(oracles, errors=ladder.errors | oracles.errors)


@pytest.fixture(scope="module")
def golden():
    def case(name):
        with np.load(GOLDEN / "metrics_cases.npz") as file:
            return component_first(file[f"{name}__pred"]), component_first(file[f"{name}__gt"])

    return case


@pytest.mark.parametrize("case", ["noise_iid", "scale_error", "rotation_error", "outlier_joints", "long_smooth_error"])
def test_rungs_are_the_peers_metrics_where_nothing_is_flipped(golden, case):
    found = fixed(*golden(case))
    wanted = EXPECTED[case]
    assert found.errors["start"].mean() == pytest.approx(wanted["vp3d.mpjpe"])
    assert found.errors["frame-scale"].mean() == pytest.approx(wanted["vp3d.n_mpjpe"])
    assert found.errors["rotation"].mean() == pytest.approx(wanted["vp3d.p_mpjpe"])


@pytest.mark.parametrize(
    ("case", "code", "ladder"), [("depth_flipped", 1, (291.7, 24.0, 23.5, 17.8)), ("limb_swap", 2, (389.3, 23.5, 23.2, 14.6))]
)
def test_a_flip_is_undone_before_anything_is_fitted(golden, case, code, ladder):
    """Golden numbers: PA alone leaves 180 and 170 mm of these."""
    pred, truth = golden(case)
    assert (choose_discrete(pred, truth, BODY)[0] == code).all()
    errors = fixed(pred, truth).errors
    for name, wanted in zip(("start", "discrete", "frame-scale", "rotation"), ladder, strict=True):
        assert errors[name].mean() == pytest.approx(wanted, abs=0.06)
    assert errors["alone:rotation"].mean() > 160.0


def test_noise_is_not_taken_for_a_flip(walker):
    random = np.random.default_rng(0)
    truth = component_first(np.concatenate([walker(40, seed) for seed in range(15)]))
    for size in (20.0, 60.0, 100.0):
        assert not choose_discrete(truth + random.normal(0.0, size, truth.shape), truth, BODY)[0].any()
    assert not choose_discrete(truth, truth, BODY)[0].any()
    assert not choose_discrete(np.zeros_like(truth), truth, BODY)[0].any()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_rungs_and_oracles_are_those_of_plain_loops(seed):
    random = np.random.default_rng(seed)
    truth = component_first(random.normal(0.0, 300.0, (4, 17, 3)))
    pred = component_first(frames_first(truth) + random.normal(0.0, 90.0, (4, 17, 3)))
    found = fixed(pred, truth)
    p, g = frames_first(pred), frames_first(truth)

    def distance(one):
        return np.linalg.norm(one - g, axis=-1).mean(axis=1)

    np.testing.assert_allclose(found.errors["start"], metrics.mpjpe(p, g))
    np.testing.assert_allclose(found.errors["alone:frame-scale"], metrics.n_mpjpe(p, g))
    np.testing.assert_allclose(found.errors["alone:set-scale"], distance(p * (p * g).sum() / (p * p).sum()))
    signs = np.where((p[..., 2] * g[..., 2]).sum(axis=1) < 0.0, -1.0, 1.0)
    flipped = p * np.stack([np.ones(4), np.ones(4), signs], axis=-1)[:, None]
    np.testing.assert_allclose(found.errors["depth-sign"], distance(flipped))
    # The squared error changes by exactly four times the product of the depths.
    other = p * [1.0, 1.0, -1.0]
    change = ((other - g) ** 2).sum(axis=(1, 2)) - ((p - g) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(change, 4.0 * (p[..., 2] * g[..., 2]).sum(axis=1), rtol=1e-9, atol=1e-6)
    for name, bones, how in (
        ("bones-depth", range(16), "each"),
        ("left-arm-depth", BODY.limbs["left-arm"], "sum"),
        ("trunk-depth", BODY.limbs["trunk"], "sum"),
        ("lengths", range(16), "length"),
        ("directions", range(16), "direction"),
    ):
        np.testing.assert_allclose(found.errors[name], distance(rebuilt(p, g, list(bones), how)), err_msg=name)


def rebuilt(pred, truth, chosen, how):
    """Poses (n, J, 3) rebuilt from the root outward, bone by bone."""
    out = np.zeros_like(pred)
    for frame in range(len(pred)):
        b, g = ([pose[frame, child] - pose[frame, parent] for parent, child in BODY.skeleton.bones] for pose in (pred, truth))
        product = {k: b[k][2] * g[k][2] for k in chosen}
        for k in chosen:
            if how == "length":
                b[k] = b[k] / np.linalg.norm(b[k]) * np.linalg.norm(g[k])
            elif how == "direction":
                b[k] = g[k] / np.linalg.norm(g[k]) * np.linalg.norm(b[k])
            elif (sum(product.values()) if how == "sum" else product[k]) < 0.0:
                b[k] = b[k] * [1.0, 1.0, -1.0]
        for k, (parent, child) in enumerate(BODY.skeleton.bones):  # parents stand before their children
            out[frame, child] = out[frame, parent] + b[k]
    return out


@pytest.mark.parametrize("axis", range(3))
def test_a_rotation_about_an_axis_is_found_with_its_sign(walker, axis):
    truth = component_first(walker(20))
    angle = 12.0 * np.eye(3)[axis]
    pred = np.einsum("ab,bjn->ajn", rotation_xyz(angle), truth)
    found = fixed(pred, truth)
    np.testing.assert_allclose(found.amounts[ROTATIONS[axis]], 12.0)
    assert found.errors[ROTATIONS[axis]].max() < 1e-9
    noisy = pred + np.random.default_rng(0).normal(0.0, 40.0, pred.shape)
    best = fixed(noisy, truth)
    for step in (-1.0, 1.0):  # least squares: a neighbouring angle is worse
        turns = best.amounts[ROTATIONS[axis]] + step
        turned = np.stack([rotation_xyz(-turn * np.eye(3)[axis]) @ noisy[:, :, n] for n, turn in enumerate(turns)], axis=-1)
        exact = np.stack([rotation_xyz(-(turn - step) * np.eye(3)[axis]) @ noisy[:, :, n] for n, turn in enumerate(turns)], axis=-1)
        assert (((turned - truth) ** 2).sum(axis=(0, 1)) > ((exact - truth) ** 2).sum(axis=(0, 1))).all()


def test_poses_of_a_camera_that_looks_at_the_person_are_turned_to_its_own(walker):
    placed = np.ascontiguousarray(walker(20).transpose(2, 1, 0)) + np.array([900.0, 300.0, 0.0])[:, None, None]
    root = placed[:, 0]
    ray = root / np.linalg.norm(root, axis=0)
    truth = placed - root[:, None]
    along_z = np.zeros((3, 1, 20))
    along_z[2] = 1.0
    np.testing.assert_allclose(turned_to(along_z, ray)[:, 0], ray, atol=1e-12)
    square = np.einsum("cjn,ckn->jkn", truth, truth)
    turned = turned_to(truth, ray)
    np.testing.assert_allclose(np.einsum("cjn,ckn->jkn", turned, turned), square, atol=1e-6)
    # The rotation that undoes it has the axis of the first, which the smallest rotation leaves in place.
    back = turned_to(truth, ray * np.array([-1.0, -1.0, 1.0])[:, None])
    found = fixed(back, truth, ray=ray)
    assert found.errors["ray"].max() < 1e-9
    assert found.errors["start"].min() > 10.0


def test_an_offset_in_the_body_frame_is_subtracted(walker):
    truth = component_first(walker(30))
    axes, offset = BODY.axes(truth), np.random.default_rng(0).normal(0.0, 20.0, (3, 17))
    found = fixed(truth + np.einsum("bcn,bj->cjn", axes, offset), truth, axes=axes, offset=offset)
    assert found.errors["offset"].max() < 1e-9


def test_exchanged_limbs_are_put_back_where_that_halves_the_squared_error(walker):
    truth = component_first(walker(20))
    pred = truth.copy()
    pred[:, :, :5] = truth[:, BODY.exchanged("arms")][:, :, :5]
    found = fixed(pred, truth)
    assert found.changed["arms-exchanged"].tolist() == [True] * 5 + [False] * 15
    assert found.errors["arms-exchanged"].max() < 1e-9
    assert not found.changed["legs-exchanged"].any()


@pytest.mark.parametrize(("noise", "pa"), [(30.0, 28.1), (60.0, 56.2), (100.0, 91.9), (150.0, 134.2)])
def test_the_chance_line_has_the_error_of_the_file_and_falls_as_noise_does(noise, pa):
    with np.load(GOLDEN / "metrics_cases.npz") as file:
        truth = component_first(np.concatenate([file[f"{case}__gt"] for case in ("noise_iid", "long_smooth_error", "rotation_error")]))
    setting = Setting(BODY, True, 1.0, 1, 30.0, 1, 1, True)
    truth = np.concatenate([truth] * 10, axis=2)
    poses = truth + noise * setting.noise[:, :, : truth.shape[2]]
    found = fixed(poses, truth)
    np.testing.assert_allclose(found.errors["start"], noise)
    assert found.errors["rotation"].mean() == pytest.approx(pa, rel=0.04)


@pytest.mark.parametrize("id", sorted(SKELETONS))
def test_every_skeleton_is_rebuilt_from_its_bones(id):
    pose = np.random.default_rng(0).normal(0.0, 300.0, (3, len(SKELETONS[id]), 2))
    root = SKELETONS[id].root_indices
    body = Body(SKELETONS[id], root, tuple(range(len(SKELETONS[id]))))
    pose -= pose[:, list(root)].mean(axis=1, keepdims=True)
    bones = pose[:, body.children] - pose[:, body.parents]
    np.testing.assert_allclose(np.matmul(body.paths, bones), pose, atol=1e-9)
    assert sorted(bone for limb in body.limbs.values() for bone in limb) == list(range(len(body.children)))
    for which in ("sides", "arms", "legs"):
        order = body.exchanged(which)
        assert [order[other] for other in order] == list(range(len(order)))
    assert body.exchanged("sides") == list(SKELETONS[id].mirror)


@pytest.mark.parametrize("id", protocol_ids())
def test_the_scored_joints_are_those_of_the_protocols_mean(id):
    protocol = load_protocol(id)
    means = {metric.joints for metric in protocol.metrics if metric.name in ("MPJPE", "N-MPJPE", "PA-MPJPE")}
    body = Body.of(protocol)
    assert {tuple(body.skeleton.joints[joint] for joint in body.scored)} == means


def test_a_pose_without_extent_keeps_its_error():
    truth = component_first(np.random.default_rng(0).normal(0.0, 300.0, (3, 17, 3)))
    found = fixed(np.zeros_like(truth), truth)
    for name in ("discrete", "set-scale", "frame-scale", "azimuth", "lengths", "bones-depth"):
        np.testing.assert_allclose(found.errors[name], found.errors["start"], err_msg=name)
    assert best_scale(np.zeros_like(truth), truth).tolist() == [0.0, 0.0, 0.0]
