"""The recipe ``paper`` at its official size, number by number beside the official code (``tests/golden/methods/ites_student.json``)."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import numpy as np
import torch

from posebench.base.skeletons import skeleton
from posebench.baselines.ites import Settings, build
from posebench.baselines.ites.network import GROUPS, NonLocal, SemanticConvolution, neighbours
from posebench.baselines.ites.released import ReleasedNonLocal, about_upright_axis
from posebench.networks.recipe import read_method, resolve
from posebench.networks.views import RootView

from ..golden_methods import fill, golden

GOLDEN = golden("ites_student")
FRAMES = torch.arange(16)
MODES = ["eval", "train"]
JOINTS = skeleton("h36m17")


def name_of(official):
    """The name here of a tensor of the official network, or of its module."""
    parts = official.split(".")
    if parts[0].startswith("block"):
        parts[0:2] = ["blocks", parts[0].removeprefix("block"), parts[1].removeprefix("layer")]
        if parts[3] in ("own", "others", "bias", "edges"):
            parts.insert(3, "near")
    name = ".".join(parts).replace("first.norm.", "norm.")
    return f"{name}.weight" if parts[-1] in ("own", "others") else name


def ours(weights):
    """The official tensors as they are laid out here, by their names here."""
    found = {}
    for official, value in weights.items():
        name = name_of(official)
        if name.endswith((".own.weight", ".others.weight")):  # (in, out) there
            found[name] = value.T
        elif name.endswith(".edges"):  # the entries of the graph there, row by row
            found[name] = np.ones((17, 17), dtype=np.float32)
            found[name][neighbours(JOINTS).numpy()] = value
        elif name.endswith(".concat"):  # for theta and phi
            halves = np.split(value[None], 2, axis=1)
            found |= {name.replace("concat", f"{part}.weight"): half for part, half in zip(("ask", "answer"), halves, strict=True)}
        else:
            found[name] = value
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def weights():
    return ours(GOLDEN.weights())


def official_settings(preset="full"):
    content, where = read_method("ites")
    return resolve(content, Settings, where=where, recipe="paper", preset=preset)


@pytest.fixture
def method(weights):
    """The paper's form with the official weights, float64, its input views, labels and random rotations."""
    method = build(official_settings(), "h36m17").double()
    fill(method.lifter.network, {name: name for name in weights}, weights)
    image = torch.from_numpy(GOLDEN.arrays["image"]).double()
    method.views = RootView(image, image.new_zeros(16), torch.eye(3).expand(16, 3, 3))
    method.teacher_depths = torch.from_numpy(GOLDEN.arrays["label_depth"]).double()
    # Theirs act on rows: turned = pose @ matrix.
    method._random_rotations = lambda down: torch.from_numpy(GOLDEN.arrays["turn_matrices"]).transpose(-1, -2)  # noqa: ARG005
    return method


def equal(found, expected, tolerance=1e-9):
    np.testing.assert_allclose(np.asarray(found.detach()), expected, rtol=0, atol=tolerance)


def test_the_network_has_the_official_graph_pairs_and_number_of_parameters(method):
    """A weight of two joints that no bone joins exists here, and is not used."""
    mask = neighbours(JOINTS)
    assert np.array_equal(mask.numpy(), GOLDEN.arrays["adjacency"] > 0)
    assert {frozenset(pair) for pair in GROUPS} == {frozenset(pair) for pair in GOLDEN.facts["pairs"]}
    unused = sum(isinstance(part, SemanticConvolution) for part in method.modules()) * int((~mask).sum())
    assert sum(value.numel() for value in method.parameters()) - unused == GOLDEN.facts["parameters"]


@pytest.mark.parametrize("mode", MODES)
def test_depths_and_points_are_the_official_ones(method, mode):
    method.train(mode == "train")
    image = method.views.image
    depth = method.lifter.predict_depths(image)
    GOLDEN.close(depth, f"{mode}_depth")
    GOLDEN.close(method.lifter.points(image, depth), f"{mode}_shape")
    assert float(depth[:, 0].detach().abs().max()) > 0.01, "the root has a depth of its own"


@pytest.mark.parametrize("mode", MODES)
def test_the_first_layer_and_the_first_non_local_block_are_the_official_ones(method, mode):
    method.train(mode == "train")
    network, seen = method.lifter.network, {}
    network.blocks[0].register_forward_pre_hook(lambda _, given: seen.update(first=given[0]))
    network.blocks[0][0].far.register_forward_hook(lambda _, __, out: seen.update(far=out))
    network(method.views.image)
    GOLDEN.close(seen["first"][:4, 0], f"{mode}_first_activation_joint0")
    GOLDEN.close(seen["far"][0], f"{mode}_far_block0_layer0_pose0")


@pytest.mark.parametrize("mode", MODES)
def test_losses_total_and_gradients_are_the_official_ones(method, mode):
    expected = GOLDEN.facts["expected"][mode]
    method.train(mode == "train")
    ((_, terms),) = method.losses(None, FRAMES, 0)
    total = torch.stack([*terms.values()]).sum()
    total.backward()
    equal(terms["distillation"], GOLDEN.facts["weight_of_distillation"] * expected["distillation"])
    equal(terms["equivariance"], GOLDEN.facts["weight_of_equivariance"] * expected["equivariance"])
    equal(total, expected["total"])
    gradients = {name: value.grad for name, value in method.lifter.network.named_parameters()}
    for official, norm in expected["gradient_norms"].items():
        name = name_of(official)
        halves = [name.replace("concat", f"{half}.weight") for half in ("ask", "answer")] if official.endswith("concat") else [name]
        found = torch.cat([gradients[half].flatten() for half in halves]).norm()
        # A bias before a batch norm in train mode has no gradient but rounding.
        assert float(found) == pytest.approx(norm, rel=1e-6, abs=1e-12), official


