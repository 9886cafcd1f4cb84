"""The loss terms that a training step adds up: their values, and the direction in which each of them pushes."""

import math

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from torch import nn

from posebench.baselines.chen2019.geometry import on_rays
from posebench.baselines.chen2019.losses import discriminator_loss, generator_loss, r1_penalty
from posebench.networks.views import RootView, about_x, about_y, level_turn, project_at_distance, rotate

GANS = ["bce", "least squares", "wasserstein"]
ONLY_CONSISTENCY = ("mirror=false", "consistency_3d=2.0", "consistency_2d=3.0")


def lifter_terms(method, data, frames):
    """The terms of the lifter's step by name."""
    return dict(method.losses(data, frames, 0))["lifter"]


def know(method, monkeypatch, truth, offset=0.0):
    """Let the lifter predict ``truth`` for the input, and for the random view the rotated truth plus an offset.

    Returns:
        A list to which the rotation of each random view is appended.
    """
    rotations, draw = [], method._random_views

    def random_views(down):
        rotation, new_down = draw(down)
        rotations.append(rotation)
        return rotation, new_down

    def points(image, down):  # noqa: ARG001
        return rotate(rotations[-1], truth) + offset if rotations else truth

    monkeypatch.setattr(method, "_random_views", random_views)
    monkeypatch.setattr(method.lifter, "points", points)
    return rotations


@pytest.fixture(params=["default", "blind"])
def case(request, make, data):
    """A method without discriminators, eight pairs, and poses on the rays of their 16 images."""
    method = make(request.param, "adversarial=0.0", "temporal=0.0", *ONLY_CONSISTENCY)
    method.prepare(data)
    frames = method.samples(data)[:8]
    image, down = method._pairs(method.training_views, frames, 5)
    truth = on_rays(image, 3.0 * image[..., 1] - image[..., 0], down, method.settings.distance)
    return method, frames, image, truth


def test_a_lifter_that_predicts_the_same_body_in_both_views_has_no_consistency_loss(case, data, monkeypatch):
    method, frames, _, truth = case
    rotations = know(method, monkeypatch, truth)
    terms = lifter_terms(method, data, frames)
    assert float((rotations[0] - torch.eye(3)).abs().max()) > 0.5, "the view is another one"
    assert {name: float(value) for name, value in terms.items()} == pytest.approx({"consistency 3D": 0.0, "consistency 2D": 0.0}, abs=1e-8)


def test_the_consistency_losses_are_the_squared_differences_in_the_new_view_and_in_the_input_image(case, data, monkeypatch):
    """The lifter misplaces every joint of the second view by the same offset."""
    method, frames, image, truth = case
    offset = torch.tensor([0.1, -0.2, 0.3])
    rotations = know(method, monkeypatch, truth, offset)
    terms = lifter_terms(method, data, frames)
    moved = project_at_distance(truth + rotate(rotations[0].transpose(1, 2), offset.expand(16, 1, 3)), method.settings.distance)
    assert float(terms["consistency 3D"]) == pytest.approx(2.0 * 0.14, rel=1e-4)
    assert float(terms["consistency 2D"]) == pytest.approx(3.0 * float((moved - image).square().sum(dim=-1).mean()), rel=1e-4)
    assert float(terms["consistency 2D"]) > 1e-4


def lookup_lifter(bodies, distance, *, flip):
    """A lifter that recognises bodies (N, J, 3) of the level frame from four sides; ``flip`` negates every depth that it predicts."""
    azimuths = torch.arange(4, dtype=torch.float64) * torch.pi / 2
    sides = torch.cat([rotate(about_y(azimuth), bodies) for azimuth in azimuths])

    def points(image, down):
        known = rotate(about_x(down[:1]), sides)
        error = (project_at_distance(known, distance)[None] - image[:, None]).abs().amax(dim=(2, 3))
        behind = sides[error.argmin(dim=1)][..., 2]
        return on_rays(image, -behind if flip else behind, down, distance)

    return points


