"""VideoPose3D: equal to the published network, windows and sequences agree, turned views are views of the same body, and it learns."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.videopose3d import Settings, build
from posebench.baselines.videopose3d.network import TemporalNetwork
from posebench.baselines.videopose3d.views import Seen, seen_from_elsewhere
from posebench.networks.augment import levelled, scaled_bones
from posebench.training.loop import fit
from tests.baselines.golden_methods import fill, golden

H36M = skeleton("h36m17")
SMALL = {"epochs": 1, "batch": 16, "learning_rate": 1e-3, "width": 16, "blocks": 1, "dropout": 0.0}


def make(**changes):
    torch.manual_seed(0)
    return build(Settings(**{**SMALL, **changes}), "h36m17")


@pytest.fixture(scope="module")
def data(walker_samples):
    """Walkers before level cameras."""
    samples = walker_samples(poses=True)
    return replace(samples, up=torch.tensor([0.0, -1.0, 0.0]).expand(len(samples.keypoints), 3))


def bone_lengths(poses):
    parents, children = zip(*H36M.bones, strict=True)
    return (poses[..., children, :] - poses[..., parents, :]).norm(dim=-1)


@pytest.fixture(scope="module")
def published():
    """The golden network: two blocks of 8 channels, in float64."""
    numbers = golden("videopose3d")
    network = TemporalNetwork(34, 51, width=8, blocks=2, dropout=0.0)
    names = {"first.weight": "expand_conv.weight"}
    names |= {f"norms.0.{part}": f"expand_bn.{part}" for part in ("weight", "bias", "running_mean", "running_var")}
    for n in range(2):
        names |= {f"wide.{n}.weight": f"layers_conv.{2 * n}.weight", f"pointwise.{n}.weight": f"layers_conv.{2 * n + 1}.weight"}
    for n in range(4):
        names |= {f"norms.{n + 1}.{part}": f"layers_bn.{n}.{part}" for part in ("weight", "bias", "running_mean", "running_var")}
    names |= {f"last.{part}": f"shrink.{part}" for part in ("weight", "bias")}
    fill(network, names, numbers.weights())
    return numbers, network.double()


def test_the_network_is_the_published_one_in_both_modes(published):
    numbers, network = published
    sequence = torch.from_numpy(numbers.arrays["sequence"]).double().flatten(2).transpose(1, 2)
    with torch.no_grad():
        numbers.close(network.eval()(sequence).transpose(1, 2), "eval")
        numbers.close(network.train()(sequence).transpose(1, 2), "train")
    numbers.close(network.norms[0].running_mean, "first_mean_after")
    numbers.close(network.norms[4].running_var, "last_variance_after")


@pytest.mark.parametrize(("blocks", "frames", "millions"), [(2, 27, 8.6), (3, 81, 12.8), (4, 243, 17.0)])
def test_the_published_sizes(blocks, frames, millions):
    with torch.device("meta"):
        network = TemporalNetwork(34, 51, width=1024, blocks=blocks, dropout=0.25)
    assert network.context == frames
    count = sum(part.numel() for part in network.parameters())
    assert count == golden("videopose3d").facts["parameters"][str(frames)]
    assert round(count / 1e6, 1) == millions


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_single_poses_by_strides_are_the_poses_of_the_sequence(blocks):
    torch.manual_seed(1)
    network = TemporalNetwork(6, 9, width=5, blocks=blocks, dropout=0.0).double().eval()
    sequence = torch.randn(2, 6, network.context + 4, dtype=torch.float64)
    whole = network(sequence)
    assert whole.shape[-1] == 5
    for at in range(5):
        torch.testing.assert_close(network(sequence[..., at : at + network.context])[..., 0], whole[..., at])


def test_training_on_single_poses_and_on_sequences_has_the_same_gradient_where_batch_norm_is_fixed():
    torch.manual_seed(2)
    network = TemporalNetwork(6, 9, width=5, blocks=2, dropout=0.0).double().eval()
    sequence = torch.randn(1, 6, 30, dtype=torch.float64)
    windows = torch.cat([sequence[..., at : at + 27] for at in range(4)])
    gradients = [torch.autograd.grad(network(x).square().sum(), network.first.weight)[0] for x in (sequence, windows)]
    torch.testing.assert_close(*gradients)


def test_a_clip_is_lifted_alike_whole_in_tiles_and_frame_by_frame(data, monkeypatch):
    method = make(blocks=2).eval()
    method.prepare(data)
    clip = data.keypoints[:60]
    with torch.inference_mode():
        whole = method.lift(clip)
        some = method.lift_some(clip, torch.tensor([0, 13, 59]))
        monkeypatch.setattr("posebench.baselines.videopose3d.method.TILE", 7)
        tiles = method.lift(clip)
        short = method.lift(clip[:1])
    assert whole.shape == (60, 17, 3)
    assert (whole[:, 0] == 0.0).all()
    assert short.shape == (1, 17, 3)
    torch.testing.assert_close(tiles, whole, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(some, whole[[0, 13, 59]], rtol=1e-4, atol=1e-2)


def test_a_pose_depends_on_the_frames_of_its_window_and_on_no_others(data):
    method = make(blocks=1).eval()
    method.prepare(data)
    clip = data.keypoints[:60].clone()
    before = method.lift(clip)
    clip[30] += 0.1
    changed = (method.lift(clip) != before).flatten(1).any(dim=1).nonzero().flatten().tolist()
    assert method.context == 9
    assert changed == list(range(26, 35))


def test_windows_repeat_the_ends_of_a_clip_and_never_cross_a_cut(data):
    method = make(output_frames=4, mirror=False)
    seen = method.windows(data, torch.tensor([60]))
    assert torch.equal(seen.keypoints[0, :4], data.keypoints[60:61].expand(4, -1, -1))
    assert torch.equal(seen.keypoints[0, 4:], data.keypoints[60:68])


def test_the_loss_compares_the_middle_frames_in_metres(data, monkeypatch):
    method = make(output_frames=4, mirror=False, velocity=2.0)
    frames = torch.tensor([5, 70])
    target = torch.stack([data.poses[5:9], data.poses[70:74]]) / 1000.0
    target = target - target[:, :, :1]
    ramp = 0.1 * torch.arange(4.0).reshape(1, 4, 1, 1)
    monkeypatch.setattr(method.lifter, "metres", lambda _: target + ramp)
    ((name, terms),) = method.losses(data, frames, 0)
    assert name == "lifter"
    torch.testing.assert_close(terms["distance"], torch.tensor(0.15 * 3**0.5))
    torch.testing.assert_close(terms["velocity"], torch.tensor(2.0 * 0.1 * 3**0.5))


def test_batch_norm_forgets_ever_slower(data):
    method = make(epochs=10, norm_momentum_last=0.001)
    momentum = []
    for epoch in (0, 5, 10):
        list(method.losses(data, torch.arange(16), epoch))
        momentum.append(method.lifter.network.norms[0].momentum)
    assert momentum == pytest.approx([0.1, 0.01, 0.001])


def test_samples_have_all_their_frames_in_their_clip_or_are_its_first():
    from posebench.networks.samples import TrainingData

    frame = torch.arange(70)
    first, last = torch.tensor([0] * 60 + [60] * 10), torch.tensor([59] * 60 + [69] * 10)
    data = TrainingData(H36M, torch.zeros(70, 17, 2), None, first, last, frame, 30.0, None)
    assert make(output_frames=32).samples(data).tolist() == [*range(29), 60]


@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3).filter(lambda v: sum(x * x for x in v) > 0.01))
def test_levelling_is_a_rotation_that_brings_up_to_the_cameras_up(direction):
    up = torch.tensor([direction], dtype=torch.float64)
    up = up / up.norm()
    turn = levelled(up)
    torch.testing.assert_close(turn @ turn.transpose(-1, -2), torch.eye(3, dtype=torch.float64)[None], rtol=0, atol=1e-4)
    assert float(torch.linalg.det(turn)) > 0.99
    torch.testing.assert_close((turn @ up[..., None])[..., 0], torch.tensor([[0.0, -1.0, 0.0]], dtype=torch.float64), rtol=0, atol=2e-3)


def test_a_direction_straight_down_is_turned_by_half_a_turn():
    turn = levelled(torch.tensor([[0.0, 1.0, 0.0]]))[0]
    assert turn.tolist() == [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]]


def test_scaled_bones_change_lengths_alike_left_and_right_and_over_a_window(data):
    torch.manual_seed(3)
    windows = torch.stack([data.poses[:5], data.poses[60:65]])
    ratio = bone_lengths(scaled_bones(windows, H36M, 0.1)) / bone_lengths(windows)
    assert float(ratio.min()) > 0.8999
    assert float(ratio.max()) < 1.1001
    assert float(ratio.std()) > 0.01
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=1e-3)
    for left, right in H36M.bone_pairs:
        torch.testing.assert_close(ratio[..., left], ratio[..., right], rtol=1e-3, atol=1e-3)


def test_a_turned_view_has_the_same_body_another_place_and_the_same_noise(data):
    torch.manual_seed(4)
    poses = torch.stack([data.poses[:5], data.poses[60:65]])
    noise = 0.01 * torch.randn(2, 5, 17, 2)
    seen = Seen(poses[..., :2] / poses[..., 2:] + noise, poses)
    up = torch.tensor([[0.0, -1.0, 0.0]] * 2)
    new_up = torch.tensor([[0.0, -0.995, -0.0998749], [0.1, -0.99498744, 0.0]])
    place = torch.tensor([[200.0, 100.0, 5000.0], [-300.0, 0.0, 6000.0]])
    turned = seen_from_elsewhere(seen, up, new_up, place, 0, 2)
    torch.testing.assert_close(bone_lengths(turned.poses), bone_lengths(poses), rtol=1e-4, atol=0.05)
    torch.testing.assert_close(turned.poses[:, 2, 0], place, rtol=1e-5, atol=0.01)
    torch.testing.assert_close(turned.keypoints - turned.poses[..., :2] / turned.poses[..., 2:], noise, rtol=0, atol=1e-5)
    # Heights along gravity stay, and so does the walk's length.
    height = [(p[:, :, [10, 3]] * -u[:, None, None]).sum(dim=-1) for p, u in ((poses, up), (turned.poses, new_up))]
    torch.testing.assert_close(height[1][..., 0] - height[1][..., 1], height[0][..., 0] - height[0][..., 1], rtol=1e-4, atol=0.1)


def test_a_window_that_comes_too_near_to_its_new_camera_stays_as_it_is(data):
    poses = data.poses[None, :5]
    seen = Seen(poses[..., :2] / poses[..., 2:], poses)
    up = torch.tensor([[0.0, -1.0, 0.0]])
    kept = seen_from_elsewhere(seen, up, up, torch.tensor([[0.0, 0.0, 900.0]]), 0, 2)
    assert torch.equal(kept.poses, poses)
    assert torch.equal(kept.keypoints, seen.keypoints)


def test_turned_views_need_an_up_direction(data):
    for up in (None, torch.full_like(data.up, np.nan)):
        with pytest.raises(PosebenchError, match="up direction is unknown"):
            make(views=1.0).prepare(replace(data, up=up))
    make(views=0.0).prepare(replace(data, up=None))


def test_it_learns_the_walker(data, tmp_path):
    method = make(width=64, epochs=12, batch=8, samples=64, output_frames=16, views=0.5, velocity=1.0, learning_rate=3e-3)
    method.prepare(data)

    def error():
        with torch.inference_mode():
            poses = torch.cat([method.eval().lift(data.keypoints[at : at + 60]) for at in range(0, len(data.keypoints), 60)])
        return float((poses - (data.poses - data.poses[:, :1])).norm(dim=-1).mean())

    before = error()
    fit(method, data, method.settings, tmp_path)
    assert error() < 0.5 * before


@pytest.mark.parametrize("change", [{"views": 1.5}, {"bone_scale": 1.0}, {"velocity": 1.0}, {"norm_momentum_last": 0.0}, {"blocks": 7}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        make(**change)
