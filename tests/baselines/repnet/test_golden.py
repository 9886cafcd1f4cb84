"""Equality with the golden numbers of the authors' code, at official size: ``tests/golden/methods/repnet.json`` states their source.

Golden vectors hold all x, then all y (then all z), ours joint after joint; golden scores are low for real poses, ours are high.
"""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.baselines.repnet import Settings, build
from posebench.baselines.repnet.critic import paper_bones
from posebench.baselines.repnet.geometry import kcs_matrix, normalise, reproject
from posebench.baselines.repnet.losses import (
    camera_orthogonality_loss,
    critic_loss,
    generator_loss,
    gradient_penalty,
    reprojection_loss,
)
from posebench.networks.recipe import read_method, resolve

from ..golden_methods import EXACT, fill, golden

GOLDEN = golden("repnet")
FACTS, ARRAYS = GOLDEN.facts, GOLDEN.arrays
CONTENT, WHERE = read_method("repnet")
LINEAR = ("weight", "bias")
LAYERS = ("one", "two")

GENERATOR = {"trunk.0": "first", "to_pose.2": "pose.before_last", "to_pose.4": "pose.last", "to_camera.2": "camera.last"}
BLOCKS = [(block, layer) for block in (0, 1) for layer in LAYERS]
GENERATOR |= {f"to_{branch}.{block}.{layer}": f"{branch}{block}.{layer}" for branch in ("pose", "camera") for block, layer in BLOCKS}
SHARED = {f"trunk.2.{layer}": f"shared.{layer}" for layer in LAYERS}
CRITIC = {"of_joints.0": "joints.first", "of_joints.2.one": "joints.one", "of_joints.2.two": "joints.two", "of_joints.3": "joints.last"}
CRITIC |= {"of_bones.0": "bones.first", "of_bones.2.one": "bones.one", "of_bones.2.two": "bones.two"}
CRITIC |= {"score.0": "score.first", "score.2": "score.last"}


def paper_size(recipe, *changes):
    """The untrained method of a recipe at official size, preset full, and its settings' file."""
    return build(resolve(CONTENT, Settings, where=WHERE, recipe=recipe, preset="full", changes=list(changes)), "h36m17")


def points(vectors, axes):
    """Golden vectors (B, axes * 16) as points (B, 16, axes), float64."""
    return torch.as_tensor(vectors, dtype=torch.float64).unflatten(1, (axes, 16)).transpose(1, 2)


def vectors(points):
    """Points (B, 16, axes) as golden vectors (B, axes * 16)."""
    return points.transpose(1, 2).flatten(1)


def by_joint(weight, axes, dim):
    """A layer's weight with its golden inputs (dim 1) or outputs (dim 0) in the order joint after joint."""
    first, second = (axes, 16), (weight.shape[1 - dim],)
    shape = first + second if dim == 0 else second + first
    return weight.reshape(shape).swapaxes(dim, dim + 1).reshape(weight.shape)


def layers(names):
    """State names to golden names, of weights and biases, from those of layers."""
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in names.items() for part in LINEAR}


def filled_generator(method, wiring):
    weights = GOLDEN.weights("generator")
    names = dict(GENERATOR)
    if wiring == 0:
        names |= SHARED
    else:
        weights = {name: value for name, value in weights.items() if not name.startswith("shared")}
    if wiring == 2:
        weights |= GOLDEN.weights("camera_first_layer_of_wiring_2")
        moved = {ours: theirs for ours, theirs in names.items() if not ours.startswith("to_camera")}
        moved |= {f"to_camera.{block + 2}.{layer}": f"camera{block}.{layer}" for block, layer in BLOCKS}
        names = moved | {"to_camera.0": "camera.first", "to_camera.4": "camera.last"}
    for name in ("first.weight", "camera.first.weight"):
        if name in weights:
            weights[name] = by_joint(weights[name], 2, 1)
    weights["pose.last.weight"] = by_joint(weights["pose.last.weight"], 3, 0)
    weights["pose.last.bias"] = by_joint(weights["pose.last.bias"][:, None], 3, 0)[:, 0]
    fill(method.lifter.generator, layers(names), weights)
    return method.lifter.generator.double()


