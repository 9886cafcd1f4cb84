"""Correction at test time: every frame has weights of its own, the rule holds, and nothing is remembered."""

import copy
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import itertools

import torch
from torch import nn

from posebench.base.skeletons import skeleton
from posebench.baselines.pose_machine.camera import place, seen_by_camera
from posebench.baselines.pose_machine.correction import correct
from posebench.baselines.pose_machine.views import Seen
from posebench.training.loop import fit

H36M = skeleton("h36m17")
FREE = {"stop": 0.0, "reject": 0.0}


@pytest.fixture(scope="module")
def player(machine, data, tmp_path_factory):
    """Trained a little, so that projections say something of poses."""
    torch.set_num_threads(1)
    made = machine("default", "epochs=6", "stride=5", "learning_rate=3e-3", "withheld=0.25", "correction_rate=0.05")
    made.prepare(data)
    fit(made, data, made.settings, tmp_path_factory.mktemp("fit"))
    return made


@pytest.fixture(scope="module")
def sample(player, data):
    """Poses and keypoints of 20 frames with two joints hidden here and there."""
    points = data.keypoints[:20].clone()
    points[3, 4] = points[11, 9] = float("nan")
    with torch.no_grad():
        return player.told(points)


def some(seen, part):
    return Seen(*(values[part] for values in seen))


def rule(player, **changes):
    return replace(player.settings, **{**FREE, **changes})


def by_hand(player, told, seen, chosen):
    """One frame, by deep copies of the networks and torch's own SGD."""
    lifter = copy.deepcopy(player.lifter).double()
    told, seen = told.double(), Seen(seen.points.double(), seen.visible, seen.size.double())
    free = [*lifter.copy.parameters(), *(lifter.projector.parameters() if chosen.correction == "both" else ())]
    optimiser = torch.optim.SGD(free, lr=chosen.correction_rate)
    visible = seen.visible[:, lifter.others]
    for _ in range(chosen.steps):
        optimiser.zero_grad()
        copied = lifter.copy(told)
        if chosen.correction == "camera":
            poses = lifter.whole(lifter.in_mm(copied))
            image = (seen_by_camera(poses, seen.points, seen.visible)[:, lifter.others] - seen.points[:, :1]) / seen.size
            view = lifter.view(image)
        else:
            view = lifter.projector(copied).unflatten(-1, (16, 2))
        difference = view - lifter.viewed(seen)
        error = difference.square().sum(dim=-1)[visible].mean()
        if chosen.correction_bones:
            difference = lifter.whole(difference)
            lines = [difference[0, child] - difference[0, parent] for parent, child in H36M.bones]
            both = [bool(seen.visible[0, child] and seen.visible[0, parent]) for parent, child in H36M.bones]
            squares = [line.square().sum() for line, shown in zip(lines, both, strict=True) if shown]
            error = error + chosen.correction_bones * torch.stack(squares).mean()
        error.backward()
        if chosen.correction_clip:
            norm = torch.stack([part.grad.square().sum() for part in free]).sum().sqrt()
            for part in free:
                part.grad *= min(1.0, chosen.correction_clip / float(norm))
        optimiser.step()
    return lifter.in_mm(lifter.copy(told)).detach()


@pytest.mark.parametrize("correction", ["copy", "both", "camera"])
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_a_batch_is_what_networks_copied_for_each_frame_and_stepped_one_by_one_give(player, sample, correction, steps):
    told, seen = sample
    bones, clip = (0.5 if steps == 2 else 0.0), (0.3 if steps == 5 else 0.0)
    chosen = rule(player, correction=correction, steps=steps, correction_bones=bones, correction_clip=clip)
    together = correct(player.lifter, player.joints, told, seen, chosen)
    for frame in range(20):
        part = slice(frame, frame + 1)
        alone = correct(player.lifter, player.joints, told[part], some(seen, part), chosen)
        assert (together.poses[part] - alone.poses).abs().max() < 1e-5
        wanted = by_hand(player, told[part], some(seen, part), chosen)
        assert (together.proposed[part] - wanted).abs().max() < 1e-5
    assert (together.steps == steps).all()
    if steps:
        assert (together.proposed - together.copied).abs().max() > 0.01


