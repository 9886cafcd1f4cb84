"""The calibrated student: pairs of its own making are exact, joints count by how sure they are, and it learns."""

import math
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.calibrated_student import Settings, build
from posebench.baselines.calibrated_student.calibration import calibrated
from posebench.baselines.calibrated_student.losses import changes_of_lengths, least_on_the_way, weighted_distance
from posebench.baselines.calibrated_student.placement import placed_on_keypoints
from posebench.networks.recipe import read_method
from posebench.networks.views import project
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = {"epochs": 1, "batch": 16, "learning_rate": 1e-3, "width": 16, "blocks": 1, "dropout": 0.0, "output_frames": 4, "views": 1.0}
FRAMES = torch.tensor([0, 30, 70, 200])


def make(**changes):
    torch.manual_seed(0)
    return build(Settings(**{**SMALL, **changes}), "h36m17")


def relative(poses):
    return poses - poses[..., :1, :]


def bone_lengths(poses):
    parents, children = zip(*H36M.bones, strict=True)
    return (poses[..., children, :] - poses[..., parents, :]).norm(dim=-1)


@pytest.fixture(scope="module")
def data(walker_samples):
    """Walkers before level cameras, whose base knows the truth in a unit of its own for each clip, and is sure of it."""
    samples = walker_samples(poses=True)
    unit = 1.0 + samples.first / 60.0
    taught = relative(samples.poses) / (700.0 * unit)[:, None, None]
    return replace(samples, poses=None, teacher_poses=taught, teacher_margins=torch.full(taught.shape[:2], torch.inf)), samples.poses


def prepared(data, **changes):
    method = make(**changes)
    method.prepare(data)
    return method


def test_joints_on_the_rays_of_their_keypoints_are_placed_there_again(data):
    samples, truth = data
    placed = placed_on_keypoints(relative(truth), samples.keypoints, 0)
    torch.testing.assert_close(placed, truth, rtol=1e-3, atol=1.0)
    torch.testing.assert_close(project(placed), samples.keypoints, rtol=0, atol=1e-5)


def test_a_pose_without_an_image_stands_in_front_of_the_camera():
    placed = placed_on_keypoints(torch.zeros(1, 17, 3), torch.zeros(1, 17, 2), 0)
    assert bool(placed.isfinite().all())
    assert float(placed[..., 2].min()) > 1000.0


def test_pseudo_poses_have_the_truths_shape_and_one_unit_for_all_clips(data):
    samples, truth = data
    poses = relative(prepared(samples).pairs.poses)
    for clip in (slice(0, 60), slice(180, 240)):
        ratio = poses[clip, 1:] / relative(truth)[clip, 1:]
        assert float(ratio.median()) == pytest.approx(1000.0 / float(relative(truth)[clip, 10].norm(dim=-1).mean()), rel=1e-4)
        assert float(poses[clip, 10].norm(dim=-1).mean()) == pytest.approx(1000.0, rel=1e-4)


@pytest.mark.parametrize("mirror", [False, True])
def test_made_pairs_are_exact_projections_of_the_same_body_seen_from_elsewhere(data, mirror):
    samples, _ = data
    method = prepared(samples, mirror=mirror, tilt=6.2)
    seen, weights = method.made_pairs(FRAMES)
    reach = method.lifter.reach
    assert seen.poses.shape == (4, 4 + 2 * reach, 17, 3)
    assert weights.shape == (4, 4, 17)
    torch.testing.assert_close(project(seen.poses), seen.keypoints, rtol=0, atol=1e-5)
    before = method.pairs.poses[method.pairs.neighbours(FRAMES, torch.arange(-reach, 4 + reach))]
    torch.testing.assert_close(bone_lengths(seen.poses).sum(dim=-1), bone_lengths(before).sum(dim=-1), rtol=1e-3, atol=1.0)
    assert float((relative(seen.poses) - relative(before)).norm(dim=-1).mean()) > 100.0, "turned"


def test_turned_views_keep_the_height_of_joints_along_the_declared_gravity(data):
    samples, _ = data
    method = prepared(samples, mirror=False, tilt=20.0)
    up = method.pairs.up[0]
    assert up.tolist() == pytest.approx([0.0, -math.cos(math.radians(20.0)), -math.sin(math.radians(20.0))])
    seen, _ = method.made_pairs(FRAMES)
    before = method.pairs.poses[method.pairs.neighbours(FRAMES, torch.arange(-4, 8))]
    torch.testing.assert_close(relative(seen.poses) @ up, relative(before) @ up, rtol=1e-3, atol=1.0)


def test_noise_is_added_to_keypoints_and_not_to_poses(data):
    samples, _ = data
    method = prepared(samples, mirror=False, noise=0.1)
    seen, _ = method.made_pairs(FRAMES)
    error = (seen.keypoints - project(seen.poses)).flatten(1).std(dim=1) / method.image_unit
    assert bool((error > 0.0).all())
    assert float(error.max()) < 0.11


