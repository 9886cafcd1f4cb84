"""The stages of the pose machine's training: which networks learn from which frames, and which poses are never read."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.networks.recipe import read_method
from posebench.training.loop import fit

RECIPES = ["default", *read_method("pose_machine")[0]["recipes"]]
PARTS = {"transformer": {"transformer"}, "projector": {"copy", "projector"}, "whole": {"transformer", "copy", "projector"}}


def error_mm(method, data):
    """Mean distance of the joints over all clips, root-relative."""
    poses = torch.cat([method.lift(clip) for clip in torch.split(data.keypoints, 60)])
    return (poses - (data.poses - data.poses[:, :1])).norm(dim=-1).mean().item()


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(make_method, data, tmp_path, recipe):
    method = make_method(recipe)
    method.prepare(data)
    before = {name: value.clone() for name, value in method.named_parameters()}
    fit(method, data, method.settings, tmp_path)
    with torch.no_grad():
        poses = method.lift(data.keypoints[:60])
    assert poses.shape == (60, 17, 3)
    assert torch.isfinite(poses).all()
    trained = {name: value for name, value in method.named_parameters() if value.requires_grad}
    unchanged = [name for name, value in trained.items() if torch.equal(before[name], value)]
    # A state that is zero at the start of each frame leaves the recurrent weights of a window of one frame without effect.
    assert all(method.settings.window == 1 and name.endswith("weight_hh_l0") for name in unchanged), unchanged


@pytest.mark.parametrize(("epoch", "name"), [(0, "transformer"), (1, "projector"), (2, "whole")])
def test_each_stage_moves_its_own_networks_and_no_others(make_method, data, epoch, name):
    method = make_method("default", "joint_dropout=0.0")
    method.prepare(data)
    ((optimiser_name, terms),) = method.losses(data, method.samples(data)[:8], epoch)
    assert optimiser_name == name
    sum(terms.values()).backward()
    learning = {part.split(".")[1] for part, value in method.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0}
    assert learning == PARTS[name]
    optimised = {id(part) for group in method.optimisers()[name].param_groups for part in group["params"]}
    assert optimised == {id(value) for part, value in method.named_parameters() if part.split(".")[1] in PARTS[name]}


def test_on_a_few_takes_it_learns_poses_far_better_than_the_mean_pose(make_method, data, tmp_path):
    torch.set_num_threads(1)
    changes = ["width=64", "epochs=30", "batch=8", "stride=5", "learning_rate=3e-3", "unlabelled_takes=0.0", "ema=0.9", "mixed_rate=0.1"]
    method = make_method("default", *changes)
    method.prepare(data)
    fit(method, data, method.settings, tmp_path)
    relative = data.poses - data.poses[:, :1]
    mean_pose = (relative - relative.mean(dim=0)).norm(dim=-1).mean().item()
    with torch.no_grad():
        assert error_mm(method, data) < 0.25 * mean_pose


def test_poses_of_unlabelled_takes_are_never_read(make_method, data, tmp_path):
    """With NaN instead of them the weights are the same to the bit."""
    weights = []
    for with_nan in (False, True):
        method = make_method("default", "unlabelled_takes=0.5", "stride=10")
        method.prepare(data)
        training_data = data
        assert method.labelled.reshape(4, 120).float().mean(dim=1).sort().values.tolist() == [0.0, 0.0, 1.0, 1.0]
        if with_nan:
            poses = data.poses.clone()
            poses[~method.labelled] = float("nan")
            training_data = replace(data, poses=poses)
            method = make_method("default", "unlabelled_takes=0.5", "stride=10")
            method.prepare(training_data)
        folder = tmp_path / str(with_nan)
        folder.mkdir()
        fit(method, training_data, method.settings, folder)
        weights.append(method.lifter.state_dict())
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())


def test_windows_without_3d_take_part_in_the_mixed_stage_only(make_method, data):
    method = make_method("default", "unlabelled_takes=0.5", "hidden_joints=0.0", "mirror=false", "joint_dropout=0.0")
    method.prepare(data)
    without = method.samples(data)[~method.labelled[method.samples(data)]][:8]
    ((_, first),) = method.losses(data, without, 0)
    assert first["pose"] > 0.0
    ((_, mixed),) = method.losses(data, without, 2)
    assert mixed["pose"] == 0.0
    assert mixed["copy"] == 0.0
    assert mixed["projection"] > 0.0


def test_samples_are_windows_inside_their_clips(make_method, data):
    method = make_method("default", "stride=7", "window=27")
    starts = method.samples(data)
    windows = method.window_frames(data, starts)
    assert (windows[:, 1:] - windows[:, :-1] == 1).all()
    assert torch.equal(data.first[windows[:, 0]], data.first[windows[:, -1]])
    assert len(starts) == 8 * 5


def test_a_clip_shorter_than_a_window_is_one_sample_continued_with_its_last_frame(make_method, data):
    method = make_method("default", "window=80")
    starts = method.samples(data)
    assert starts.tolist() == list(range(0, 480, 60))
    assert method.window_frames(data, starts[:1])[0].tolist() == [*range(60), *[59] * 20]


def test_mirrored_keypoints_are_the_projection_of_the_mirrored_poses(make_method, data):
    method = make_method("default", "mirror=true", "hidden_joints=0.0", "unlabelled_takes=0.0")
    method.prepare(data)
    windows = method.window_frames(data, method.samples(data))
    torch.manual_seed(0)
    keypoints, target, known = method.load_windows(data, windows)
    assert known.all()
    changed = (keypoints.points != data.keypoints[windows]).flatten(1).any(dim=1)
    assert 0.2 < changed.float().mean() < 0.8
    swap = list(method.joints.mirror)
    relative = (data.poses[windows] - data.poses[windows][..., :1, :])[..., swap, :] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(target[changed], relative[changed][..., 1:, :])
    # With the root at its depth again, the mirrored poses project to the mirrored keypoints.
    root = data.poses[windows][..., :1, :] * torch.tensor([-1.0, 1.0, 1.0])
    whole = method.lifter.with_root(target) + root
    torch.testing.assert_close((whole[..., :2] / whole[..., 2:])[changed], keypoints.points[changed])


def test_hidden_joints_are_drawn_in_the_stated_share_and_never_the_root(make_method, data):
    method = make_method("default", "hidden_joints=0.3")
    method.prepare(data)
    keypoints, _, _ = method.load_windows(data, method.window_frames(data, method.samples(data)))
    assert keypoints.visible[..., 0].all()
    assert 0.65 < keypoints.visible[..., 1:].float().mean() < 0.75


def test_the_norm_of_a_stages_gradient_is_limited(make_method, data):
    method = make_method("default", "gradient_clip=0.01")
    method.prepare(data)
    optimiser = method.optimisers()["transformer"]
    ((_, terms),) = method.losses(data, method.samples(data)[:8], 0)
    sum(terms.values()).backward()
    optimiser.step()
    norm = torch.stack([part.grad.norm() for group in optimiser.param_groups for part in group["params"]]).norm()
    assert norm.item() == pytest.approx(0.01, rel=1e-4)


def test_unusable_frames_do_not_supervise(make_method, data):
    method = make_method("default", "unlabelled_takes=0.0", "mirror=false", "hidden_joints=0.0")
    poses = data.poses.clone()
    poses[30:60] = float("nan")
    partly = replace(data, poses=poses, usable=torch.cat([torch.arange(30), torch.arange(60, 480)]))
    method.prepare(partly)
    ((_, terms),) = method.losses(partly, torch.tensor([0, 20]), 0)
    assert all(torch.isfinite(term) for term in terms.values())


def test_the_lifting_network_has_no_dropout_while_copy_network_and_projector_are_trained(make_method, data):
    method = make_method()
    method.prepare(data)
    for epoch, dropout in ((0, True), (1, False), (2, True)):
        next(method.losses(data, method.samples(data)[:8], epoch))
        assert method.lifter.transformer.training == dropout


def test_with_a_frame_step_windows_take_every_so_many_frames_and_stay_inside_their_clips(make_method, data):
    method = make_method("default", "window=5", "stride=3", "inference_stride=2", "frame_step=4")
    starts = method.samples(data)
    windows = method.window_frames(data, starts)
    assert (windows.diff(dim=1) == 4).all()
    assert (data.first[windows[:, 0]] == data.first[windows[:, -1]]).all()
    assert (starts - data.first[starts]).unique().tolist() == list(range(0, 60 - 16, 3))
    assert method.context == 2 * 4 * 4 + 1
