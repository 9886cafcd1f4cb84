"""The cmu dataset on the real files: the numbers of its definition, and motion that a person can make."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.base.skeletons import skeleton
from posebench.data import open_dataset
from posebench.data.simulation import CAMERAS

H36M17 = skeleton("h36m17")
#: Bones whose both ends are fixed in one ASF segment, or one rigid chain of them.
RIGID = ("r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "head_top", *(s + j for s in ("l_", "r_") for j in ("elbow", "wrist")))


def worlds(dataset, split=None):
    """(info, world pose) of every take."""
    for id in dataset.clip_ids(split):
        if id.endswith("/c0"):
            clip = dataset.load(id)
            yield clip.info, clip.camera.to_world(clip.pose)


def test_the_real_files_are_the_official_copy(cmu):
    assert cmu.official
    assert cmu.note == ""
    assert cmu.fingerprint == "a534955482852bbd07800ac75457fd2b3e6c1288619c891925a75178a53fb1d2"
    assert len(cmu.infos) == 157 * 4
    assert (len(cmu.clip_ids("train")), len(cmu.clip_ids("test"))) == (472, 156)
    assert len({cmu.infos[id].take for id in cmu.clip_ids("test")}) == 39
    assert sum(cmu.infos[id].frames for id in cmu.clip_ids("test")) == 45_260 == 4 * 11_315
    assert sum(cmu.infos[id].frames for id in cmu.clip_ids("train")) == 123_148


def test_the_real_poses_give_the_check_values_of_an_independent_implementation(cmu):
    clip = cmu.load("S07/07_01/c0")
    np.testing.assert_allclose(clip.keypoints("gt")[0, H36M17.index("head_top")], [685.570, 395.697], atol=5e-4)
    for split, total, depth in (("test", 479_017_209, 6285), ("train", 1_252_337_173, 6200)):
        clips = list(cmu.clips(split))
        assert round(sum(np.abs(clip.pose - clip.pose[:, :1]).sum() for clip in clips)) == total
        assert round(np.concatenate([clip.pose[:, 0, 2] for clip in clips]).mean()) == depth


def test_the_real_cameras_are_as_far_away_as_in_an_independent_implementation(cmu):
    radii = []
    for info, world in worlds(cmu, "test"):
        centre = world[:, 0, [0, 2]].mean(axis=0)
        for camera in CAMERAS:
            radii.append(np.linalg.norm(cmu.load(f"{info.take}/{camera}").camera.position[[0, 2]] - centre))
    assert (round(min(radii)), round(max(radii))) == (5006, 7929)


def test_the_four_cameras_see_the_same_motion_and_reproject_it(cmu):
    clips = [cmu.load(f"S09/09_01/{camera}") for camera in CAMERAS]
    worlds = [clip.camera.to_world(clip.pose) for clip in clips]
    for clip, world in zip(clips, worlds, strict=True):
        np.testing.assert_allclose(world, worlds[0], atol=1e-8)
        np.testing.assert_allclose(clip.camera.back_project(clip.keypoints("gt"), clip.pose[..., 2]), clip.pose, atol=1e-8)
        assert clip.pose[..., 2].min() > 3000


def test_real_bones_are_rigid(cmu):
    child = [H36M17.index(name) for name in RIGID] + [H36M17.index("l_shoulder"), H36M17.index("r_shoulder")]
    parent = [H36M17.parents[k] for k in child]
    for info, world in worlds(cmu):
        lengths = np.linalg.norm(world[:, child] - world[:, parent], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-6, info.take


def test_real_people_stand_upright_and_bend_their_knees_forward(cmu):
    at = H36M17.index
    for info, world in worlds(cmu):
        assert (world[:, at("head_top"), 1] > world[:, at("pelvis"), 1]).mean() > 0.9, info.take
        # Left times up is where a person faces (world right-handed): with left and right exchanged every knee would bend backwards.
        facing = np.cross(world[:, at("l_hip")] - world[:, at("r_hip")], world[:, at("thorax")] - world[:, at("pelvis")])
        for side in "lr":
            hip, knee, ankle = (world[:, at(f"{side}_{joint}")] for joint in ("hip", "knee", "ankle"))
            assert np.sum((knee - (hip + ankle) / 2) * facing, axis=1).mean() > 0, info.take


def test_real_walkers_go_where_they_face(cmu):
    at = H36M17.index
    checked = 0
    for info, world in worlds(cmu, "test"):
        if info.subject == "S07" and info.action == "walk":
            left = world[:, at("l_hip")] - world[:, at("r_hip")]
            step = (world[-1, 0] - world[0, 0]) * [1, 0, 1]
            # This subject walks towards +z, so the left is at +x.
            assert np.mean(np.cross(left, [0, 1, 0]) @ step) > 0, info.take
            assert step[2] > 0, info.take
            assert left[:, 0].mean() > 0, info.take
            checked += 1
    assert checked >= 5


def test_noise_on_real_keypoints_is_repeatable_and_differs_between_clips(cmu):
    first, second = cmu.load("S35/35_01/c0"), cmu.load("S35/35_01/c1")
    noise = first.keypoints("gauss5") - first.keypoints("gt")
    np.testing.assert_array_equal(noise, cmu.load("S35/35_01/c0").keypoints("gauss5") - first.keypoints("gt"))
    other = second.keypoints("gauss5") - second.keypoints("gt")
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.1
    double = first.keypoints("gauss10") - first.keypoints("gt")
    assert abs(np.corrcoef(noise.ravel(), double.ravel())[0, 1]) < 0.1
    assert np.linalg.norm(noise, axis=-1).mean() == pytest.approx(5 * np.sqrt(np.pi / 2), rel=0.05)


def test_the_second_opening_of_the_real_files_parses_nothing(cmu, cmu_root):
    parsed = []
    again = open_dataset("cmu", cmu_root, progress=lambda *step: parsed.append(step))
    assert parsed == []
    assert again.fingerprint == cmu.fingerprint
