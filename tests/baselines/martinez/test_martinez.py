"""Martinez et al. 2017: shapes, losses, mirror images, the max-norm constraint, and that it learns."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

import posebench.baselines.martinez.method as module
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.martinez import Settings, build
from posebench.networks.mirror import mirror_where
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = {"epochs": 1, "batch": 32, "learning_rate": 1e-3, "width": 32, "dropout": 0.0}


def make(**changes):
    torch.manual_seed(0)
    return build(Settings(**{**SMALL, **changes}), "h36m17")


@pytest.fixture(scope="module")
def data(walker_samples):
    return walker_samples(poses=True)


@pytest.fixture
def prepared(data):
    def prepare(**changes):
        method = make(**changes).eval()
        method.prepare(data)
        return method

    return prepare


def relative(poses):
    return poses - poses[:, :1]


def error_mm(lifter, data):
    """Mean distance of the joints, root-relative."""
    with torch.inference_mode():
        return (lifter(data.keypoints) - relative(data.poses)).norm(dim=-1).mean().item()


@pytest.mark.parametrize("name", ["h36m17", "h36m16", "sh16", "coco17", "mpi17"])
@pytest.mark.parametrize("inputs", ["joints", "root-and-offsets"])
def test_poses_have_the_joints_of_the_skeleton_and_their_root_at_zero(name, inputs):
    kind = skeleton(name)
    method = build(Settings(**SMALL, inputs=inputs), name).eval()
    poses = method.lift(torch.randn(5, len(kind), 2))
    assert poses.shape == (5, len(kind), 3)
    assert (poses[:, kind.root_indices[0]] == 0.0).all()
    assert (poses[:, method.lifter.others] != 0.0).all()


def test_a_clip_that_is_longer_than_a_tile_is_lifted_as_its_frames_are(data, prepared, monkeypatch):
    monkeypatch.setattr("posebench.networks.method.TILE", 100)
    method = prepared()
    torch.testing.assert_close(method.lift(data.keypoints)[-7:], method.lift(data.keypoints[-7:]), rtol=1e-4, atol=1e-2)


def test_a_network_whose_output_is_zero_gives_the_mean_pose_of_the_training_split(data, prepared):
    method = prepared()
    last = method.lifter.network.layers[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    expected = relative(data.poses).mean(dim=0)
    torch.testing.assert_close(method.lift(data.keypoints[:2]), expected.expand(2, -1, -1), rtol=1e-4, atol=1e-2)


def test_offsets_are_relative_to_the_root_which_keeps_its_image_coordinates(data):
    arranged = make(inputs="root-and-offsets").lifter.arranged(data.keypoints)
    torch.testing.assert_close(arranged[:, 0], data.keypoints[:, 0])
    torch.testing.assert_close(arranged[:, 1:], data.keypoints[:, 1:] - data.keypoints[:, :1])
    assert torch.equal(make(inputs="joints").lifter.arranged(data.keypoints), data.keypoints)


def test_keypoints_and_poses_of_a_sample_are_mirrored_together(data, prepared, monkeypatch):
    """A network that knows the mirrored poses from the mirrored keypoints pays nothing."""
    chosen = torch.arange(len(data.keypoints)) % 3 == 0
    monkeypatch.setattr(module, "draw_half", lambda count, device: chosen[:count].to(device))
    method = prepared(mirror=True)
    poses = mirror_where(chosen, data.poses, H36M.mirror)

    def oracle(keypoints):
        torch.testing.assert_close(keypoints, poses[..., :2] / poses[..., 2:])
        return method.lifter.pose(method.lifter.relative(poses))

    monkeypatch.setattr(method.lifter, "standardised", oracle)
    ((_, terms),) = method.losses(data, data.usable, 0)
    assert float(terms["squared error"]) == 0.0


def test_without_mirror_no_sample_is_mirrored(data, prepared, monkeypatch):
    monkeypatch.setattr(module, "draw_half", lambda *_: pytest.fail("a mirror image was drawn"))
    list(prepared(mirror=False).losses(data, torch.arange(8), 0))


@pytest.mark.parametrize(("loss", "term"), [("squared", "squared error"), ("distance", "distance")])
def test_the_loss_is_the_one_that_the_setting_names(data, prepared, loss, term):
    method = prepared(loss=loss)
    ((network, terms),) = method.losses(data, data.usable, 0)
    error = method.lift(data.keypoints)[:, 1:] - relative(data.poses)[:, 1:]
    expected = {
        "squared": (error / method.lifter.pose.deviation).square().mean(),
        "distance": 0.01 * error.norm(dim=-1).mean(),  # in units of 100 mm
    }
    assert network == "lifter"
    assert list(terms) == [term]
    torch.testing.assert_close(terms[term], expected[loss], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("limit", [1.0, 0.0])
def test_after_a_step_no_row_of_weights_is_longer_than_the_limit_if_there_is_one(data, tmp_path, limit):
    method = make(max_norm=limit, learning_rate=0.05)
    method.prepare(data)

    def longest():
        return max(part.weight.detach().norm(dim=1).max().item() for part in method.lifter.modules() if isinstance(part, torch.nn.Linear))

    assert longest() > 1.5, "as initialised"
    fit(method, data, method.settings, tmp_path)
    assert (longest() <= 1.0 + 1e-5) is bool(limit)


def test_the_released_layers_use_a_whole_matrix_of_norm_at_most_one_whose_gradient_passes_the_scaling():
    """tf.clip_by_norm without axes, as in the authors' code: matrix * limit / max(norm, limit)."""
    layer = make(released=True, max_norm=1.0, width=64).lifter.network.layers[0]
    assert float(layer.weight.detach().norm()) > 3.0
    sample = torch.randn(5, 34)
    clipped = layer.weight.detach() / layer.weight.detach().norm()
    torch.testing.assert_close(layer(sample), sample @ clipped.T + layer.bias)
    layer(sample).square().sum().backward()
    # Scaling the weights changes nothing, so that the gradient has no part along them.
    weight = layer.weight.detach()
    assert abs(float((layer.weight.grad * weight).sum())) < 1e-3 * float(layer.weight.grad.norm() * weight.norm())
    with torch.no_grad():
        layer.weight.mul_(0.5 / layer.weight.norm())
    torch.testing.assert_close(layer(sample), sample @ layer.weight.T + layer.bias)


