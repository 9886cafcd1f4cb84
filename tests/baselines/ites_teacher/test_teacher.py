"""The teacher: its losses against networks that know the answer, its recipes, and that every recipe trains."""

import math

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.ites_teacher import Settings
from posebench.baselines.ites_teacher.network import TeacherOutput
from posebench.baselines.ites_teacher.rotation import exponential
from posebench.networks.recipe import read_method
from posebench.networks.views import about_x, about_y, project_at_distance, rotate
from posebench.training.loop import Hooks, fit

H36M = skeleton("h36m17")
CONTENT, WHERE = read_method("ites_teacher")
RECIPES = ["default", *CONTENT["recipes"]]
FRAMES = torch.arange(16)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(data, tmp_path, recipe, make_method):
    method = make_method(recipe)
    method.prepare(data)
    before = {name: value.clone() for name, value in method.named_parameters()}
    fit(method, data, method.settings, tmp_path, hooks=Hooks(lambda now: now.diagnostics(data)))
    with torch.no_grad():
        poses = method.lift(data.keypoints[:60])
    assert poses.shape == (60, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-6)
    unchanged = {name for name, value in method.named_parameters() if torch.equal(before[name], value)}
    assert unchanged == set(), "every layer and head learns"


def random_pose(seed):
    pose = torch.randn(17, 3, generator=torch.Generator().manual_seed(seed))
    return 0.5 * (pose - pose[:1])


def random_rotation(count, seed):
    return exponential(torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)))


