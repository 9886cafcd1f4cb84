"""The published forms against the golden numbers of [R1], at official size and in float64 (``tests/golden/methods/README.md``)."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.baselines.chen2019.losses import consistency, discriminator_loss, generator_loss, gradient_penalty, mean_square
from posebench.baselines.chen2019.published_geometry import PaperGeometry, seen
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.networks.views import rotate

from ..golden_methods import fill, golden


def at_official_size(recipe):
    """The method of a recipe at full size, without dropout (as the golden numbers), its networks filled by the golden rule."""
    (content, where), baseline = read_method("chen2019"), load_baseline("chen2019")
    settings = resolve(content, baseline.Settings, where=where, recipe=recipe, preset="full", changes=["dropout=0.0"])
    method = baseline.build(settings, "h36m17").double()
    networks = {"lifter": method.lifter.network, "single_critic": method.critics.single, "temporal_critic": method.critics.pair}
    for name, network in networks.items():
        weights = GOLDEN.weights(name)
        ours = [key for key in network.state_dict() if not key.endswith("num_batches_tracked")]
        fill(network, dict(zip(ours, weights, strict=True)), weights)
    return method


GOLDEN = golden("chen2019")


def number(name):
    """A golden array in float64; images and points as (16, J, 2 or 3)."""
    array = torch.from_numpy(np.asarray(GOLDEN.arrays[name], dtype=np.float64))
    return array.unflatten(-1, (17, -1)) if array.shape[-1] in (34, 51) else array


@pytest.fixture(scope="module")
def released():
    return at_official_size("released")


FIRST, SECOND = number("image").unbind(dim=1)


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_networks_equal_those_of_the_reproduction(recipe):
    method = at_official_size(recipe)
    with torch.no_grad():
        GOLDEN.close(method.lifter.network.eval()(FIRST.flatten(1)), "lifter_eval")
        GOLDEN.close(method.lifter.network.train()(FIRST.flatten(1)), "lifter_train")
        GOLDEN.close(method.critics.single(FIRST.flatten(1)), "single_score_before_sigmoid")
        GOLDEN.close(method.critics.pair((FIRST - SECOND).flatten(1)), "temporal_score_before_sigmoid")


def test_the_released_views_turn_about_the_optical_axis_by_any_angle_and_about_the_vertical_by_20_degrees(released, monkeypatch):
    drawn = iter([0.5 * (number("v2_azimuth") / torch.pi + 1.0), 0.5 * (number("v2_elevation") / (torch.pi / 9) + 1.0)])
    monkeypatch.setattr(torch, "rand_like", lambda _: next(drawn))
    GOLDEN.close(released.lifter.geometry.draw(16, FIRST[:, 0, 0]), "v2_matrices", within=1e-6)


@pytest.mark.parametrize("case", ["v2_given", "v2_network"])
def test_a_step_of_the_released_form_equals_that_of_the_reproduction(released, monkeypatch, case):
    lifter, wanted = released.lifter, GOLDEN.facts["expected"][case]
    if case == "v2_given":
        told = iter(number("given_depths")[[0, 2, 1]])  # first frame, its view, second frame
        monkeypatch.setattr(lifter.network, "forward", lambda _: next(told))
    lifter.network.train()
    rotation = number("v2_matrices")
    way = released.cycle(FIRST, rotation)
    second_view = seen(lifter.geometry.turned(lifter.points(SECOND), rotation))
    found = {"fake": way.view, "fake_next": second_view, "pose": way.points, "turned": way.turned, "relifted": way.again, "back": way.back}
    for name, value in found.items():
        GOLDEN.close(value, f"{case}_{name}")

    terms = released.lifter_losses(FIRST, way, second_view)
    weights = {"consistency 2D": 10.0, "consistency 3D": 0.001, "generator, single": 1.0, "generator, pair": 1.0}
    names = {"consistency 2D": "loss_2d", "consistency 3D": "loss_3d", "generator, single": "adversarial", "generator, pair": "temporal"}
    assert set(terms) == set(weights)
    for name, term in terms.items():
        assert float(term.detach()) == pytest.approx(weights[name] * wanted[names[name]], rel=1e-9, abs=1e-9), name
    assert float(sum(terms.values()).detach()) == pytest.approx(wanted["total"], rel=1e-9)

    critics = released.discriminator_losses(FIRST, SECOND, way.view, second_view)
    assert float(critics["single"].detach()) == pytest.approx(wanted["critic_single"], rel=1e-9, abs=1e-9)
    assert float(critics["pair"].detach()) == pytest.approx(wanted["critic_temporal"], rel=1e-9, abs=1e-9)


def test_the_gradient_penalty_equals_that_of_the_reproduction(released, monkeypatch):
    fake, share = number("v2_given_fake"), number("v2_share_of_real")
    wanted = GOLDEN.facts["expected"]["v2_penalty_times_10_single"]
    direct = 10.0 * gradient_penalty(released.critics.single, SECOND.flatten(1), fake.flatten(1), share)
    assert float(direct.detach()) == pytest.approx(wanted, rel=1e-6)
    monkeypatch.setattr(torch, "rand_like", lambda _: share)
    terms = released.discriminator_losses(FIRST, SECOND, fake, None)
    assert float(terms["single, gradient penalty"].detach()) == pytest.approx(wanted, rel=1e-6)
    fake_next = number("v2_given_fake_next")
    pair = gradient_penalty(released.critics.pair, (FIRST - SECOND).flatten(1), (fake - fake_next).flatten(1), share)
    terms = released.discriminator_losses(FIRST, SECOND, fake, fake_next)
    assert float(terms["pair, gradient penalty"].detach()) == pytest.approx(10.0 * float(pair.detach()), rel=1e-9)
    assert sorted(terms) == ["pair", "pair, gradient penalty", "single", "single, gradient penalty"]
    other = float(gradient_penalty(released.critics.single, fake.flatten(1), SECOND.flatten(1), share).detach())
    assert abs(10.0 * other - wanted) > 1e-3, "the share is of the real sample"


@pytest.mark.parametrize("case", ["v1_given", "v1_network"])
def test_the_papers_losses_equal_those_of_the_reproductions_first_version(released, case):
    """It is orthographic; its losses, its discriminators and its turn about the vertical are the paper form's."""
    wanted, critics = GOLDEN.facts["expected"][case], released.critics
    image, back, view, second_view = FIRST, number(f"{case}_back"), number(f"{case}_fake"), number(f"{case}_fake_next")
    turned, again = number(f"{case}_turned"), number(f"{case}_relifted")
    with torch.no_grad():
        single = [critics.single(sample.flatten(1)) for sample in (SECOND, view)]
        pair = [critics.pair(sample.flatten(1)) for sample in (FIRST - SECOND, view - second_view)]
    found = {
        "loss_2d": mean_square(image, back),
        "loss_3d": mean_square(turned, again),
        "adversarial": generator_loss(single[1], "bce"),
        "temporal": generator_loss(pair[1], "bce"),
        "critic_single": discriminator_loss(*single, "bce"),
        "critic_temporal": discriminator_loss(*pair, "bce"),
    }
    for name, value in found.items():
        assert float(value) == pytest.approx(wanted[name], rel=1e-6, abs=1e-6), name


