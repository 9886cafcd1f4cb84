"""The training of Chen et al. 2019: that every recipe trains, which networks a recipe has, what their inputs are."""

import math

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.chen2019 import Settings
from posebench.baselines.chen2019.network import Discriminators
from posebench.networks.mirror import mirrored
from posebench.networks.recipe import read_method
from posebench.networks.views import about_x, rotate
from posebench.training.loop import fit

H36M = skeleton("h36m17")
RECIPES = ["default", *read_method("chen2019")[0]["recipes"]]
TILT = math.radians(6.2)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(make, data, tmp_path, recipe):
    method = make(recipe)
    method.prepare(data)
    before = {name: value.clone() for name, value in method.named_parameters()}
    fit(method, data, method.settings, tmp_path)
    with torch.no_grad():
        poses = method.lift(data.keypoints)
    assert poses.shape == (240, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-5)
    still = {name for name, value in method.named_parameters() if torch.equal(before[name], value)}
    parts = {"cycle": ("critics.single", "critics.pair"), "single": ("critics.pair",)}.get(recipe.removeprefix("paper-"), ())
    idle = {name for name in before if name.startswith(parts)} if parts else set()
    if recipe == "released":  # a constant added to all scores changes no Wasserstein loss
        idle = {name for name in before if name.startswith("critics") and before[name].shape == (1,)}
    assert still == idle, "every network that the recipe uses learns, and no other"


@pytest.mark.parametrize(
    ("recipe", "networks"),
    [
        ("default", ["lifter", "critics"]),
        ("cycle", ["lifter"]),
        ("adapter", ["lifter", "critics", "adapter", "adapter's critic"]),
    ],
)
def test_a_recipe_has_the_networks_that_its_weights_ask_for(make, data, recipe, networks):
    method = make(recipe)
    method.prepare(data)
    assert list(method.optimisers()) == networks
    order = [name for name, _ in method.losses(data, method.samples(data)[:16], 0)]
    assert sorted(order) == sorted(networks)


def test_only_the_recipe_that_knows_the_tilt_declares_it(make):
    assert make().side_information == ("cameras look down by 6.2 degrees on average",)
    assert make("blind").side_information == ()
    assert make("paper").side_information == ()


def test_the_mean_image_distance_from_root_to_head_is_one_over_the_camera_distance(make, data):
    method = make()
    method.prepare(data)
    head = H36M.index("head_top")
    assert float(method.training_views.image[:, head].norm(dim=-1).mean()) == pytest.approx(1 / 8.4, rel=1e-5)
    assert float(method.training_views.image[:, 0].abs().max()) < 1e-6


def test_a_lifted_pose_at_the_roots_distance_projects_to_the_keypoints(make, data):
    """With the scale of the training set undone: the depth is the network's, the image the input's."""
    method = make()
    method.prepare(data)
    with torch.no_grad():
        seen = method.lifter.view(data.keypoints)
        points = method.lifter.points(seen.image, seen.down) + torch.tensor([0.0, 0.0, 8.4])
    image = points[..., :2] / points[..., 2:]
    torch.testing.assert_close(image, seen.image, atol=1e-6, rtol=1e-5)
    assert float((points[..., 2] - 8.4).abs().max()) > 0.01


def test_a_network_whose_output_is_zero_gives_a_vertical_plane(make, data):
    method = make()
    method.prepare(data)
    for value in method.lifter.network.parameters():
        torch.nn.init.zeros_(value)
    with torch.no_grad():
        seen = method.lifter.view(data.keypoints)
        points = method.lifter.points(seen.image, seen.down)
        level = rotate(about_x(-seen.down), points)
    assert float(level[..., 2].abs().max()) < 1e-4


