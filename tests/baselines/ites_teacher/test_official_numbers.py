"""The recipe ``paper`` at its official size, number by number beside the official code (``tests/golden/methods/ites_teacher.json``)."""

import re

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import numpy as np
import torch

from posebench.baselines.ites_teacher import Settings, build
from posebench.baselines.ites_teacher.rotation import random_rotations, released_exponential
from posebench.networks.method import make_optimiser
from posebench.networks.recipe import read_method, resolve
from posebench.networks.views import RootView

from ..golden_methods import fill, golden

GOLDEN = golden("ites_teacher")
FRAMES = torch.arange(16)
#: Epochs in which the cycle's target is root-centred, and in which it is not.
PHASES = {"epochs_below_15": (0, 14), "epochs_from_15": (15, 49)}


def name_of(official):
    """The name here of a tensor of the official network."""
    name = official.replace("trunk.first.norm.", "trunk.1.").replace("trunk.first.", "trunk.0.")

    def of_block(found):
        block, kind, layer = found.groups()
        return f"trunk.{3 + int(block)}.layers.{3 * int(layer) + (kind == 'norm')}."

    return re.sub(r"trunk\.block(\d)\.(linear|norm)(\d)\.", of_block, name)


@pytest.fixture(scope="module")
def weights():
    return GOLDEN.weights()


def official_settings(preset="full"):
    content, where = read_method("ites_teacher")
    return resolve(content, Settings, where=where, recipe="paper", preset=preset)


@pytest.fixture
def method(weights):
    """The paper's form with the official weights, float64, its input views and random rotations."""
    method = build(official_settings(), "h36m17").double()
    fill(method.lifter, {name_of(name): name for name in weights}, weights)
    image = torch.from_numpy(GOLDEN.arrays["image"]).double()
    method.views = RootView(image, image.new_zeros(16), torch.eye(3).expand(16, 3, 3))
    # Theirs act on rows: seen = canonical @ matrix.
    rotations = torch.from_numpy(GOLDEN.arrays["turn_matrices"]).transpose(-1, -2)
    method._random_rotations = lambda count, like: (rotations, like.new_zeros(count))
    return method


def equal(found, expected, tolerance=1e-9):
    np.testing.assert_allclose(np.asarray(found.detach()), expected, rtol=0, atol=tolerance)


def test_the_network_has_the_official_number_of_parameters(method):
    """The official module has one more head, which its forward pass does not use."""
    numbers = GOLDEN.facts["parameters"]
    assert sum(value.numel() for value in method.parameters()) == numbers["official"] - numbers["unused_by_the_official_forward"]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_dictionary_weights_canonical_pose_rotation_and_turned_pose_are_the_official_ones(method, mode):
    method.train(mode == "train")
    predicted = method.lifter.predict(method.views.image, method.views.down)
    GOLDEN.close(predicted.coefficients, f"{mode}_weights")
    GOLDEN.close(predicted.canonical, f"{mode}_canonical")
    GOLDEN.close(predicted.rotation.transpose(-1, -2), f"{mode}_rotation")
    GOLDEN.close(predicted.pose, f"{mode}_seen")


def test_the_lifted_depths_are_the_turned_poses_with_the_roots_own_depth(method):
    method.eval()
    depths = method.lifter.depths(method.views).detach()
    equal(depths, GOLDEN.arrays["eval_seen"][..., 2])
    assert float(depths[:, 0].abs().max()) > 0.1


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("phase", PHASES)
def test_losses_total_and_gradients_are_the_official_ones(method, mode, phase):
    expected = GOLDEN.facts["expected"][mode][phase]
    state = {name: value.clone() for name, value in method.state_dict().items()}
    for epoch in PHASES[phase]:
        method.load_state_dict(state)
        method.train(mode == "train").zero_grad()
        ((_, terms),) = method.losses(None, FRAMES, epoch)
        total = torch.stack([*terms.values()]).sum()
        total.backward()
        weights = (GOLDEN.facts["weight_of_reprojection"], GOLDEN.facts["weight_of_cycle"])
        equal(terms["reprojection"], weights[0] * expected["reprojection"])
        equal(terms["invariance"], weights[1] * expected["cycle"])
        equal(total, expected["total"])
        norms = {name: float(value.grad.norm()) for name, value in method.lifter.named_parameters()}
        for name, norm in expected["gradient_norms"].items():
            assert norms[name_of(name)] == pytest.approx(norm, rel=1e-6), name
        if mode == "train":
            GOLDEN.close(method.lifter.dictionary.bias.grad, f"train_gradient_dictionary_bias_{phase}")


