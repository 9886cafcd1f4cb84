"""The embedded dataset: what a reader may rely on, checked on a few takes of every kind."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import posebench.data.synthetic.motion as motion
from posebench.base.cameras import rotation_from_vector
from posebench.base.errors import PosebenchError
from posebench.data import open_dataset
from posebench.data.simulation import CAMERAS, SOURCES
from posebench.data.synthetic.body import HINGES, SKELETON, columns, direction
from posebench.data.synthetic.dataset import _world, open_synthetic
from posebench.scoring.protocol import load_protocol

ACTIONS = tuple(motion.load_table().actions)


@pytest.fixture(scope="module")
def data():
    return open_synthetic()


@pytest.fixture(scope="module")
def worlds(data):
    """World poses of one take an action of S9 and S11, by (subject, action)."""
    out = {}
    for subject in ("S9", "S11"):
        for action in ACTIONS:
            clip = data.load(f"{subject}/{action} 1/c0")
            out[subject, action] = clip.camera.to_world(clip.pose)
    return out


def at(pose, joint):
    return pose[:, SKELETON.index(joint)]


def lengths(pose):
    return np.stack([np.linalg.norm(pose[:, child] - pose[:, parent], axis=1) for parent, child in SKELETON.bones], axis=1)


def test_it_opens_by_name_without_a_folder_and_refuses_one():
    assert open_dataset("synthetic").name == "synthetic"
    with pytest.raises(PosebenchError, match="drop --root"):
        open_dataset("synthetic", "somewhere")


def test_subjects_are_split_as_in_human36m(data):
    assert data.splits == {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
    assert len(data.clip_ids("train")) == 5 * 15 * 2 * 4
    assert len(data.clip_ids("test")) == 2 * 15 * 2 * 4


def test_a_clip_is_one_of_two_takes_of_an_action_under_one_of_four_cameras(data):
    info = data.infos["S9/Walking 1/c0"]
    assert (info.subject, info.take, info.camera, info.action) == ("S9", "S9/Walking 1", "c0", "Walking")
    assert "S9/Walking 2/c3" in data.infos
    assert "S9/Walking 3/c0" not in data.infos
    assert len(ACTIONS) == 15
    clip = data.load(info.id)
    assert (clip.fps, clip.skeleton) == (50.0, "h36m17")
    assert clip.pose.shape == (info.frames, 17, 3)
    assert all(200 <= i.frames < 300 for i in data.infos.values())


def test_an_unknown_clip_is_named(data):
    with pytest.raises(PosebenchError, match="S9/Flying 1/c0"):
        data.load("S9/Flying 1/c0")


def test_two_openings_give_equal_bytes(data):
    first = data.load("S11/Dancing 2/c2")
    _world.cache_clear()
    motion.load_table.cache_clear()
    motion.shapes.cache_clear()
    again = open_synthetic().load("S11/Dancing 2/c2")
    assert first.pose.tobytes() == again.pose.tobytes()
    assert first.keypoints("gauss5").tobytes() == again.keypoints("gauss5").tobytes()
    assert data.fingerprint == open_synthetic().fingerprint


def test_the_fingerprint_changes_with_the_table_and_the_seed(data, monkeypatch):
    monkeypatch.setattr("posebench.data.synthetic.dataset.SEED", 21)
    assert open_synthetic().fingerprint != data.fingerprint
    monkeypatch.undo()
    monkeypatch.setattr("posebench.data.synthetic.dataset.table_bytes", lambda: b"{}")
    assert open_synthetic().fingerprint != data.fingerprint


def test_the_four_cameras_see_the_same_take(data):
    seen = [data.load(f"S1/Boxing 1/{camera}") for camera in CAMERAS]
    world = [clip.camera.to_world(clip.pose) for clip in seen]
    for other in world[1:]:
        np.testing.assert_allclose(other, world[0], atol=1e-8)
    focal = {round(float(clip.camera.focal[0]), 6) for clip in seen}
    assert len(focal) == 4


def test_keypoints_are_the_projection_of_the_pose_with_the_noise_that_is_named(data):
    clip = data.load("S6/Gesturing 1/c1")
    exact = clip.camera.project(clip.pose)
    np.testing.assert_array_equal(clip.keypoints("gt"), exact)
    assert data.keypoint_sources == SOURCES
    for source, sigma in (("gauss5", 5.0), ("gauss20", 20.0)):
        assert np.std(clip.keypoints(source) - exact) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_person_is_in_front_of_the_camera_and_inside_the_image(data, action):
    for subject in ("S1", "S11"):
        for camera in CAMERAS:
            clip = data.load(f"{subject}/{action} 2/{camera}")
            keypoints = clip.keypoints("gt")
            assert np.isfinite(keypoints).all()
            assert clip.pose[..., 2].min() > 3000.0
            assert keypoints.min() > 0.0
            assert keypoints.max() < 1000.0


def test_bones_are_rigid_in_a_take_and_of_a_person_in_all_takes(worlds):
    for subject in ("S9", "S11"):
        all_lengths = np.concatenate([lengths(worlds[subject, action]) for action in ACTIONS])
        assert np.ptp(all_lengths, axis=0).max() < 1e-6
    difference = lengths(worlds["S9", "Walking"])[0] - lengths(worlds["S11", "Walking"])[0]
    assert np.abs(difference).mean() > 3.0


def test_left_and_right_differ_by_some_millimetres_and_hips_do_not():
    # A derived pelvis is the middle of the hips.
    shapes = motion.shapes()
    for shape in shapes.values():
        assert shape.lengths["l_hip"] == shape.lengths["r_hip"]
    for bone in ("knee", "ankle", "shoulder", "elbow", "wrist"):
        differences = [abs(shape.lengths[f"l_{bone}"] - shape.lengths[f"r_{bone}"]) for shape in shapes.values()]
        assert 0.5 < np.mean(differences) < 20.0


def test_body_size_varies_over_the_seven_people_as_measured():
    spread = np.std([np.log(shape.lengths["head_top"]) for shape in motion.shapes().values()], ddof=1)
    _, with_size, residual = motion.load_table().bones["head_top"]["log_length"]
    assert spread == pytest.approx(np.hypot(with_size, residual), rel=0.35)


@pytest.mark.parametrize("action", ACTIONS)
def test_hinges_bend_one_way_and_every_angle_stays_in_its_measured_range(action):
    table = motion.load_table()
    statistics = table.actions[action]
    values = motion.angles(statistics, table.levels, table.edges_hz, 300, np.random.RandomState(1), np.random.RandomState(2))
    assert (values >= statistics.quantiles[:, 0]).all()
    assert (values <= statistics.quantiles[:, -1]).all()
    for hinge in HINGES:
        assert values[:, columns(hinge)].min() >= 0.0
        assert np.degrees(values[:, columns(hinge)].max()) < 165.0


def test_knees_bend_backwards_as_the_joints_show(worlds):
    for pose in worlds.values():
        left = at(pose, "l_hip") - at(pose, "r_hip")
        left /= np.linalg.norm(left, axis=1, keepdims=True)
        for side in "lr":
            thigh, shank = at(pose, f"{side}_knee") - at(pose, f"{side}_hip"), at(pose, f"{side}_ankle") - at(pose, f"{side}_knee")
            size = np.linalg.norm(thigh, axis=1) * np.linalg.norm(shank, axis=1)
            assert np.quantile(np.sum(np.cross(thigh, shank) * left, axis=1) / size, 0.001) > -0.05


def test_no_joint_sinks_into_the_ground_and_only_jumps_leave_it(worlds):
    height = motion.load_table().ankle_height
    for (_, action), pose in worlds.items():
        ankles = np.minimum(at(pose, "l_ankle")[:, 1], at(pose, "r_ankle")[:, 1])
        assert ankles.min() >= height - 1e-6
        assert pose[..., 1].min() >= 0.5 * height - 1e-6
        if action in ("Gesturing", "Washing", "Mopping", "Drinking", "Sitting"):
            assert ankles.max() < height + 50.0
        assert ankles.max() < height + 450.0
        # No flight is longer than 0.7 s (within the smoothing of the height).
        lowest = np.lib.stride_tricks.sliding_window_view(pose[..., 1].min(axis=1), 50).min(axis=1)
        assert lowest.max() < height + 60.0


def test_heads_are_above_feet_and_mostly_above_the_pelvis(worlds):
    below = []
    for pose in worlds.values():
        assert (at(pose, "head_top")[:, 1] > np.minimum(at(pose, "l_ankle")[:, 1], at(pose, "r_ankle")[:, 1])).all()
        below.append(np.mean(at(pose, "head_top")[:, 1] < at(pose, "pelvis")[:, 1]))
    assert np.mean(below) < 0.02


def test_motion_has_no_jumps(worlds):
    for pose in worlds.values():
        velocity = np.diff(pose, axis=0)
        assert np.linalg.norm(velocity, axis=2).max() < 300.0  # 15 m/s: a fist or a dancer's foot
        assert np.linalg.norm(np.diff(velocity, axis=0), axis=2).mean() < 15.0  # captured runs: up to 29 m/s^2, 12 mm per frame squared


def test_walking_and_running_cover_distance_and_washing_does_not(worlds):
    def way(action):
        pelvis = worlds["S9", action][:, 0][:, [0, 2]]
        return np.linalg.norm(np.diff(pelvis, axis=0), axis=1).sum() / len(pelvis) * 50.0

    assert 600.0 < way("Walking") < 2000.0
    assert way("Running") > 1.3 * way("Walking")
    assert way("Washing") < 400.0


def test_the_loaded_foot_does_not_slide(worlds):
    pose = worlds["S11", "Walking"]
    ankles = np.stack([at(pose, "l_ankle"), at(pose, "r_ankle")], axis=1)
    clearly = np.abs(ankles[:-1, 0, 1] - ankles[:-1, 1, 1]) > 60.0
    lower = np.argmin(ankles[:-1, :, 1], axis=1)
    moved = np.linalg.norm(np.diff(ankles[:, :, [0, 2]], axis=0)[np.arange(len(lower)), lower], axis=1)
    assert np.median(moved[clearly]) < 3.0


def test_two_takes_of_an_action_differ(data):
    first, second = (data.load(f"S9/Sitting {k}/c0").pose[:200] for k in (1, 2))
    assert np.abs((first - first[:, :1]) - (second - second[:, :1])).mean() > 30.0


def test_swings_and_rotation_vectors_have_their_stated_size():
    rest = np.eye(3)
    np.testing.assert_allclose(direction(np.array([[0.3, 0.0]]), rest), [[np.sin(0.3), 0.0, np.cos(0.3)]], atol=1e-15)
    turned = rotation_from_vector(np.array([0.0, 0.4, 0.0]))
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(turned[2, 2], np.cos(0.4), atol=1e-15)


def test_the_stream_of_a_take_is_the_stated_one():
    words = np.frombuffer(hashlib.sha256(f"{motion.SEED}\0take\0S9/Walking 1".encode()).digest(), dtype="<u4")
    expected = np.random.RandomState(words).standard_normal(3)
    np.testing.assert_array_equal(motion.random_numbers("take", "S9/Walking 1").standard_normal(3), expected)


def test_the_protocol_scores_the_test_split_by_action():
    protocol = load_protocol("synthetic")
    assert (protocol.dataset, protocol.headline, protocol.subjects) == ("synthetic", "action", ("S9", "S11"))
    assert [metric.name for metric in protocol.metrics] == [metric.name for metric in load_protocol("cmu").metrics]
