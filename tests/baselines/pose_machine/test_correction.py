"""Correction at test time: every frame has weights of its own, the rule holds, and no weight is changed for good."""

import copy
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import itertools

import torch
from torch import nn

from posebench.base.skeletons import skeleton
from posebench.baselines.pose_machine.camera import fit_translation, project_fitted
from posebench.baselines.pose_machine.correction import correct
from posebench.baselines.pose_machine.keypoints import VisibleKeypoints
from posebench.training.loop import fit

H36M = skeleton("h36m17")
NO_RULE = {"correction_stop": 0.0, "correction_reject": 0.0}


@pytest.fixture(scope="module")
def method(make_method, data, tmp_path_factory):
    """Trained a little, so that projections depend on poses."""
    torch.set_num_threads(1)
    method = make_method("default", "epochs=6", "stride=5", "learning_rate=3e-3", "unlabelled_takes=0.25", "correction_rate=0.05")
    method.prepare(data)
    fit(method, data, method.settings, tmp_path_factory.mktemp("fit"))
    return method


@pytest.fixture(scope="module")
def sample(method, data):
    """Poses and keypoints of 20 frames with two joints hidden here and there."""
    points = data.keypoints[:20].clone()
    points[3, 4] = points[11, 9] = float("nan")
    with torch.no_grad():
        return method.predict(points)


def part_of(keypoints, part):
    return VisibleKeypoints(*(values[part] for values in keypoints))


def settings_of(method, **changes):
    return replace(method.settings, **{**NO_RULE, **changes})


def correct_by_sgd(method, poses, keypoints, chosen):
    """One frame, with deep copies of the networks and PyTorch's SGD."""
    lifter = copy.deepcopy(method.lifter).double()
    poses, keypoints = poses.double(), VisibleKeypoints(keypoints.points.double(), keypoints.visible, keypoints.size.double())
    free = [*lifter.copy.parameters(), *(lifter.projector.parameters() if chosen.correction == "both" else ())]
    optimiser = torch.optim.SGD(free, lr=chosen.correction_rate)
    visible = keypoints.visible[:, lifter.others]
    for _ in range(chosen.correction_steps):
        optimiser.zero_grad()
        copied = lifter.copy(poses)
        if chosen.correction == "camera":
            lifted = lifter.with_root(lifter.in_mm(copied))
            image = (
                project_fitted(lifted, keypoints.points, keypoints.visible)[:, lifter.others] - keypoints.points[:, :1]
            ) / keypoints.size
            view = lifter.view(image)
        else:
            view = lifter.projector(copied).unflatten(-1, (16, 2))
        difference = view - lifter.target_view(keypoints)
        error = difference.square().sum(dim=-1)[visible].mean()
        if chosen.correction_bones:
            difference = lifter.with_root(difference)
            lines = [difference[0, child] - difference[0, parent] for parent, child in H36M.bones]
            both = [bool(keypoints.visible[0, child] and keypoints.visible[0, parent]) for parent, child in H36M.bones]
            squares = [line.square().sum() for line, shown in zip(lines, both, strict=True) if shown]
            error = error + chosen.correction_bones * torch.stack(squares).mean()
        error.backward()
        if chosen.correction_clip:
            norm = torch.stack([part.grad.square().sum() for part in free]).sum().sqrt()
            for part in free:
                part.grad *= min(1.0, chosen.correction_clip / float(norm))
        optimiser.step()
    return lifter.in_mm(lifter.copy(poses)).detach()


@pytest.mark.parametrize("correction", ["copy", "both", "camera"])
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_correcting_a_batch_equals_copying_the_networks_for_each_frame_and_using_sgd(method, sample, correction, steps):
    poses, keypoints = sample
    bones, clip = (0.5 if steps == 2 else 0.0), (0.3 if steps == 5 else 0.0)
    chosen = settings_of(method, correction=correction, correction_steps=steps, correction_bones=bones, correction_clip=clip)
    together = correct(method.lifter, method.joints, poses, keypoints, chosen)
    for frame in range(20):
        part = slice(frame, frame + 1)
        alone = correct(method.lifter, method.joints, poses[part], part_of(keypoints, part), chosen)
        assert (together.poses[part] - alone.poses).abs().max() < 1e-5
        expected = correct_by_sgd(method, poses[part], part_of(keypoints, part), chosen)
        assert (together.proposed[part] - expected).abs().max() < 1e-5
    assert (together.steps == steps).all()
    if steps:
        assert (together.proposed - together.copied).abs().max() > 0.01