def test_the_running_statistics_are_of_the_views_and_then_of_the_turned_views(method):
    method.train()
    next(method.losses(None, FRAMES, 0))
    GOLDEN.close(method.lifter.network.norm.running_mean, "train_first_norm_running_mean_after")
    GOLDEN.close(method.lifter.network.norm.running_var, "train_first_norm_running_var_after")


def test_random_rotations_are_about_the_upright_axis_by_the_official_map():
    vectors = torch.from_numpy(GOLDEN.arrays["turn_vectors"])
    assert float(vectors[:, [0, 2]].abs().max()) == 0.0
    GOLDEN.close(about_upright_axis(vectors[:, 1]), "turn_matrices")
    method = build(official_settings(), "h36m17")
    torch.manual_seed(0)
    drawn = method._random_rotations(torch.zeros(4000, dtype=torch.float64))
    torch.manual_seed(0)
    equal(drawn, about_upright_axis(2 * torch.pi * (2 * torch.rand(4000, dtype=torch.float64) - 1)))


def test_the_weights_start_as_the_official_ones():
    torch.manual_seed(0)
    lifter = build(official_settings(), "h36m17").lifter
    network, start = lifter.network, GOLDEN.facts["start"]
    convolutions = {
        "first": [network.first],
        "hidden": [part for part in network.blocks.modules() if isinstance(part, SemanticConvolution)],
        "last": [network.last],
    }
    for name, parts in convolutions.items():
        for what, values in (
            ("own and others", [value for part in parts for value in (part.own.weight, part.others.weight)]),
            ("bias", [part.bias for part in parts]),
        ):
            drawn, expected = torch.cat([value.detach().flatten() for value in values]), start[f"{name}, {what}"]
            assert float(drawn.abs().max()) <= expected["largest"] * 1.06, (name, what)
            if len(drawn) > 1:
                assert float(drawn.std()) == pytest.approx(expected["std"], rel=4 / len(drawn) ** 0.5), (name, what)
        assert all(float((part.edges.detach() - 1.0).abs().max()) == 0.0 for part in parts)
    far = [part for part in network.modules() if isinstance(part, ReleasedNonLocal)]
    for official, layers in (("value", ["value"]), ("theta", ["theta"]), ("phi", ["phi"]), ("concat", ["ask", "answer"]), ("out", ["out"])):
        drawn = torch.cat([getattr(part, layer).weight.detach().flatten() for part in far for layer in layers])
        expected = start[f"far {official} weight" if official != "concat" else "far concat"]
        assert float(drawn.std()) == pytest.approx(expected["std"], rel=4 / len(drawn) ** 0.5), official
    assert {float(getattr(part, layer).bias.detach().abs().max()) for part in far for layer in ("value", "theta", "phi", "out")} == {0.0}
    assert {float(part.norm.weight.detach().abs().max()) for part in far} == {0.0}
    norms = {name: part for name, part in network.named_modules() if isinstance(part, torch.nn.BatchNorm1d)}
    assert {float(part.bias.detach().abs().max()) for part in norms.values()} == {0.0}
    others = torch.cat([part.weight.detach() for name, part in norms.items() if ".far." not in name])
    assert float(others.min()) >= 0.0
    assert float(others.max()) <= 1.0
    assert float(others.mean()) == pytest.approx(0.5, abs=4 / (12 * len(others)) ** 0.5)


def test_at_the_start_the_non_local_block_returns_its_input():
    torch.manual_seed(0)
    block, features = ReleasedNonLocal(8, JOINTS), torch.randn(3, 17, 8)
    torch.nn.init.normal_(block.out.weight)
    assert not torch.equal(block(features), features)
    block.initialise()
    equal(block(features), features)
    assert not torch.equal(NonLocal.forward(block, features), torch.zeros(3, 17, 8))


@pytest.mark.parametrize("preset", ["quick", "full"])
def test_optimiser_and_schedule_are_the_official_ones(preset):
    """Stochastic gradient descent as for the teacher, 40 epochs: the golden file of the teacher holds the numbers."""
    official, chosen = golden("ites_teacher").facts["optimiser"], official_settings(preset)
    (optimiser,) = build(chosen, "h36m17").optimisers().values()
    assert type(optimiser).__name__ == official["kind"]
    (group,) = optimiser.param_groups
    names = {"learning_rate": "lr", "momentum": "momentum", "weight_decay": "weight_decay"}
    assert {name: group[here] for name, here in names.items()} == {name: official[name] for name in names}
    assert (chosen.batch, chosen.epochs, chosen.rotations) == (official["batch"], 40, 4)
    rates = [chosen.rate(epoch) for epoch in range(chosen.epochs)]
    assert rates == [0.5 ** (epoch // official["halved_after_every_epochs"]) for epoch in range(chosen.epochs)]
