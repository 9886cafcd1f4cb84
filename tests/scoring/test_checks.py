"""Checks: silent on a sound file, and each fires on the mistake that it is there for, names the clips and says the likely fix."""

from __future__ import annotations

import io
import warnings
import zipfile
from itertools import pairwise

import numpy as np
import pytest

from posebench.base.cameras import rotation_xyz
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import SKELETONS, joint_map, skeleton
from posebench.predictions.archive import save_predictions
from posebench.scoring.checks import check
from posebench.scoring.evaluate import score

BONES = skeleton("h36m17")
TAKES, CAMERAS, FRAMES = 4, 4, 40


@pytest.fixture(scope="module")
def truth(walker):
    """True poses (T, 17, 3) mm of four takes seen by four cameras each."""
    return {f"S{take}/Walk {take}/c{camera}": walker(FRAMES, take, camera) for take in range(TAKES) for camera in range(CAMERAS)}


@pytest.fixture(scope="module")
def real(cmu):
    """True poses of real takes, thinned; every camera of two takes each of three subjects."""
    takes = []
    for subject in ("S07", "S09", "S135"):
        takes += list(dict.fromkeys(info.take for info in cmu.infos.values() if info.subject == subject))[:2]
    return {clip: cmu.load(clip).pose[::4] for clip, info in cmu.infos.items() if info.take in takes}


def noisy(truth, size=20.0):
    """A good method's output: the truth with noise, the root at the origin."""
    random = np.random.default_rng(7)
    pred = {clip: pose + random.normal(scale=size, size=pose.shape) for clip, pose in truth.items()}
    return {clip: pose - pose[:, :1] for clip, pose in pred.items()}


@pytest.fixture
def findings(tmp_path):
    """What check says of predictions against the truth, both given as mappings; the name of the check to the finding."""

    def run(pred, truth, *, truth_file=None, allow_partial=False, protocol="pair-17j", kind="npz", **said):
        said = {"unit": "mm", "skeleton": "h36m17"} | said
        file = save_predictions(tmp_path / f"p.{kind}", pred, **said)
        if truth_file is None:
            truth_file = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
        found = check(file, protocol, truth=truth_file, allow_partial=allow_partial)
        assert len({finding.name for finding in found}) == len(found), "each check speaks once"
        for finding in found:
            assert finding.fix
            assert finding.severity in ("error", "warning", "note")
        order = [("error", "warning", "note").index(finding.severity) for finding in found]
        assert order == sorted(order), "errors first"
        return {finding.name: finding for finding in found}

    return run


def every(change):
    """A change of each pose array."""
    return lambda pred: {clip: change(pose) for clip, pose in pred.items()}


def test_a_sound_file_gives_no_finding(findings, truth):
    assert findings(noisy(truth), truth) == {}


@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize("said", [{"unit": "m"}, {"unit": None, "scale": "unknown"}])
def test_a_sound_file_in_metres_or_of_unknown_scale_gives_no_finding(findings, truth, kind, said):
    pred = every(lambda pose: pose / 1000.0)(noisy(truth))
    assert findings(pred, truth, kind=kind, **said) == {}


def test_a_sound_file_of_hypotheses_or_frame_numbers_gives_no_finding(findings, truth):
    several = {clip: np.stack([pose, pose + 10.0]) for clip, pose in noisy(truth).items()}
    assert "root" in findings(several, truth)
    several = every(lambda pose: pose - pose[:, :, :1])(several)
    assert findings(several, truth) == {}
    assert findings(noisy(truth), truth, frames={clip: np.arange(FRAMES) for clip in truth}) == {}


@pytest.mark.parametrize("size", [60.0, 100.0])
def test_a_weak_method_is_not_taken_for_a_broken_file(findings, truth, size):
    assert not [finding for finding in findings(noisy(truth, size), truth).values() if finding.severity == "error"]


def test_real_poses_give_no_finding(findings, real):
    assert findings(noisy(real), real) == {}


X, Y, Z = np.eye(3)


def _axes(*rows):
    return every(lambda pose: pose @ np.array(rows).T)


def _order(names):
    return every(lambda pose: pose[:, [BONES.index(name) for name in names]])


def _swap(*parts):
    return every(lambda pose: pose[:, [BONES.mirror[i] if joint[2:] in parts else i for i, joint in enumerate(BONES.joints)]])


def _spin_order(pred):
    return _order([*BONES.joints[:1], *BONES.joints[4:7], *BONES.joints[1:4], *BONES.joints[7:]])(pred)


