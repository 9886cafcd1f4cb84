"""The teacher: what its losses are nothing of, what its recipes leave out, and that every recipe trains."""

import math

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.ites_teacher.network import Told
from posebench.baselines.ites_teacher.rotation import exponential
from posebench.networks.recipe import read_method
from posebench.networks.views import about_x, about_y, project_at_distance, rotate
from posebench.training.loop import Hooks, fit

H36M = skeleton("h36m17")
CONTENT, WHERE = read_method("ites_teacher")
RECIPES = ["default", *CONTENT["recipes"]]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(data, tmp_path, recipe, method):
    player = method(recipe)
    player.prepare(data)
    before = {name: value.clone() for name, value in player.named_parameters()}
    fit(player, data, player.settings, tmp_path, hooks=Hooks(lambda now: now.diagnostics(data)))
    with torch.no_grad():
        poses = player.lift(data.keypoints[:60])
    assert poses.shape == (60, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-6)
    still = {name for name, value in player.named_parameters() if torch.equal(before[name], value)}
    assert still == set(), "every layer and head learns"


class Knows:
    """Stands in for the lifter's ``tell``: knows one canonical pose, and finds the rotation under which each view was made."""

    def __init__(self, pose, rotations):
        self.pose, self.rotations = pose, rotations

    def __call__(self, image, down):  # noqa: ARG002
        rotation = self.rotations(len(image))
        return Told(torch.zeros(len(image), 1), self.pose.expand(len(image), -1, -1), rotation, torch.ones(len(image), 1, 1))


