"""The training of RepNet: that every recipe trains, what the lifter does with the generator's output, what the diagnostics show."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.repnet.geometry import weak_perspective_to_rotation
from posebench.networks.mirror import mirrored
from posebench.networks.recipe import read_method
from posebench.networks.standardise import Standardise
from posebench.networks.views import about_y, rotate
from posebench.training.loop import Hooks, fit

H36M = skeleton("h36m17")
CONTENT = read_method("repnet")[0]
RECIPES = ["default", *CONTENT["recipes"]]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(make, data, tmp_path, recipe):
    method = make(recipe)
    method.prepare(data)
    before = {name: value.clone() for name, value in method.named_parameters()}
    fit(method, data, method.settings, tmp_path, hooks=Hooks(lambda now: now.diagnostics(data)))
    with torch.no_grad():
        poses = method.lift(data.keypoints)
    assert poses.shape == (240, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-3)
    still = {name for name, value in method.named_parameters() if torch.equal(before[name], value)}
    # In no-reprojection the camera branch is trained by the camera loss alone. A constant in both scores has no effect on any loss.
    assert still == ({"critic.score.2.bias"} if method.settings.critic == "paper" else set()), "every layer learns"


@pytest.mark.parametrize(
    ("recipe", "form"),
    [
        ("default", (0, "frobenius", "all", "trunk", "tuned", True, "pytorch", "disjoint")),
        ("paper", (0, "frobenius", "all", "trunk", "paper", False, "glorot", "shuffled")),
        ("paper-own", (0, "frobenius", "all", "image", "paper", False, "glorot", "shuffled")),
        ("released", (1, "entries", "no spine", "trunk", "paper", False, "glorot", "shuffled")),
    ],
)
def test_each_form_has_its_own_layers_losses_joints_start_and_pools(make, recipe, form):
    settings = make(recipe).settings
    names = ("shared_blocks", "camera_norm", "joints", "camera_branch", "critic", "centred", "start", "pools")
    assert tuple(getattr(settings, name) for name in names) == form


@pytest.mark.parametrize(("recipe", "centred"), [("default", True), ("paper", False)])
def test_generated_poses_are_centred_in_the_tuned_form_only(make, data, recipe, centred):
    method = make(recipe)
    method.prepare(data)
    with torch.no_grad():
        pose, _ = method.lifter.generator(method.images[:8])
    assert (float(pose.mean(dim=1).abs().max()) < 1e-6) is centred


@pytest.mark.parametrize(("recipe", "steps"), [("default", CONTENT["settings"]["critic_steps"]), ("critic-5", 5)])
def test_the_critic_takes_as_many_steps_as_the_recipe_states(make, data, recipe, steps):
    method = make(recipe)
    method.prepare(data)
    assert [name for name, _ in method.losses(data, data.usable[:16], 0)] == ["critic"] * steps + ["lifter"]


def test_an_ablation_lacks_the_term_that_it_is_named_after(make, data):
    assert make("no-kcs").critic.chain is None
    for recipe, term in (("no-camera", "camera"), ("no-reprojection", "reprojection")):
        method = make(recipe)
        method.prepare(data)
        *_, (name, terms) = method.losses(data, data.usable[:16], 0)
        assert name == "lifter"
        assert {key for key, value in terms.items() if float(value.detach()) == 0.0} == {term}
    assert [make(recipe).scale for recipe in ("default", "no-camera", "no-reprojection")] == ["metric", "metric", "unknown"]


@pytest.mark.parametrize("look_at_root", ["true", "false"])
def test_the_predicted_camera_rotates_the_canonical_pose_to_the_camera_frame(make, data, look_at_root, known_generator):
    method = make("default", f"look_at_root={look_at_root}", "on_rays=false")
    pose = data.pool.poses[:1] / 1000.0
    pose = pose - pose.mean(dim=1, keepdim=True)
    camera = torch.tensor([[[0.0, 0.0, 2.0], [0.0, 2.0, 0.0]]])
    method.lifter.generator = known_generator(pose, camera)
    lifted = method.lift(torch.zeros(1, 17, 2) + torch.arange(17)[:, None] * 1e-6)  # straight ahead: no rotation to undo
    expected = 1000.0 * (pose - pose[:, :1]) @ weak_perspective_to_rotation(camera).rotation.transpose(1, 2)
    torch.testing.assert_close(lifted, expected, rtol=0, atol=0.1)
    torch.testing.assert_close(lifted[..., 0], 1000.0 * (pose - pose[:, :1])[..., 2], rtol=0, atol=0.1)


def test_on_rays_a_generator_that_knows_pose_rotation_and_scale_gives_the_true_pose(make, walker, known_generator):
    truth = torch.from_numpy(walker(1, seed=5, camera=2)).float()
    truth = truth - truth[:, :1] + torch.tensor([0.0, 0.0, 6000.0])  # the root straight ahead
    keypoints = truth[..., :2] / truth[..., 2:]
    method = make("default", "look_at_root=true", "on_rays=true")
    centred = (truth - truth.mean(dim=1, keepdim=True)) / 1000.0
    distance = float(truth[..., 2].mean()) / 1000.0
    _, spread = method.lifter.normalised(keypoints)
    camera = torch.eye(3)[None, :2] / (distance * spread)
    method.lifter.generator = known_generator(centred, camera)
    lifted = method.lift(keypoints)
    torch.testing.assert_close(lifted, truth - truth[:, :1], rtol=0, atol=0.5)
    flat = make("default", "look_at_root=true", "on_rays=false")
    flat.lifter.generator = known_generator(centred * torch.tensor([1.1, 1.0, 1.0]), camera)
    assert float((flat.lift(keypoints) - lifted).norm(dim=-1).max()) > 5.0


def test_a_pan_of_the_camera_rotates_the_pose_and_changes_nothing_else(make, data):
    """With look_at_root the network's input is the same before and after the pan."""
    method = make("default", "look_at_root=true")
    pan = about_y(torch.tensor(0.2))
    rays = torch.cat([data.keypoints, torch.ones(240, 17, 1)], dim=-1)
    panned = rotate(pan, rays)
    one, other = method.lift(data.keypoints), method.lift(panned[..., :2] / panned[..., 2:])
    torch.testing.assert_close(rotate(pan, one), other, rtol=0, atol=0.5)