def _elepose_order(pred):
    return _order([*BONES.joints[:11], *BONES.joints[14:17], *BONES.joints[11:14]])(pred)


def _mpi_order(pred):
    # mpi17 by name: its neck and head stand where h36m17 has thorax and neck_nose.
    return every(lambda pose: pose[:, list(joint_map("h36m17", "mpi17"))])(pred)


MISTAKES = {
    "metres stated as mm": (every(lambda pose: pose / 1000.0), {}, "unit", "error", "metres stated as mm"),
    "mm stated as metres": (every(lambda pose: pose * 1.0), {"unit": "m"}, "unit", "error", "mm stated as metres"),
    "cm stated as mm": (every(lambda pose: pose / 10.0), {}, "unit", "error", "cm stated as mm"),
    "inches stated as mm": (every(lambda pose: pose / 25.4), {}, "unit", "error", "inches"),
    "normalised to a unit box": (every(lambda pose: pose / 5000.0), {}, "unit", "warning", "scale='unknown'"),
    "x mirrored": (_axes(-X, Y, Z), {}, "axes", "error", "(-x, y, z)"),
    "y up": (_axes(X, -Y, Z), {}, "axes", "error", "(x, -y, z)"),
    "y up and z towards the camera": (_axes(X, -Y, -Z), {}, "axes", "error", "(x, -y, -z)"),
    "z up": (_axes(X, Z, -Y), {}, "axes", "error", "(x, -z, y)"),
    "y and z exchanged": (_axes(X, Z, Y), {}, "axes", "error", "(x, z, y)"),
    "x and y exchanged": (_axes(Y, X, Z), {}, "axes", "error", "(y, x, z)"),
    "axes rotated in order": (_axes(Y, Z, X), {}, "axes", "error", "(z, x, y)"),
    "display axes of mmpose": (_axes(-X, -Z, -Y), {}, "axes", "error", "(-x, -z, -y)"),
    "point-mirrored": (_axes(-X, -Y, -Z), {}, "axes", "error", "(-x, -y, -z)"),
    "z mirrored": (_axes(X, Y, -Z), {}, "axes", "warning", "z negated"),
    "all sides swapped": (_swap("hip", "knee", "ankle", "shoulder", "elbow", "wrist"), {}, "joint-order", "error", "left and right"),
    "arms swapped": (_elepose_order, {}, "joint-order", "error", "arms"),
    "legs swapped": (_spin_order, {}, "joint-order", "error", "legs"),
    "order of mpi17": (_mpi_order, {}, "joint-order", "error", "mpi17"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("body", ["truth", "real"])
@pytest.mark.parametrize("size", [20.0, 60.0])
def test_a_mistake_in_the_poses_is_told_by_name_and_with_its_fix(findings, request, mistake, body, size):
    true = request.getfixturevalue(body)
    change, said, name, severity, text = MISTAKES[mistake]
    found = findings(change(noisy(true, size)), true, **said)
    about_geometry = {key: value for key, value in found.items() if key in ("unit", "axes", "frame", "joint-order")}
    assert list(about_geometry) == [name], {key: value.message for key, value in found.items()}
    assert found[name].severity == severity
    assert text in found[name].message + found[name].fix


@pytest.mark.parametrize("body", ["truth", "real"])
def test_a_point_mirrored_file_has_scales_below_zero(findings, request, body):
    true = request.getfixturevalue(body)
    found = findings(every(lambda pose: -pose)(noisy(true)), true)
    assert found["n-scale"].severity == "warning"
    assert len(found["n-scale"].clips) == len(true)
    poses = sum(map(len, true.values()))
    assert f"{poses:,} of {poses:,} poses" in found["n-scale"].message


def test_world_coordinates_are_noticed_without_cameras(findings, truth):
    # The world's y points up; camera 0 stands at 45 degrees to its axes and the others at right angles to it.
    world = {}
    for clip, pose in noisy(truth).items():
        yaw = rotation_xyz([0.0, 45.0 + 90.0 * int(clip[-1]), 0.0])
        world[clip] = pose * [1.0, -1.0, -1.0] @ rotation_xyz([10.0, 0.0, 0.0]) @ yaw
    found = findings(world, truth)
    assert [name for name in found if name != "n-scale"] == ["frame"]
    assert found["frame"].severity == "error"
    assert "one rotation" in found["frame"].message
    assert "camera frame" in found["frame"].fix


@pytest.fixture(scope="module")
def cmu_s07(tmp_path_factory):
    """The cmu protocol on the takes of one subject only."""
    path = tmp_path_factory.mktemp("protocol") / "s07.toml"
    path.write_text('extends = "cmu"\nid = "cmu-s07"\nversion = 1\ntitle = "one subject"\n[takes]\nsubjects = ["S07"]\n')
    return str(path)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (lambda pose, _: pose, None),
        (lambda pose, camera: camera.to_world(pose), "its camera's rotation"),
        (lambda pose, camera: camera.to_world(pose)[..., [0, 2, 1]] * [1.0, -1.0, 1.0], "one rotation"),
    ],
)
def test_world_coordinates_are_told_by_the_known_cameras_or_by_one_rotation_a_clip(cmu, cmu_root, cmu_s07, tmp_path, place, text):
    random = np.random.default_rng(3)
    pred = {}
    for clip, info in cmu.infos.items():
        if info.subject == "S07":
            loaded = cmu.load(clip)
            pred[clip] = place(loaded.pose + random.normal(scale=20.0, size=loaded.pose.shape), loaded.camera)
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    found = {finding.name: finding for finding in check(file, cmu_s07, root=cmu_root)}
    told = [name for name, finding in found.items() if finding.severity != "note"]
    assert [name for name in told if name != "n-scale"] == ([] if text is None else ["frame"]), found
    if text is not None:
        assert text in found["frame"].message