def replace_network(monkeypatch, method, of_input, of_views=None):
    """Let the network give one canonical pose (J, 3) and rotations (B, 3, 3) for the inputs, and others for the random views."""
    answers = [of_input, of_views or of_input]

    def predict(image, down):  # noqa: ARG001
        pose, rotation = answers[len(image) > len(FRAMES)]
        count = len(image)
        rotations = rotation.expand(count, 3, 3) if rotation.ndim == 2 else rotation.repeat(count // len(rotation), 1, 1)
        return TeacherOutput(torch.zeros(count, 1), pose.expand(count, -1, -1), rotations, torch.ones(count, 1, 1))

    monkeypatch.setattr(method.lifter, "predict", predict)


def loss_values(method, data, epoch=0):
    ((name, terms),) = method.losses(data, FRAMES, epoch)
    assert name == "lifter"
    return {name: float(value.detach()) for name, value in terms.items()}


@pytest.fixture
def known_body(data, monkeypatch, make_method):
    """A method with both cycle terms whose inputs show a known body under known rotations, and whose random rotations are known."""
    method = make_method("paper", "equivariance=2.0", "root_centred=0.0")
    method.prepare(data)
    pose, rotations, new_rotations = random_pose(2), random_rotation(16, 3), random_rotation(64, 4)
    method.views.image[FRAMES] = project_at_distance(rotate(rotations, pose.expand(16, -1, -1)), 5.0)
    monkeypatch.setattr(method, "_random_rotations", lambda count, like: (new_rotations, like.new_zeros(count)))
    return method, pose, rotations, new_rotations


def test_a_network_that_knows_body_and_rotations_pays_nothing(data, monkeypatch, known_body):
    method, pose, rotations, new_rotations = known_body
    replace_network(monkeypatch, method, (pose, rotations), (pose, new_rotations))
    expected = {"reprojection": 0.0, "invariance": 0.0, "equivariance": 0.0}
    assert loss_values(method, data) == pytest.approx(expected, abs=1e-5)


def test_another_pose_pays_its_reprojection_error(data, monkeypatch, known_body):
    method, pose, rotations, _ = known_body
    flipped = pose * torch.tensor([1.0, 1.0, -1.0])
    replace_network(monkeypatch, method, (flipped, rotations))
    error = project_at_distance(rotate(rotations, flipped.expand(16, -1, -1)), 5.0) - method.views.image[FRAMES]
    expected = 5.0 * float(error.norm(dim=-1).mean())
    assert expected > 0.5
    assert loss_values(method, data)["reprojection"] == pytest.approx(expected, rel=1e-5)


def test_another_canonical_pose_of_the_random_views_pays_its_distance(data, monkeypatch, known_body):
    method, pose, rotations, new_rotations = known_body
    other = random_pose(7)
    replace_network(monkeypatch, method, (pose, rotations), (other, new_rotations))
    found = loss_values(method, data)
    distance = float((other - pose).norm(dim=-1).mean())
    assert found["reprojection"] == pytest.approx(0.0, abs=1e-5)
    assert found["invariance"] == pytest.approx(distance, rel=1e-5)
    assert found["equivariance"] == pytest.approx(2.0 * distance, rel=1e-5)


def test_wrong_rotations_of_the_random_views_pay_in_the_equivariance_term_only(data, monkeypatch, known_body):
    method, pose, rotations, new_rotations = known_body
    replace_network(monkeypatch, method, (pose, rotations), (pose, new_rotations.transpose(1, 2)))
    found = loss_values(method, data)
    bodies = pose.expand(64, -1, -1)
    distance = (rotate(new_rotations.transpose(1, 2), bodies) - rotate(new_rotations, bodies)).norm(dim=-1).mean()
    assert found["invariance"] == pytest.approx(0.0, abs=1e-5)
    assert found["equivariance"] == pytest.approx(2.0 * float(distance), rel=1e-5)
    assert float(distance) > 0.1


def test_the_weight_of_the_reprojection_loss_grows_exponentially_between_two_shares_of_the_epochs(data, monkeypatch, make_method):
    growth = ["reprojection=2.0", "reprojection_growth=16.0", "growth_from=0.2", "growth_to=0.6"]
    method = make_method("default", "epochs=20", "mirror=false", *growth)
    method.prepare(data)
    replace_network(monkeypatch, method, (torch.zeros(17, 3), torch.eye(3)))
    error = method.views.image[FRAMES].norm(dim=-1).mean()
    for epoch, weight in ((0, 2.0), (4, 2.0), (6, 4.0), (8, 8.0), (12, 32.0), (19, 32.0)):
        assert loss_values(method, data, epoch)["reprojection"] == pytest.approx(float(weight * error), rel=1e-5)
    assert make_method("paper", "epochs=20").settings.reprojection_at(19) == 5.0, "the paper's is constant"


def test_the_dictionary_has_as_many_bases_and_a_sample_as_many_rotations_as_the_recipe_states(data, monkeypatch, make_method):
    for recipe, bases in (("bases6", 6), ("default", 12), ("bases24", 24)):
        assert make_method(recipe).lifter.dictionary.in_features == bases
    for recipe, rotations in (("views1", 1), ("views4", 4)):
        method = make_method(recipe)
        method.prepare(data)
        views = record_views(monkeypatch, method)
        next(method.losses(data, FRAMES, 0))
        assert [len(view) for view in views] == [16, 16 * rotations]


def record_views(monkeypatch, method):
    """The images that the network is given, in the order of its calls."""
    views, predict = [], method.lifter.predict
    monkeypatch.setattr(method.lifter, "predict", lambda image, down: (views.append(image.detach()), predict(image, down))[1])
    return views


@pytest.mark.parametrize(("recipe", "limit"), [("default", 0.35), ("paper", math.inf)])
def test_image_coordinates_of_random_views_are_clamped_to_the_recipes_limit(data, monkeypatch, make_method, recipe, limit):
    method = make_method(recipe)
    method.prepare(data)
    with torch.no_grad():
        method.lifter.dictionary.bias.normal_(std=100.0)  # a body that reaches behind the camera
    views = record_views(monkeypatch, method)
    next(method.losses(data, FRAMES, 0))
    largest = float(views[1].abs().max())
    assert largest == pytest.approx(limit) if recipe == "default" else largest > 1.0


def test_without_the_cycle_only_the_reprojection_loss_is_left(data, make_method):
    method = make_method("no-cycle")
    method.prepare(data)
    assert set(loss_values(method, data)) == {"reprojection"}


def test_canonical_poses_are_rotated_about_their_root_in_the_first_share_of_the_epochs_only(data, monkeypatch, make_method):
    method = make_method("paper", "epochs=10", "root_centred=0.3")
    method.prepare(data)
    replace_network(monkeypatch, method, (torch.ones(17, 3), torch.eye(3)))  # all joints at one point, which is not the origin
    views = record_views(monkeypatch, method)
    for epoch, centred in ((0, True), (2, True), (3, False), (9, False)):
        views.clear()
        next(method.losses(data, FRAMES, epoch))
        assert bool(views[1].abs().max() < 1e-6) == centred, epoch


@pytest.mark.parametrize(("recipe", "epoch", "paid"), [("default", 0, 0.0), ("paper", 0, 3.0**0.5), ("paper", 1, 0.0)])
def test_the_papers_cycle_draws_the_canonical_root_to_the_origin_in_its_first_epochs(data, monkeypatch, make_method, recipe, epoch, paid):
    """A network that finds its canonical pose again, root at (1, 1, 1), pays the root's distance where the target is root-centred."""
    method = make_method(recipe, "mirror=false")
    method.prepare(data)
    replace_network(monkeypatch, method, (random_pose(2) + 1.0, torch.eye(3)))
    found = loss_values(method, data, epoch)["invariance"]
    assert found == pytest.approx(paid, abs=1e-5)


def test_upright_canonical_poses_keep_their_heights_under_every_azimuth(data, make_method):
    """With the default's vertical axis, a rotation is an azimuth and then the tilt of the view."""
    method = make_method()
    method.prepare(data)
    predicted = method.lifter.predict(method.views.image, method.views.down)
    level = rotate(about_x(-method.views.down), predicted.pose)
    torch.testing.assert_close(level[..., 1], (predicted.size * predicted.canonical)[..., 1], rtol=0, atol=1e-5)
    rotation, down = method._random_rotations(50, method.views.image)
    azimuth = about_x(-down) @ rotation
    torch.testing.assert_close(azimuth[:, 1], torch.tensor([0.0, 1.0, 0.0]).expand(50, 3), rtol=0, atol=1e-6)
    assert set(down.tolist()) <= set(method.views.down.tolist())


class Constant(torch.nn.Module):
    """A head with the same output for every view."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, features):
        return self.output.expand(len(features), -1)


def test_the_azimuth_is_the_direction_of_the_rotation_heads_output(data, make_method):
    method = make_method()
    method.prepare(data)
    for angle in (-3.0, 0.0, 1.0, math.pi):
        method.lifter.turning = Constant(0.01 * torch.tensor([math.cos(angle), math.sin(angle)]))
        predicted = method.lifter.predict(method.views.image[:4], torch.zeros(4))
        torch.testing.assert_close(predicted.rotation, about_y(torch.full((4,), angle)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_lifted_poses_project_to_the_keypoints(data, make_method, recipe):
    method = make_method(recipe)
    method.prepare(data)
    method.eval()
    with torch.no_grad():
        camera = method.lifter.camera
        points = camera.turned(camera(data.keypoints), method.lift(data.keypoints))
        torch.testing.assert_close(project_at_distance(points, camera.distance), method.views.image, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("norm", "same"), [("mixed", False), ("real", True)])
def test_the_recipe_states_whether_random_views_change_the_statistics_of_batch_norm(data, norm, same, make_method):
    def statistics(method):
        return [value.clone() for name, value in method.lifter.named_buffers() if "running" in name]

    plain, trained = make_method("paper", f"norm={norm}"), make_method("paper", f"norm={norm}")
    for method in (plain, trained):
        method.prepare(data)
        method.train()
    plain.lifter.predict(plain.views.image[:16], plain.views.down[:16])
    next(trained.losses(data, FRAMES, 0))
    assert all(torch.equal(one, other) for one, other in zip(statistics(plain), statistics(trained), strict=True)) == same
    assert {part.momentum for part in trained.modules() if isinstance(part, torch.nn.BatchNorm1d)} == {0.1}


def test_a_recipe_declares_its_side_information(make_method):
    tilt, bends = "cameras look down by 6.2 degrees on average", "knees bend forwards, elbows backwards"
    assert make_method().side_information == (tilt,)
    assert make_method("paper-bends").side_information == (bends,)
    assert make_method("paper-tilt").side_information == (tilt,)
    assert make_method("blind").side_information == make_method("paper").side_information == ()
    assert make_method("paper", "flip=bends").side_information == (bends,)
    assert make_method("paper", "flip=tilt", "flip_tilt=6.2").side_information == (tilt,)
    assert make_method("default", "flip=bends", "votes=31").side_information == (tilt, bends)
    assert make_method("default", "flip=bends", "votes=31").context == 31


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("norm=layer", "norm = 'layer'; it must be one of none, mixed, real"),
        ("bases=0", "bases = 0"),
        ("distance=1.0", "distance = 1.0"),
        ("tilt=6.2", "tilt needs rotation_axis = 'vertical'"),
        ("rotation_axis=vertical", "network = 'released' needs rotation_axis = 'free'"),
        ("flip=tilt", "flip_tilt"),
        ("flip=oracle", "one of none, tilt, bends"),
        ("votes=3", "flip must be one of"),
        ("reprojection_growth=0.0", "reprojection_growth = 0.0"),
        ("warm_up_epochs=-0.5", "warm_up_epochs = -0.5"),
        ("view_limit=-0.1", "view_limit = -0.1"),
        ("flip_check_at=1.0", "flip_check_at = 1.0"),
        ("growth_from=0.7", "growth_from = 0.7, growth_to = 0.5"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(change, message, make_method):
    with pytest.raises((PosebenchError, ValueError), match=message):
        make_method("paper", change)


def test_a_run_whose_settings_do_not_name_a_network_has_the_tuned_one_and_its_target():
    earlier = Settings(epochs=1, batch=2, learning_rate=1e-3)
    assert (earlier.network, earlier.centred_target) == ("own", False)


def test_the_size_is_not_trained_by_the_cycle_of_canonical_poses(data, make_method):
    method = make_method("invariance", "reprojection=0.0")
    method.prepare(data)
    ((_, terms),) = method.losses(data, FRAMES, 0)
    sum(terms.values()).backward()
    assert float(method.lifter.sizing.weight.grad.abs().max()) == 0.0
    assert float(method.lifter.alpha.weight.grad.abs().max()) > 0.0
