"""MotionAGFormer: the published size and work, a block by plain loops, windows over clips of any length, and that it learns."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from torch.utils.flop_counter import FlopCounterMode

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.motionagformer.losses import scaled_distance
from posebench.baselines.motionagformer.network import Attention, Block, GraphConvolution, adjacency
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.training.loop import fit

H36M = skeleton("h36m17")


@pytest.fixture(scope="module")
def make(untrained):
    return untrained("motionagformer", ["heads=2"])


@pytest.fixture(scope="module")
def data(walker_samples):
    return walker_samples(poses=True)


def test_the_published_size_and_work():
    """XS of the paper's table: 2.2 million parameters and 1.0 GMAC for a window of 27 frames."""
    (content, where), baseline = read_method("motionagformer"), load_baseline("motionagformer")
    settings = resolve(content, baseline.Settings, where=where, recipe="released", preset="full")
    with torch.device("meta"):
        method = baseline.build(settings, "h36m17").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            out = method.lifter(torch.zeros(1, 27, 17, 2))
    assert out.shape == (1, 27, 17, 3)
    assert sum(part.numel() for part in method.parameters()) == 2_241_531
    # The counter has two operations for a product and a sum, and counts matrix products only.
    assert 1.0 <= counter.get_total_flops() / 2e9 < 1.1


def test_attention_by_plain_loops():
    torch.manual_seed(0)
    attention = Attention(4, 2).double()
    nodes = torch.randn(3, 5, 4, dtype=torch.float64)
    told = (nodes @ attention.told.weight.T).detach().numpy()
    mixed = np.zeros((3, 5, 4))
    for b in range(3):
        for head in (slice(0, 2), slice(2, 4)):
            queries, keys, values = (told[b, :, start : start + 4][:, head] for start in (0, 4, 8))
            for n in range(5):
                weight = np.exp(keys @ queries[n] / np.sqrt(2.0))
                mixed[b, n, head] = weight @ values / weight.sum()
    expected = mixed @ attention.out.weight.detach().numpy().T + attention.out.bias.detach().numpy()
    np.testing.assert_allclose(attention(nodes).detach().numpy(), expected, atol=1e-12)


def graph_by_loops(layer, nodes, edges):
    """``relu(x + BN(A V x + U x))`` in evaluation mode, edge by edge, for nodes (N, C) and an edge set of 0 and 1 (N, N)."""
    parts = {name: value.detach().numpy() for name, value in layer.state_dict().items()}
    degree, out = edges.sum(axis=1), np.zeros_like(nodes)
    for n in range(len(nodes)):
        gathered = parts["own.weight"] @ nodes[n] + parts["own.bias"]
        for m in range(len(nodes)):
            if edges[n, m]:
                gathered = gathered + (parts["of_neighbours.weight"] @ nodes[m] + parts["of_neighbours.bias"]) / np.sqrt(
                    degree[n] * degree[m]
                )
        normed = (gathered - parts["norm.running_mean"][n]) / np.sqrt(parts["norm.running_var"][n] + 1e-5)
        out[n] = np.maximum(nodes[n] + parts["norm.weight"][n] * normed + parts["norm.bias"][n], 0.0)
    return out


def of_random_statistics(layer):
    with torch.no_grad():
        for part in (layer.norm.running_mean, layer.norm.weight, layer.norm.bias):
            part.normal_()
        layer.norm.running_var.uniform_(0.5, 2.0)
    return layer.double().eval()


@pytest.mark.parametrize("edges", ["skeleton", "released"])
def test_the_graph_convolution_over_joints_by_plain_loops(edges):
    torch.manual_seed(0)
    matrix = adjacency(H36M, edges)
    layer = of_random_statistics(GraphConvolution(4, 17, edges=matrix))
    nodes = torch.randn(2, 3, 17, 4, dtype=torch.float64)
    with torch.no_grad():
        told = layer(nodes).numpy()
    for b, t in np.ndindex(2, 3):
        np.testing.assert_allclose(told[b, t], graph_by_loops(layer, nodes[b, t].numpy(), matrix.numpy()), atol=1e-7)


def test_the_graph_convolution_over_frames_takes_the_most_similar_frames():
    torch.manual_seed(0)
    layer = of_random_statistics(GraphConvolution(4, 7, neighbours=2))
    nodes = torch.randn(2, 3, 7, 4, dtype=torch.float64)
    with torch.no_grad():
        told = layer(nodes).numpy()
    for b, j in np.ndindex(2, 3):
        frames, edges = nodes[b, j].numpy(), np.zeros((7, 7))
        for n in range(7):
            edges[n, np.argsort([-(frames[n] @ frames[m]) for m in range(7)])[:2]] = 1.0
        np.testing.assert_allclose(told[b, j], graph_by_loops(layer, frames, edges), atol=1e-10)