@pytest.mark.parametrize("lifter", ["flat", "mean-pose"])
def test_the_first_lifters_raise_no_error_on_real_data(cmu, cmu_root, tmp_path, lifter):
    from posebench.lifters import predict, simple_lifters

    made = simple_lifters()[lifter](cmu)
    unit = "mm" if made.scale == "metric" else None
    file = save_predictions(tmp_path / "p.npz", predict(made, cmu), skeleton="h36m17", unit=unit, scale=made.scale)
    found = {finding.name: finding.severity for finding in check(file, "cmu", root=cmu_root)}
    assert "error" not in found.values()
    assert ("constant" in found) == (lifter == "mean-pose")


def test_a_root_away_from_the_origin_is_a_note(findings, truth):
    found = findings(every(lambda pose: pose + np.array([0.0, 0.0, 4000.0]))(noisy(truth)), truth)
    assert {name: finding.severity for name, finding in found.items()} == {"root": "note"}
    assert "4,000" in found["root"].message


def test_the_same_pose_again_and_again_is_a_warning(findings, truth):
    pred = noisy(truth)
    constant = pred | {clip: np.repeat(pred[clip][:1], FRAMES, axis=0) for clip in list(pred)[:3]}
    found = findings(constant, truth)
    assert found["constant"].severity == "warning"
    assert found["constant"].clips == tuple(list(pred)[:3])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda pose: pose, "equal the truth "),
        (lambda pose: pose - pose[:, :1], "equal the truth "),
        (lambda pose: pose + 500.0, "equal the truth "),
        (lambda pose: (pose - pose[:, :1]) * 0.9, "the truth times a scale"),
        (lambda pose: (pose - pose[:, :1]) * np.linspace(0.8, 1.2, len(pose))[:, None, None], "the truth times a scale"),
    ],
)
def test_predictions_that_are_the_truth_are_a_warning(findings, truth, change, text):
    pred = noisy(truth)
    clip = next(iter(pred))
    found = findings(pred | {clip: change(truth[clip])}, truth)
    assert found["leakage"].severity == "warning"
    assert text in found["leakage"].message
    assert found["leakage"].clips == (clip,)


@pytest.mark.parametrize(("value", "name"), [(np.nan, "non-finite"), (np.inf, "non-finite"), (0.0, "zero-extent"), (700.0, "zero-extent")])
def test_single_invalid_poses_are_a_warning_with_their_count(findings, truth, value, name):
    pred = noisy(truth)
    for clip in list(pred)[:2]:
        pred[clip][3:5] = value
    found = findings(pred, truth)
    assert found[name].severity == "warning"
    assert found[name].clips == tuple(list(pred)[:2])
    assert f"4 of {FRAMES * len(truth)} poses" in found[name].message
    assert {"non-finite", "zero-extent"} & set(found) == {name}


@pytest.mark.parametrize(("value", "name"), [(np.nan, "non-finite"), (0.0, "zero-extent")])
def test_a_file_of_nothing_but_invalid_poses_is_an_error(findings, truth, value, name):
    found = findings(every(lambda pose: np.full_like(pose, value))(truth), truth)
    assert {key: finding.severity for key, finding in found.items()} == {name: "error"}


