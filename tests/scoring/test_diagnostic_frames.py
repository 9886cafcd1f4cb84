"""Label-free diagnostics: which frames they are taken on, and what true poses give there."""

from dataclasses import replace

import numpy as np
import pytest

from posebench.metrics.behaviour import BEHAVIOUR
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.scoring.diagnostic_frames import behaviour_of_file, behaviour_on, diagnostic_frames


@pytest.fixture(scope="module")
def dataset(synthetic_part):
    return synthetic_part(takes=["S9/Walking 1", "S9/Sitting 1", "S11/Jumping 1"])


def moments(chosen):
    """(clip id, frame) of every chosen pose, in order."""
    return [(id, int(frame)) for id, frames in chosen.frames.items() for frame in frames]


def opposite(dataset, one, other):
    lines = [dataset.load(id).camera.rotation[2] for id in (one, other)]
    return np.degrees(np.arccos(np.clip(lines[0] @ lines[1], -1.0, 1.0))) > 150.0


def without_cameras(dataset):
    return replace(dataset, load=lambda clip: replace(dataset.load(clip), camera=None))


def test_pairs_show_one_moment_from_opposite_cameras_and_all_such_moments_are_there(dataset):
    chosen = diagnostic_frames(dataset, list(dataset.infos), most=500)
    shown = moments(chosen)
    pairs = {(shown[a], shown[b]) for a, b in chosen.opposite}
    assert len(pairs) == len(chosen.opposite) > 50
    for (one, frame), (other, same) in pairs:
        assert frame == same
        assert dataset.infos[one].take == dataset.infos[other].take
        assert opposite(dataset, one, other)
    wanted = {
        frozenset([(one, frame), (other, frame)])
        for one, frames in chosen.frames.items()
        for other in chosen.frames
        if dataset.infos[one].take == dataset.infos[other].take and one != other and opposite(dataset, one, other)
        for frame in frames.tolist()
    }
    assert {frozenset(pair) for pair in pairs} == wanted


@pytest.mark.parametrize("most", [1, 50, 500, 10**6])
def test_frames_are_spread_evenly_and_about_as_many_as_asked_for(dataset, most):
    chosen = diagnostic_frames(dataset, list(dataset.infos), most=most)
    assert set(chosen.frames) == set(dataset.infos)
    total = sum(info.frames for info in dataset.infos.values())
    assert sum(map(len, chosen.frames.values())) <= max(min(most, total), len(dataset.infos)) + len(dataset.infos)
    if most >= total:
        assert all(len(frames) == dataset.infos[id].frames for id, frames in chosen.frames.items())
    for id, frames in chosen.frames.items():
        assert len(frames) >= 1
        assert 0 <= frames.min() <= frames.max() < dataset.infos[id].frames
        assert len(set(np.diff(frames))) <= 1


def test_choosing_frames_reads_no_pose(dataset):
    class WithoutPose(type(dataset.load(next(iter(dataset.infos))))):
        def __getattribute__(self, name):
            if name == "pose":
                raise AssertionError("a pose was read")
            return super().__getattribute__(name)

    def load(id):
        clip = dataset.load(id)
        return WithoutPose(clip.info, None, clip.skeleton, clip.fps, clip.camera, clip.sources)

    assert len(diagnostic_frames(replace(dataset, load=load), list(dataset.infos)).opposite)


def test_where_no_cameras_are_known_there_are_no_pairs(dataset):
    uncalibrated = without_cameras(dataset)
    chosen = diagnostic_frames(uncalibrated, list(dataset.infos), most=500)
    assert chosen.opposite.shape == (0, 2)
    assert set(behaviour_on(chosen, "h36m17", lambda clip, frames: dataset.load(clip).pose[frames])) == set(BEHAVIOUR) - {"opposite depth"}


def test_a_lifter_is_asked_for_the_chosen_frames_of_each_clip(dataset):
    chosen, asked = diagnostic_frames(dataset, list(dataset.infos), most=100), []

    def poses(id, frames):
        asked.append((id, frames.tolist()))
        return dataset.load(id).pose[frames]

    assert behaviour_on(chosen, "h36m17", poses)["opposite depth"] < -0.5
    assert asked == [(id, frames.tolist()) for id, frames in chosen.frames.items()]


def test_true_poses_of_opposite_cameras_have_opposite_depths_on_cmus_test_split(cmu):
    # -0.78 was measured by an independent implementation; -0.784 here.
    clips = cmu.clip_ids("test")
    chosen = diagnostic_frames(cmu, clips, most=20_000)
    found = behaviour_on(chosen, cmu.skeleton, lambda clip, frames: cmu.load(clip).pose[frames])
    assert found["opposite depth"] == pytest.approx(-0.784, abs=0.005)
    assert 0.4 < found["depth extent"] < 0.6
    assert 0.005 < found["bone spread"] < 0.1


def saved(dataset, path, change=lambda pose: pose, **options):
    poses = {id: change(dataset.load(id).pose) for id in dataset.infos}
    return save_predictions(path, poses, skeleton="h36m17", unit="mm", **options)


def test_a_file_is_compared_with_the_truth_on_the_same_frames(dataset, tmp_path):
    with open_predictions(saved(dataset, tmp_path / "p.npz", lambda pose: pose * [1.0, 1.0, 0.0])) as file:
        found = behaviour_of_file(file, dataset)
    assert found["predicted"]["depth extent"] == 0.0
    assert found["true"]["depth extent"] > 0.3
    with open_predictions(saved(dataset, tmp_path / "true.npz")) as file:
        same = behaviour_of_file(file, dataset)
    assert same["predicted"] == pytest.approx(same["true"], abs=1e-4)
    assert same["true"] == found["true"]


def test_clips_that_are_not_whole_or_not_the_datasets_are_left_out(dataset, tmp_path):
    poses = {id: dataset.load(id).pose for id in dataset.infos}
    first, second, *_ = poses
    few = {first: poses[first], second: poses[second][:-1], "S9/Else 1/c0": poses[first]}
    with open_predictions(save_predictions(tmp_path / "few.npz", few, skeleton="h36m17", unit="mm")) as file:
        found = behaviour_of_file(file, dataset)
    truth = {first: dataset.infos[first]}
    with open_predictions(save_predictions(tmp_path / "one.npz", {first: poses[first]}, skeleton="h36m17", unit="mm")) as file:
        assert behaviour_of_file(file, replace(dataset, infos=truth)) == found
    assert "opposite depth" not in found["true"]
    with open_predictions(save_predictions(tmp_path / "cut.npz", {second: poses[second][:-1]}, skeleton="h36m17", unit="mm")) as file:
        assert behaviour_of_file(file, dataset) == {}


def test_a_file_of_another_skeleton_has_no_diagnostics(dataset, tmp_path):
    clip = next(iter(dataset.infos))
    other = save_predictions(tmp_path / "p.npz", {clip: dataset.load(clip).pose[:, :16]}, skeleton="sh16", unit="mm")
    with open_predictions(other) as file:
        assert behaviour_of_file(file, dataset) == {}