@pytest.mark.parametrize("residual", ["true", "false"])
def test_both_forms_of_the_copy_are_corrected_as_they_are_run(machine, data, residual):
    made = machine("default", f"copy_residual={residual}")
    made.prepare(data)
    nn.init.normal_(made.lifter.copy.layers[1].weight, std=0.1)
    told, seen = made.told(data.keypoints[:6])
    with torch.no_grad():
        wanted = made.lifter.in_mm(made.lifter.copy(told))
    done = correct(made.lifter, made.joints, told.detach(), seen, rule(made, correction="both", steps=0))
    torch.testing.assert_close(done.poses, wanted.double(), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("correction", ["copy", "both", "camera"])
def test_small_steps_lessen_the_error_of_the_projection(player, sample, correction):
    done = correct(player.lifter, player.joints, *sample, rule(player, correction=correction, steps=3, correction_rate=1e-3))
    assert (done.after < done.before).all()
    assert (done.view_change > 0).all()


def test_a_long_gradient_is_shortened_and_a_short_one_left_alone(player, sample):
    told, seen = sample
    free, short, long = (
        correct(player.lifter, player.joints, told, seen, rule(player, correction="copy", steps=1, correction_clip=clip)).proposed
        for clip in (0.0, 1e-3, 1e6)
    )
    start = correct(player.lifter, player.joints, told, seen, rule(player, correction="copy", steps=0)).proposed
    assert torch.equal(free, long)
    assert ((short - start).norm(dim=(1, 2)) < (free - start).norm(dim=(1, 2))).all()


def test_what_the_projectors_own_change_does_is_told_apart(player, sample):
    both = correct(player.lifter, player.joints, *sample, rule(player, correction="both", steps=3))
    only = correct(player.lifter, player.joints, *sample, rule(player, correction="copy", steps=3))
    torch.testing.assert_close(only.by_pose, only.after)
    assert (both.by_pose > both.after).all()


def test_a_far_correction_is_rejected_and_leaves_the_pose_as_it_was(player, sample):
    told, seen = sample
    wild = rule(player, correction="camera", steps=20, correction_rate=0.3)
    free = correct(player.lifter, player.joints, told, seen, wild)
    stable = [H36M.index(name) for name in ("pelvis", "l_hip", "r_hip", "l_shoulder", "r_shoulder")]
    start = player.lifter.in_mm(told.double())
    moved = (player.lifter.whole(free.proposed) - player.lifter.whole(start))[:, stable].norm(dim=-1).mean(dim=-1)
    limit = float(moved.median())
    held = correct(player.lifter, player.joints, told, seen, replace(wild, reject=limit))
    assert torch.equal(held.rejected, moved > limit)
    assert 0 < held.rejected.sum() < 20
    torch.testing.assert_close(held.poses[held.rejected], start[held.rejected])
    torch.testing.assert_close(held.poses[~held.rejected], free.poses[~held.rejected])


def test_a_frame_stops_when_its_stable_joints_hardly_move_and_others_go_on(player, sample):
    told, seen = sample
    long = rule(player, correction="camera", steps=8, correction_rate=0.05)
    poses = [correct(player.lifter, player.joints, told, seen, replace(long, steps=count)).proposed for count in range(9)]
    stable = [H36M.index(name) for name in ("pelvis", "l_hip", "r_hip", "l_shoulder", "r_shoulder")]
    moved = [(player.lifter.whole(b - a))[:, stable].norm(dim=-1).mean(dim=-1) for a, b in itertools.pairwise(poses)]
    limit = float(torch.stack(moved).median())
    done = correct(player.lifter, player.joints, told, seen, replace(long, stop=limit))
    wanted = [next((k + 1 for k in range(8) if moved[k][frame] < limit), 8) for frame in range(20)]
    assert done.steps.tolist() == wanted
    assert len(set(wanted)) > 1
    for frame, count in enumerate(wanted):
        torch.testing.assert_close(done.proposed[frame], poses[count][frame])


def test_weights_are_as_they_were_and_a_second_call_gives_the_same(machine, data):
    made = machine("default", "correction=both", "steps=3", "correction_rate=0.05", "reject=0.0")
    before = copy.deepcopy(made.lifter.state_dict())
    with torch.inference_mode():
        first = made.lift(data.keypoints[:40])
        assert torch.equal(made.lift(data.keypoints[:40]), first)
    assert all(torch.equal(value, before[name]) for name, value in made.lifter.state_dict().items())
    assert all(value.grad is None for value in made.parameters())


def test_a_hidden_joint_has_no_part_in_the_error(player, data):
    points = data.keypoints[:4].clone()
    points[:, 6] = float("nan")
    told, seen = player.told(points)
    other = seen._replace(points=seen.points.clone())
    other.points[:, 6] += 0.3
    chosen = rule(player, correction="copy", steps=2, correction_bones=1.0)
    one, two = (correct(player.lifter, player.joints, told.detach(), which, chosen) for which in (seen, other))
    assert torch.equal(one.poses, two.poses)


def test_a_pose_is_placed_where_it_is_seen(data):
    relative = (data.poses - data.poses[:, :1]).double()
    where = place(relative, data.keypoints.double(), torch.ones(480, 17, dtype=torch.bool))
    torch.testing.assert_close(where, data.poses[:, 0].double(), rtol=1e-3, atol=1.0)
    shown = torch.rand(480, 17, generator=torch.Generator().manual_seed(0)) > 0.4
    image = seen_by_camera(relative, torch.where(shown[..., None], data.keypoints.double(), torch.zeros(())), shown)
    torch.testing.assert_close(image, data.keypoints.double(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shown", [0, 1])
def test_a_pose_with_too_few_visible_joints_still_has_a_place(data, shown):
    visible = torch.zeros(5, 17, dtype=torch.bool)
    visible[:, :shown] = True
    image = seen_by_camera((data.poses - data.poses[:, :1])[:5].double(), data.keypoints[:5].double(), visible)
    assert torch.isfinite(image).all()


def test_while_it_trains_what_is_watched_is_the_networks_own_pose(machine, data):
    made = machine("default", "correction=copy", "steps=1")
    plain = machine("default", "correction=none")
    made.prepare(data)
    plain.prepare(data)
    assert torch.equal(made.lift(data.keypoints[:30]), plain.lift(data.keypoints[:30]))
