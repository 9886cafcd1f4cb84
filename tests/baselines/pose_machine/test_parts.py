"""The input of the pose machine's networks, its settings, and running windows over a clip."""

import re

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.pose_machine import Settings
from posebench.baselines.pose_machine.inference import consecutive_windows, overlapping_windows, run_network
from posebench.baselines.pose_machine.keypoints import MinMax, mark_visible
from posebench.networks.recipe import read_method, resolve

H36M = skeleton("h36m17")
LENGTHS = st.integers(1, 40)
WINDOWS = st.integers(2, 12)


def per_frame(windows):
    """A network that looks at one frame only."""
    return 2.0 * windows.flatten(2) + 1.0


def window_limits(windows):
    """A network that gives, for every frame, the first and last number of its window."""
    flat = windows.flatten(2)
    return torch.cat([flat[:, :1], flat[:, -1:]], dim=2).expand(-1, windows.shape[1], -1)


@given(LENGTHS, WINDOWS, st.integers(1, 12), st.sampled_from(["windows", "overlap", "whole"]))
def test_every_frame_gets_its_own_output_for_any_length_of_the_clip(length, window, stride, how):
    stride = min(stride, window)
    clip = torch.arange(2.0 * length).reshape(length, 2)
    torch.testing.assert_close(run_network(per_frame, clip, how, window, stride), 2.0 * clip + 1.0)


@given(LENGTHS, WINDOWS, st.integers(2, 6), st.sampled_from(["windows", "overlap", "whole"]))
def test_with_a_frame_step_every_frame_is_run_with_the_frames_that_many_before_and_after_it(length, window, step, how):
    clip = torch.arange(float(length))[:, None]
    found = run_network(window_limits, clip, how, window, 1, step)
    for phase in range(min(step, length)):
        torch.testing.assert_close(found[phase::step], run_network(window_limits, clip[phase::step], how, window, 1))


def test_full_trainings_take_frames_as_their_sources_do_and_no_other_preset_does():
    content, where = read_method("pose_machine")
    steps = {
        (recipe, preset): resolve(content, Settings, where=where, recipe=recipe, preset=preset).frame_step
        for recipe in ("tuned", *content["recipes"])
        for preset in ("smoke", "quick", "full")
    }
    assert {key: step for key, step in steps.items() if step != 1} == {
        **{(name, "full"): 25 for name in content["recipes"] if name.startswith("paper") and name != "paper-one-frame"},
        ("released", "full"): 5,
    }


