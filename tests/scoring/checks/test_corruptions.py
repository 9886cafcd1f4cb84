"""Right predictions that are written wrongly: none is scored without a word. Weak but honest methods are not refused."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.base.cameras import rotation_xyz
from posebench.base.skeletons import skeleton
from posebench.scoring.checks import check

BONES = skeleton("h36m17")
MIRROR = list(BONES.mirror)
FRAMES = 60


@pytest.fixture(scope="module")
def long(walker):
    """True poses of four takes under four cameras, one length."""
    return {f"S{take % 2}/Walk {take}/c{camera}": walker(FRAMES, take, camera) for take in range(4) for camera in range(4)}


@pytest.fixture(scope="module")
def truth_file(long, tmp_path_factory):
    from posebench.predictions.archive import save_predictions

    return save_predictions(tmp_path_factory.mktemp("truth") / "t.npz", long, unit="mm", skeleton="h36m17")


@pytest.fixture(scope="module")
def right(long, noisy):
    return noisy(long)


@pytest.fixture
def shown(truth_file):
    """Findings of poses in memory that are no notes: name to severity and message."""

    def run(poses):
        found = check(poses, "pair-17j", truth=truth_file, unit="mm", skeleton="h36m17")
        return {finding.name: (finding.severity, finding.message) for finding in found if finding.severity != "note"}

    return run


def every(change):
    return lambda poses: {clip: change(pose) for clip, pose in poses.items()}


def of_other(other):
    return lambda poses: {clip: poses[other(clip)] for clip in poses}


def next_camera(clip, step=1):
    return f"{clip[:-1]}{(int(clip[-1]) + step) % 4}"


def next_take(clip):
    take = (int(clip[8]) + 1) % 4
    return f"S{take % 2}/Walk {take}/{clip[-2:]}"


def one_camera(change):
    return lambda poses: {clip: change(pose) if clip.endswith("c2") else pose for clip, pose in poses.items()}


def padded(count):
    return every(lambda pose: np.concatenate([pose[:1].repeat(count, axis=0), pose[:-count]]))


def at_one_place(joints, place):
    def change(pose):
        pose = pose.copy()
        pose[:, [BONES.index(joint) for joint in joints]] = pose[:, [BONES.index(place)]]
        return pose

    return every(change)


def to_bones(pose):
    out = pose.copy()
    for parent, child in BONES.bones:
        out[:, child] = pose[:, child] - pose[:, parent]
    return out


def less_its_mean(poses):
    mean = np.concatenate(list(poses.values())).mean(axis=0)
    return {clip: pose - mean for clip, pose in poses.items()}


def interleaved(poses):
    out = {}
    for clip, pose in poses.items():
        out[clip] = pose.copy()
        out[clip][1::2] = poses[next_take(clip)][1::2]
    return out


def some_clips(factor, count):
    return lambda poses: {clip: pose * (factor if k < count else 1.0) for k, (clip, pose) in enumerate(poses.items())}


ERRORS = {
    "the next camera": (of_other(next_camera), "cameras", "those of c0 fit c1"),
    "the camera opposite": (of_other(lambda clip: next_camera(clip, 2)), "cameras", "those of c0 fit c2"),
    "two cameras exchanged": (
        of_other(lambda clip: next_camera(clip, 1 if clip[-1] == "0" else -1) if clip[-1] in "01" else clip),
        "cameras",
        "c1 fit c0",
    ),
    "the next take": (of_other(next_take), "clips", "those of S0/Walk 0/c0 fit S1/Walk 1/c0"),
    "one clip for all": (
        lambda poses: dict.fromkeys(poses, poses["S0/Walk 0/c0"]),
        "repeated-clips",
        "begin with the very pose of another clip",
    ),
    "1 frame late": (every(lambda pose: np.roll(pose, 1, axis=0)), "time-shift", "come 1 frame late"),
    "3 frames late": (every(lambda pose: np.roll(pose, 3, axis=0)), "time-shift", "come 3 frames late: moved 3 frames earlier they"),
    "3 frames early": (every(lambda pose: np.roll(pose, -3, axis=0)), "time-shift", "come 3 frames early"),
    "padded by 5": (padded(5), "time-shift", "come 5 frames late"),
    "reversed": (every(lambda pose: pose[::-1]), "time", "reversed in time"),
    "at half the speed": (every(lambda pose: pose[np.arange(FRAMES) // 2]), "time", "half the speed"),
    "at twice the speed": (every(lambda pose: pose[np.minimum(2 * np.arange(FRAMES), FRAMES - 1)]), "time", "twice the speed"),
    "shuffled": (every(lambda pose: pose[np.random.default_rng(0).permutation(FRAMES)]), "time", "in no order"),
    "two takes interleaved": (interleaved, "time", "every second frame is wrong"),
    "mirrored and relabelled": (every(lambda pose: pose[:, MIRROR] * [-1.0, 1.0, 1.0]), "mirrored", "mirror images"),
    "depth in metres": (every(lambda pose: pose * [1.0, 1.0, 1e-3]), "axis-unit", "z is 0.00"),
    "x in centimetres": (every(lambda pose: pose * [0.1, 1.0, 1.0]), "axis-unit", "x is 0.1"),
    "bone vectors": (every(to_bones), "bones", "bone vectors"),
    "mean not added": (less_its_mean, "offset", "without a constant offset"),
    "root elsewhere": (
        every(lambda pose: np.concatenate([pose[:, :1], pose[:, 1:] + [0.0, 300.0, 0.0]], axis=1)),
        "offset",
        "further from the root",
    ),
    "sides swapped in one camera": (one_camera(lambda pose: pose[:, MIRROR]), "joint-order", "in the clips of camera c2"),
    "y up in one camera": (one_camera(lambda pose: pose * [1.0, -1.0, 1.0]), "axes", "in the clips of camera c2"),
    "one clip in metres": (some_clips(1e-3, 1), "unit", "in 1 clips people are of another size"),
    "half the clips in metres": (some_clips(1e-3, 7), "unit", "in 7 clips people are of another size"),
    "joints reversed": (every(lambda pose: pose[:, ::-1]), "joint-order", ""),
    "a joint missing, padded at the end": (
        every(lambda pose: np.concatenate([np.delete(pose, 9, axis=1), pose[:, :1]], axis=1)),
        "joint-order",
        "",
    ),
    "NaN": (every(lambda pose: pose * np.nan), "non-finite", ""),
    "zeros": (every(lambda pose: pose * 0.0), "zero-extent", ""),
}

WARNINGS = {
    "wrists at the elbows": (at_one_place(["r_wrist"], "r_elbow"), "same-joints", "r_elbow, r_wrist"),
    "head never predicted": (at_one_place(["head_top", "neck_nose"], "pelvis"), "same-joints", "pelvis, neck_nose, head_top"),
    "another scale in each frame": (
        every(lambda pose: pose * np.random.default_rng(1).uniform(0.3, 3.0, (len(pose), 1, 1))),
        "unit",
        "changes from pose to pose",
    ),
    "tilted camera": (every(lambda pose: pose @ rotation_xyz([18.0, 0.0, 0.0]).T), "rotation", "by 18 degrees"),
    "one pose a clip": (every(lambda pose: pose[:1].repeat(FRAMES, axis=0)), "constant", ""),
    "some zeros": (every(lambda pose: np.where(np.arange(FRAMES)[:, None, None] % 5, pose, 0.0)), "zero-extent", ""),
}


def test_right_predictions_have_no_finding(shown, right):
    assert shown(right) == {}


@pytest.mark.parametrize("mistake", ERRORS)
def test_a_wrongly_written_file_is_an_error(shown, right, mistake):
    change, name, text = ERRORS[mistake]
    found = shown(change(right))
    assert found.get(name, ("", ""))[0] == "error", found
    assert text in found[name][1]


@pytest.mark.parametrize("mistake", WARNINGS)
def test_what_a_weak_method_may_do_too_is_a_warning(shown, right, mistake):
    change, name, text = WARNINGS[mistake]
    found = shown(change(right))
    assert "error" not in {severity for severity, _ in found.values()}, found
    assert text in found[name][1]


def _exponential(pose):
    out = pose.copy()
    for frame in range(1, len(out)):
        out[frame] = 0.3 * pose[frame] + 0.7 * out[frame - 1]
    return out


@pytest.mark.parametrize(
    "weak",
    [
        lambda pose: pose * [1.0, 1.0, 0.0],
        lambda pose: pose.mean(axis=0) + 0.2 * (pose - pose.mean(axis=0)),
        lambda pose: pose + np.random.default_rng(2).normal(scale=150.0, size=pose.shape),
        lambda pose: np.stack([pose[max(0, t - 4) : t + 5].mean(axis=0) for t in range(len(pose))]),
        lambda pose: np.random.default_rng(int(abs(pose[0, 3, 0]) * 1e6)).normal(scale=300.0, size=pose.shape),
        _exponential,
    ],
)
def test_a_weak_method_is_refused_for_no_time_camera_or_change(shown, right, weak):
    found = shown({clip: weak(pose) for clip, pose in right.items()})
    assert "error" not in {severity for severity, _ in found.values()}, found


def _butterworth(pose):
    """Second order, 3 Hz at 30 Hz, looking back only: a flat delay of two frames, as a shift has."""
    out = pose.copy()
    for t in range(2, len(out)):
        out[t] = 0.0674553 * (pose[t] + 2.0 * pose[t - 1] + pose[t - 2]) + 1.1429805 * out[t - 1] - 0.4128016 * out[t - 2]
    return out


@pytest.mark.parametrize(
    "lagging",
    [
        lambda pose: np.stack([pose[max(0, t - 4) : t + 1].mean(axis=0) for t in range(len(pose))]),
        lambda pose: np.stack([np.median(pose[max(0, t - 4) : t + 1], axis=0) for t in range(len(pose))]),
        lambda pose: pose[np.arange(len(pose)) // 5 * 5],
        lambda pose: _exponential(_exponential(pose)),
        _butterworth,
    ],
)
def test_what_looks_back_only_is_warned_of(shown, right, lagging):
    found = shown({clip: lagging(pose) for clip, pose in right.items()})
    assert found["time-shift"][0] == "warning", found
    assert "error" not in {severity for severity, _ in found.values()}, found


@pytest.mark.parametrize("share", [0.15, 0.2, 5.0])
def test_depth_of_another_size_that_is_no_unit_is_warned_of(shown, right, share):
    assert shown(every(lambda pose: pose * [1.0, 1.0, share])(right))["axis-unit"][0] == "warning"


def test_a_method_that_tends_to_the_mean_pose_is_refused_for_no_offset(shown, long):
    mean = np.concatenate(list(long.values())).mean(axis=0)
    found = shown({clip: mean + 0.3 * (pose - mean) for clip, pose in long.items()})
    assert "error" not in {severity for severity, _ in found.values()}, found


def test_poses_that_are_looked_up_begin_clips_alike(shown, long):
    table = np.concatenate([pose[::7] for pose in list(long.values())[::2]])
    flat = table.reshape(len(table), -1)

    def looked_up(pose):
        dot = pose.reshape(len(pose), -1) @ flat.T
        return table[(((flat**2).sum(axis=1)) - 2.0 * dot).argmin(axis=1)]

    found = shown({clip: looked_up(pose) for clip, pose in long.items()} | {"S0/Walk 0/c1": looked_up(long["S0/Walk 0/c0"])})
    assert "repeated-clips" not in found, found


def test_motionless_clips_have_no_time(walker, tmp_path):
    from posebench.predictions.archive import save_predictions

    still = {f"S1/Stand {take}/c0": walker(1, take).repeat(FRAMES, axis=0) for take in range(4)}
    random = np.random.default_rng(4)
    pred = {clip: pose + random.normal(scale=20.0, size=pose.shape) for clip, pose in still.items()}
    file = save_predictions(tmp_path / "t.npz", still, unit="mm", skeleton="h36m17")
    found = check({clip: np.roll(pose, 3, axis=0) for clip, pose in pred.items()}, "pair-17j", truth=file, unit="mm", skeleton="h36m17")
    assert {finding.name for finding in found if finding.severity != "note"} == set()