@pytest.mark.parametrize("residual", ["true", "false"])
def test_without_steps_both_forms_of_the_copy_network_give_the_copy(make_method, data, residual):
    method = make_method("default", f"copy_residual={residual}")
    method.prepare(data)
    nn.init.normal_(method.lifter.copy.layers[1].weight, std=0.1)
    poses, keypoints = method.predict(data.keypoints[:6])
    with torch.no_grad():
        expected = method.lifter.in_mm(method.lifter.copy(poses))
    corrected = correct(method.lifter, method.joints, poses.detach(), keypoints, settings_of(method, correction="both", correction_steps=0))
    torch.testing.assert_close(corrected.poses, expected.double(), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("correction", ["copy", "both", "camera"])
def test_small_steps_lower_the_error_of_the_projection(method, sample, correction):
    corrected = correct(
        method.lifter, method.joints, *sample, settings_of(method, correction=correction, correction_steps=3, correction_rate=1e-3)
    )
    assert (corrected.error_after < corrected.error_before).all()
    assert (corrected.view_change > 0).all()


def test_a_gradient_above_the_limit_is_shortened_and_one_below_is_not(method, sample):
    poses, keypoints = sample
    one_step = settings_of(method, correction="copy", correction_steps=1)
    unlimited, short, long = (
        correct(method.lifter, method.joints, poses, keypoints, replace(one_step, correction_clip=clip)).proposed
        for clip in (0.0, 1e-3, 1e6)
    )
    start = correct(method.lifter, method.joints, poses, keypoints, settings_of(method, correction="copy", correction_steps=0)).proposed
    assert torch.equal(unlimited, long)
    assert ((short - start).norm(dim=(1, 2)) < (unlimited - start).norm(dim=(1, 2))).all()


def test_the_effect_of_the_projectors_change_is_separated_from_that_of_the_pose(method, sample):
    both = correct(method.lifter, method.joints, *sample, settings_of(method, correction="both", correction_steps=3))
    only = correct(method.lifter, method.joints, *sample, settings_of(method, correction="copy", correction_steps=3))
    torch.testing.assert_close(only.error_by_pose, only.error_after)
    assert (both.error_by_pose > both.error_after).all()


def test_a_correction_that_moves_the_pose_too_far_is_rejected(method, sample):
    poses, keypoints = sample
    long_steps = settings_of(method, correction="camera", correction_steps=20, correction_rate=0.3)
    unlimited = correct(method.lifter, method.joints, poses, keypoints, long_steps)
    stable = [H36M.index(name) for name in ("pelvis", "l_hip", "r_hip", "l_shoulder", "r_shoulder")]
    start = method.lifter.in_mm(poses.double())
    moved = (method.lifter.with_root(unlimited.proposed) - method.lifter.with_root(start))[:, stable].norm(dim=-1).mean(dim=-1)
    limit = float(moved.median())
    limited = correct(method.lifter, method.joints, poses, keypoints, replace(long_steps, correction_reject=limit))
    assert torch.equal(limited.rejected, moved > limit)
    assert 0 < limited.rejected.sum() < 20
    torch.testing.assert_close(limited.poses[limited.rejected], start[limited.rejected])
    torch.testing.assert_close(limited.poses[~limited.rejected], unlimited.poses[~limited.rejected])


def test_a_frame_stops_when_its_stable_joints_hardly_move_while_others_continue(method, sample):
    poses, keypoints = sample
    long = settings_of(method, correction="camera", correction_steps=8, correction_rate=0.05)
    lifted = [correct(method.lifter, method.joints, poses, keypoints, replace(long, correction_steps=count)).proposed for count in range(9)]
    stable = [H36M.index(name) for name in ("pelvis", "l_hip", "r_hip", "l_shoulder", "r_shoulder")]
    moved = [(method.lifter.with_root(b - a))[:, stable].norm(dim=-1).mean(dim=-1) for a, b in itertools.pairwise(lifted)]
    limit = float(torch.stack(moved).median())
    corrected = correct(method.lifter, method.joints, poses, keypoints, replace(long, correction_stop=limit))
    expected = [next((k + 1 for k in range(8) if moved[k][frame] < limit), 8) for frame in range(20)]
    assert corrected.steps.tolist() == expected
    assert len(set(expected)) > 1
    for frame, count in enumerate(expected):
        torch.testing.assert_close(corrected.proposed[frame], lifted[count][frame])


def test_lifting_with_correction_leaves_the_weights_unchanged_and_is_repeatable(make_method, data):
    method = make_method("default", "correction=both", "correction_steps=3", "correction_rate=0.05", "correction_reject=0.0")
    before = copy.deepcopy(method.lifter.state_dict())
    with torch.inference_mode():
        first = method.lift(data.keypoints[:40])
        assert torch.equal(method.lift(data.keypoints[:40]), first)
    assert all(torch.equal(value, before[name]) for name, value in method.lifter.state_dict().items())
    assert all(value.grad is None for value in method.parameters())


def test_hidden_joints_do_not_count_in_the_error(method, data):
    points = data.keypoints[:4].clone()
    points[:, 6] = float("nan")
    poses, keypoints = method.predict(points)
    other = keypoints._replace(points=keypoints.points.clone())
    other.points[:, 6] += 0.3
    chosen = settings_of(method, correction="copy", correction_steps=2, correction_bones=1.0)
    one, two = (correct(method.lifter, method.joints, poses.detach(), which, chosen) for which in (keypoints, other))
    assert torch.equal(one.poses, two.poses)


def test_the_fitted_translation_is_the_true_one(data):
    relative = (data.poses - data.poses[:, :1]).double()
    where = fit_translation(relative, data.keypoints.double(), torch.ones(480, 17, dtype=torch.bool))
    torch.testing.assert_close(where, data.poses[:, 0].double(), rtol=1e-3, atol=1.0)
    shown = torch.rand(480, 17, generator=torch.Generator().manual_seed(0)) > 0.4
    image = project_fitted(relative, torch.where(shown[..., None], data.keypoints.double(), torch.zeros(())), shown)
    torch.testing.assert_close(image, data.keypoints.double(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shown", [0, 1])
def test_a_pose_with_too_few_visible_joints_still_gets_a_translation(data, shown):
    visible = torch.zeros(5, 17, dtype=torch.bool)
    visible[:, :shown] = True
    image = project_fitted((data.poses - data.poses[:, :1])[:5].double(), data.keypoints[:5].double(), visible)
    assert torch.isfinite(image).all()


def test_during_training_poses_are_not_corrected(make_method, data):
    method = make_method("default", "correction=copy", "correction_steps=1")
    plain = make_method("default", "correction=none")
    method.prepare(data)
    plain.prepare(data)
    assert torch.equal(method.lift(data.keypoints[:30]), plain.lift(data.keypoints[:30]))