def test_the_released_network_starts_and_normalises_as_the_authors_code():
    network = make(released=True, max_norm=1.0, width=256).lifter.network
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            assert (part.eps, part.momentum) == (1e-3, 0.01)
        if isinstance(part, torch.nn.Linear):
            unit = (2.0 / part.in_features) ** 0.5
            assert 1.9 * unit < float(part.weight.detach().abs().max()) <= 2.0 * unit
            # A normal distribution cut at two deviations has a deviation of 0.880.
            assert float(part.weight.detach().std()) == pytest.approx(0.880 * unit, rel=0.03)
            assert 0.0 < float(part.bias.detach().abs().max()) <= 2.0 * (2.0 / part.out_features) ** 0.5


def test_released_layers_without_a_limit_are_refused():
    with pytest.raises(ValueError, match="max_norm"):
        make(released=True)


@pytest.mark.parametrize("recipe", ["default", "paper", "released"])
def test_it_overfits_a_few_takes_to_a_quarter_of_the_mean_poses_error(data, tmp_path, recipe):
    torch.set_num_threads(1)
    content, where = read_method("martinez")
    # The authors' batch norm takes 1 % of each batch into its running statistics.
    epochs = 160 if recipe == "released" else 40
    changes = ["width=64", f"epochs={epochs}", "batch=32", "samples=0", "dropout=0.0", "learning_rate=3e-3"]
    settings = resolve(content, load_baseline("martinez").Settings, where=where, recipe=recipe, preset="smoke", changes=changes)
    torch.manual_seed(0)
    method = build(settings, "h36m17")
    method.prepare(data)
    fit(method, data, settings, tmp_path)
    mean_pose = (relative(data.poses) - relative(data.poses).mean(dim=0)).norm(dim=-1).mean().item()
    assert mean_pose > 100.0
    assert error_mm(method.lifter, data) < 0.25 * mean_pose


@pytest.mark.parametrize("change", [{"inputs": "pixels"}, {"loss": "absolute"}])
def test_an_unknown_choice_is_refused_by_name(change):
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"{name} = '{value}'; it must be one of"):
        make(**change)


def test_an_unknown_skeleton_is_refused():
    with pytest.raises(PosebenchError, match="skeleton 'h36m99'"):
        build(Settings(**SMALL), "h36m99")
