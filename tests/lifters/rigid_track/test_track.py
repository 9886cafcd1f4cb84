"""Tracking: the cheapest signs, a rigid body recovered, wrong depths put right, and what it must leave alone."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.lifters import LifterInfo
from posebench.lifters.flat import Flat
from posebench.lifters.rigid_track.lifter import Tracked, tracked_provenance
from posebench.lifters.rigid_track.signs import cheapest, margins
from posebench.lifters.rigid_track.smooth import FILTER
from posebench.lifters.rigid_track.track import track, weighted_median
from posebench.predictions.disclosure import fits
from posebench.predictions.provenance import WHOLE_CLIP, Provenance

H36M = skeleton("h36m17")
MADE = Provenance("tuned", "quick", 0, "cmu 1", "gt", 1, True, online="yes", tta="flip", test_time="none", input_filter="none",
                  oracle="none", selection="last epoch")  # fmt: skip


def bones(poses):
    parents, children = zip(*H36M.bones, strict=True)
    return np.linalg.norm(poses[..., children, :] - poses[..., parents, :], axis=-1)


def relative(poses):
    return poses - poses[:, :1]


def spread(poses):
    lengths = bones(poses)
    return float((lengths.std(axis=0) / lengths.mean(axis=0)).mean())


@given(st.integers(1, 7), st.integers(0, 10**6))
@settings(deadline=None)
def test_the_signs_and_their_margins_are_those_of_brute_force(frames, seed):
    rng = np.random.default_rng(seed)
    values, costs = rng.normal(0, 1, (2, frames, 2)), rng.uniform(0, 3, (2, frames, 2))

    def cost(track, choice):
        q = values[track, np.arange(frames), choice]
        acceleration = np.diff(q, 2) if frames > 2 else np.zeros(0)
        return costs[track, np.arange(frames), choice].sum() + np.minimum((acceleration / 0.3) ** 2, 25.0).sum()

    found, more = cheapest(values, costs, 0.3, 25.0), margins(values, costs, 0.3, 25.0)
    for track_ in range(2):
        cost_of = {choice: cost(track_, np.array(choice)) for choice in itertools.product((0, 1), repeat=frames)}
        least = min(cost_of.values())
        assert cost_of[tuple(found[track_])] == pytest.approx(least)
        for t in range(frames):
            other = min(cost_of[choice] for choice in cost_of if choice[t] != found[track_, t])
            assert more[track_, t] == pytest.approx(other - least, abs=1e-9)


def test_true_poses_of_a_rigid_body_stay_as_they_are(body):
    poses, keypoints = body
    tracked = track(relative(poses), keypoints, H36M)
    assert np.linalg.norm(tracked - relative(poses), axis=-1).mean() < 4.0, "mm"


def test_noisy_depths_and_depths_of_the_wrong_sign_are_put_right(body):
    poses, keypoints = body
    lifted = relative(poses) + np.random.default_rng(3).normal(0, 60, poses.shape) * [0, 0, 1]
    lifted[:, 0] = 0.0
    flipped = np.zeros(len(poses), bool)
    flipped[40:46] = flipped[90:94] = True
    elbow, wrist = H36M.index("l_elbow"), H36M.index("l_wrist")
    lifted[flipped, wrist, 2] = 2.0 * lifted[flipped, elbow, 2] - lifted[flipped, wrist, 2]

    def error(found):
        scale = (found * relative(poses)).sum() / (found**2).sum()
        return float(np.linalg.norm(scale * found - relative(poses), axis=-1).mean())

    tracked = track(lifted, keypoints, H36M)
    assert error(tracked) < 0.8 * error(lifted)
    bone = H36M.bones.index((elbow, wrist))
    assert bones(tracked)[:, bone].std() < 0.05 * bones(tracked)[:, bone].mean()


def test_a_clip_mirrored_in_depth_stays_mirrored(body):
    poses, keypoints = body
    mirrored = relative(poses) * [1.0, 1.0, -1.0]
    tracked = track(mirrored, keypoints, H36M)
    signs = np.sign(tracked[:, 1:, 2]) == np.sign(mirrored[:, 1:, 2])
    assert signs.mean() > 0.9


def test_size_and_unit_do_not_matter_and_left_is_as_long_as_right(body):
    poses, keypoints = body
    rng = np.random.default_rng(0)
    lifted = relative(poses) + rng.normal(0, 20, poses.shape) * [0, 0, 1]
    tracked = track(lifted, keypoints, H36M)
    np.testing.assert_allclose(track(lifted / 1000.0, keypoints, H36M) * 1000.0, tracked, rtol=1e-6, atol=1e-6)
    assert spread(tracked) < 0.5 * spread(lifted)
    assert (tracked[:, 0] == 0.0).all()


def test_noise_of_keypoints_gives_the_lifters_depths_more_weight(body):
    poses, keypoints = body
    lifted = relative(poses) + np.random.default_rng(2).normal(0, 30, poses.shape) * [0, 0, 1]
    lifted[:, 0] = 0.0

    def away(noise):
        found = track(lifted, keypoints, H36M, noise=np.full(17, noise))
        return np.linalg.norm(found - lifted, axis=-1).mean()

    np.testing.assert_array_equal(track(lifted, keypoints, H36M, noise=np.zeros(17)), track(lifted, keypoints, H36M))
    assert away(0.3) < 0.8 * away(0.0)
    assert np.isfinite(away(1e6))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=9), st.integers(0, 10**6))
def test_a_weighted_median_is_that_of_repeated_values(weights, seed):
    values = np.random.default_rng(seed).normal(size=len(weights))
    repeated = np.sort(np.repeat(values, weights))
    assert weighted_median(values[:, None], np.array(weights, float)[:, None])[0] == repeated[(len(repeated) - 1) // 2]


def test_joints_stay_on_their_rays(body):
    """Tracked poses project to the keypoints, whatever the depths were."""
    poses, keypoints = body
    rng = np.random.default_rng(1)
    lifted = relative(poses) + rng.normal(0, 40, poses.shape) * [0, 0, 1]
    tracked = track(lifted, keypoints, H36M)
    root = np.concatenate([keypoints[:, :1], np.ones((len(poses), 1, 1))], axis=-1)
    rays = np.concatenate([keypoints, np.ones((*keypoints.shape[:2], 1))], axis=-1)
    # The distance of the root at which each frame's joints lie nearest to their rays, and how near that is.
    across = np.cross(rays, tracked), np.cross(rays, np.broadcast_to(root, rays.shape))
    distance = -(across[0] * across[1]).sum(axis=(1, 2)) / (across[1] ** 2).sum(axis=(1, 2))
    off = np.linalg.norm(across[0] + distance[:, None, None] * across[1], axis=-1) / np.linalg.norm(rays, axis=-1)
    assert off.max() < 1e-6 * np.abs(tracked).max()


def test_frames_that_are_not_finite_and_clips_without_extent_stay_as_they_are(body):
    poses, keypoints = body
    lifted = relative(poses).copy()
    lifted[3, 5] = np.nan
    seen = keypoints.copy()
    seen[7] = np.inf
    tracked = track(lifted, seen, H36M)
    np.testing.assert_array_equal(tracked[[3, 7]], lifted[[3, 7]])
    assert np.isfinite(np.delete(tracked, 3, axis=0)).all()
    for clip in (np.zeros((4, 17, 3)), np.full((4, 17, 3), np.nan)):
        np.testing.assert_array_equal(track(clip, keypoints[:4], H36M), clip)
    np.testing.assert_array_equal(track(lifted[:2], np.zeros((2, 17, 2)), H36M), lifted[:2])
    assert track(lifted[:0], keypoints[:0], H36M).shape == (0, 17, 3)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_are_tracked(body, frames):
    poses, keypoints = body
    tracked = track(relative(poses)[:frames], keypoints[:frames], H36M)
    assert np.isfinite(tracked).all()
    assert np.linalg.norm(tracked - relative(poses)[:frames], axis=-1).mean() < 60.0


def test_a_skeleton_without_root_is_refused(body):
    poses, keypoints = body
    with pytest.raises(PosebenchError, match="coco17"):
        track(relative(poses), keypoints, skeleton("coco17"))


def test_a_tracked_lifter_says_what_it_is_and_needs_a_camera():
    known = Flat(info=LifterInfo("known", "h36m17", "none", "unknown", provenance=MADE))
    info = Tracked(known).info
    assert (info.id, info.context, info.provenance.recipe, info.provenance.form) == ("known", WHOLE_CLIP, "tuned-track", "tuned")
    assert info.provenance.test_time == "calibration, own clip"
    assert info.provenance.input_filter == FILTER
    assert tracked_provenance(replace(MADE, input_filter="median, window 5")).input_filter == f"median, window 5 + {FILTER}"
    assert all(fits("input_filter", value) for value in (FILTER, f"median, window 5 + {FILTER}"))
    assert info.provenance.side_information == ("rigid symmetric body within a clip",)
    assert Tracked(Flat()).info.id == "flat+track", "without provenance, the name alone tells it from the lifter itself"
    keypoints = np.random.default_rng(0).normal(500, 100, (5, 17, 2))
    camera = Camera(np.eye(3), np.zeros(3), np.full(2, 1100.0), np.full(2, 500.0), (1000, 1000))
    assert Tracked(Flat()).lift(keypoints, camera).shape == (5, 17, 3)
    with pytest.raises(PosebenchError, match="no camera"):
        Tracked(Flat()).lift(keypoints, None)


def test_noisy_keypoints_are_smoothed_before_lifting_and_exact_ones_reach_the_lifter_as_they_are(body):
    _, keypoints = body
    camera = Camera(np.eye(3), np.zeros(3), np.full(2, 1145.0), np.full(2, 500.0), (1000, 1000))
    exact = 1145.0 * keypoints + 500.0
    seen = []

    class Remembering(Flat):
        def lift(self, keypoints, camera):
            seen.append(keypoints)
            return super().lift(keypoints, camera)

    noisy = exact + np.random.default_rng(0).normal(0, 5, exact.shape)
    Tracked(Remembering()).lift(exact, camera)
    Tracked(Remembering()).lift(noisy, camera)
    np.testing.assert_array_equal(seen[0], exact)
    assert np.abs(seen[1] - exact).mean() < 0.6 * np.abs(noisy - exact).mean()


def test_a_lifter_that_already_works_at_test_time_is_refused():
    with pytest.raises(PosebenchError, match="optimisation"):
        tracked_provenance(replace(MADE, test_time="optimisation (2 steps), own clip"))


def test_predict_tracks_and_the_file_says_so(tmp_path, monkeypatch):
    import posebench
    from posebench.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["predict", "flat", "--track", "--dataset", "synthetic", "-o", "t.npz"]) == 0
    with posebench.open_predictions("t.npz") as file:
        assert file.meta.method == "flat+track"
