"""The teacher: what its losses are nothing of, what its recipes leave out, and that every recipe trains."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.baselines.ites_teacher import Settings, build
from posebench.baselines.ites_teacher.model import Teacher
from posebench.baselines.ites_teacher.network import Lifter, Told
from posebench.baselines.ites_teacher.rotation import exponential
from posebench.errors import PosebenchError
from posebench.geometry import Camera
from posebench.lifters.views import about_x, about_y, see, turn
from posebench.skeleton import skeleton
from posebench.training.data import TrainingData
from posebench.training.loop import fit
from posebench.training.recipe import read_method, resolve

H36M = skeleton("h36m17")
SMALL = ["width=16", "epochs=2", "samples=64", "batch=16"]
CONTENT, WHERE = read_method("ites_teacher")
RECIPES = ["default", *CONTENT["recipes"]]


def method(recipe="default", *changes):
    torch.manual_seed(0)
    return build(resolve(CONTENT, Settings, where=WHERE, recipe=recipe, preset="smoke", changes=[*SMALL, *changes]), "h36m17")


@pytest.fixture(scope="module")
def data(walker):
    """Four takes of a walker, each seen by one of four cameras: keypoints only."""
    points = np.concatenate([(pose := walker(60, seed=take, camera=take))[..., :2] / pose[..., 2:] for take in range(4)])
    keypoints = torch.from_numpy(points).float()
    number = torch.arange(len(keypoints))
    lens = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))
    return TrainingData(H36M, keypoints, None, number // 60 * 60, number // 60 * 60 + 59, number, 30.0, lens)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(data, tmp_path, recipe):
    player = method(recipe)
    player.prepare(data)
    before = {name: value.clone() for name, value in player.named_parameters()}
    fit(player, data, player.settings, tmp_path, look=lambda now: now.signs(data))
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


def test_a_network_that_knows_the_truth_pays_nothing(data, monkeypatch):
    player = method("paper")
    player.prepare(data)
    pose = torch.randn(17, 3, generator=torch.Generator().manual_seed(2))
    pose = 0.5 * (pose - pose[:1])
    rotations = exponential(torch.randn(16, 3, generator=torch.Generator().manual_seed(3)))
    frames = torch.arange(16)
    player.seen.image[frames] = see(turn(rotations, pose.expand(16, -1, -1)), 5.0)
    monkeypatch.setattr(player.lifter, "tell", Knows(pose, lambda count: rotations.repeat(count // 16, 1, 1)))
    ((_, terms),) = player.losses(data, frames, 0)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx({"reprojection": 0.0, "invariance": 0.0}, abs=1e-5)
    monkeypatch.setattr(
        player.lifter, "tell", Knows(pose * torch.tensor([1.0, 1.0, -1.0]), lambda count: rotations.repeat(count // 16, 1, 1))
    )
    ((_, terms),) = player.losses(data, frames, 0)
    assert float(terms["reprojection"]) > 0.1, "another pose is seen elsewhere"


def test_the_weight_of_the_reprojection_grows_by_equal_factors_between_two_shares_of_the_epochs(data, monkeypatch):
    player = method("default", "epochs=20", "reprojection=2.0", "growth=16.0", "grow_from=0.2", "grow_to=0.6")
    player.prepare(data)
    monkeypatch.setattr(player.lifter, "tell", Knows(torch.zeros(17, 3), lambda count: torch.eye(3).expand(count, 3, 3)))
    monkeypatch.setattr("torch.rand", lambda *shape, **kinds: torch.ones(*shape, **kinds))
    error = player.seen.image[:16].norm(dim=-1).mean()
    for epoch, weight in ((0, 2.0), (4, 2.0), (6, 4.0), (8, 8.0), (12, 32.0), (19, 32.0)):
        ((_, terms),) = player.losses(data, torch.arange(16), epoch)
        torch.testing.assert_close(terms["reprojection"], weight * error)
    assert method("paper", "epochs=20").settings.reprojection_at(19) == 5.0, "the paper's stays"


def test_the_loss_is_the_mean_distance_of_joints_in_the_weights_of_the_recipe(data, monkeypatch):
    player = method("paper")
    player.prepare(data)
    pose = torch.zeros(17, 3)
    monkeypatch.setattr(player.lifter, "tell", Knows(pose, lambda count: torch.eye(3).expand(count, 3, 3)))
    ((_, terms),) = player.losses(data, torch.arange(16), 0)
    expected = 5.0 * player.seen.image[:16].norm(dim=-1).mean()
    torch.testing.assert_close(terms["reprojection"], expected)


def test_the_bases_and_views_are_as_many_as_the_recipe_says(data, monkeypatch):
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


def test_of_several_beginnings_the_one_with_the_least_losses_is_kept(data, monkeypatch):
    found, begin, terms = [], Lifter.begin, Teacher._terms

    def counted(lifter):
        begin(lifter)
        found.append([])

    def told(player, frames, epoch):
        named = terms(player, frames, epoch)
        weights = {key: value.clone() for key, value in player.lifter.state_dict().items()}
        found[-1].append((float(sum(named.values()).detach()), weights, frames.tolist()))
        return named

    player = method("default", "starts=3", "start_steps=4", "batch=16", "samples=64")
    monkeypatch.setattr(Lifter, "begin", counted)
    monkeypatch.setattr(Teacher, "_terms", told)
    player.prepare(data)
    assert [len(steps) for steps in found] == [4, 4, 4]
    assert [step[2] for step in found[0]] == [step[2] for step in found[1]] == [step[2] for step in found[2]], "the same frames for each"
    lost = [sum(loss for loss, _, _ in steps[2:]) for steps in found]
    assert len(set(lost)) == 3
    last = found[lost.index(min(lost))][3][1]
    assert all((weight - last[name]).abs().max() <= 2.1e-3 for name, weight in player.lifter.state_dict().items()), "one step of Adam later"
    assert player.poses_beside == 3 * 4 * 16
    assert method("paper").poses_beside == 0


def test_beginnings_that_are_not_finite_are_refused(data):
    with pytest.raises(PosebenchError, match="3 beginnings, none of them finite"):
        method("default", "starts=3", "start_steps=4", "learning_rate=1e30", "batch=16").prepare(data)


@pytest.mark.parametrize("rotation", ["vertical", "free"])
def test_a_flipped_lifter_tells_every_depth_with_the_other_sign(rotation):
    player = method("default", f"rotation={rotation}", "tilt=0.0")
    torch.nn.init.normal_(player.lifter.turning.weight)
    image, level = torch.randn(9, 17, 2), torch.zeros(9)
    before = player.lifter.tell(image, level).seen
    player.lifter.become_twin()
    torch.testing.assert_close(player.lifter.tell(image, level).seen, before * torch.tensor([1.0, 1.0, -1.0]))
    player.lifter.become_twin()
    torch.testing.assert_close(player.lifter.tell(image, level).seen, before)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_of_a_lifter_and_its_flipped_twin_the_one_with_less_loss_goes_on(data, monkeypatch, sign):
    player = method("default", "twin_steps=4", "twin_at=0.5", "epochs=4", "batch=16")
    player.prepare(data)
    with torch.no_grad():
        player.lifter.dictionary.bias[2] = 5.0 * sign
    monkeypatch.setattr(Teacher, "_terms", lambda player, *_: {"depth": player.lifter.dictionary.bias[2]})
    depths = []
    with torch.no_grad():
        assert "twin went on" not in player.signs(data)
    for epoch in (0, 1, 2, 2, 3):
        ((_, terms),) = player.losses(data, torch.arange(16), epoch)
        depths.append(float(terms["depth"].detach()))
    assert depths[:2] == [5.0 * sign] * 2
    assert -5.1 < depths[2] < -5.0, "the twin whose depth is less, some steps later"
    assert depths[2:] == [depths[2]] * 3, "once"
    assert player.poses_beside == 2 * 4 * 16
    with torch.no_grad():
        assert player.signs(data)["twin went on"] == float(sign > 0)
    assert "settled" in player.state_dict(), "a resumed run does not settle again"


def test_a_body_that_reaches_behind_the_camera_is_seen_no_further_off_than_the_recipe_says(data, monkeypatch):
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


def test_without_the_cycle_only_reprojection_is_left(data):
    player = method("no-cycle")
    player.prepare(data)
    ((_, terms),) = player.losses(data, torch.arange(16), 0)
    assert set(terms) == {"reprojection"}


def test_canonical_poses_turn_about_their_root_in_the_first_share_of_the_epochs_only(data, monkeypatch):
    player = method("paper", "epochs=10", "rooted=0.3")
    player.prepare(data)
    pose = torch.ones(17, 3)  # the root is not at the origin
    monkeypatch.setattr(player.lifter, "tell", Knows(pose, lambda count: torch.eye(3).expand(count, 3, 3)))
    views = []
    monkeypatch.setattr(
        "posebench.baselines.ites_teacher.model.see", lambda points, distance: (views.append(points), see(points, distance))[1]
    )
    for epoch, centred in ((0, True), (2, True), (3, False), (9, False)):
        views.clear()
        next(player.losses(data, torch.arange(16), epoch))
        assert bool((views[1].abs().max() < 1e-6).item()) == centred, epoch


def test_upright_canonical_poses_keep_their_heights_whatever_the_azimuth(data):
    """Under the default, rotations are a turn about the vertical and the view's own tilt."""
    player = method()
    player.prepare(data)
    told = player.lifter.tell(player.seen.image, player.seen.down)
    level = turn(about_x(-player.seen.down), told.seen)
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


def test_an_azimuth_is_told_as_a_direction(data):
    player = method()
    player.prepare(data)
    for angle in (-3.0, 0.0, 1.0, math.pi):
        heading = torch.tensor([math.cos(angle), math.sin(angle)])
        player.lifter.turning = Says(0.01 * heading)
        told = player.lifter.tell(player.seen.image[:4], torch.zeros(4))
        torch.testing.assert_close(told.rotation, about_y(torch.full((4,), angle)), rtol=0, atol=1e-5)


def test_lifted_poses_are_seen_where_the_keypoints_are(data):
    for recipe in ("default", "paper"):
        player = method(recipe)
        player.prepare(data)
        player.eval()
        with torch.no_grad():
            camera = player.lifter.camera
            points = camera.turned(camera(data.keypoints), player.lift(data.keypoints))
            torch.testing.assert_close(see(points, camera.distance), player.seen.image, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("norm", "same"), [("mixed", False), ("real", True)])
def test_the_recipe_says_whether_random_views_move_the_statistics_of_batch_norm(data, norm, same):
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


def test_what_a_recipe_knows_it_declares():
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
def test_settings_that_do_not_fit_are_refused(change, named):
    with pytest.raises((PosebenchError, ValueError), match=named):
        method("paper", change)