def test_both_frames_of_a_pair_are_rotated_alike_and_mirrored_alike(make, data):
    method = make()
    method.prepare(data)
    frames = method.samples(data)[:50]
    torch.manual_seed(3)
    image, down = method._pairs(method.training_views, frames, 5)
    rotation, new_down = method._random_views(down)
    assert torch.equal(new_down[:50], new_down[50:])
    vertical = torch.tensor([[[0.0, 1.0, 0.0]]]).expand(100, 1, 3)
    torch.testing.assert_close(rotate(rotation, rotate(about_x(down), vertical)), rotate(about_x(new_down), vertical))
    are_mirrored = []
    for shown, true in ((image[:50], method.training_views.image[frames]), (image[50:], method.training_views.image[frames + 5])):
        chosen = (shown == mirrored(true, H36M.mirror)).all(dim=2).all(dim=1)
        assert torch.equal(shown[~chosen], true[~chosen])
        are_mirrored.append(chosen)
    assert torch.equal(*are_mirrored)
    assert 10 < int(are_mirrored[0].sum()) < 40


def test_pairs_never_leave_their_clip(make, data):
    starts = make().samples(data)
    assert torch.equal(data.last[starts], data.last[starts + 5])
    assert len(starts) == 4 * 55
    assert len(make().samples(data.extra)) == 4 * (60 - 8), "the gap is stated in seconds: 8 frames at 50 Hz"


def test_random_views_look_down_as_the_training_cameras_do_on_average(make, data):
    method = make()
    method.prepare(data)
    _, down = method._pairs(method.training_views, method.samples(data).repeat(20), 5)
    _, new_down = method._random_views(down)
    assert float(new_down.mean()) == pytest.approx(float(method.training_views.down.mean()), abs=0.01)
    assert float(method.training_views.down.mean()) > 0.5 * TILT


def test_image_coordinates_of_random_views_are_clamped_to_the_limit(make, data, monkeypatch):
    method = make("default", "view_limit=0.05", "mirror=false")
    method.prepare(data)
    lifted, points = [], method.lifter.points
    monkeypatch.setattr(method.lifter, "points", lambda image, down: lifted.append(image) or points(image, down))
    list(method.losses(data, method.samples(data)[:16], 0))
    original, view = (float(image.detach().abs().max()) for image in lifted)
    assert original > 0.05
    assert view == pytest.approx(0.05)


def test_the_adapter_starts_without_a_correction(make, data):
    method = make("adapter")
    method.prepare(data)
    with torch.no_grad():
        correction = method.adapter.correction(method.extra_views.image, method.lifter.image.deviation)
    assert float(correction.abs().max()) == 0.0


def test_adapted_pairs_replace_the_stated_share_of_the_batchs_pairs(make):
    image = torch.zeros(20, 17, 2)
    mixed, down = make("adapter")._mixed(image, torch.zeros(20), torch.ones_like(image), torch.ones(20))
    assert mixed.flatten(1).amax(dim=1).tolist() == down.tolist() == 2 * ([1.0] * 5 + [0.0] * 5)


def test_discriminators_see_bone_vectors_if_the_recipe_asks_for_them():
    common = {"epochs": 1, "batch": 2, "learning_rate": 1.0}
    with_bones, without = (Discriminators(Settings(**common, bone_vectors=bones), H36M) for bones in (True, False))
    image = torch.randn(3, 17, 2)
    assert with_bones.features(image).shape == (3, 64)
    assert without.features(image).shape == (3, 32)
    moved = image + torch.randn(3, 1, 2)
    assert torch.allclose(with_bones.features(moved)[:, 32:], with_bones.features(image)[:, 32:], atol=1e-5)


@pytest.mark.parametrize("wrong", ["adapter=1.0", "extra_data=synthetic", "views=around", "gan_loss=best", "distance=0.5"])
def test_settings_that_do_not_fit_together_are_refused(make, wrong):
    with pytest.raises(PosebenchError, match=wrong.partition("=")[0]):
        make("default", wrong)


def test_poses_do_not_depend_on_rounding_errors(make, data):
    """float32 and float64 agree: no input of the network is the rounding error of something that is always zero."""
    method = make()
    method.prepare(data)
    with torch.no_grad():
        single = method.lift(data.keypoints)
        double = method.double().lift(data.keypoints.double())
    assert float((single - double).abs().max()) < 1e-4
