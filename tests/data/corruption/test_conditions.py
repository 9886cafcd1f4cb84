"""Conditions: cameras and bodies move as stated, keypoints are the projection of the true poses, and `clean` changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data.corruption.cameras import SHIFTS
from posebench.data.corruption.conditions import CLEAN, KINDS, Condition, conditions
from posebench.metrics import pa_mpjpe

ID = "S9/Walking 1/c0"


def shifted(dataset, kind, severity, id=ID):
    return Condition(kind, severity).of(dataset).load(id)


def elevation(camera):
    """Degrees by which a camera looks down."""
    return np.rad2deg(np.arcsin(-camera.rotation[2, 1]))


def size(keypoints):
    return np.sqrt(keypoints.var(axis=1).sum(axis=-1).mean())


def test_there_are_75_conditions_and_clean():
    every = conditions(KINDS)
    assert len(every) == len(set(every)) == 76
    assert [Condition.read(str(one)) for one in every] == every


@pytest.mark.parametrize("kind", KINDS)
def test_severity_0_is_the_dataset_itself(synthetic, kind):
    assert Condition(kind, 0).of(synthetic) is synthetic


@pytest.mark.parametrize("kind", SHIFTS)
def test_keypoints_of_a_shift_are_the_projection_of_its_true_poses(synthetic, kind):
    dataset = Condition(kind, 3).of(synthetic)
    clip = dataset.load(ID)
    assert len(clip.pose) == clip.info.frames == dataset.infos[ID].frames
    np.testing.assert_allclose(clip.keypoints("gt"), clip.camera.project(clip.pose), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", [kind for kind in SHIFTS if kind != "slow"])
def test_a_shift_moves_cameras_and_scales_bodies_and_deforms_none(synthetic, kind):
    assert pa_mpjpe(shifted(synthetic, kind, 5).pose, synthetic.load(ID).pose).max() < 1e-9


@pytest.mark.parametrize("severity", range(1, 6))
def test_cameras_look_down_and_up_by_the_stated_angle_at_the_same_distance(synthetic, severity):
    before = synthetic.load(ID)
    for kind, sign in (("above", 1), ("below", -1)):
        clip = shifted(synthetic, kind, severity)
        assert elevation(clip.camera) == pytest.approx(sign * SHIFTS[kind].amounts[severity - 1])
        assert clip.pose[:, 0, 2].mean() == pytest.approx(before.pose[:, 0, 2].mean(), rel=0.05)


def test_a_rolled_camera_sees_the_person_lean_to_the_left(synthetic):
    before, after = synthetic.load(ID), shifted(synthetic, "roll", 4)
    up = [clip.keypoints("gt")[:, 10] - clip.keypoints("gt")[:, 0] for clip in (before, after)]
    angles = [np.rad2deg(np.arctan2(-one[:, 0], -one[:, 1])) for one in up]
    np.testing.assert_allclose(angles[1] - angles[0], 30.0, atol=1e-6)
    np.testing.assert_allclose(after.pose[..., 2], before.pose[..., 2], atol=1e-9)


def test_a_camera_turned_aside_sees_the_person_to_the_left(synthetic):
    camera = shifted(synthetic, "aside", 2).camera
    moved = camera.centre[0] - shifted(synthetic, "aside", 2).keypoints("gt")[:, 0, 0].mean()
    assert moved == pytest.approx(camera.focal[0] * np.tan(np.deg2rad(10.0)), rel=0.05)
    np.testing.assert_array_equal(camera.position, synthetic.load(ID).camera.position)


def test_near_changes_perspective_alone_and_zoom_size_alone(synthetic):
    before = synthetic.load(ID)
    near, zoom = shifted(synthetic, "near", 5), shifted(synthetic, "zoom", 4)
    assert near.pose[:, 0, 2].mean() == pytest.approx(before.pose[:, 0, 2].mean() / 2, rel=0.02)
    assert size(near.keypoints("gt")) == pytest.approx(size(before.keypoints("gt")), rel=0.05)
    np.testing.assert_allclose(zoom.pose, before.pose, atol=1e-9)
    assert size(zoom.keypoints("gt")) == pytest.approx(0.5 * size(before.keypoints("gt")))


def test_small_people_stand_on_the_same_floor(synthetic):
    before, after = synthetic.load(ID), shifted(synthetic, "small", 5)
    bones = [np.linalg.norm(clip.pose[:, 2] - clip.pose[:, 1], axis=-1) for clip in (before, after)]
    np.testing.assert_allclose(bones[1], 0.6 * bones[0])
    low = [clip.camera.to_world(clip.pose)[..., 1].min() for clip in (before, after)]
    assert low[1] == pytest.approx(0.6 * low[0])


def test_slow_leaves_frames_out(synthetic):
    before, clip = synthetic.load(ID), shifted(synthetic, "slow", 2)
    np.testing.assert_array_equal(clip.pose, before.pose[::3])
    np.testing.assert_array_equal(clip.keypoints("gt"), before.keypoints("gt")[::3])
    assert clip.fps == pytest.approx(50.0 / 3)


def test_nobody_of_cmu_comes_behind_a_camera(cmu):
    # The nearest cameras are at half the distance; the longest paths come near to them.
    for take in {info.take for info in cmu.infos.values() if info.subject in cmu.splits["test"]}:
        assert shifted(cmu, "near", 5, f"{take}/c0").pose[..., 2].min() > 800.0


def test_a_corrupted_dataset_has_one_more_source_and_the_same_poses(synthetic):
    condition = Condition("swap", 4)
    dataset = condition.of(synthetic)
    clip = dataset.load(ID)
    assert dataset.keypoint_sources == (*synthetic.keypoint_sources, "noise/swap/4")
    assert clip.pose.tobytes() == synthetic.load(ID).pose.tobytes()
    assert (clip.keypoints(condition.keypoints) != clip.keypoints("gt")).any()


@pytest.mark.parametrize("text", ["white", "white/", "white/0", "white/6", "white/12", "white/2/1", "blur/2", "", "clean/1"])
def test_a_name_that_is_no_condition_is_refused(text):
    with pytest.raises(PosebenchError):
        Condition.read(text)


def test_a_condition_says_what_data_it_needs(synthetic, walkers):
    with pytest.raises(PosebenchError, match="not y up"):
        Condition("roll", 1).of(walkers())
    with pytest.raises(PosebenchError, match="without keypoints gt"):
        Condition("white", 1).of(replace(synthetic, keypoint_sources=("cpn",)))
    blind = replace(synthetic, load=lambda clip: replace(synthetic.load(clip), camera=None))
    with pytest.raises(PosebenchError, match="without a camera"):
        Condition("roll", 1).of(blind).load(ID)
    assert str(Condition(CLEAN, 0)) == "clean"
