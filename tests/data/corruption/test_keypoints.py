"""Errors of keypoints: the published statistics of a detector, what each corruption does, and numbers that never change."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.corruption.keypoints import CORRUPTIONS, body_height, bursts, corrupted
from posebench.data.simulation import SOURCES

JOINTS = skeleton("h36m17")


def still(frames, height=390.0):
    """A body of this height in the image, whose joints are in different places and move a little."""
    points = np.random.default_rng(0).uniform(0.0, height, (17, 2))
    points[0, 1], points[10, 1] = height, 0.0
    return points + np.arange(frames)[:, None, None]


def errors_of(name, severity, frames=20000, fps=50.0, height=390.0):
    exact = still(frames, height)
    return corrupted(exact, "S1/t/c0", "h36m17", fps, name, severity) - exact


@pytest.fixture(scope="module")
def noise():
    """A detector's noise of its published size at 50 Hz on a body of 390 px, (T, 17, 2)."""
    return errors_of("detector", 2)


def test_a_detectors_errors_have_the_published_size_and_tails(noise):
    distance = np.linalg.norm(noise, axis=-1)
    # MotionBERT's model, simulated with its published parameters: mean 4.2, median 3.6, 95th percentile 10.0, 99th 14.3 px.
    assert distance.mean() == pytest.approx(4.2, rel=0.08)
    assert np.median(distance) == pytest.approx(3.6, rel=0.12)
    assert np.percentile(distance, [95, 99]) == pytest.approx([10.0, 14.3], rel=0.05)


def test_a_detectors_errors_are_correlated_in_time_as_published(noise):
    before, after = noise[:-1], noise[1:]
    assert (before * after).sum() / (noise * noise).sum() == pytest.approx(0.91, abs=0.02)
    assert np.sqrt(((after - before) ** 2).sum(axis=-1).mean()) == pytest.approx(2.2, rel=0.05)


def test_gauss5_is_larger_and_more_jittery_than_a_detector(noise):
    gauss = 5.0 * np.random.RandomState(0).standard_normal(noise.shape)
    mean = [np.linalg.norm(one, axis=-1).mean() for one in (gauss, noise)]
    jitter = [np.sqrt((np.diff(one, axis=0) ** 2).sum(axis=-1).mean()) for one in (gauss, noise)]
    assert mean[0] / mean[1] == pytest.approx(1.5, abs=0.15)
    assert jitter[0] / jitter[1] == pytest.approx(4.6, abs=0.2)


def test_wrists_are_detected_worse_than_the_pelvis(noise):
    spread = np.percentile(np.linalg.norm(noise, axis=-1), 95, axis=0)
    assert spread[JOINTS.index("l_wrist")] > 2 * spread[JOINTS.index("pelvis")]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_0_is_exact_to_the_bit(name):
    exact = still(30)
    assert corrupted(exact, "S1/t/c0", "h36m17", 30.0, name, 0).tobytes() == exact.tobytes()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_errors_rise_with_severity_and_scale_with_the_body(name):
    sizes = [np.linalg.norm(errors_of(name, severity, 4000), axis=-1).mean() for severity in range(1, 6)]
    assert sizes == sorted(sizes)
    assert sizes[0] > 0.0
    if name not in ("hold", "freeze"):  # whose errors are those of the motion
        half = np.linalg.norm(errors_of(name, 3, 4000, height=195.0), axis=-1).mean()
        assert half == pytest.approx(sizes[2] / 2, rel=0.02)


@pytest.mark.parametrize(("name", "whole"), [("outlier", False), ("hold", False), ("swap", True), ("freeze", True)])
def test_the_stated_share_is_hit(name, whole):
    for severity in (2, 5):
        hit = (errors_of(name, severity) != 0.0).any(axis=-1)
        share = (hit.any(axis=1) if whole else hit).mean()
        assert 100 * share == pytest.approx(CORRUPTIONS[name].amounts[severity - 1], rel=0.12)


@pytest.mark.parametrize(("share", "length"), [(0.01, 3.0), (0.2, 6.0), (0.5, 10.0), (0.7, 3.0)])
def test_bursts_have_the_stated_share_and_mean_length(share, length):
    on = bursts(np.random.RandomState(1).random_sample((20000, 4)), share, length)
    begins = on[1:] & ~on[:-1]
    assert on.mean() == pytest.approx(share, rel=0.15)
    assert on.sum() / (begins.sum() + on[0].sum()) == pytest.approx(length, rel=0.15)


def test_outliers_are_0_1_to_0_3_body_heights_off_and_stay_so_through_a_burst():
    error = errors_of("outlier", 5, 3000)
    height = body_height(still(3000))
    distance = np.linalg.norm(error, axis=-1)
    assert distance[distance > 0].min() > 0.0999 * height
    assert distance.max() < 0.3001 * height
    both = (distance[1:] > 0) & (distance[:-1] > 0)
    assert (np.abs(distance[1:] - distance[:-1])[both] < 1e-9).mean() > 0.8, "a new burst may follow at once, rarely"


def test_a_lost_joint_stays_where_it_was_seen_last():
    exact = still(400)
    held = corrupted(exact, "S1/t/c0", "h36m17", 30.0, "hold", 4)
    for joint in range(17):
        lost = (held[:, joint] != exact[:, joint]).any(axis=1)
        for t in np.flatnonzero(lost):
            earlier = np.flatnonzero(~lost[:t])
            seen = earlier[-1] if len(earlier) else np.flatnonzero(~lost)[0]
            np.testing.assert_array_equal(held[t, joint], exact[seen, joint])


