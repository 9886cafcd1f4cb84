"""The loss terms that a training step adds up: their values, and the direction in which each of them pushes."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from torch import nn

from posebench.base.skeletons import skeleton
from posebench.baselines.repnet.geometry import normalise
from posebench.baselines.repnet.losses import camera_orthogonality_loss, gradient_penalty

H36M = skeleton("h36m17")
FRONTAL = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
SHEARED = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])


def linear_critic(weight):
    """A critic of poses (B, 17, 3) whose score is their product with a weight (51,)."""
    critic = nn.Sequential(nn.Flatten(), nn.Linear(51, 1, bias=False))
    with torch.no_grad():
        critic[1].weight.copy_(weight[None])
    return critic


def show(pose, method):
    """Set all images of a method to that of a canonical pose (17, 3) under a frontal camera, and return this camera."""
    image, spread = normalise(pose[None, :, :2])
    method.images = image.expand(len(method.images), -1, -1)
    return FRONTAL / spread


@pytest.fixture
def pose():
    points = torch.randn(17, 3, generator=torch.Generator().manual_seed(1))
    return points - points.mean(dim=0)


@pytest.mark.parametrize("camera", [FRONTAL, SHEARED])
def test_each_term_is_the_papers_formula_with_its_sign(make, data, known_generator, pose, camera):
    """A linear critic of known weight, one real pose, one generated pose and one camera: every term is known."""
    method = make("default", "mirror=false", "adversarial=2.0", "reprojection=3.0", "camera=5.0", "gradient_penalty=7.0")
    method.prepare(data)
    weight = torch.randn(51, generator=torch.Generator().manual_seed(2))
    method.critic = linear_critic(weight)
    method.real = torch.flip(pose, [0])[None]
    method.lifter.generator = known_generator(pose[None], camera)
    frames = data.usable[:16]
    steps = dict(method.losses(data, frames, 0))
    found = {network: {name: float(value.detach()) for name, value in terms.items()} for network, terms in steps.items()}

    score_of_real, score_of_fake = float(weight @ torch.flip(pose, [0]).flatten()), float(weight @ pose.flatten())
    error = (method.images[frames] - (pose @ camera[0].T)[None]).abs()
    by_joint = {"pelvis": 0.0, "neck_nose": 0.1, "head_top": 0.1}
    weighted = torch.tensor([by_joint.get(name, 1.0) for name in H36M.joints])[:, None] * error
    critic = {"wasserstein": score_of_fake - score_of_real, "gradient penalty": 7.0 * (float(weight.norm()) - 1.0) ** 2}
    lifter = {
        "reprojection": 3.0 * float(weighted.mean()),
        "camera": 5.0 * float(camera_orthogonality_loss(camera, "frobenius")),
        "generator": -2.0 * score_of_fake,
    }
    assert found["critic"] == pytest.approx(critic, rel=1e-4)
    assert found["lifter"] == pytest.approx(lifter, rel=1e-4, abs=1e-6)
    assert lifter["reprojection"] > 1.0


def test_a_generator_that_knows_pose_and_camera_has_no_reprojection_loss_and_any_other_has_one(make, data, known_generator, pose):
    method = make("default", "mirror=false", "adversarial=0.0")
    method.prepare(data)
    camera = show(pose, method)

    def reprojection(pose, camera):
        method.lifter.generator = known_generator(pose[None], camera)
        return float(dict(method.losses(data, data.usable[:16], 0))["lifter"]["reprojection"])

    assert reprojection(pose, camera) == pytest.approx(0.0, abs=1e-6)
    assert reprojection(pose, 1.1 * camera) > 0.01
    moved = pose.clone()
    moved[H36M.index("l_wrist"), 0] += 0.1
    assert reprojection(moved, camera) > 0.001
    deeper = pose * torch.tensor([1.0, 1.0, 2.0])
    assert reprojection(deeper, camera) == pytest.approx(0.0, abs=1e-6), "a frontal camera does not see depth"


def test_a_scaled_rotation_has_no_camera_loss_and_a_sheared_camera_has_one(make, data, known_generator, pose):
    method = make("default", "adversarial=0.0")
    method.prepare(data)
    losses = []
    for camera in (3.0 * FRONTAL, SHEARED):
        method.lifter.generator = known_generator(pose[None], camera)
        losses.append(float(dict(method.losses(data, data.usable[:16], 0))["lifter"]["camera"]))
    assert losses == pytest.approx([0.0, 0.6 * 2**0.5], abs=1e-6)


def test_a_step_of_the_generator_raises_the_critics_score_of_its_poses(make, data):
    method = make("default", "mirror=false", "reprojection=0.0", "camera=0.0")
    method.prepare(data)
    frames, optimiser = data.usable[:32], method.optimisers()["lifter"]

    def score():
        with torch.no_grad():
            return float(method.critic(method.lifter.generator(method.images[frames])[0]).mean())

    before = score()
    torch.stack([*dict(method.losses(data, frames, 0))["lifter"].values()]).sum().backward()
    optimiser.step()
    assert score() > before


def test_a_step_of_the_critic_raises_scores_of_real_poses_above_those_of_generated_ones(make, data):
    method = make("default", "mirror=false", "gradient_penalty=0.0")
    method.prepare(data)
    frames, optimiser = data.usable[:32], method.optimisers()["critic"]

    def gap():
        with torch.no_grad():
            return float(method.critic(method.real).mean() - method.critic(method.lifter.generator(method.images[frames])[0]).mean())

    before = gap()
    name, terms = next(method.losses(data, frames, 0))
    assert name == "critic"
    torch.stack([*terms.values()]).sum().backward()
    optimiser.step()
    assert gap() > before


def test_the_last_critic_step_sees_the_poses_of_the_generators_step_and_earlier_ones_see_others(make, data, monkeypatch):
    method = make("critic-5", "mirror=false")
    method.prepare(data)
    seen, terms = [], method._critic_losses
    monkeypatch.setattr(method, "_critic_losses", lambda fake: seen.append(fake) or terms(fake))
    list(method.losses(data, data.usable[:16], 0))
    own = method.lifter.generator(method.images[data.usable[:16]])[0].detach()
    assert [torch.equal(fake, own) for fake in seen] == [False] * 4 + [True]
    assert not any(fake.requires_grad for fake in seen), "the critic's step does not reach the generator"


def test_scores_and_penalty_pair_generated_poses_with_poses_drawn_from_all_of_the_pool(make, data, monkeypatch):
    method = make("paper")
    method.prepare(data)
    seen = []
    monkeypatch.setattr("posebench.baselines.repnet.method.gradient_penalty", lambda _, *pair: seen.append(pair) or torch.zeros(()))
    monkeypatch.setattr("posebench.baselines.repnet.method.critic_loss", lambda *scores: seen.append(scores) or torch.zeros(()))
    fake = torch.randn(200, 17, 3)
    method._critic_losses(fake)
    (of_real, of_fake), (real, generated) = seen
    assert torch.equal(generated, fake)
    torch.testing.assert_close(of_fake, method.critic(fake))
    torch.testing.assert_close(of_real, method.critic(real))
    same = (real[:, None] == method.real[None]).flatten(2).all(dim=2)
    assert bool(same.any(dim=1).all()), "real poses are of the pool"
    assert int(same.any(dim=0).sum()) > 80, "of all of it"


def test_the_gradient_penalty_of_a_linear_critic_is_its_squared_distance_from_slope_one():
    weight = torch.zeros(51)
    weight[0], weight[3] = 3.0, 4.0
    real, fake = torch.randn(7, 17, 3), torch.randn(7, 17, 3)
    assert float(gradient_penalty(linear_critic(weight), real, fake).detach()) == pytest.approx(16.0)


def test_the_gradient_penalty_is_taken_at_random_points_between_the_poses_of_each_pair():
    """A quadratic critic has the point itself as gradient, so the penalty depends on where it is taken."""
    points = []

    class Quadratic(nn.Module):
        def forward(self, poses):
            points.append(poses.detach())
            return 0.5 * poses.square().sum(dim=(1, 2))[:, None]

    torch.manual_seed(0)
    real, fake = torch.randn(200, 17, 3), torch.randn(200, 17, 3)
    penalty = float(gradient_penalty(Quadratic(), real, fake).detach())
    (between,) = points
    assert penalty == pytest.approx(float((between.flatten(1).norm(dim=1) - 1.0).square().mean()), rel=1e-5)
    line = (fake - real).flatten(1)
    share = ((between - real).flatten(1) * line).sum(dim=1) / line.square().sum(dim=1)
    torch.testing.assert_close(between, real + share[:, None, None] * (fake - real), rtol=0, atol=1e-5)
    assert 0.0 <= float(share.min()) < 0.1
    assert 0.9 < float(share.max()) <= 1.0
    assert float(share.mean()) == pytest.approx(0.5, abs=0.1)