def test_a_pose_invalid_in_one_joint_is_found(findings, truth):
    pred = noisy(truth)
    pred[next(iter(pred))][0, 5, 1] = np.nan
    assert "1 of 640 poses" in findings(pred, truth)["non-finite"].message


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
def test_missing_clips_are_named_and_their_poses_counted(findings, truth, allow_partial, severity):
    pred = noisy(truth)
    found = findings({clip: pred[clip] for clip in list(pred)[:3]}, truth, allow_partial=allow_partial)
    assert list(found) == ["missing-clips"]
    finding = found["missing-clips"]
    assert (finding.severity, finding.clips) == (severity, tuple(list(pred)[3:]))
    assert "13 of 16 clips are missing, 520 of 640 poses" in finding.message
    assert "--allow-partial" in finding.fix


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
def test_extra_clips_are_named(findings, truth, allow_partial, severity):
    pred = noisy(truth)
    found = findings(pred | {"S9/Sit/c0": pred["S0/Walk 0/c0"]}, truth, allow_partial=allow_partial)
    assert {name: (finding.severity, finding.clips) for name, finding in found.items()} == {"extra-clips": (severity, ("S9/Sit/c0",))}
    assert "S0/Walk 0/c0" in found["extra-clips"].fix


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
@pytest.mark.parametrize("numbered", [False, True])
def test_clips_without_a_pose_are_named(findings, truth, allow_partial, severity, numbered):
    pred = noisy(truth) | {"S0/Walk 0/c0": np.zeros((0, 17, 3))}
    frames = {"S0/Walk 0/c0": np.zeros(0, int)} if numbered else {}
    found = findings(pred, truth, allow_partial=allow_partial, frames=frames)
    assert (found["empty-clips"].severity, found["empty-clips"].clips) == (severity, ("S0/Walk 0/c0",))
    assert set(found) <= {"empty-clips", "missing-frames"}


@pytest.mark.parametrize("allow_partial", [False, True])
def test_a_file_without_clips_is_an_error_even_in_part(findings, truth, allow_partial):
    found = findings({}, truth, allow_partial=allow_partial)
    assert found["empty-file"].severity == "error"
    assert "S0/Walk 0/c0" in found["empty-file"].fix


def test_a_file_with_no_clip_of_the_protocol_is_an_error_even_in_part(findings, truth):
    found = findings({"S9/Sit/c0": noisy(truth)["S0/Walk 0/c0"]}, truth, allow_partial=True)
    assert found["missing-clips"].severity == "error"


def test_a_file_whose_clips_are_all_empty_is_an_error_even_in_part(findings, truth):
    found = findings(every(lambda pose: pose[:0])(truth), truth, allow_partial=True)
    assert found["empty-clips"].severity == "error"


@pytest.mark.parametrize("frames", [FRAMES - 1, FRAMES + 1, 1])
@pytest.mark.parametrize("allow_partial", [False, True])
def test_another_number_of_frames_is_an_error(findings, truth, frames, allow_partial):
    pred = noisy(truth)
    pred["S1/Walk 1/c2"] = np.resize(pred["S1/Walk 1/c2"], (frames, 17, 3))
    found = findings(pred, truth, allow_partial=allow_partial)
    assert (found["frame-count"].severity, found["frame-count"].clips) == ("error", ("S1/Walk 1/c2",))
    assert f"{frames} where {FRAMES} are wanted" in found["frame-count"].message
    assert "#frames" in found["frame-count"].fix


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (np.arange(FRAMES) - 1, "from -1 to 38 where the clip has 0 to 39"),
        (np.arange(FRAMES) + 1, "from 1 to 40 where the clip has 0 to 39"),
        (np.arange(FRAMES)[::-1], "do not rise"),
        (np.r_[0, 0, np.arange(2, FRAMES)], "do not rise"),
        (np.full(FRAMES, 2**62), "to 4611686018427387904"),
    ],
)
def test_frame_numbers_that_cannot_be_are_an_error(findings, truth, numbers, text):
    found = findings(noisy(truth), truth, frames={"S1/Walk 1/c2": numbers})
    assert (found["frame-index"].severity, found["frame-index"].clips) == ("error", ("S1/Walk 1/c2",))
    assert text in found["frame-index"].message
    assert "from 0" in found["frame-index"].fix


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
def test_frames_that_are_not_there_are_counted(findings, truth, allow_partial, severity):
    pred = noisy(truth)
    pred["S1/Walk 1/c2"] = pred["S1/Walk 1/c2"][::2]
    found = findings(pred, truth, frames={"S1/Walk 1/c2": np.arange(0, FRAMES, 2)}, allow_partial=allow_partial)
    assert list(found) == ["missing-frames"]
    assert (found["missing-frames"].severity, found["missing-frames"].clips) == (severity, ("S1/Walk 1/c2",))
    assert "20 of 640 poses" in found["missing-frames"].message


