"""The stages of the pose machine's training: who learns what, from which frames, and what is never read."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.networks.recipe import read_method
from posebench.training.loop import fit

RECIPES = ["default", *read_method("pose_machine")[0]["recipes"]]
PARTS = {"transformer": {"transformer"}, "projector": {"copy", "projector"}, "whole": {"transformer", "copy", "projector"}}


def error_mm(player, data):
    """Mean distance of the joints over all clips, root-relative."""
    poses = torch.cat([player.lift(clip) for clip in torch.split(data.keypoints, 60)])
    return (poses - (data.poses - data.poses[:, :1])).norm(dim=-1).mean().item()


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(machine, data, tmp_path, recipe):
    player = machine(recipe)
    player.prepare(data)
    before = {name: value.clone() for name, value in player.named_parameters()}
    fit(player, data, player.settings, tmp_path)
    with torch.no_grad():
        poses = player.lift(data.keypoints[:60])
    assert poses.shape == (60, 17, 3)
    assert torch.isfinite(poses).all()
    still = [name for name, value in player.named_parameters() if torch.equal(before[name], value)]
    assert still == []


@pytest.mark.parametrize(("epoch", "name"), [(0, "transformer"), (1, "projector"), (2, "whole")])
def test_each_stage_moves_its_own_networks_and_no_others(machine, data, epoch, name):
    player = machine("default", "joint_dropout=0.0")
    player.prepare(data)
    ((who, terms),) = player.losses(data, player.samples(data)[:8], epoch)
    assert who == name
    sum(terms.values()).backward()
    learning = {part.split(".")[1] for part, value in player.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0}
    assert learning == PARTS[name]
    held = {id(part) for group in player.optimisers()[name].param_groups for part in group["params"]}
    assert held == {id(value) for part, value in player.named_parameters() if part.split(".")[1] in PARTS[name]}


def test_it_learns_a_few_takes_far_below_the_mean_poses_error(machine, data, tmp_path):
    torch.set_num_threads(1)
    changes = ["width=64", "epochs=30", "batch=8", "stride=5", "learning_rate=3e-3", "withheld=0.0", "ema=0.9", "mixed_rate=0.1"]
    player = machine("default", *changes)
    player.prepare(data)
    fit(player, data, player.settings, tmp_path)
    relative = data.poses - data.poses[:, :1]
    mean_pose = (relative - relative.mean(dim=0)).norm(dim=-1).mean().item()
    with torch.no_grad():
        assert error_mm(player, data) < 0.25 * mean_pose


def test_withheld_poses_are_never_read_and_are_those_of_whole_takes(machine, data, tmp_path):
    """NaN in their place gives the same weights to the bit."""
    weights = []
    for spoilt in (False, True):
        player = machine("default", "withheld=0.5", "stride=10")
        player.prepare(data)
        learnt = data
        assert player.paired.reshape(4, 120).float().mean(dim=1).sort().values.tolist() == [0.0, 0.0, 1.0, 1.0]
        if spoilt:
            poses = data.poses.clone()
            poses[~player.paired] = float("nan")
            learnt = replace(data, poses=poses)
            player = machine("default", "withheld=0.5", "stride=10")
            player.prepare(learnt)
        fit(player, learnt, player.settings, tmp_path / str(spoilt) if (tmp_path / str(spoilt)).mkdir() is None else tmp_path)
        weights.append(player.lifter.state_dict())
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())


def test_windows_without_3d_take_part_in_the_mixed_stage_only(machine, data):
    player = machine("default", "withheld=0.5", "hidden=0.0", "mirror=false", "joint_dropout=0.0")
    player.prepare(data)
    without = player.samples(data)[~player.paired[player.samples(data)]][:8]
    ((_, first),) = player.losses(data, without, 0)
    assert first["pose"] > 0.0
    ((_, mixed),) = player.losses(data, without, 2)
    assert mixed["pose"] == 0.0
    assert mixed["copy"] == 0.0
    assert mixed["projection"] > 0.0


def test_samples_are_windows_inside_their_clips(machine, data):
    player = machine("default", "stride=7", "window=27")
    starts = player.samples(data)
    windows = player._windows(data, starts)
    assert (windows[:, 1:] - windows[:, :-1] == 1).all()
    assert torch.equal(data.first[windows[:, 0]], data.first[windows[:, -1]])
    assert len(starts) == 8 * 5


def test_a_clip_shorter_than_a_window_is_one_sample_continued_with_its_last_frame(machine, data):
    player = machine("default", "window=80")
    starts = player.samples(data)
    assert starts.tolist() == list(range(0, 480, 60))
    assert player._windows(data, starts[:1])[0].tolist() == [*range(60), *[59] * 20]


def test_mirrored_windows_show_the_projection_of_the_mirrored_person(machine, data):
    player = machine("default", "mirror=true", "hidden=0.0", "withheld=0.0")
    player.prepare(data)
    windows = player._windows(data, player.samples(data))
    torch.manual_seed(0)
    seen, wanted, known = player._sample(data, windows)
    assert known.all()
    changed = (seen.points != data.keypoints[windows]).flatten(1).any(dim=1)
    assert 0.2 < changed.float().mean() < 0.8
    swap = list(player.joints.mirror)
    relative = (data.poses[windows] - data.poses[windows][..., :1, :])[..., swap, :] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(wanted[changed], relative[changed][..., 1:, :])
    # Depth put back, the mirrored pose is seen where the mirrored keypoints are.
    root = data.poses[windows][..., :1, :] * torch.tensor([-1.0, 1.0, 1.0])
    whole = player.lifter.whole(wanted) + root
    torch.testing.assert_close((whole[..., :2] / whole[..., 2:])[changed], seen.points[changed])


def test_hidden_joints_are_drawn_in_the_stated_share_and_never_the_root(machine, data):
    player = machine("default", "hidden=0.3")
    player.prepare(data)
    seen, _, _ = player._sample(data, player._windows(data, player.samples(data)))
    assert seen.visible[..., 0].all()
    assert 0.65 < seen.visible[..., 1:].float().mean() < 0.75


def test_the_norm_of_a_players_gradient_is_limited(machine, data):
    player = machine("default", "clip=0.01")
    player.prepare(data)
    optimiser = player.optimisers()["transformer"]
    ((_, terms),) = player.losses(data, player.samples(data)[:8], 0)
    sum(terms.values()).backward()
    optimiser.step()
    norm = torch.stack([part.grad.norm() for group in optimiser.param_groups for part in group["params"]]).norm()
    assert norm.item() == pytest.approx(0.01, rel=1e-4)


def test_unusable_frames_are_no_supervision(machine, data):
    player = machine("default", "withheld=0.0", "mirror=false", "hidden=0.0")
    poses = data.poses.clone()
    poses[30:60] = float("nan")
    partly = replace(data, poses=poses, usable=torch.cat([torch.arange(30), torch.arange(60, 480)]))
    player.prepare(partly)
    ((_, terms),) = player.losses(partly, torch.tensor([0, 20]), 0)
    assert all(torch.isfinite(term) for term in terms.values())