def test_neighbours_are_ends_of_bones_and_the_released_table_lacks_three():
    whole, released = adjacency(H36M, "skeleton"), adjacency(H36M, "released")
    assert torch.equal(whole, whole.T)
    assert int(whole.sum()) == 2 * len(H36M.bones)
    names = {(H36M.joints[row], H36M.joints[column]) for row, column in (whole - released).nonzero().tolist()}
    assert names == {("pelvis", "l_hip"), ("thorax", "l_shoulder"), ("thorax", "r_shoulder")}


def test_a_block_mixes_joints_before_frames_and_begins_with_equal_shares(make):
    block = Block(make("tuned", "layer_scale=1.0").settings, H36M).eval()
    hidden = torch.randn(2, 9, 17, 16)
    with torch.no_grad():
        torch.testing.assert_close(block(hidden), 0.5 * (block.attention(hidden) + block.graph(hidden)))
        # One frame's change reaches other frames, and one joint's other joints.
        for at, reached in (((0, 4), (slice(None), 0)), ((0, slice(None), 3), (slice(None), slice(None), 9))):
            other = hidden.clone()
            other[at] = torch.randn_like(other[at])
            assert not torch.allclose(block(other)[0][reached[1:]], block(hidden)[0][reached[1:]])
            torch.testing.assert_close(block(other)[1], block(hidden)[1])


def test_the_scaled_error_is_that_of_the_best_scale():
    torch.manual_seed(0)
    target = torch.randn(2, 3, 17, 3)
    assert float(scaled_distance(0.3 * target, target)) == pytest.approx(0.0, abs=1e-6)
    predicted = target + 0.3 * torch.randn_like(target)
    squared = [float((s * predicted[0, 0] - target[0, 0]).square().sum()) for s in np.linspace(0.5, 1.5, 2001)]
    best = np.linspace(0.5, 1.5, 2001)[int(np.argmin(squared))]
    found = scaled_distance(predicted[:1, :1], target[:1, :1])
    assert float(found) == pytest.approx(float((best * predicted[0, 0] - target[0, 0]).norm(dim=-1).mean()), rel=1e-3)


@pytest.mark.parametrize("frames", [1, 5, 9, 10, 40])
def test_a_clip_of_any_length_is_lifted_window_by_window(make, frames):
    method = make().eval()
    # No motion: of frames that are nearly equal, rounding would choose the most similar ones.
    keypoints = torch.randn(frames, 17, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        poses = method.lift(keypoints)
        padded = keypoints[torch.arange(9).clamp_max(frames - 1)]
        torch.testing.assert_close(poses[:9], method.lifter(padded[None])[0][: min(9, frames)], rtol=1e-4, atol=1e-2)
        if frames > 9:
            last = method.lifter(keypoints[None, -9:])[0]
            new = (frames - 1) % 9 + 1
            torch.testing.assert_close(poses[-new:], last[-new:], rtol=1e-4, atol=1e-2)
        some = torch.tensor([frames - 1, 0])
        torch.testing.assert_close(method.lift_some(keypoints, some), poses[some])
    assert poses.shape == (frames, 17, 3)
    assert float(poses[:, 0].abs().max()) == 0.0


def test_training_windows_do_not_cross_cuts_and_begin_at_every_third_frame(make, data):
    method = make()
    starts = method.samples(data)
    assert starts.tolist() == [60 * clip + 3 * n for clip in range(4) for n in range(18)]


def test_it_learns(make, data, tmp_path):
    method = make("tuned", "samples=0", "epochs=14", "batch=8", "learning_rate=3e-3", "velocity=1.0", "mirror=false", "layer_scale=1.0")
    method.prepare(data)
    fit(method, data, method.settings, tmp_path)
    relative = data.poses - data.poses[:, :1]
    with torch.no_grad():
        error = float((torch.cat([method.lift(clip) for clip in data.keypoints.split(60)]) - relative).norm(dim=-1).mean())
    assert error < 0.85 * float((relative.mean(dim=0) - relative).norm(dim=-1).mean())


def test_it_has_no_preset_quick_and_says_which_it_has():
    content, where = read_method("motionagformer")
    with pytest.raises(PosebenchError, match=r"preset 'quick'.*smoke, full"):
        resolve(content, load_baseline("motionagformer").Settings, where=where, preset="quick")


@pytest.mark.parametrize("change", ["heads=3", "neighbours=10", "velocity=-1.0", "edges=none", "window=1"])
def test_settings_that_make_no_sense_are_refused(make, change):
    with pytest.raises(PosebenchError, match=change.partition("=")[0]):
        make("tuned", change)
