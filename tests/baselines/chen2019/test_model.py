"""The players of Chen et al. 2019: what each sees, who is there under which recipe, and that every recipe trains."""

import math
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.skeletons import skeleton
from posebench.baselines.chen2019 import Settings, build
from posebench.baselines.chen2019.method import Critics
from posebench.networks.recipe import read_method, resolve
from posebench.networks.views import about_x, rotate
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = ["width=16", "critic_width=16", "epochs=2", "samples=64", "batch=16"]
RECIPES = ["default", *read_method("chen2019")[0]["recipes"]]
TILT = math.radians(6.2)


def method(recipe="default", *changes):
    content, where = read_method("chen2019")
    torch.manual_seed(0)
    return build(resolve(content, Settings, where=where, recipe=recipe, preset="smoke", changes=[*SMALL, *changes]), "h36m17")


@pytest.fixture(scope="module")
def data(walker_samples):
    """Four takes of a walker, each seen by one of four cameras: keypoints only."""
    own = walker_samples()
    return replace(own, extra=replace(own, fps=50.0))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(data, tmp_path, recipe):
    player = method(recipe)
    player.prepare(data)
    before = {name: value.clone() for name, value in player.named_parameters()}
    fit(player, data, player.settings, tmp_path)
    with torch.no_grad():
        poses = player.lift(data.keypoints)
    assert poses.shape == (240, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-5)
    still = {name.partition(".")[0] for name, value in player.named_parameters() if torch.equal(before[name], value)}
    idle = {"cycle": {"critics"}, "single": {"critics"}}
    assert still == idle.get(recipe, set()), "a player that has a part in the recipe learns, the others stay as they are"


@pytest.mark.parametrize(
    ("recipe", "players"),
    [
        ("default", ["lifter", "critics"]),
        ("cycle", ["lifter"]),
        ("adapter", ["lifter", "critics", "adapter", "adapter's critic"]),
    ],
)
def test_the_recipe_says_who_plays(data, recipe, players):
    player = method(recipe)
    player.prepare(data)
    assert list(player.optimisers()) == players
    order = [name for name, _ in player.losses(data, player.samples(data)[:16], 0)]
    assert sorted(order) == sorted(players)


def test_only_the_recipe_that_knows_the_tilt_declares_it():
    assert method().side_information == ("cameras look down by 6.2 degrees on average",)
    assert method("blind").side_information == ()
    assert method("paper").side_information == ()


def test_heads_are_one_over_the_distance_from_the_root_on_average(data):
    player = method()
    player.prepare(data)
    head = H36M.index("head_top")
    assert float(player.seen.image[:, head].norm(dim=-1).mean()) == pytest.approx(1 / 8.4, rel=1e-5)
    assert float(player.seen.image[:, 0].abs().max()) < 1e-6


def test_a_lifted_pose_put_at_the_roots_distance_is_seen_where_the_keypoints_are(data):
    """With the scale of the training set undone: the depth is the network's, the image the input's."""
    player = method()
    player.prepare(data)
    with torch.no_grad():
        seen = player.lifter.view(data.keypoints)
        points = player.lifter.points(seen.image, seen.down) + torch.tensor([0.0, 0.0, 8.4])
    image = points[..., :2] / points[..., 2:]
    torch.testing.assert_close(image, seen.image, atol=1e-6, rtol=1e-5)
    assert float((points[..., 2] - 8.4).abs().max()) > 0.01


def test_an_untrained_network_that_says_nothing_gives_an_upright_plane(data):
    player = method()
    player.prepare(data)
    for value in player.lifter.network.parameters():
        torch.nn.init.zeros_(value)
    with torch.no_grad():
        seen = player.lifter.view(data.keypoints)
        points = player.lifter.points(seen.image, seen.down)
        level = rotate(about_x(-seen.down), points)
    assert float(level[..., 2].abs().max()) < 1e-4


