"""What the pose machine's networks see, and how windows run over a clip."""

import re

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.pose_machine import Settings
from posebench.baselines.pose_machine.running import in_windows, overlapping, run_over
from posebench.baselines.pose_machine.views import Limits, look

H36M = skeleton("h36m17")
LENGTHS = st.integers(1, 40)
WINDOWS = st.integers(2, 12)


def per_frame(windows):
    """A network that looks at one frame only."""
    return 2.0 * windows.flatten(2) + 1.0


def numbers_seen(windows):
    """A network that tells, of every frame, the first and last number of its window."""
    flat = windows.flatten(2)
    return torch.cat([flat[:, :1], flat[:, -1:]], dim=2).expand(-1, windows.shape[1], -1)


@given(LENGTHS, WINDOWS, st.integers(1, 12), st.sampled_from(["windows", "overlap", "whole"]))
def test_every_frame_gets_its_own_outcome_whatever_the_clips_length(length, window, hop, how):
    hop = min(hop, window)
    clip = torch.arange(2.0 * length).reshape(length, 2)
    torch.testing.assert_close(run_over(per_frame, clip, how, window, hop), 2.0 * clip + 1.0)


@given(LENGTHS, WINDOWS)
def test_windows_stand_one_after_the_other_and_end_with_the_clip(length, window):
    seen = in_windows(numbers_seen, torch.arange(float(length))[:, None], window)
    for frame, (first, last) in enumerate(seen.tolist()):
        assert first <= frame <= last
        assert first == min(frame // window * window, max(length - window, 0))
        assert last == min(first + window, length) - 1


@given(st.integers(13, 40), WINDOWS, st.integers(1, 2))
def test_overlapping_outcomes_are_the_weighted_mean_over_the_windows_that_hold_a_frame(length, window, hop):
    clip = torch.arange(float(length), dtype=torch.float64)[:, None]
    told = overlapping(numbers_seen, clip, window, hop)
    starts = sorted({*range(0, length - window, hop), length - window})
    for frame in range(length):
        holding = [start for start in starts if start <= frame < start + window]
        weight = [min(frame - start + 1, window - frame + start) for start in holding]
        mean = sum(w * start for w, start in zip(weight, holding, strict=True)) / sum(weight)
        torch.testing.assert_close(told[frame], torch.tensor([mean, mean + window - 1.0], dtype=torch.float64))


def test_the_pose_of_a_frame_is_told_from_the_whole_window_and_from_nothing_beyond(machine):
    player = machine("default", "window=9", "hop=3", "running=windows").eval()
    points = torch.randn(27, 17, 2)
    with torch.no_grad():
        before = player.lift(points)
        for changed in (9, 13, 17):
            other = points.clone()
            other[changed] += 1.0
            moved = (player.lift(other) - before).abs().amax(dim=(1, 2)) > 0
            assert moved.tolist() == [False] * 9 + [True] * 9 + [False] * 9


def test_state_is_reset_at_a_clips_ends(machine):
    player = machine("default", "running=whole").eval()
    points = torch.randn(30, 17, 2)
    with torch.no_grad():
        first = player.lift(points)
        player.lift(torch.randn(50, 17, 2))
        assert torch.equal(player.lift(points), first)


@pytest.mark.parametrize("name", ["h36m17", "h36m16", "sh16", "coco17", "mpi17"])
@pytest.mark.parametrize("recipe", ["default", "paper"])
@pytest.mark.parametrize("length", [1, 3, 70])
def test_poses_have_the_joints_of_the_skeleton_and_their_root_at_zero(machine, name, recipe, length):
    joints = skeleton(name)
    player = machine(recipe, skeleton_id=name).eval()
    poses = player.lift(torch.randn(length, len(joints), 2))
    assert poses.shape == (length, len(joints), 3)
    assert torch.isfinite(poses).all()
    assert (poses[:, joints.root_indices[0]] == 0.0).all()


def test_a_hidden_joint_is_where_it_is_on_average_whatever_stood_there(machine, data):
    player = machine()
    player.prepare(data)
    points = data.keypoints[:20].clone()
    points[:, 5] = float("nan")
    seen = look(points, 0)
    inputs = player.lifter.inputs(seen).unflatten(-1, (17, 2))
    assert (inputs[:, 5] == 0.0).all()
    assert not seen.visible[:, 5].any()
    others = [i for i in range(17) if i != 5]
    full = player.lifter.inputs(look(data.keypoints[:20], 0)).unflatten(-1, (17, 2))
    torch.testing.assert_close(inputs[:, others], full[:, others])


def test_a_frame_whose_root_is_hidden_is_hidden_altogether_and_still_gets_a_pose(machine, data):
    player = machine().eval()
    player.prepare(data)
    points = data.keypoints[:20].clone()
    points[7, 0] = float("inf")
    seen = look(points, 0)
    assert seen.visible.all(dim=1).tolist() == [frame != 7 for frame in range(20)]
    assert (player.lifter.inputs(seen)[7] == 0.0).all()
    with torch.no_grad():
        assert torch.isfinite(player.lift(points)).all()


@given(st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
@settings(max_examples=20)
def test_the_crop_forgets_where_and_how_large_a_person_is(scale, shift):
    points = torch.randn(4, 17, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(look(scale * points + shift, 0).crop(0), look(points, 0).crop(0))
    wide = look(points, 0).crop(0)
    assert torch.allclose((wide.amax(dim=1) - wide.amin(dim=1)).amax(dim=1), torch.ones(4, dtype=torch.float64))


def test_limits_bring_the_training_split_to_between_zero_and_one_and_back():
    samples = torch.randn(50, 3, 2) * 100.0
    samples[:, 1] = 7.0
    limits = Limits(3, 2)
    limits.fit(samples)
    unit = limits(samples)
    assert (unit[:, [0, 2]].amin(dim=0) == 0.0).all()
    torch.testing.assert_close(unit[:, [0, 2]].amax(dim=0), torch.ones(2, 2))
    torch.testing.assert_close(limits.undo(unit), samples, rtol=0.0, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("running=backwards", "running = 'backwards'; it must be one of windows, overlap, whole"),
        ("correction=all", "correction = 'all'"),
        ("window=1", "window = 1; it must be at least 2"),
        ("hop=30", "hop = 30; it must be at most the window, 27"),
        ("withheld=1.0", "withheld = 1.0"),
        ("stages=[0.5, 0.5, 0.5]", "stages"),
        ("epochs=2", "epochs = 2; each of the 3 stages"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(machine, change, told):
    with pytest.raises(PosebenchError, match=re.escape(told)):
        machine("default", change)


@given(st.integers(3, 60), st.tuples(*[st.floats(0.05, 1.0)] * 3))
def test_each_stage_has_its_epochs_and_its_own_fall_of_the_learning_rate(epochs, weights):
    shares = tuple(weight / sum(weights) for weight in weights)
    chosen = Settings(epochs=epochs, batch=2, learning_rate=1.0, decay="cosine", stages=shares)
    stages = [chosen.stage(epoch) for epoch in range(epochs)]
    assert sorted(set(stages)) == [0, 1, 2]
    assert stages == sorted(stages)
    for first, end in zip((0, *chosen.ends), chosen.ends, strict=False):
        assert chosen.rate(first) == pytest.approx(1.0)
        assert chosen.rate(end - 1e-6) < 0.01
