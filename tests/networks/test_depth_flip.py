"""Rules that choose between a pose and its depth flip, on poses whose truth is known."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.skeletons import skeleton
from posebench.networks.depth_flip import DepthFlip, vote
from posebench.networks.depth_lifter import DepthLifter
from posebench.networks.root_camera import RootCamera
from posebench.networks.views import look_at_root, project_at_distance

H36M = skeleton("h36m17")
#: The walker's cameras look down by this.
TILT = 10.0
RULES = {"tilt": DepthFlip(H36M, "tilt", TILT), "bends": DepthFlip(H36M, "bends")}


def true_depths(poses, *, tilt=TILT):
    """Keypoints, scaled views and true depths of poses (N, 17, 3) mm, and the camera that they are of, which is at its true distance."""
    poses = torch.from_numpy(np.asarray(poses)).double()
    keypoints = poses[..., :2] / poses[..., 2:]
    camera = RootCamera(H36M, distance=8.0, tilt=tilt, level=True).double()
    seen = camera(keypoints)
    turned = camera.turned(seen, poses)
    return keypoints, seen.image, 8.0 * (turned[..., 2] / turned[:, :1, 2] - 1.0), camera


def kept(rule, poses):
    """Share of true poses that a rule keeps, and of flipped ones that it turns back."""
    keypoints, image, depth, camera = true_depths(poses)
    right = rule.signs(keypoints, image, depth, camera) > 0
    turned = rule.signs(keypoints, image, -depth, camera) < 0
    return float(right.double().mean()), float(turned.double().mean())


@pytest.fixture(scope="module")
def walking(walker):
    return np.concatenate([walker(60, seed=take, camera=camera) for take in range(3) for camera in range(4)])


@pytest.mark.parametrize(("rule", "least"), [("tilt", 0.75), ("bends", 0.99)])
def test_a_rule_keeps_true_poses_and_turns_flipped_ones_back(walking, rule, least):
    right, turned = kept(RULES[rule], walking)
    assert right >= least
    assert turned == pytest.approx(right), "a rule gives one answer for a pose and its flip"


def test_a_tilt_of_the_wrong_sign_chooses_the_flip(walking):
    right, _ = kept(DepthFlip(H36M, "tilt", -TILT), walking)
    assert right <= 0.25


def test_a_body_whose_knees_bend_backwards_is_taken_for_a_flip(walking):
    """Left and right exchanged: the same joints in space, on a person who walks the other way with knees that bend the wrong way."""
    right, _ = kept(RULES["bends"], walking[:, list(H36M.mirror)])
    assert right <= 0.01


@pytest.mark.parametrize("rule", RULES)
def test_the_flip_is_seen_where_the_pose_is(walking, rule):
    keypoints, image, depth, camera = true_depths(walking)
    sign = RULES[rule].signs(keypoints, image, depth, camera)
    torch.testing.assert_close(project_at_distance(camera.on_rays(image, sign * depth), 8.0), image)


def test_without_a_rule_every_pose_is_kept(walking):
    keypoints, image, depth, camera = true_depths(walking)
    assert (DepthFlip(H36M).signs(keypoints, image, -depth, camera) == 1.0).all()


def test_frames_vote_together_whatever_the_signs_of_their_predicted_depths(walker):
    """Evidence about a pose is evidence about its neighbours, up to the signs of their predicted depths."""
    together = DepthFlip(H36M, "tilt", TILT, votes=121)
    signs = torch.where(torch.arange(60)[:, None] % 7 < 3, -1.0, 1.0).double()
    for view in range(4):
        keypoints, image, depth, camera = true_depths(walker(60, seed=4, camera=view))
        assert torch.equal(together.signs(keypoints, image, signs * depth, camera), signs)


def test_a_majority_of_sure_frames_puts_the_others_right():
    depth = torch.tensor([1.0, -2.0, 1.0]).repeat(9, 1)
    preference = torch.tensor([2.0, 2.0, -1.0, 2.0, -1.0, 2.0, -1.0, 2.0, 2.0])
    assert (vote(preference, depth, 1) > 0).tolist() == (preference > 0).tolist()
    assert (vote(preference, depth, 5) > 0).all()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([1, 3, 7, 31]))
def test_votes_are_sums_over_the_window_in_the_sign_of_the_frame(seed, frames, votes):
    random = np.random.default_rng(seed)
    depth, preference = random.normal(size=(frames, 5)), random.normal(size=frames)
    centred = depth - depth.mean(axis=1, keepdims=True)
    sign = np.ones(frames)
    for t in range(1, frames):
        sign[t] = sign[t - 1] * (1.0 if (centred[t] * centred[t - 1]).sum() >= 0 else -1.0)
    expected = [
        sum(sign[t] * sign[u] * preference[u] for u in range(max(0, t - votes // 2), min(frames, t + votes // 2 + 1)))
        for t in range(frames)
    ]
    np.testing.assert_allclose(vote(torch.from_numpy(preference), torch.from_numpy(depth), votes).numpy(), expected, atol=1e-9)


class Constant(DepthLifter):
    """A lifter that predicts the same depths for every frame."""

    def __init__(self, rule, depth):
        super().__init__(RootCamera(H36M, distance=8.0, tilt=TILT, level=True), rule)
        self.depth = depth

    def depths(self, seen):
        return self.depth.expand(len(seen.image), -1)


def test_a_depth_lifter_puts_joints_on_the_rays_of_the_keypoints_and_the_root_at_the_origin(walking):
    keypoints = torch.from_numpy(walking[..., :2] / walking[..., 2:]).float()
    depth = torch.linspace(-0.5, 0.5, 17)
    depth = depth - depth[0]
    lifter = Constant(DepthFlip(H36M), depth)
    lifter.camera.fit(keypoints)
    poses = lifter(keypoints)
    assert float(poses[:, 0].abs().max()) == 0.0
    # Scale undone, root put where the frame's own camera sees it: the keypoints again.
    seen = look_at_root(keypoints, 0, TILT)
    torch.testing.assert_close(lifter.camera.turned(seen, poses)[..., 2], depth.expand(len(poses), -1), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        project_at_distance(lifter.camera.turned(seen, poses), 8.0), lifter.camera(keypoints).image, rtol=0, atol=1e-5
    )


def test_heads_are_one_over_the_distance_from_the_root_on_average(walking):
    keypoints = torch.from_numpy(walking[..., :2] / walking[..., 2:]).float()
    for level in (True, False):
        camera = RootCamera(H36M, distance=5.0, tilt=TILT if level else 0.0, level=level)
        camera.fit(keypoints)
        camera.fit(keypoints)  # fitting again changes nothing
        assert float(camera(keypoints).image[:, H36M.index("head_top")].norm(dim=-1).mean()) == pytest.approx(0.2, rel=1e-5)


@pytest.mark.parametrize(
    ("rule", "tilt", "votes", "named"),
    [("truth", 0.0, 1, "one of none, tilt, bends"), ("tilt", 0.0, 1, "flip_tilt"), ("bends", 0.0, 4, "odd"), ("none", 0.0, 3, "no rule")],
)
def test_rules_that_do_not_fit_are_refused(rule, tilt, votes, named):
    with pytest.raises(ValueError, match=named):
        DepthFlip(H36M, rule, tilt, votes)