def test_a_clip_id_that_stands_twice_is_an_error(truth, tmp_path):
    file = save_predictions(tmp_path / "twice.npz", noisy(truth), unit="mm", skeleton="h36m17")
    out = io.BytesIO()
    np.lib.format.write_array(out, noisy(truth)["S1/Walk 1/c2"])
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("S1/Walk 1/c2.npy", out.getvalue())
    save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    (found,) = check(file, "pair-17j", truth=tmp_path / "t.npz")
    assert (found.name, found.severity, found.clips) == ("duplicated-keys", "error", ("S1/Walk 1/c2",))


def test_clips_with_different_numbers_of_hypotheses_are_an_error(findings, truth):
    pred = {clip: pose[None].repeat(3, axis=0) for clip, pose in noisy(truth).items()}
    pred["S1/Walk 1/c2"] = pred["S1/Walk 1/c2"][:2]
    pred["S1/Walk 1/c3"] = pred["S1/Walk 1/c3"][0]
    found = findings(pred, truth)
    assert (found["hypotheses"].severity, found["hypotheses"].clips) == ("error", ("S1/Walk 1/c2", "S1/Walk 1/c3"))


def test_joints_taken_by_name_are_a_note_and_equated_joints_a_warning(findings, truth):
    whole = {clip: np.zeros((FRAMES, 32, 3)) for clip in truth}
    for clip, pose in noisy(truth).items():
        whole[clip][:, list(joint_map("h36m32", "h36m17"))] = pose
    assert {name: finding.severity for name, finding in findings(whole, truth, skeleton="h36m32").items()} == {"skeleton": "note"}
    mpi = every(lambda pose: pose[:, list(joint_map("h36m17", "mpi17"))])(noisy(truth))
    found = findings(mpi, truth, skeleton="mpi17")
    assert {name: finding.severity for name, finding in found.items()} == {"skeleton": "warning"}
    assert "neck stands for thorax" in found["skeleton"].message


def test_a_skeleton_that_lacks_joints_of_the_protocol_is_refused(findings, truth):
    with pytest.raises(PosebenchError, match="neck_nose"):
        findings({clip: pose[:, :16] for clip, pose in noisy(truth).items()}, truth, skeleton="h36m16")


@pytest.fixture(scope="module")
def many(walker):
    """Fifteen clips."""
    return {f"S1/Walk {take}/c0": walker(8, take) for take in range(15)}


def _without_frames(pred):
    return {clip: pose[:-1] for clip, pose in pred.items()}


@pytest.mark.parametrize(
    ("name", "change", "frames"),
    [
        ("extra-clips", lambda pred: pred | {f"S2/{clip}": pose for clip, pose in pred.items()}, None),
        ("empty-clips", every(lambda pose: pose[:0]), None),
        ("frame-count", every(lambda pose: pose[:5]), None),
        ("frame-index", every(lambda pose: pose), np.arange(8) + 1),
        ("missing-frames", every(lambda pose: pose[:6]), np.arange(6)),
        ("non-finite", every(lambda pose: np.where(np.arange(8)[:, None, None] == 0, np.nan, pose)), None),
        ("zero-extent", every(lambda pose: np.where(np.arange(8)[:, None, None] == 0, 0.0, pose)), None),
        ("n-scale", every(lambda pose: -pose), None),
        ("constant", every(lambda pose: pose[:1].repeat(8, axis=0)), None),
    ],
)
def test_a_finding_names_ten_clips_and_counts_the_rest(findings, many, name, change, frames):
    numbers = None if frames is None else dict.fromkeys(many, frames)
    found = findings(change(noisy(many)), many, frames=numbers)[name]
    assert len(found.clips) == 15
    assert len(found.as_dict()["clips"]) == 10
    named = [clip for clip in found.clips if clip + "," in found.message or clip + " and" in found.message]
    assert len(named) == 10, found.message
    assert "and 5 more" in found.message


def test_missing_and_leaking_clips_are_named_ten_at_a_time_too(findings, many):
    extra = findings({"S1/Walk 0/c0": noisy(many)["S1/Walk 0/c0"]}, many)["missing-clips"]
    assert "and 4 more" in extra.message
    assert "and 5 more" in findings(dict(many), many)["leakage"].message