def test_the_running_statistics_are_of_the_views_and_then_of_the_turned_views(method):
    method.train()
    next(method.losses(None, FRAMES, 15))
    GOLDEN.close(method.lifter.trunk[1].running_mean, "train_first_norm_running_mean_after")
    GOLDEN.close(method.lifter.trunk[1].running_var, "train_first_norm_running_var_after")


def test_the_exponential_map_is_the_official_one():
    found = released_exponential(torch.from_numpy(GOLDEN.arrays["turn_vectors"]))
    GOLDEN.close(found, "turn_matrices")
    vector = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    released_exponential(vector)[2, 1].backward()
    assert torch.isfinite(vector.grad).all()


def test_the_random_rotations_of_the_papers_form_come_from_the_official_map():
    method, like = build(official_settings(), "h36m17"), torch.zeros(1, dtype=torch.float64)
    torch.manual_seed(0)
    drawn, down = method._random_rotations(50, like)
    torch.manual_seed(0)
    equal(drawn, random_rotations(50, like, released_exponential))
    assert float(down.abs().max()) == 0.0
    error = drawn @ drawn.transpose(-1, -2) - torch.eye(3)
    assert 1e-5 < float(error.abs().max()) < 0.2, "orthonormal only roughly"


def test_the_weights_start_as_the_official_ones():
    torch.manual_seed(0)
    network = build(official_settings(), "h36m17").lifter
    bottlenecks = network.trunk[3:]
    drawn = {
        "trunk first weight": network.trunk[0].weight,
        "block weight": torch.cat([part.layers[3 * i].weight.flatten() for part in bottlenecks for i in range(3)]),
        "trunk first norm weight": network.trunk[1].weight,
        "block norm weight": torch.cat([part.layers[3 * i + 1].weight for part in bottlenecks for i in range(3)]),
        "alpha weight": network.alpha.weight,
        "dictionary weight": network.dictionary.weight,
        "turning weight": network.turning.weight,
    }
    for name, value in ((name, value.detach()) for name, value in drawn.items()):
        expected, count = GOLDEN.facts["start"][name], value.numel()
        assert float(value.mean()) == pytest.approx(expected["mean"], abs=6 * expected["std"] / count**0.5), name
        assert float(value.std()) == pytest.approx(expected["std"], rel=4 / count**0.5), name
    norms = torch.cat([part.weight.detach() for part in network.modules() if isinstance(part, torch.nn.BatchNorm1d)])
    assert 0.0 <= float(norms.min()) < 0.01
    assert 0.99 < float(norms.max()) <= 1.0
    assert {float(value.detach().abs().max()) for name, value in network.named_parameters() if name.endswith("bias")} == {0.0}
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            assert (float(part.running_mean.abs().max()), float(part.running_var.min()), float(part.running_var.max())) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("preset", ["quick", "full"])
def test_optimiser_and_schedule_are_the_official_ones(preset):
    official, chosen = GOLDEN.facts["optimiser"], official_settings(preset)
    optimiser = make_optimiser(
        [torch.zeros(1)], chosen.optimiser, chosen.learning_rate, momentum=chosen.momentum, weight_decay=chosen.weight_decay
    )
    assert type(optimiser).__name__ == official["kind"]
    (group,) = optimiser.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == tuple(
        official[name] for name in ("learning_rate", "momentum", "weight_decay")
    )
    assert (chosen.batch, chosen.epochs) == (official["batch"], official["epochs"])
    rates = [chosen.rate(epoch) for epoch in range(chosen.epochs)]
    assert rates == [0.5 ** (epoch // official["halved_after_every_epochs"]) for epoch in range(chosen.epochs)]
    assert chosen.rotations == 4
    assert chosen.samples == 0 or preset == "quick", "the full training sees every frame in every epoch"
