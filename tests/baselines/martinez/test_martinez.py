"""Martinez et al. 2017: shapes, the mirror, the limit on weights, and that it learns."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.martinez import Settings, build
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = {"epochs": 1, "batch": 32, "learning_rate": 1e-3, "width": 32, "dropout": 0.0}


def method(**changes):
    torch.manual_seed(0)
    return build(Settings(**{**SMALL, **changes}), "h36m17")


@pytest.fixture(scope="module")
def data(walker_samples):
    """Four takes of a walker, each from one of four cameras: 240 frames."""
    return walker_samples(poses=True)


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
    lifter = build(Settings(**SMALL, inputs=inputs), name).eval()
    poses = lifter.lift(torch.randn(5, len(kind), 2))
    assert poses.shape == (5, len(kind), 3)
    assert (poses[:, kind.root_indices[0]] == 0.0).all()
    assert (poses[:, lifter.lifter.others] != 0.0).all()


def test_more_frames_than_a_tile_are_lifted_as_one_by_one(data):
    trained = method().eval()
    trained.prepare(data)
    many = data.keypoints.repeat(5, 1, 1)
    assert len(many) > 1024
    torch.testing.assert_close(trained.lift(many)[-7:], trained.lift(many[-7:]), rtol=1e-4, atol=1e-2)


def test_a_network_that_says_nothing_gives_the_mean_pose_of_the_training_split(data):
    trained = method().eval()
    trained.prepare(data)
    last = trained.lifter.network.layers[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    wanted = relative(data.poses).mean(dim=0)
    torch.testing.assert_close(trained.lift(data.keypoints[:2]), wanted.expand(2, -1, -1), rtol=1e-4, atol=1e-2)


def test_offsets_are_from_the_root_which_stays_where_it_is(data):
    arranged = method(inputs="root-and-offsets").lifter.arranged(data.keypoints)
    torch.testing.assert_close(arranged[:, 0], data.keypoints[:, 0])
    torch.testing.assert_close(arranged[:, 1:], data.keypoints[:, 1:] - data.keypoints[:, :1])
    assert torch.equal(method(inputs="joints").lifter.arranged(data.keypoints), data.keypoints)


def test_the_mirror_shows_the_projection_of_the_mirrored_person_for_about_half_of_the_samples(data):
    torch.manual_seed(0)
    keypoints, poses = method(mirror=True)._mirrored(data.keypoints, data.poses)
    torch.testing.assert_close(keypoints, poses[..., :2] / poses[..., 2:])
    changed = (poses != data.poses).any(dim=(1, 2))
    assert 0.35 < changed.float().mean() < 0.65
    assert torch.equal(keypoints[~changed], data.keypoints[~changed])
    wanted = data.poses[changed][:, list(H36M.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.equal(poses[changed], wanted)


def test_mirroring_twice_gives_the_samples_back(data, monkeypatch):
    trained = method(mirror=True)
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.zeros(*size))
    once = trained._mirrored(data.keypoints, data.poses)
    assert not torch.equal(once[1], data.poses)
    again = trained._mirrored(*once)
    assert torch.equal(again[0], data.keypoints)
    assert torch.equal(again[1], data.poses)


@pytest.mark.parametrize("mirror", [True, False])
def test_samples_are_mirrored_where_the_recipe_says_so_and_only_there(data, monkeypatch, mirror):
    trained = method(mirror=mirror)
    trained.prepare(data)
    calls = []
    monkeypatch.setattr(type(trained), "_mirrored", lambda _, *both: calls.append(1) or both)
    list(trained.losses(data, torch.arange(8), 0))
    assert bool(calls) is mirror


@pytest.mark.parametrize(("loss", "factor"), [("squared", None), ("distance", 0.01)])
def test_the_loss_is_what_its_name_says(data, loss, factor):
    trained = method(loss=loss).eval()
    trained.prepare(data)
    ((player, terms),) = trained.losses(data, data.usable, 0)
    found = trained.lift(data.keypoints)[:, 1:] - relative(data.poses)[:, 1:]
    wanted = (found / trained.lifter.pose.deviation).square().mean() if factor is None else factor * found.norm(dim=-1).mean()
    assert player == "lifter"
    (value,) = terms.values()
    torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("limit", [1.0, 0.0])
def test_no_row_of_weights_is_above_the_limit_after_a_step_where_there_is_one(data, tmp_path, limit):
    trained = method(max_norm=limit, learning_rate=0.05)
    trained.prepare(data)

    def largest():
        return max(part.weight.detach().norm(dim=1).max().item() for part in trained.lifter.modules() if isinstance(part, torch.nn.Linear))

    assert largest() > 1.5  # as drawn
    fit(trained, data, trained.settings, tmp_path)
    assert (largest() <= 1.0 + 1e-5) is bool(limit)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_it_learns_a_few_takes_by_heart_far_below_the_mean_poses_error(data, tmp_path, recipe):
    torch.set_num_threads(1)
    content, where = read_method("martinez")
    changes = ["width=64", "epochs=60", "batch=32", "samples=0", "dropout=0.0", "learning_rate=3e-3"]
    settings = resolve(content, load_baseline("martinez").Settings, where=where, recipe=recipe, preset="smoke", changes=changes)
    torch.manual_seed(0)
    trained = build(settings, "h36m17")
    trained.prepare(data)
    fit(trained, data, settings, tmp_path)
    mean_pose = (relative(data.poses) - relative(data.poses).mean(dim=0)).norm(dim=-1).mean().item()
    assert mean_pose > 100.0
    assert error_mm(trained.lifter, data) < 0.25 * mean_pose


@pytest.mark.parametrize("change", [{"inputs": "pixels"}, {"loss": "absolute"}])
def test_a_choice_that_is_none_is_refused_by_name(change):
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"{name} = '{value}'; it must be one of"):
        method(**change)


def test_an_unknown_skeleton_is_refused():
    with pytest.raises(PosebenchError, match="skeleton 'h36m99'"):
        build(Settings(**SMALL), "h36m99")