def test_every_clip_is_looked_at_however_many_there_are(findings, walker):
    clips = {f"S1/Walk {take}/c0": walker(4, take) for take in range(30)}
    pred = noisy(clips)
    pred["S1/Walk 29/c0"] = clips["S1/Walk 29/c0"]
    assert findings(pred, clips)["leakage"].clips == ("S1/Walk 29/c0",)


def test_score_refuses_what_check_calls_an_error_and_carries_the_rest(tmp_path, truth):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    wrong = save_predictions(tmp_path / "p.npz", MISTAKES["y up"][0](noisy(truth)), unit="mm", skeleton="h36m17")
    with pytest.raises(PosebenchError, match="axes are mirrored or permuted") as error:
        score(wrong, "pair-17j", truth=gt)
    assert error.value.exit_code == 1
    weak = save_predictions(tmp_path / "q.npz", MISTAKES["z mirrored"][0](noisy(truth)), unit="mm", skeleton="h36m17")
    assert [finding.name for finding in score(weak, "pair-17j", truth=gt).findings] == ["axes"]


def test_check_and_score_find_the_same(tmp_path, truth):
    pred = noisy(truth)
    pred["S0/Walk 0/c0"][0] = np.nan
    pred["S0/Walk 0/c1"] = truth["S0/Walk 0/c1"]
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    found = check(file, "pair-17j", truth=gt)
    assert len(found) >= 2
    scored = score(file, "pair-17j", truth=gt).findings
    assert sorted(map(str, scored)) == sorted(str(finding.shortened()) for finding in found)


def test_progress_is_told_clip_by_clip(tmp_path, truth):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    told = []
    check(gt, "pair-17j", truth=gt, progress=lambda done, total: told.append((done, total)))
    assert told == [(i + 1, 16) for i in range(16)]


def test_the_walker_is_a_plausible_body(truth):
    """The made-up truth itself: rigid bones, upright, in front of the camera, smooth."""
    for pose in truth.values():
        for parent, child in BONES.bones:
            length = np.linalg.norm(pose[:, child] - pose[:, parent], axis=-1)
            assert np.ptp(length) < 1e-9
        assert (pose[:, BONES.index("head_top"), 1] < pose[:, BONES.index("pelvis"), 1]).all()
        assert (pose[..., 2] > 1000.0).all()
        assert max(np.abs(b - a).max() for a, b in pairwise(pose)) < 200.0
    assert set(SKELETONS) >= {"h36m17", "mpi17"}


DEPTH_BLIND = ["x mirrored", "y up", "x and y exchanged", "all sides swapped", "arms swapped", "legs swapped", "order of mpi17"]


@pytest.mark.parametrize("mistake", DEPTH_BLIND)
@pytest.mark.parametrize("body", ["truth", "real"])
def test_a_mistake_is_told_of_a_method_that_sees_no_depth(findings, request, mistake, body):
    true = request.getfixturevalue(body)
    change, _, name, severity, text = MISTAKES[mistake]
    flat = every(lambda pose: pose * [1.0, 1.0, 0.0])(noisy(true))
    found = findings(change(flat), true, scale="unknown", unit=None)
    assert [key for key in found if key not in ("n-scale", "root")] == [name]
    assert found[name].severity == severity
    assert text in found[name].message


@pytest.mark.parametrize("body", ["truth", "real"])
@pytest.mark.parametrize(
    "weak",
    [
        lambda pose, _: pose * [1.0, 1.0, 0.3],
        lambda pose, random: pose * np.where(random.random((len(pose), 1, 1)) < 0.4, [1.0, 1.0, -1.0], 1.0),
        lambda pose, random: pose + random.normal(scale=150.0, size=pose.shape),
        lambda pose, _: pose * 0.6,
        lambda pose, _: pose * [0.7, 1.0, 1.0],
        lambda pose, _: pose.mean(axis=0) + 0.1 * pose,
        lambda pose, random: pose + np.cumsum(random.normal(scale=20.0, size=pose.shape), axis=0),
    ],
)
def test_no_weakness_of_a_method_is_an_error(findings, request, body, weak):
    true = request.getfixturevalue(body)
    random = np.random.default_rng(5)
    pred = {clip: weak(pose, random) for clip, pose in noisy(true).items()}
    assert {name: finding.severity for name, finding in findings(pred, true).items() if finding.severity != "note"} == {}