def test_under_cameras_that_look_down_the_depth_flip_of_the_truth_has_a_consistency_loss_and_the_truth_has_none(make, data, monkeypatch):
    method = make("cycle", *ONLY_CONSISTENCY, "distance=8.0", "view_limit=10.0")
    bodies = 0.5 * torch.randn(64, 17, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bodies = bodies - bodies[:, :1]
    down = torch.full((64,), 0.1, dtype=torch.float64)
    image = project_at_distance(rotate(about_x(down), bodies), 8.0)
    method.training_views = RootView(image, down, torch.eye(3, dtype=torch.float64).expand(64, 3, 3))

    def quarter_turn(down):
        return level_turn(down, torch.full_like(down, torch.pi / 2), down), down

    monkeypatch.setattr(method, "_random_views", quarter_turn)
    losses = {}
    for flip in (False, True):
        monkeypatch.setattr(method.lifter, "points", lookup_lifter(bodies, 8.0, flip=flip))
        losses[flip] = lifter_terms(method, data, torch.arange(59))
    for name in ("consistency 3D", "consistency 2D"):
        assert float(losses[False][name]) < 1e-20
    assert float(losses[True]["consistency 3D"]) > 1e-3


def test_loss_values_at_known_scores():
    zero, one = torch.zeros(4, 1), torch.ones(4, 1)
    assert float(generator_loss(zero, "bce")) == pytest.approx(math.log(2.0))
    assert float(discriminator_loss(zero, zero, "bce")) == pytest.approx(2.0 * math.log(2.0))
    assert float(generator_loss(one, "least squares")) == float(discriminator_loss(one, zero, "least squares")) == 0.0
    assert float(generator_loss(3.0 * one, "least squares")) == 4.0
    assert float(discriminator_loss(zero, one, "least squares")) == 2.0


@pytest.mark.parametrize("gan", GANS)
def test_the_generator_loss_falls_as_views_are_scored_as_more_real(gan):
    losses = [float(generator_loss(torch.full((4, 1), score), gan)) for score in (-2.0, -1.0, 0.0, 0.5)]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == 4


@pytest.mark.parametrize("gan", GANS)
def test_the_discriminator_loss_falls_as_real_poses_score_higher_and_generated_ones_lower(gan):
    low, high = torch.full((4, 1), 0.2), torch.full((4, 1), 0.8)
    right, wrong = discriminator_loss(high, low, gan), discriminator_loss(low, high, gan)
    for undecided in (discriminator_loss(high, high, gan), discriminator_loss(low, low, gan)):
        assert float(right) < float(undecided) < float(wrong)


@pytest.mark.parametrize("gan", GANS)
@pytest.mark.parametrize(("weight", "term", "idle"), [("adversarial", "single", "temporal=0.0"), ("temporal", "pair", "adversarial=0.0")])
def test_a_step_of_the_lifter_makes_its_views_score_as_more_real(make, data, gan, weight, term, idle):
    method = make(
        "default", f"{weight}=1.0", idle, f'gan_loss="{gan}"', "mirror=false", "r1_penalty=0.0", "consistency_3d=0.0", "consistency_2d=0.0"
    )
    method.prepare(data)
    frames, optimiser = method.samples(data)[:32], method.optimisers()["lifter"]

    def loss():
        torch.manual_seed(1)
        terms = lifter_terms(method, data, frames)
        assert set(terms) == {"consistency 3D", "consistency 2D", f"generator, {term}"}
        return torch.stack([*terms.values()]).sum()

    scores = []
    getattr(method.critics, term).register_forward_hook(lambda *call: scores.append(float(call[2].detach().mean())))
    before = loss()
    before.backward()
    optimiser.step()
    after = loss()
    # losses() scores the lifter's views first, then for the discriminators' step real poses and views.
    assert len(scores) == 6
    assert scores[3] > scores[0]
    assert float(after.detach()) < float(before.detach())


@pytest.mark.parametrize("gan", GANS)
def test_trained_discriminators_score_real_poses_above_generated_ones(make, data, gan):
    method = make("default", f'gan_loss="{gan}"', "mirror=false", "r1_penalty=0.0", "learning_rate=0.01")
    method.prepare(data)
    optimiser = method.optimisers()["critics"]
    real, fake = method.training_views.image[:32], method.training_views.image[:32].flip(-1)

    def gaps():
        networks = method.critics
        with torch.no_grad():
            single = networks.single(networks.single_input(real)).mean() - networks.single(networks.single_input(fake)).mean()
            pair = [networks.pair(networks.pair_input(images[:16], images[16:])).mean() for images in (real, fake)]
        return float(single), float(pair[0] - pair[1])

    for _ in range(50):
        terms = method._discriminator_losses(real, fake)
        assert list(terms) == ["single", "pair"]
        optimiser.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        optimiser.step()
    assert min(gaps()) > 0.5


def test_in_the_training_step_the_discriminators_see_training_poses_as_real_and_views_as_generated(make, data, monkeypatch):
    method = make("default", "temporal=0.0", "mirror=false", 'gan_loss="least squares"')
    method.prepare(data)
    seen = []
    score = method._discriminator_losses
    monkeypatch.setattr(method, "_discriminator_losses", lambda real, fake: seen.append((real, fake)) or score(real, fake))
    steps = dict(method.losses(data, method.samples(data)[:16], 0))
    ((real, fake),) = seen
    rows = {tuple(row.flatten().tolist()) for row in method.training_views.image}
    assert all(tuple(row.flatten().tolist()) in rows for row in real)
    assert not any(tuple(row.flatten().tolist()) in rows for row in fake)
    assert not fake.requires_grad, "the discriminators' step does not reach the lifter"
    expected = discriminator_loss(*(method.critics.single(method.critics.single_input(image)) for image in (real, fake)), "least squares")
    torch.testing.assert_close(steps["critics"]["single"], expected)


def test_the_r1_penalty_is_the_squared_gradient_norm_at_real_samples():
    discriminator = nn.Linear(4, 1)
    with torch.no_grad():
        discriminator.weight.copy_(torch.tensor([[1.0, 2.0, 2.0, 4.0]]))
    assert float(r1_penalty(discriminator, torch.randn(5, 4)).detach()) == pytest.approx(25.0)


@pytest.mark.parametrize("interval", [1, 4])
def test_the_r1_penalty_has_the_same_mean_whatever_its_interval(make, data, interval):
    """Linear discriminators have the same gradient everywhere: the mean over an interval is half the weight times its squared norm."""
    method = make("default", "r1_penalty=3.0", f"r1_interval={interval}", "mirror=false")
    method.prepare(data)
    networks = method.critics
    networks.single = nn.Linear(networks.single.layers[0].in_features, 1)
    networks.pair = nn.Linear(networks.pair.layers[0].in_features, 1)
    squared_norm = float(sum(network.weight.detach().square().sum() for network in (networks.single, networks.pair)))
    frames = method.samples(data)[:8]
    penalties = [dict(method.losses(data, frames, 0))["critics"].get("R1 penalty") for _ in range(2 * interval)]
    assert [penalty is not None for penalty in penalties] == 2 * ([True] + [False] * (interval - 1))
    mean = sum(float(penalty.detach()) for penalty in penalties if penalty is not None) / len(penalties)
    assert mean == pytest.approx(0.5 * 3.0 * squared_norm, rel=1e-5)


def test_the_adapters_discriminator_tells_the_training_domain_from_adapted_poses(make, data, monkeypatch):
    method = make("adapter", "mirror=false")
    method.prepare(data)
    monkeypatch.setattr(method.adapter, "correction", lambda other, _: torch.full_like(other, 100.0))
    # The score is the mean coordinate: near 0 for the training domain, far above for what was adapted by 100.
    monkeypatch.setattr(method.adapter.critic, "forward", lambda sample: sample.mean(dim=1, keepdim=True).clamp(-5.0, 5.0))
    terms = dict(method.losses(data, method.samples(data)[:16], 0))["adapter's critic"]
    generated_scored_high = math.log1p(math.exp(5.0))
    assert float(terms["discriminator"]) > generated_scored_high, "generated poses that score high cost their score, and real ones log 2"
    monkeypatch.setattr(method.adapter.critic, "forward", lambda sample: -sample.mean(dim=1, keepdim=True).clamp(-5.0, 5.0))
    terms = dict(method.losses(data, method.samples(data)[:16], 0))["adapter's critic"]
    assert float(terms["discriminator"]) < 2.0


def test_the_adapters_loss_falls_as_its_discriminator_scores_adapted_poses_as_real(make, data, monkeypatch):
    method = make("adapter", "adapter=2.0", "adapter_penalty=5.0", "mirror=false")
    method.prepare(data)
    steps = {}
    for score in (-1.0, 1.0):
        monkeypatch.setattr(method.adapter.critic, "forward", lambda sample, score=score: torch.full((len(sample), 1), score))
        steps[score] = dict(method.losses(data, method.samples(data)[:16], 0))
    assert [float(steps[score]["adapter"]["generator"].detach()) for score in (-1.0, 1.0)] == pytest.approx(
        [2.0 * math.log1p(math.exp(1.0)), 2.0 * math.log1p(math.exp(-1.0))]
    )
    assert float(steps[1.0]["adapter"]["correction"].detach()) == 0.0, "the adapter starts without a correction"
    assert float(steps[1.0]["adapter's critic"]["discriminator"]) == pytest.approx(math.log1p(math.exp(-1.0)) + math.log1p(math.exp(1.0)))