def test_a_network_that_knows_the_truth_pays_nothing(data, monkeypatch, method):
    player = method("paper")
    player.prepare(data)
    pose = torch.randn(17, 3, generator=torch.Generator().manual_seed(2))
    pose = 0.5 * (pose - pose[:1])
    rotations = exponential(torch.randn(16, 3, generator=torch.Generator().manual_seed(3)))
    frames = torch.arange(16)
    player.seen.image[frames] = project_at_distance(rotate(rotations, pose.expand(16, -1, -1)), 5.0)
    monkeypatch.setattr(player.lifter, "tell", Knows(pose, lambda count: rotations.repeat(count // 16, 1, 1)))
    ((_, terms),) = player.losses(data, frames, 0)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx({"reprojection": 0.0, "invariance": 0.0}, abs=1e-5)
    monkeypatch.setattr(
        player.lifter, "tell", Knows(pose * torch.tensor([1.0, 1.0, -1.0]), lambda count: rotations.repeat(count // 16, 1, 1))
    )
    ((_, terms),) = player.losses(data, frames, 0)
    assert float(terms["reprojection"]) > 0.1, "another pose is seen elsewhere"


def test_the_weight_of_the_reprojection_grows_by_equal_factors_between_two_shares_of_the_epochs(data, monkeypatch, method):
    player = method("default", "epochs=20", "reprojection=2.0", "growth=16.0", "grow_from=0.2", "grow_to=0.6")
    player.prepare(data)
    monkeypatch.setattr(player.lifter, "tell", Knows(torch.zeros(17, 3), lambda count: torch.eye(3).expand(count, 3, 3)))
    monkeypatch.setattr("torch.rand", lambda *shape, **kinds: torch.ones(*shape, **kinds))
    error = player.seen.image[:16].norm(dim=-1).mean()
    for epoch, weight in ((0, 2.0), (4, 2.0), (6, 4.0), (8, 8.0), (12, 32.0), (19, 32.0)):
        ((_, terms),) = player.losses(data, torch.arange(16), epoch)
        torch.testing.assert_close(terms["reprojection"], weight * error)
    assert method("paper", "epochs=20").settings.reprojection_at(19) == 5.0, "the paper's stays"


def test_the_loss_is_the_mean_distance_of_joints_in_the_weights_of_the_recipe(data, monkeypatch, method):
    player = method("paper")
    player.prepare(data)
    pose = torch.zeros(17, 3)
    monkeypatch.setattr(player.lifter, "tell", Knows(pose, lambda count: torch.eye(3).expand(count, 3, 3)))
    ((_, terms),) = player.losses(data, torch.arange(16), 0)
    expected = 5.0 * player.seen.image[:16].norm(dim=-1).mean()
    torch.testing.assert_close(terms["reprojection"], expected)


def test_the_bases_and_views_are_as_many_as_the_recipe_says(data, monkeypatch, method):
    for recipe, bases in (("bases6", 6), ("default", 12), ("bases24", 24)):
        assert method(recipe).lifter.dictionary.in_features == bases
    for recipe, views in (("views1", 1), ("views4", 4)):
        player = method(recipe)
        player.prepare(data)
        seen, tell = [], player.lifter.tell
        monkeypatch.setattr(
            player.lifter, "tell", lambda image, down, tell=tell, seen=seen: (seen.append(len(image)), tell(image, down))[1]
        )
        next(player.losses(data, torch.arange(16), 0))
        assert seen == [16, 16 * views]


def test_a_body_that_reaches_behind_the_camera_is_seen_no_further_off_than_the_recipe_says(data, monkeypatch, method):
    for recipe, largest in (("default", 0.35), ("paper", math.inf)):
        player = method(recipe)
        player.prepare(data)
        with torch.no_grad():
            player.lifter.dictionary.bias.mul_(500.0)
        seen, tell = [], player.lifter.tell
        monkeypatch.setattr(player.lifter, "tell", lambda image, down, tell=tell, seen=seen: (seen.append(image), tell(image, down))[1])
        next(player.losses(data, torch.arange(16), 0))
        furthest = float(seen[1].detach().abs().max())
        assert furthest == pytest.approx(largest) if recipe == "default" else furthest > 1.0


def test_without_the_cycle_only_reprojection_is_left(data, method):
    player = method("no-cycle")
    player.prepare(data)
    ((_, terms),) = player.losses(data, torch.arange(16), 0)
    assert set(terms) == {"reprojection"}


def test_canonical_poses_turn_about_their_root_in_the_first_share_of_the_epochs_only(data, monkeypatch, method):
    player = method("paper", "epochs=10", "rooted=0.3")
    player.prepare(data)
    pose = torch.ones(17, 3)  # the root is not at the origin
    monkeypatch.setattr(player.lifter, "tell", Knows(pose, lambda count: torch.eye(3).expand(count, 3, 3)))
    views = []
    monkeypatch.setattr(
        "posebench.baselines.ites_teacher.method.project_at_distance",
        lambda points, distance: (views.append(points), project_at_distance(points, distance))[1],
    )
    for epoch, centred in ((0, True), (2, True), (3, False), (9, False)):
        views.clear()
        next(player.losses(data, torch.arange(16), epoch))
        assert bool((views[1].abs().max() < 1e-6).item()) == centred, epoch


def test_upright_canonical_poses_keep_their_heights_whatever_the_azimuth(data, method):
    """Under the default, rotations are a turn about the vertical and the view's own tilt."""
    player = method()
    player.prepare(data)
    told = player.lifter.tell(player.seen.image, player.seen.down)
    level = rotate(about_x(-player.seen.down), told.seen)
    torch.testing.assert_close(level[..., 1], (told.size * told.pose)[..., 1], rtol=0, atol=1e-5)
    rotation, down = player._rotations(50, player.seen.image)
    azimuth = about_x(-down) @ rotation
    torch.testing.assert_close(azimuth[:, 1], torch.tensor([0.0, 1.0, 0.0]).expand(50, 3), rtol=0, atol=1e-6)
    assert set(down.tolist()) <= set(player.seen.down.tolist())


class Says(torch.nn.Module):
    """A head that says the same of every view."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def forward(self, hidden):
        return self.told.expand(len(hidden), -1)


def test_an_azimuth_is_told_as_a_direction(data, method):
    player = method()
    player.prepare(data)
    for angle in (-3.0, 0.0, 1.0, math.pi):
        heading = torch.tensor([math.cos(angle), math.sin(angle)])
        player.lifter.turning = Says(0.01 * heading)
        told = player.lifter.tell(player.seen.image[:4], torch.zeros(4))
        torch.testing.assert_close(told.rotation, about_y(torch.full((4,), angle)), rtol=0, atol=1e-5)


def test_lifted_poses_are_seen_where_the_keypoints_are(data, method):
    for recipe in ("default", "paper"):
        player = method(recipe)
        player.prepare(data)
        player.eval()
        with torch.no_grad():
            camera = player.lifter.camera
            points = camera.turned(camera(data.keypoints), player.lift(data.keypoints))
            torch.testing.assert_close(project_at_distance(points, camera.distance), player.seen.image, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("norm", "same"), [("mixed", False), ("real", True)])
def test_the_recipe_says_whether_random_views_move_the_statistics_of_batch_norm(data, norm, same, method):
    player = method("paper", f"norm={norm}")
    player.prepare(data)
    player.train()

    def statistics():
        return [value.clone() for name, value in player.lifter.named_buffers() if "running" in name]

    player.lifter.tell(player.seen.image[:16], player.seen.down[:16])
    plain = statistics()
    player = method("paper", f"norm={norm}")
    player.prepare(data)
    player.train()
    next(player.losses(data, torch.arange(16), 0))
    assert all(torch.equal(one, other) for one, other in zip(plain, statistics(), strict=True)) == same
    assert {part.momentum for part in player.modules() if isinstance(part, torch.nn.BatchNorm1d)} == {0.1}


def test_what_a_recipe_knows_it_declares(method):
    tilt, bends = "cameras look down by 6.2 degrees on average", "knees bend forwards, elbows backwards"
    assert method().side_information == (tilt,)
    assert method("paper-bends").side_information == (bends,)
    assert method("paper-tilt").side_information == (tilt,)
    assert method("blind").side_information == method("paper").side_information == ()
    assert method("paper", "flip=bends").side_information == (bends,)
    assert method("paper", "flip=tilt", "flip_tilt=6.2").side_information == (tilt,)
    assert method("default", "flip=bends", "votes=31").side_information == (tilt, bends)
    assert method("default", "flip=bends", "votes=31").context == 31


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("norm=layer", "norm = 'layer'; it must be one of none, mixed, real"),
        ("bases=0", "bases = 0"),
        ("distance=1.0", "distance = 1.0"),
        ("tilt=6.2", "tilt needs rotation = 'vertical'"),
        ("flip=tilt", "flip_tilt"),
        ("flip=oracle", "one of none, tilt, bends"),
        ("votes=3", "no rule to vote by"),
        ("growth=0.0", "growth = 0.0"),
        ("warm_up=-0.5", "warm_up = -0.5"),
        ("largest=-0.1", "largest = -0.1"),
        ("twin_at=1.0", "twin_at = 1.0"),
        ("grow_from=0.5", "grow_from = 0.5, grow_to = 0.5"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, named, method):
    with pytest.raises((PosebenchError, ValueError), match=named):
        method("paper", change)