def test_the_papers_azimuth_is_the_turn_of_the_reproductions_first_version(monkeypatch):
    drawn = iter([0.5 * (number("v1_theta") / torch.pi + 1.0), torch.full((16,), 0.5, dtype=torch.float64)])
    monkeypatch.setattr("posebench.networks.views._uniform", lambda _, low, high, __: torch.deg2rad(low + (high - low) * next(drawn)))
    rotation = PaperGeometry(10.0, 20.0, 0).draw(16, FIRST[:, 0, 0])
    lifted = torch.cat([FIRST, 0.1 * number("given_depths")[0][..., None]], dim=-1)
    turned = rotate(rotation, lifted)
    GOLDEN.close(turned, "v1_given_turned")
    GOLDEN.close(turned[..., :2], "v1_given_fake")
    GOLDEN.close(rotate(rotation.transpose(1, 2), number("v1_given_relifted"))[..., :2], "v1_given_back")


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_networks_start_with_glorot_normal_weights_and_zero_biases(untrained, recipe):
    method = untrained("chen2019", ["width=1024", "discriminator_width=1024"])(recipe)
    for network in (method.lifter.network, method.critics.single, method.critics.pair):
        for part in network.modules():
            if isinstance(part, torch.nn.Linear) and part.out_features > 1:
                assert float(part.bias.detach().abs().max()) == 0.0
                wanted = (2.0 / (part.in_features + part.out_features)) ** 0.5
                assert float(part.weight.detach().std()) == pytest.approx(wanted, rel=0.03)


def test_the_consistency_losses_are_a_third_and_a_half_of_the_tuned_forms():
    one, other = torch.randn(2, 8, 17, 3).unbind()
    assert float(consistency(one, other)) == pytest.approx(3.0 * float(mean_square(one, other)), rel=1e-5)
    assert float(consistency(one[..., :2], other[..., :2])) == pytest.approx(
        2.0 * float(mean_square(one[..., :2], other[..., :2])), rel=1e-5
    )