def filled_critic(method):
    """The critic with golden weights, the last layer negated so that real poses score high."""
    weights = GOLDEN.weights("critic")
    weights["joints.first.weight"] = by_joint(weights["joints.first.weight"], 3, 1)
    for part in LINEAR:
        weights[f"score.last.{part}"] = -weights[f"score.last.{part}"]
    fill(method.critic, layers(CRITIC), weights)
    return method.critic.double()


@pytest.fixture(scope="module")
def released():
    return paper_size("released")


@pytest.fixture(scope="module")
def critic(released):
    return filled_critic(released)


@pytest.fixture(scope="module")
def poses():
    return points(ARRAYS["real_poses"], 3), points(ARRAYS["fake_poses"], 3)


def test_joints_bones_and_their_directions_are_the_authors(released):
    assert list(released.joints.joints) == FACTS["joints"]
    named = [[released.joints.joints[joint] for joint in bone] for bone in paper_bones(released.joints)]
    assert named == FACTS["bones"]
    bone_matrix = torch.as_tensor(ARRAYS["bone_matrix"])
    assert torch.equal(bone_matrix.argmax(dim=0), released.critic.starts)
    assert torch.equal(bone_matrix.argmin(dim=0), released.critic.ends)


def test_the_bones_of_17_joints_are_the_authors_and_the_spines():
    method = paper_size("paper", "width=16", "critic_width=16")
    named = {tuple(method.joints.joints[joint] for joint in bone) for bone in paper_bones(method.joints)}
    authors = {tuple(bone) for bone in FACTS["bones"]}
    assert named - authors == {("pelvis", "spine"), ("spine", "thorax")}
    assert authors - named == {("pelvis", "thorax")}


def test_the_released_networks_have_the_official_number_of_parameters(released):
    def count(network):
        return sum(value.numel() for value in network.parameters())

    assert count(released.lifter.generator) == FACTS["parameters"]["generator_released"]
    assert count(released.critic) == FACTS["parameters"]["critic"]


@pytest.mark.parametrize(("wiring", "recipe"), [(0, "released"), (1, "paper"), (2, "paper-own")])
def test_pose_camera_reprojection_losses_and_score_are_golden_in_every_wiring(wiring, recipe, critic):
    method = paper_size(recipe, 'joints="no spine"', 'camera_norm="entries"')
    generator = filled_generator(method, wiring)
    image = points(ARRAYS["image"], 2)
    weights = (10.0 * method.weights.double()).round() / 10.0  # 0.1 in float64
    with torch.no_grad():
        pose, camera = generator(image)
        told = reproject(camera, pose)
        camera_loss = camera_orthogonality_loss(camera, method.settings.camera_norm)
        score = critic(pose)
        by_pose = torch.stack([reprojection_loss(image[[n]], told[[n]], weights) for n in range(len(image))])
        total = reprojection_loss(image, told, weights), camera_loss.mean(), generator_loss(score)
    for name, value in {"pose": vectors(pose), "camera": camera, "reprojection": vectors(told), "critic_score": -score}.items():
        GOLDEN.close(value, f"generator{wiring}_{name}")
    GOLDEN.close(camera_loss, f"generator{wiring}_camera_loss")
    GOLDEN.close(by_pose, f"generator{wiring}_reprojection_loss")
    (wanted,) = (value for value in FACTS["expected"]["generator"].values() if value["index"] == wiring)
    settings = method.settings
    assert [settings.reprojection, settings.camera, settings.adversarial] == FACTS["generator_loss_weights"]
    names = ("reprojection_loss", "camera_loss", "adversarial_loss")
    assert [float(value) for value in total] == pytest.approx([wanted[name] for name in names], rel=EXACT)
    assert float(sum(total)) == pytest.approx(wanted["sum"], rel=EXACT)


def test_scores_kcs_matrix_and_both_paths_of_the_critic_are_golden(critic, poses):
    real, fake = poses
    with torch.no_grad():
        matrix = kcs_matrix(real, critic.starts, critic.ends)
        GOLDEN.close(matrix, "critic_real_kcs")
        GOLDEN.close(critic.of_joints(real[:1].flatten(1)), "critic_real_of_joints_pose0")
        GOLDEN.close(critic.of_bones(matrix[:1].flatten(1)), "critic_real_of_bones_pose0")
        GOLDEN.close(-critic(real), "critic_real")
        GOLDEN.close(-critic(fake), "critic_fake")


