"""Wrong axes, joint orders, units and frames: each mistake is named with its fix, and no weak method is taken for a broken file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posebench.base.cameras import rotation_xyz
from posebench.base.skeletons import joint_map, skeleton
from posebench.predictions.archive import save_predictions
from posebench.scoring.checks import check

BONES = skeleton("h36m17")


def every(change):
    """A change of each pose array."""
    return lambda pred: {clip: change(pose) for clip, pose in pred.items()}


@pytest.mark.parametrize("size", [60.0, 100.0])
def test_a_weak_method_is_not_taken_for_a_broken_file(findings, truth, size, noisy):
    assert not [finding for finding in findings(noisy(truth, size), truth).values() if finding.severity == "error"]


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
    # mpi17 has its neck and head where h36m17 has thorax and neck_nose.
    return every(lambda pose: pose[:, list(joint_map("h36m17", "mpi17"))])(pred)


MISTAKES = {
    "metres stated as mm": (every(lambda pose: pose / 1000.0), {}, "unit", "error", "metres stated as mm"),
    "mm stated as metres": (every(lambda pose: pose * 1.0), {"unit": "m"}, "unit", "error", "mm stated as metres"),
    "cm stated as mm": (every(lambda pose: pose / 10.0), {}, "unit", "error", "cm stated as mm"),
    "inches stated as mm": (every(lambda pose: pose / 25.4), {}, "unit", "error", "inches"),
    "cm stated as metres": (every(lambda pose: pose / 10.0), {"unit": "m"}, "unit", "error", "cm stated as metres"),
    "dm stated as mm": (every(lambda pose: pose / 100.0), {}, "unit", "error", "dm stated as mm"),
    "inches stated as metres": (every(lambda pose: pose / 25.4), {"unit": "m"}, "unit", "error", "inches stated as metres"),
    "feet stated as mm": (every(lambda pose: pose / 304.8), {}, "unit", "error", "feet stated as mm"),
    "multiplied by 1000 twice": (every(lambda pose: pose * 1000.0), {}, "unit", "error", "e+03 times as large"),
    "normalised to a unit box": (every(lambda pose: pose / 5000.0), {}, "unit", "error", "scale='unknown'"),
    "people of a third": (every(lambda pose: pose / 3.0), {}, "unit", "warning", "scale='unknown'"),
    "a network that was hardly trained": (every(lambda pose: pose * 11.0), {}, "unit", "warning", "times as large as the truth"),
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
def test_a_mistake_in_the_poses_is_named_with_its_fix(findings, request, mistake, body, size, noisy):
    true = request.getfixturevalue(body)
    change, stated, name, severity, text = MISTAKES[mistake]
    found = findings(change(noisy(true, size)), true, **stated)
    about_geometry = {key: value for key, value in found.items() if key in ("unit", "axes", "frame", "joint-order")}
    assert list(about_geometry) == [name], {key: value.message for key, value in found.items()}
    assert found[name].severity == severity
    assert text in found[name].message + found[name].fix


DEPTH_BLIND = ["x mirrored", "y up", "x and y exchanged", "all sides swapped", "arms swapped", "legs swapped", "order of mpi17"]


@pytest.mark.parametrize("mistake", DEPTH_BLIND)
@pytest.mark.parametrize("body", ["truth", "real"])
def test_a_mistake_of_a_method_that_sees_no_depth_is_named(findings, request, mistake, body, noisy):
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
def test_no_weakness_of_a_method_is_an_error(findings, request, body, weak, noisy):
    true = request.getfixturevalue(body)
    random = np.random.default_rng(5)
    pred = {clip: weak(pose, random) for clip, pose in noisy(true).items()}
    assert {name: finding.severity for name, finding in findings(pred, true).items() if finding.severity != "note"} == {}


def test_world_coordinates_are_noticed_without_cameras(findings, truth, noisy):
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
def test_world_coordinates_are_found_by_the_known_cameras_or_by_one_rotation_a_clip(cmu, cmu_root, cmu_s07, tmp_path, place, text):
    random = np.random.default_rng(3)
    pred = {}
    for clip, info in cmu.infos.items():
        if info.subject == "S07":
            loaded = cmu.load(clip)
            pred[clip] = place(loaded.pose + random.normal(scale=20.0, size=loaded.pose.shape), loaded.camera)
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    found = {finding.name: finding for finding in check(file, cmu_s07, root=cmu_root)}
    shown = [name for name, finding in found.items() if finding.severity != "note"]
    assert [name for name in shown if name != "n-scale"] == ([] if text is None else ["frame"]), found
    if text is not None:
        assert text in found["frame"].message


@pytest.mark.parametrize("lifter", ["flat", "mean-pose"])
def test_the_simple_lifters_raise_no_error_on_real_data(cmu, cmu_root, cmu_s07, tmp_path, lifter):
    from posebench.lifters import predict, simple_lifters

    training = cmu.clip_ids("train")[::40]
    few = replace(cmu, infos={clip: info for clip, info in cmu.infos.items() if info.subject == "S07" or clip in training})
    made = simple_lifters()[lifter](few)
    unit = "mm" if made.info.scale == "metric" else None
    file = save_predictions(tmp_path / "p.npz", predict(made, few), skeleton="h36m17", unit=unit, scale=made.info.scale)
    found = {finding.name: finding.severity for finding in check(file, cmu_s07, root=cmu_root)}
    assert "error" not in found.values()
    assert ("constant" in found) == (lifter == "mean-pose")


def _y_and_z_exchanged(pose, _):
    return pose[..., [0, 2, 1]]


def _sides_swapped(pose, _):
    return pose[:, list(BONES.mirror)]


def _in_the_world(pose, camera):
    return pose @ camera.rotation


@pytest.mark.parametrize("wrong", [_y_and_z_exchanged, _sides_swapped, _in_the_world])
@pytest.mark.parametrize("share", [0.42, 0.47])
def test_a_method_that_is_about_half_right_is_weak_and_not_broken(cmu, cmu_root, cmu_s07, tmp_path, wrong, share):
    """Undoing the other half would leave 72 or 89 % of the error, which is no explanation."""
    pred = {}
    for clip, info in cmu.infos.items():
        if info.subject == "S07":
            loaded = cmu.load(clip)
            pose = loaded.pose - loaded.pose[:, :1]
            pred[clip] = share * pose + (1.0 - share) * wrong(pose, loaded.camera)
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    found = {finding.name: finding.severity for finding in check(file, cmu_s07, root=cmu_root)}
    assert not {"axes", "joint-order", "frame"} & set(found), found


@pytest.mark.parametrize("wrong", [_y_and_z_exchanged, _sides_swapped])
def test_an_error_of_a_few_millimetres_is_not_explained_at_all(findings, truth, wrong):
    """The truth is nearly the same with and without the mistake, and the file has it: 10 mm or so that a mistake would explain wholly."""
    nearly, pred = {}, {}
    for clip, pose in truth.items():
        pose = pose - pose[:, :1]
        mean, half = (pose + wrong(pose, None)) / 2, (pose - wrong(pose, None)) / 2
        size = 5.0 / np.sqrt((half**2).sum(axis=-1).mean(axis=-1).min())
        nearly[clip], pred[clip] = mean + size * half, mean - size * half
    assert {name for name, finding in findings(pred, nearly).items() if finding.severity != "note"} == set()