def test_a_frozen_frame_repeats_the_one_before_and_the_first_is_never_lost():
    exact = still(400)
    frozen = corrupted(exact, "S1/t/c0", "h36m17", 30.0, "freeze", 5)
    np.testing.assert_array_equal(frozen[0], exact[0])
    for t in range(1, 400):
        assert np.array_equal(frozen[t], exact[t]) or np.array_equal(frozen[t], frozen[t - 1])


def test_a_swap_exchanges_whole_limbs():
    exact = still(4000)
    swapped = corrupted(exact, "S1/t/c0", "h36m17", 30.0, "swap", 5)
    changed = (swapped != exact).any(axis=-1)
    kinds = {tuple(sorted({JOINTS.joints[joint][2:] for joint in np.flatnonzero(row)})) for row in changed}
    assert kinds == {(), ("ankle", "hip", "knee"), ("elbow", "shoulder", "wrist"), ("ankle", "elbow", "hip", "knee", "shoulder", "wrist")}
    both = changed.any(axis=1)
    np.testing.assert_array_equal(np.sort(swapped[both], axis=1), np.sort(exact[both], axis=1))


def test_a_grid_rounds_to_the_nearest_node():
    exact = still(10, height=390.0)
    rounded = corrupted(exact, "S1/t/c0", "h36m17", 30.0, "grid", 5)
    assert np.abs(rounded - exact).max() <= 4.0 + 1e-9
    np.testing.assert_allclose(rounded / 8.0, np.round(rounded / 8.0), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(CORRUPTIONS)), st.integers(1, 5), st.integers(1, 12), st.floats(0.0, 2000.0))
def test_short_clips_and_bodies_of_any_size_stay_finite(name, severity, frames, height):
    exact = still(frames, height)
    found = corrupted(exact, "S1/t/c0", "h36m17", 30.0, name, severity)
    assert found.shape == exact.shape
    assert np.isfinite(found).all()


def test_other_clips_and_severities_have_other_numbers():
    exact = still(200)
    seen = {
        corrupted(exact, clip, "h36m17", 30.0, name, severity).tobytes()
        for clip in ("S1/t/c0", "S1/t/c1")
        for name in CORRUPTIONS
        if name != "grid"
        for severity in (4, 5)
    }
    assert len(seen) == 24


def test_wrong_names_are_refused():
    exact = still(3)
    with pytest.raises(PosebenchError, match=r"corruption 'blur'.*one of white, detector"):
        corrupted(exact, "S1/t/c0", "h36m17", 30.0, "blur", 1)
    with pytest.raises(PosebenchError, match="severity 6 of white"):
        corrupted(exact, "S1/t/c0", "h36m17", 30.0, "white", 6)
    with pytest.raises(PosebenchError, match=r"joint toe of h36m32.*another keypoint source"):
        corrupted(np.zeros((3, 32, 2)), "S1/t/c0", "h36m32", 30.0, "detector", 2)


#: First 16 hex digits of the sha256 of the keypoints, rounded to 1e-4 px, under severity 3 of each corruption, and of ``detector``.
PINNED = {
    "synthetic": {
        "white": "529a4903780dc0cf",
        "detector": "c2fea7c3d3ce6a32",
        "outlier": "07034a29a94c400d",
        "hold": "4d1118aa6854c7c3",
        "swap": "034bfcf2bc65dc3a",
        "freeze": "c7ad357909ef25e4",
        "grid": "b999182828afd452",
        "source": "97cdc818afe28a7e",
    },
    "cmu": {
        "white": "c99f054b1846808e",
        "detector": "6cb7a249f9a6f0d8",
        "outlier": "0b2c8e17b71334fd",
        "hold": "5e9e2329e1244fbb",
        "swap": "051f712fff9f247d",
        "freeze": "dbe762f0853d8829",
        "grid": "bf1da7cd4626f5d6",
        "source": "f09f98037535c93f",
    },
}
CLIPS = {"synthetic": ("S9/Walking 1/c0", "S11/Sitting 2/c1", "S1/Walking 2/c3"), "cmu": ("S07/07_01/c0", "S35/35_01/c1", "S01/01_08/c3")}


def hashes(dataset, clips):
    found = {}
    for name in (*CORRUPTIONS, "source"):
        digest = hashlib.sha256()
        for id in clips:
            clip = dataset.load(id)
            points = clip.keypoints("detector") if name == "source" else None
            if points is None:
                points = corrupted(clip.keypoints("gt"), id, clip.skeleton, clip.fps, name, 3)
            # Adding 0.0 turns -0.0 into 0.0.
            digest.update(np.ascontiguousarray(np.round(points, 4) + 0.0, dtype="<f8").tobytes())
        found[name] = digest.hexdigest()[:16]
    return found


def test_keypoints_of_three_generated_clips_never_change(synthetic):
    assert hashes(synthetic, CLIPS["synthetic"]) == PINNED["synthetic"]


def test_keypoints_of_three_captured_clips_never_change(cmu):
    assert hashes(cmu, CLIPS["cmu"]) == PINNED["cmu"]


def test_the_source_detector_is_there_for_training_and_for_testing(synthetic):
    assert "detector" in synthetic.keypoint_sources == SOURCES
    for id in (synthetic.clip_ids("train")[0], synthetic.clip_ids("test")[0]):
        clip = synthetic.load(id)
        exact = clip.keypoints("gt")
        expected = corrupted(exact, id, "h36m17", 50.0, "detector", 2)
        assert clip.keypoints("detector").tobytes() == expected.tobytes()