@given(LENGTHS, WINDOWS)
def test_windows_follow_each_other_and_the_last_one_ends_with_the_clip(length, window):
    found = consecutive_windows(window_limits, torch.arange(float(length))[:, None], window)
    for frame, (first, last) in enumerate(found.tolist()):
        assert first <= frame <= last
        assert first == min(frame // window * window, max(length - window, 0))
        assert last == min(first + window, length) - 1


@given(st.integers(13, 40), WINDOWS, st.integers(1, 2))
def test_overlapping_windows_give_the_weighted_mean_over_the_windows_that_contain_a_frame(length, window, stride):
    clip = torch.arange(float(length), dtype=torch.float64)[:, None]
    averaged = overlapping_windows(window_limits, clip, window, stride)
    starts = sorted({*range(0, length - window, stride), length - window})
    for frame in range(length):
        holding = [start for start in starts if start <= frame < start + window]
        weight = [min(frame - start + 1, window - frame + start) for start in holding]
        mean = sum(w * start for w, start in zip(weight, holding, strict=True)) / sum(weight)
        torch.testing.assert_close(averaged[frame], torch.tensor([mean, mean + window - 1.0], dtype=torch.float64))


def test_a_pose_depends_on_its_whole_window_and_on_no_other_frame(make_method):
    method = make_method("default", "window=9", "inference_stride=3", "inference=windows").eval()
    points = torch.randn(27, 17, 2)
    with torch.no_grad():
        before = method.lift(points)
        for changed in (9, 13, 17):
            other = points.clone()
            other[changed] += 1.0
            moved = (method.lift(other) - before).abs().amax(dim=(1, 2)) > 0
            assert moved.tolist() == [False] * 9 + [True] * 9 + [False] * 9


@pytest.mark.parametrize("length", [3, 5, 27, 60])
@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_some_frames_are_lifted_as_in_the_whole_clip(make_method, recipe, length):
    method = make_method(recipe, "correction=none").eval()
    points = torch.randn(length, 17, 2)
    frames = torch.tensor([0, length // 2, length // 2 + 1, length - 1])
    with torch.no_grad():
        torch.testing.assert_close(method.lift_some(points, frames), method.lift(points)[frames])


def test_state_is_reset_at_a_clips_ends(make_method):
    method = make_method("default", "inference=whole").eval()
    points = torch.randn(30, 17, 2)
    with torch.no_grad():
        first = method.lift(points)
        method.lift(torch.randn(50, 17, 2))
        assert torch.equal(method.lift(points), first)


@pytest.mark.parametrize("name", ["h36m17", "h36m16", "sh16", "coco17", "mpi17"])
@pytest.mark.parametrize("recipe", ["default", "paper"])
@pytest.mark.parametrize("length", [1, 3, 70])
def test_poses_have_the_joints_of_the_skeleton_and_their_root_at_zero(make_method, name, recipe, length):
    joints = skeleton(name)
    method = make_method(recipe, skeleton_id=name).eval()
    poses = method.lift(torch.randn(length, len(joints), 2))
    assert poses.shape == (length, len(joints), 3)
    assert torch.isfinite(poses).all()
    assert (poses[:, joints.root_indices[0]] == 0.0).all()


def test_a_hidden_joint_is_at_its_mean_position_in_the_networks_input(make_method, data):
    method = make_method()
    method.prepare(data)
    points = data.keypoints[:20].clone()
    points[:, 5] = float("nan")
    found = mark_visible(points, 0)
    inputs = method.lifter.inputs(found).unflatten(-1, (17, 2))
    assert (inputs[:, 5] == 0.0).all()
    assert not found.visible[:, 5].any()
    others = [i for i in range(17) if i != 5]
    full = method.lifter.inputs(mark_visible(data.keypoints[:20], 0)).unflatten(-1, (17, 2))
    torch.testing.assert_close(inputs[:, others], full[:, others])


def test_a_frame_whose_root_is_hidden_is_hidden_entirely_and_still_gets_a_pose(make_method, data):
    method = make_method().eval()
    method.prepare(data)
    points = data.keypoints[:20].clone()
    points[7, 0] = float("inf")
    found = mark_visible(points, 0)
    assert found.visible.all(dim=1).tolist() == [frame != 7 for frame in range(20)]
    assert (method.lifter.inputs(found)[7] == 0.0).all()
    with torch.no_grad():
        assert torch.isfinite(method.lift(points)).all()


@given(st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
@settings(max_examples=20)
def test_the_crop_does_not_depend_on_position_and_size_of_the_person(scale, shift):
    points = torch.randn(4, 17, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mark_visible(scale * points + shift, 0).crop(0), mark_visible(points, 0).crop(0))
    wide = mark_visible(points, 0).crop(0)
    assert torch.allclose((wide.amax(dim=1) - wide.amin(dim=1)).amax(dim=1), torch.ones(4, dtype=torch.float64))


def test_min_max_scaling_maps_the_training_split_to_zero_to_one_and_back():
    samples = torch.randn(50, 3, 2) * 100.0
    samples[:, 1] = 7.0
    limits = MinMax(3, 2)
    limits.fit(samples)
    unit = limits(samples)
    assert (unit[:, [0, 2]].amin(dim=0) == 0.0).all()
    torch.testing.assert_close(unit[:, [0, 2]].amax(dim=0), torch.ones(2, 2))
    torch.testing.assert_close(limits.undo(unit), samples, rtol=0.0, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("inference=backwards", "inference = 'backwards'; it must be one of windows, overlap, whole"),
        ("correction=all", "correction = 'all'"),
        ("window=0", "window = 0; it must be at least 1"),
        ("inference_stride=30", "inference_stride = 30; it must be at most the window, 27"),
        ("unlabelled_takes=1.0", "unlabelled_takes = 1.0"),
        ("stages=[0.5, 0.5, 0.5]", "stages"),
        ("epochs=2", "epochs = 2; each of the 3 stages"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_name(make_method, change, message):
    with pytest.raises(PosebenchError, match=re.escape(message)):
        make_method("default", change)


@given(st.integers(3, 60), st.tuples(*[st.floats(0.05, 1.0)] * 3))
def test_each_stage_has_epochs_and_a_learning_rate_that_falls_to_zero(epochs, weights):
    shares = tuple(weight / sum(weights) for weight in weights)
    chosen = Settings(epochs=epochs, batch=2, learning_rate=1.0, decay="cosine", stages=shares)
    stages = [chosen.stage(epoch) for epoch in range(epochs)]
    assert sorted(set(stages)) == [0, 1, 2]
    assert stages == sorted(stages)
    for first, end in zip((0, *chosen.ends), chosen.ends, strict=False):
        assert chosen.rate(first) == pytest.approx(1.0)
        assert chosen.rate(end - 1e-6) < 0.01