def test_a_joint_counts_by_the_least_sure_bone_on_the_way_from_the_root(data):
    samples, _ = data
    margins = torch.full((len(samples.keypoints), 17), torch.inf)
    knee, ankle, wrist = (H36M.index(name) for name in ("r_knee", "r_ankle", "l_wrist"))
    margins[:, knee], margins[:, ankle], margins[:, wrist] = 10.0, 40.0, 0.0
    least = least_on_the_way(margins, H36M)
    assert least[0, [knee, ankle, wrist]].tolist() == [10.0, 10.0, 0.0]
    uncertain = replace(samples, teacher_margins=margins)
    method = prepared(uncertain, mirror=False, margin=10.0)
    _, weights = method.made_pairs(FRAMES)
    assert weights[0, 0, [knee, ankle, wrist]].tolist() == [0.5, 0.5, 0.0]
    assert float(weights[..., H36M.index("l_knee")].min()) == 1.0
    assert bool((prepared(uncertain, mirror=False).made_pairs(FRAMES)[1] == 1.0).all()), "without m0 all count alike"
    torch.manual_seed(1)
    mirrored = prepared(uncertain, mirror=True, margin=10.0).made_pairs(FRAMES.repeat(8))[1]
    assert set(mirrored[:, 0, H36M.index("l_knee")].tolist()) == {0.5, 1.0}, "sides change places in mirror images"


def test_the_loss_weights_joints_and_lets_a_body_grow_as_a_whole_but_not_change_its_proportions(data):
    _, truth = data
    target = relative(truth)[None, :8] / 1000.0
    off = target + torch.tensor([0.3, 0.0, 0.4])
    assert float(weighted_distance(off, target, torch.full(target.shape[:3], 0.5))) == pytest.approx(0.25)
    grown = target * torch.linspace(1.0, 2.0, 8)[:, None, None]
    bones = list(H36M.bones)
    assert float(changes_of_lengths(grown, bones)) == pytest.approx(float(changes_of_lengths(target, bones)), abs=1e-5)
    bent = target * torch.tensor([1.0, 1.0, 0.2])
    assert float(changes_of_lengths(bent, bones)) > 10.0 * float(changes_of_lengths(target, bones))
    two = target[:, [0, 5]] * torch.tensor([1.0, 1.0, 0.2])
    logs = bone_lengths(two).log()
    u = logs - logs.mean(dim=-1, keepdim=True)
    # Of two frames each is drawn against itself or the other.
    assert float(changes_of_lengths(two, bones)) == pytest.approx(0.5 * float((u[0, 0] - u[0, 1]).square().mean()), rel=1e-4)


def test_it_learns_the_walker_from_pseudo_poses_alone(data, tmp_path):
    samples, truth = data
    method = prepared(samples, width=64, epochs=20, batch=8, samples=64, output_frames=16, rigid=0.5, velocity=1.0, learning_rate=5e-3)

    def error():
        with torch.inference_mode():
            poses = torch.cat([method.eval().lift(samples.keypoints[at : at + 60]) for at in range(0, len(truth), 60)])
        target = relative(truth)
        # The scale is unknown: that of each pose is the best.
        scale = (poses * target).sum(dim=(1, 2)) / poses.square().sum(dim=(1, 2))
        return float((scale[:, None, None] * poses - target).norm(dim=-1).mean())

    before = error()
    fit(method, samples, method.settings, tmp_path)
    assert error() < 0.4 * before


def test_clips_without_extent_are_refused(data):
    samples, _ = data
    flat = samples.teacher_poses.clone()
    flat[60:120] = 0.0
    with pytest.raises(PosebenchError, match="a training clip whose poses have no extent"):
        prepared(replace(samples, teacher_poses=flat))


@pytest.mark.parametrize("change", [{"tilt": 90.0}, {"margin": -1.0}, {"rigid": -1.0}, {"noise": -0.1}, {"base": "martinez"}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        make(**change)


def test_the_base_is_the_teacher_and_its_poses_are_tracked():
    content, _ = read_method("calibrated_student")
    assert content["supervision"] == "none"
    settings = make().settings
    assert settings.teacher_baseline == ("chen2019", "tuned")
    assert settings.teacher_tracked


def test_the_body_of_a_clip_is_found_where_the_depth_of_its_frames_is_off(data):
    _, truth = data
    poses = relative(truth[:60]) / 700.0
    true = bone_lengths(poses).log().mean(dim=0)
    lengths, farther = calibrated(poses, H36M)
    torch.testing.assert_close(lengths, true, rtol=0, atol=0.02)
    assert float(farther.abs().max()) < 0.01
    slow = 0.05 * torch.sin(torch.arange(60.0) / 20.0)
    lengths, farther = calibrated(poses * torch.exp(-slow)[:, None, None], H36M)
    torch.testing.assert_close(lengths, true - slow.mean(), rtol=0, atol=0.03)
    assert float(torch.corrcoef(torch.stack([farther, slow]))[0, 1]) > 0.95


def test_a_student_that_is_told_the_body_lifts_a_clip_twice_and_is_no_convolution(data):
    samples, _ = data
    method = prepared(samples, lengths=True).eval()
    clip = samples.keypoints[:60]
    assert (method.context, method.slides, method.online) == (0, False, False)
    assert method.test_time == "calibration, own clip"
    with torch.inference_mode():
        whole, some = method.lift(clip), method.lift_some(clip, torch.tensor([3, 59]))
        changed = method.lift(torch.cat([clip[:40], clip[40:] * 1.02]))
    assert whole.shape == (60, 17, 3)
    assert torch.equal(some, whole[[3, 59]])
    assert bool((changed[0] != whole[0]).any()), "the body is that of the whole clip"
    told = method._told(method.made_pairs(FRAMES.repeat(50))[0])
    unknown = (told == 0.0).flatten(1).all(dim=1)
    assert 0.15 < float(unknown.float().mean()) < 0.45
    list(method.losses(samples, FRAMES, 0))
