"""The players of RepNet: what each sees, what is handed on, that every recipe trains, and what the signs of collapse say."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from torch import nn

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.repnet import Settings, build
from posebench.baselines.repnet.geometry import aim
from posebench.baselines.repnet.network import Critic, gradient_penalty
from posebench.networks.recipe import read_method, resolve
from posebench.networks.samples import PosePool, TrainingData
from posebench.training.loop import Hooks, fit

H36M = skeleton("h36m17")
SMALL = ["width=16", "critic_width=16", "critic_pose_width=8", "epochs=2", "samples=64", "batch=16"]
CONTENT, WHERE = read_method("repnet")
RECIPES = ["default", *CONTENT["recipes"]]


def method(recipe="default", *changes):
    torch.manual_seed(0)
    return build(resolve(CONTENT, Settings, where=WHERE, recipe=recipe, preset="smoke", changes=[*SMALL, *changes]), "h36m17")


@pytest.fixture(scope="module")
def data(walker):
    """Keypoints of four takes, each seen by one of four cameras, and the poses of four other takes."""
    points = np.concatenate([(pose := walker(60, seed=take, camera=take))[..., :2] / pose[..., 2:] for take in range(4)])
    others = np.concatenate([walker(60, seed=10 + take, camera=take) for take in range(4)])
    keypoints = torch.from_numpy(points).float()
    number = torch.arange(len(keypoints))
    lens = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))
    poses = torch.from_numpy(others - others[:, :1]).float()
    pool = PosePool(poses, torch.tensor([[0.0, -1.0, 0.0]]).repeat(len(poses), 1))
    return TrainingData(H36M, keypoints, None, number // 60 * 60, number // 60 * 60 + 59, number, 30.0, lens, pool=pool)


class Knows(nn.Module):
    """A generator that says the same pose and camera for every frame."""

    def __init__(self, pose, camera):
        super().__init__()
        self.told = pose, camera

    def forward(self, image):
        pose, camera = self.told
        return pose.expand(len(image), -1, -1), camera.expand(len(image), -1, -1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(data, tmp_path, recipe):
    player = method(recipe)
    player.prepare(data)
    before = {name: value.clone() for name, value in player.named_parameters()}
    fit(player, data, player.settings, tmp_path, hooks=Hooks(lambda now: now.diagnostics(data)))
    with torch.no_grad():
        poses = player.lift(data.keypoints)
    assert poses.shape == (240, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-3)
    still = {name for name, value in player.named_parameters() if torch.equal(before[name], value)}
    # Without the reprojection error nothing but its own loss tells the camera branch anything, and the pose branch does without it.
    assert still == set(), "every player and every layer learns"


def test_the_default_is_the_papers_form_and_the_released_network_a_recipe():
    default, released = method().settings, method("released").settings
    assert (default.shared_blocks, released.shared_blocks) == (0, 1)
    assert (default.camera_norm, released.camera_norm) == ("frobenius", "entries")


@pytest.mark.parametrize(("recipe", "steps"), [("default", CONTENT["settings"]["critic_steps"]), ("critic-5", 5)])
def test_the_recipe_says_how_often_the_critic_steps(data, recipe, steps):
    player = method(recipe)
    player.prepare(data)
    assert [name for name, _ in player.losses(data, data.usable[:16], 0)] == ["critic"] * steps + ["lifter"]


def test_ablations_leave_out_what_they_say(data):
    assert method("no-kcs").critic.chain is None
    for recipe, term in (("no-camera", "camera"), ("no-reprojection", "reprojection")):
        player = method(recipe)
        player.prepare(data)
        *_, (name, terms) = player.losses(data, data.usable[:16], 0)
        assert name == "lifter"
        assert {key for key, value in terms.items() if float(value.detach()) == 0.0} == {term}
    assert [method(recipe).scale for recipe in ("default", "no-camera", "no-reprojection")] == ["metric", "metric", "unknown"]


@pytest.mark.parametrize("look", ["true", "false"])
def test_the_predicted_camera_turns_the_canonical_pose_to_the_camera_frame(data, look):
    player = method("default", f"look={look}", "rays=false")
    pose = data.pool.poses[:1] / 1000.0
    pose = pose - pose.mean(dim=1, keepdim=True)
    camera = torch.tensor([[[0.0, 0.0, 2.0], [0.0, 2.0, 0.0]]])
    player.lifter.generator = Knows(pose, camera)
    lifted = player.lift(torch.zeros(1, 17, 2) + torch.arange(17)[:, None] * 1e-6)  # straight ahead: nothing to turn back
    expected = 1000.0 * (pose - pose[:, :1]) @ aim(camera).rotation.transpose(1, 2)
    torch.testing.assert_close(lifted, expected, rtol=0, atol=0.1)
    torch.testing.assert_close(lifted[..., 0], 1000.0 * (pose - pose[:, :1])[..., 2], rtol=0, atol=0.1)


def test_on_rays_joints_are_seen_where_the_input_has_them_and_the_distance_follows_from_the_scale(walker):
    """A generator that knows pose, rotation and scale: on the rays, the pose comes back as it is, perspective and all."""
    truth = torch.from_numpy(walker(1, seed=5, camera=2)).float()
    truth = truth - truth[:, :1] + torch.tensor([0.0, 0.0, 6000.0])  # the root straight ahead
    keypoints = truth[..., :2] / truth[..., 2:]
    player = method("default", "look=true", "rays=true")
    centred = (truth - truth.mean(dim=1, keepdim=True)) / 1000.0
    distance = float(truth[..., 2].mean()) / 1000.0
    _, spread = player.lifter.normalised(keypoints)
    camera = torch.eye(3)[None, :2] / (distance * spread)
    player.lifter.generator = Knows(centred, camera)
    lifted = player.lift(keypoints)
    torch.testing.assert_close(lifted, truth - truth[:, :1], rtol=0, atol=0.5)
    flat = method("default", "look=true", "rays=false")
    flat.lifter.generator = Knows(centred * torch.tensor([1.1, 1.0, 1.0]), camera)
    assert float((flat.lift(keypoints) - lifted).norm(dim=-1).max()) > 5.0


def test_where_the_camera_stands_makes_no_difference_once_it_looks_at_the_root(data):
    """A pan of the camera changes the image, and the pose by the same pan: the network sees the same."""
    from posebench.networks.views import about_y, rotate

    player = method("default", "look=true")
    pan = about_y(torch.tensor(0.2))
    rays = torch.cat([data.keypoints, torch.ones(240, 17, 1)], dim=-1)
    panned = rotate(pan, rays)
    one, other = player.lift(data.keypoints), player.lift(panned[..., :2] / panned[..., 2:])
    torch.testing.assert_close(rotate(pan, one), other, rtol=0, atol=0.5)


def test_the_papers_joints_leave_the_spine_out_and_put_it_midway(data):
    player = method("joints16")
    assert [joint.id for joint in (player.joints,)] == ["repnet16"]
    with torch.no_grad():
        poses = player.lift(data.keypoints)
        moved = data.keypoints.clone()
        moved[:, H36M.index("spine")] += 0.3
        torch.testing.assert_close(player.lift(moved), poses)
    named = {joint: poses[:, number] for number, joint in enumerate(H36M.joints)}
    assert float((named["l_hip"] - named["r_hip"]).norm(dim=-1).min()) > 0.0
    if not player.settings.rays:
        torch.testing.assert_close(named["spine"], (named["pelvis"] + named["thorax"]) / 2.0)


def test_joints_of_the_papers_order_come_back_in_the_order_of_the_skeleton(data):
    player = method("joints16", "look=false", "rays=false")
    told = torch.arange(16.0)[None, :, None].expand(1, 16, 3)
    player.lifter.generator = Knows(told, torch.eye(3)[None, :2])
    depth = player.lift(data.keypoints[:1])[0, :, 2] / 1000.0
    place = {joint: float(depth[number]) for number, joint in enumerate(H36M.joints)}
    order = {joint: number - 6.0 for number, joint in enumerate(skeleton("repnet16").joints)}  # the pelvis, number 6, is the origin
    assert place == pytest.approx({**order, "spine": (order["pelvis"] + order["thorax"]) / 2.0})


def test_the_critic_is_blind_to_nothing_that_the_chain_space_shows(data):
    """Mirroring a pose keeps every inner product of bones: a critic of the chain space alone cannot see it, the one of joints can."""
    player = method()
    player.prepare(data)
    real = player.real[:8]
    mirrored = real * torch.tensor([1.0, 1.0, -1.0])
    with torch.no_grad():
        assert not torch.allclose(player.critic(real), player.critic(mirrored))
        for layer in player.critic.of_joints.parameters():
            layer.zero_()
        torch.testing.assert_close(player.critic(real), player.critic(mirrored))


def test_the_gradient_penalty_of_a_linear_critic_is_known():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(6, 1, bias=False))
    with torch.no_grad():
        critic[1].weight.copy_(torch.tensor([[3.0, 0, 0, 4.0, 0, 0]]))
    real, fake = torch.randn(7, 2, 3), torch.randn(7, 2, 3)
    assert float(gradient_penalty(critic, real, fake).detach()) == pytest.approx(16.0)


def test_the_signs_tell_a_collapsed_generator_from_the_pool_itself(data):
    player = method("default", "mirror=false")
    player.prepare(data)
    camera = torch.eye(3)[None, :2]
    player.lifter.generator = Knows(player.real.mean(dim=0, keepdim=True), camera)
    collapsed = player.diagnostics(data)
    assert collapsed["variance ratio"] == pytest.approx(0.0, abs=1e-6)
    assert collapsed["poses with such a bone"] == 1.0, "the mean of poses has bones that are too short"
    player.lifter.generator = Knows(player.real, camera)
    sound = player.diagnostics(data)
    assert sound["variance ratio"] == pytest.approx(1.0, abs=0.05)
    assert sound["bones outside range"] == sound["poses with such a bone"] == 0.0


def test_the_pool_is_mirrored_where_the_images_are(data):
    plain, mirrored = method("default", "mirror=false"), method("default", "mirror=true")
    for player in (plain, mirrored):
        player.prepare(data)
    assert (len(plain.real), len(mirrored.real)) == (240, 480)
    torch.testing.assert_close(mirrored.real[240:, list(H36M.mirror)] * torch.tensor([-1.0, 1.0, 1.0]), plain.real)


def test_the_yaw_variant_needs_to_know_which_way_is_up(data):
    lost = replace(data, pool=replace(data.pool, up=torch.full((240, 3), torch.nan)))
    player = method("yaw")
    player.prepare(data)
    with pytest.raises(PosebenchError, match="upward direction"):
        player.prepare(lost)


@pytest.mark.parametrize(
    "change", ['alignment="free"', 'camera_norm="max"', 'joints="some"', "critic_steps=0", "look=false", 'pools="all"']
)
def test_settings_that_do_not_fit_are_refused(change):
    with pytest.raises(PosebenchError, match=change.partition("=")[0]):
        method("default", "rays=true", change)


def test_the_released_critic_has_no_statistics_of_the_pool(data):
    player = method("released")
    player.prepare(data)
    assert float(player.critic.pose.mean.abs().max()) == 0.0
    assert isinstance(player.critic, Critic)