def test_both_frames_of_a_pair_are_turned_alike_and_mirrored_alike(data):
    player = method()
    player.prepare(data)
    frames = player.samples(data)[:50]
    torch.manual_seed(3)
    image, down = player._pairs(player.seen, frames, 5)
    rotation, new_down = player._turns(down)
    assert torch.equal(new_down[:50], new_down[50:])
    # About the vertical: the turned camera's vertical is where its tilt says, for both frames.
    vertical = rotate(about_x(down), torch.tensor([[[0.0, 1.0, 0.0]]]).expand(100, 1, 3))
    torch.testing.assert_close(rotate(rotation, vertical), rotate(about_x(new_down), torch.tensor([[[0.0, 1.0, 0.0]]]).expand(100, 1, 3)))
    swap = list(H36M.mirror)
    mirrored = [
        torch.equal(image[i], player.seen.image[frame][swap] * torch.tensor([-1.0, 1.0])) for i, frame in enumerate(frames.tolist())
    ]
    later = [
        torch.equal(image[50 + i], player.seen.image[frame + 5][swap] * torch.tensor([-1.0, 1.0]))
        for i, frame in enumerate(frames.tolist())
    ]
    assert mirrored == later
    assert 10 < sum(mirrored) < 40


def test_pairs_never_leave_their_clip(data):
    starts = method().samples(data)
    assert torch.equal(data.last[starts], data.last[starts + 5])
    assert len(starts) == 4 * 55
    assert len(method().samples(data.extra)) == 4 * (60 - 8), "the gap is stated in seconds: 8 frames at 50 Hz"


def test_views_are_held_within_reach_and_on_average_look_down_as_the_training_cameras_do(data):
    player = method()
    player.prepare(data)
    _, down = player._pairs(player.seen, player.samples(data).repeat(20), 5)
    _, new_down = player._turns(down)
    assert float(new_down.mean()) == pytest.approx(float(player.seen.down.mean()), abs=0.01)
    assert float(player.seen.down.mean()) > 0.5 * TILT


def test_the_adapter_begins_by_changing_nothing_and_its_critic_is_told_apart(data):
    player = method("adapter")
    player.prepare(data)
    with torch.no_grad():
        correction = player.adapter.correction(player.extra.image, player.lifter.image.deviation)
    assert float(correction.abs().max()) == 0.0
    image = torch.zeros(20, 17, 2)
    mixed, _ = player._mixed(image, torch.zeros(20), torch.ones_like(image), torch.ones(20))
    assert mixed.flatten(1).amax(dim=1).tolist() == 2 * ([1.0] * 5 + [0.0] * 5)


def test_critics_see_bones_where_the_recipe_says_so():
    with_bones, without = (Critics(Settings(epochs=1, batch=2, learning_rate=1.0, bones=bones), H36M) for bones in (True, False))
    image = torch.randn(3, 17, 2)
    assert with_bones.parts(image).shape == (3, 64)
    assert without.parts(image).shape == (3, 32)
    moved = image + torch.randn(3, 1, 2)
    assert torch.allclose(with_bones.parts(moved)[:, 32:], with_bones.parts(image)[:, 32:], atol=1e-5)


@pytest.mark.parametrize("wrong", ["adapter=1.0", "extra_data=synthetic", "views=around", "gan=best", "distance=0.5"])
def test_settings_that_do_not_fit_together_are_refused(wrong):
    from posebench.base.errors import PosebenchError

    with pytest.raises(PosebenchError, match=wrong.partition("=")[0]):
        method("default", wrong)


def test_poses_do_not_hang_on_rounding_errors(data):
    """float32 and float64 agree: no input of the network is the rounding error of something that is always zero."""
    player = method()
    player.prepare(data)
    with torch.no_grad():
        single = player.lift(data.keypoints)
        double = player.double().lift(data.keypoints.double())
    assert float((single - double).abs().max()) < 1e-4