def test_the_critics_losses_and_its_gradient_between_the_poses_are_golden(released, critic, poses, monkeypatch):
    real, fake = poses
    share_of_real = torch.as_tensor(ARRAYS["share_of_real"], dtype=torch.float64)[:, :, None]
    between = (share_of_real * real + (1.0 - share_of_real) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(-critic(between).sum(), between)
    GOLDEN.close(vectors(gradient), "critic_gradient_at_mixed")
    GOLDEN.close(gradient.flatten(1).norm(dim=1), "critic_gradient_norm")

    monkeypatch.setattr(torch, "rand", lambda *_, **__: 1.0 - share_of_real)
    penalty = released.settings.gradient_penalty * gradient_penalty(critic, real, fake).detach()
    wasserstein = critic_loss(critic(real), critic(fake)).detach()
    wanted = FACTS["expected"]["critic"]
    assert float(penalty) == pytest.approx(wanted["gradient_penalty_times_10"], rel=EXACT)
    assert float(wasserstein) == pytest.approx(wanted["score_real_mean"] - wanted["score_fake_mean"], rel=EXACT)
    assert float(wasserstein + penalty) == pytest.approx(wanted["loss"], rel=EXACT)


def test_the_camera_loss_of_simple_cameras_is_golden():
    small = FACTS["expected"]["camera_loss_small"]
    found = camera_orthogonality_loss(torch.tensor(small["cameras"], dtype=torch.float64), "entries")
    assert found.tolist() == pytest.approx(small["loss"], abs=EXACT)


def test_input_and_weights_of_joints_are_the_authors(released):
    weights = FACTS["joint_weights_in_reprojection"]
    assert released.weights.tolist() == pytest.approx([weights.get(joint, weights["others"]) for joint in FACTS["joints"]])
    image = points(ARRAYS["image"], 2)
    torch.testing.assert_close(normalise(3.0 * image + 5.0).image, image, rtol=0, atol=1e-6)


def test_schedule_batch_and_optimiser_of_paper_and_released_are_the_authors():
    training = FACTS["training"]
    for recipe in ("paper", "released"):
        method = paper_size(recipe, "width=16", "critic_width=16")
        settings = method.settings
        assert (settings.batch, settings.epochs, settings.samples) == (training["batch"], training["epochs"], 0)
        rates = [settings.learning_rate * settings.rate(epoch) for epoch in range(settings.epochs)]
        assert rates == pytest.approx(training["learning_rate_of_epoch"], rel=1e-12)
        for optimiser in method.optimisers().values():
            assert (optimiser.defaults["lr"], optimiser.defaults["betas"]) == (1e-4, (0.5, 0.9))
        assert (settings.critic_steps, settings.gradient_penalty, settings.slope) == (1, 10.0, FACTS["slope"])


@pytest.mark.parametrize(("recipe", "work"), [("paper", (20, 12800)), ("released", (7, 45000))])
def test_quick_has_official_sizes_batch_and_rates_and_less_work(recipe, work):
    quick, full = (resolve(CONTENT, Settings, where=WHERE, recipe=recipe, preset=preset) for preset in ("quick", "full"))
    assert (quick.epochs, quick.samples) == work
    assert replace(quick, epochs=full.epochs, samples=full.samples) == full


def test_weights_start_uniform_within_glorots_limit_and_biases_at_zero():
    start = paper_size("released")
    for name, layer in start.named_modules():
        if isinstance(layer, torch.nn.Linear):
            limit = (6.0 / (layer.in_features + layer.out_features)) ** 0.5
            weight = layer.weight.detach()
            assert float(weight.abs().max()) <= limit, name
            assert float(layer.bias.detach().abs().max()) == 0.0, name
            deviation = float(weight.std())
            assert deviation == pytest.approx(limit / 3.0**0.5, rel=4.0 / weight.numel() ** 0.5), name