def test_with_the_papers_joints_the_spine_is_not_used_and_is_placed_midway(make, data):
    for changes in ((), ("look_at_root=false", "on_rays=false")):
        method = make("joints16", *changes)
        assert method.joints.id == "repnet16"
        moved = data.keypoints.clone()
        moved[:, H36M.index("spine")] += 0.3
        with torch.no_grad():
            poses = method.lift(data.keypoints)
            torch.testing.assert_close(method.lift(moved), poses)
        named = {joint: poses[:, number] for number, joint in enumerate(H36M.joints)}
        assert float((named["l_hip"] - named["r_hip"]).norm(dim=-1).min()) > 0.0
        torch.testing.assert_close(named["spine"], (named["pelvis"] + named["thorax"]) / 2.0, rtol=0, atol=1e-2)


def test_joints_of_the_papers_order_come_back_in_the_order_of_the_skeleton(make, data, known_generator):
    method = make("joints16", "look_at_root=false", "on_rays=false")
    predicted = torch.arange(16.0)[None, :, None].expand(1, 16, 3)
    method.lifter.generator = known_generator(predicted, torch.eye(3)[None, :2])
    depth = method.lift(data.keypoints[:1])[0, :, 2] / 1000.0
    place = {joint: float(depth[number]) for number, joint in enumerate(H36M.joints)}
    order = {joint: number - 6.0 for number, joint in enumerate(skeleton("repnet16").joints)}  # the pelvis, number 6, is the origin
    assert place == pytest.approx({**order, "spine": (order["pelvis"] + order["thorax"]) / 2.0})


def test_the_joint_path_of_the_critic_separates_mirror_images_and_the_kcs_path_does_not(make, data):
    """A mirror image has the same inner products of bones."""
    method = make()
    method.prepare(data)
    real = method.real[:8]
    images = real * torch.tensor([1.0, 1.0, -1.0])
    with torch.no_grad():
        assert not torch.allclose(method.critic(real), method.critic(images))
        for layer in method.critic.of_joints.parameters():
            layer.zero_()
        torch.testing.assert_close(method.critic(real), method.critic(images))


def test_the_diagnostics_separate_a_collapsed_generator_from_the_pool_itself(make, data, known_generator):
    method = make("default", "mirror=false")
    method.prepare(data)
    camera = torch.eye(3)[None, :2]
    method.lifter.generator = known_generator(method.real.mean(dim=0, keepdim=True), camera)
    collapsed = method.diagnostics(data)
    assert collapsed["variance ratio"] == pytest.approx(0.0, abs=1e-6)
    assert collapsed["poses with a bone outside range"] == 1.0, "the mean of poses has bones that are too short"
    method.lifter.generator = known_generator(method.real, camera)
    pool = method.diagnostics(data)
    assert pool["variance ratio"] == pytest.approx(1.0, abs=0.05)
    assert pool["bones outside range"] == pool["poses with a bone outside range"] == 0.0


def test_the_pool_has_mirror_images_if_the_images_have(make, data):
    plain, doubled = make("default", "mirror=false"), make("default", "mirror=true")
    for method in (plain, doubled):
        method.prepare(data)
    assert (len(plain.real), len(doubled.real)) == (240, 480)
    torch.testing.assert_close(mirrored(doubled.real[240:], H36M.mirror), plain.real)


def test_yaw_alignment_without_an_upward_direction_is_refused(make, data):
    lost = replace(data, pool=replace(data.pool, up=torch.full((240, 3), torch.nan)))
    method = make("yaw")
    method.prepare(data)
    with pytest.raises(PosebenchError, match="upward direction"):
        method.prepare(lost)


@pytest.mark.parametrize(
    "change", ['alignment="free"', 'camera_norm="max"', 'joints="some"', "critic_steps=0", "look_at_root=false", 'pools="all"']
)
def test_settings_that_do_not_fit_are_refused(make, change):
    with pytest.raises(PosebenchError, match=change.partition("=")[0]):
        make("default", "on_rays=true", change)


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_the_papers_critic_does_not_standardise_and_refuses_standardised_poses(make, recipe):
    assert not [part for part in make(recipe).critic.modules() if isinstance(part, Standardise)]
    with pytest.raises(PosebenchError, match="standardise = false"):
        make(recipe, "standardise=true")
