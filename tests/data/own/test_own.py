"""A folder of one's own motion: what is read, what is refused, and the whole way from files to a score."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posebench.base.cameras import vector_from_rotation
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.cli.main import main
from posebench.data import open_dataset
from posebench.data.own.names import guessed
from posebench.data.own.template import new_card
from posebench.data.simulation import static_camera

GOLDEN = Path(__file__).parents[2] / "golden" / "own"
CARD = """posebench_data = 1
id = "mine"
version = "1"
title = "Walkers"
licence = "mine"
redistribution = "no"
capture = "generated"
unit = "mm"
frame = "world"
up = "y"
fps = 50

[skeleton]
id = "h36m17"

[splits]
train = ["S1"]
test = ["S2"]

[rig]
simulated = "cmu"
floor = 0
"""


@pytest.fixture(scope="module")
def world(synthetic):
    """Poses (T, 17, 3) mm of two generated people, y up."""
    clips = [synthetic.load(id) for id in ("S9/Walking 1/c0", "S11/Walking 1/c0")]
    return [clip.camera.to_world(clip.pose[:60]) for clip in clips]


@pytest.fixture
def folder(tmp_path, world):
    """A folder of two takes with a card, as arrays."""
    for number, pose in enumerate(world, 1):
        write(tmp_path / f"mine/poses/S{number}/walk1.npz", pose=pose)
    (tmp_path / "mine/dataset.toml").write_text(CARD)
    return tmp_path / "mine"


def write(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def change(folder, *pairs):
    text = (folder / "dataset.toml").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (folder / "dataset.toml").write_text(text)


def far_joint(pose, mm):
    """The poses with a joint far away in one frame."""
    out = pose.copy()
    out[9, 3, 0] += mm
    return out


def linked(path, target):
    path.unlink()
    path.symlink_to(target)


CAMERA = """[a]
size = [1000, 1000]
matrix = [[1145.0, 0.0, 500.0], [0.0, 1145.0, 500.0], [0.0, 0.0, 1.0]]
"""


def test_arrays_and_a_card_become_clips_under_the_four_cameras_of_cmu(folder, world):
    dataset = open_dataset("own", folder)
    assert dataset.name == "own-mine"
    assert list(dataset.infos) == [f"S{s}/walk1/c{c}" for s in (1, 2) for c in range(4)]
    assert dataset.splits == {"train": ("S1",), "test": ("S2",)}
    clip = dataset.load("S2/walk1/c1")
    camera = static_camera(world[1][:, 0], "c1")
    assert np.allclose(clip.pose, camera.to_camera(world[1]))
    assert np.allclose(clip.keypoints("gt"), camera.project(clip.pose))
    assert {"gauss5", "detector"} <= set(dataset.keypoint_sources)
    assert clip.info.action == "walk"
    assert "generated" in dataset.note
    assert "simulated" in dataset.note


@pytest.mark.parametrize(
    ("up", "turn"),
    [
        ("z", lambda p: np.stack([p[..., 0], -p[..., 2], p[..., 1]], axis=-1)),
        ("-y", lambda p: p * [1.0, -1.0, -1.0]),
        ("x", lambda p: np.stack([p[..., 1], -p[..., 0], p[..., 2]], axis=-1)),
    ],
)
def test_axes_and_units_of_the_files_do_not_change_the_poses(folder, world, up, turn):
    before = open_dataset("own", folder).load("S2/walk1/c0").pose
    for number, pose in enumerate(world, 1):
        write(folder / f"poses/S{number}/walk1.npz", pose=turn(pose) / 25.4)
    change(folder, ('unit = "mm"', 'unit = "in"'), ('up = "y"', f'up = "{up}"'))
    assert np.abs(open_dataset("own", folder).load("S2/walk1/c0").pose - before).max() < 1e-6


def test_a_left_handed_file_is_read_with_its_axis_mirrored(folder, world):
    before = open_dataset("own", folder).load("S2/walk1/c0").pose
    for number, pose in enumerate(world, 1):
        write(folder / f"poses/S{number}/walk1.npz", pose=pose * [1.0, 1.0, -1.0])
    change(folder, ("fps = 50", 'fps = 50\nmirrored = "z"'))
    assert np.abs(open_dataset("own", folder).load("S2/walk1/c0").pose - before).max() < 1e-9


def test_calibrated_cameras_stand_where_their_file_says(folder, world):
    camera = replace(static_camera(world[0][:, 0], "c2"), radial=np.array([0.05, -0.01, 0.0]))
    translation = -camera.rotation @ camera.position / 1000.0
    table = f"""name = "left"
size = [1000, 1000]
matrix = [[1145.0, 0.0, 500.0], [0.0, 1145.0, 500.0], [0.0, 0.0, 1.0]]
distortions = [0.05, -0.01, 0.0, 0.0, 0.0]
rotation = {vector_from_rotation(camera.rotation).tolist()}
translation = {translation.tolist()}
"""
    (folder / "cameras.toml").write_text(f"[cam_0]\n{table}\n[metadata]\nadjusted = false\n")
    change(folder, ('simulated = "cmu"\nfloor = 0', 'unit = "m"'))
    clip = open_dataset("own", folder).load("S1/walk1/left")
    assert np.abs(clip.pose - camera.to_camera(world[0])).max() < 1e-6
    assert np.abs(clip.keypoints("gt") - camera.project(camera.to_camera(world[0]))).max() < 1e-6
    change(folder, ('unit = "m"', 'unit = "mm"'))
    with pytest.raises(PosebenchError, match=r"camera|front"):
        open_dataset("own", folder)


def test_marker_files_become_joints_by_the_means_that_the_card_states(tmp_path):
    made = new_card(tmp_path / "lab", [GOLDEN / "markers.c3d"])
    text = made.path.read_text()
    assert 'unit = "mm"' in text
    assert 'up = "z"' in text
    assert "fps = 50" in text
    assert 'l_hip = ["LASI", "LPSI"]' in text
    assert set(made.questions) == {"licence", "redistribution", "capture", "head_top"}
    with pytest.raises(PosebenchError, match=r"licence, redistribution, capture, joints.head_top = \"\?\""):
        open_dataset("own", tmp_path / "lab")
    answers = {"licence": "mine", "redistribution": "no", "capture": "markers", "head_top": "HEDT"}
    for name, answer in answers.items():
        text = text.replace(f'{name} = "?"', f'{name} = "{answer}"')
    made.path.write_text(text)
    dataset = open_dataset("own", tmp_path / "lab")
    assert dataset.valid["S1/markers/c0"].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]  # a marker of frame 5 is missing
    pose = dataset.load("S1/markers/c0").pose
    hips = [skeleton("h36m17").index(name) for name in ("pelvis", "l_hip", "r_hip")]
    assert np.allclose(pose[:, hips[0]], pose[:, hips[1:]].mean(axis=1))


def test_the_joints_of_common_programs_are_told_by_their_names():
    mixamo = [
        f"mixamorig:{name}"
        for name in [
            "Hips",
            "Spine",
            "Neck",
            "Head",
            "HeadTop_End",
            "LeftArm",
            "LeftForeArm",
            "LeftHand",
            "LeftUpLeg",
            "LeftLeg",
            "LeftFoot",
        ]
    ]
    mixamo += [name.replace("Left", "Right") for name in mixamo if "Left" in name]
    assert set(guessed(mixamo)) == set(skeleton("h36m17").joints)
    assert guessed(["LHip", "RHip", "LKnee"])["l_knee"] == ["LKnee"]
    assert guessed(["pelvis", "l_hip", "r_hip", "l_shoulder"])["l_shoulder"] == ["l_shoulder"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f, _: change(f, ('unit = "mm"', 'unit = "m"')), "in mm it would be right"),
        (lambda f, _: change(f, ('up = "y"', 'up = "z"')), 'do not stand along up = "z".*they stand along y'),
        (lambda f, _: change(f, ('title = "Walkers"', 'title = "?"')), 'title = "\\?"'),
        (lambda f, _: change(f, ("fps = 50", "fps = 5000")), "m/s about the root"),
        (lambda f, _: change(f, ('test = ["S2"]', 'test = ["S3"]')), "splits.test names S3"),
        (lambda f, _: change(f, ('test = ["S2"]', 'test = ["S1"]')), "in two splits"),
        (lambda f, _: change(f, ('capture = "generated"', 'capture = "guessed"')), "capture = 'guessed'"),
        (lambda f, _: change(f, ("[rig]", "[rigg]")), "unknown rigg|without cameras"),
        (lambda f, _: change(f, ('simulated = "cmu"\nfloor = 0', "")), "without cameras"),
        (lambda f, _: change(f, ("[splits]", '[joints]\npelvis = "hip"\n[splits]')), "no r_hip"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", pose=w[0][:, :16]), "16 points without names"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", pose=w[0] * [1, 1, -1]), "bend backwards"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", pose=w[0][:, ::-1]), "hip to knee|knee to ankle|stand|tall"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", pose=w[0], fps=60.0), "60 frames a second"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", joints=w[0]), "no pose among joints"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", pose=np.full_like(w[0], np.nan)), "no frame in which all joints"),
        (lambda f, _: (f / "poses/S1/walk1.npz").write_bytes(b"PK\x03\x04cut"), "walk1.npz"),
        (lambda f, _: shutil.copy(f / "poses/S1/walk1.npz", f / "poses/S1/walk1.csv"), "for one take"),
        (lambda f, _: (f / "keypoints/vit/S1").mkdir(parents=True), "keypoints.*which the card does not name"),
        (lambda f, _: (f / "dataset.toml").unlink(), "posebench data new"),
        (lambda f, _: (f / "cameras.toml").write_text("[a]\n"), "no camera|tables of cameras"),
        (lambda f, _: change(f, ("floor = 0", "floor = 1e12")), "feet 1e\\+09 m below the floor"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", pose=far_joint(w[0], 1e300)), "inf m from end"),
        (lambda f, w: write(f / "poses/S1/walk1.npz", pose=far_joint(w[0], 1e5)), "frame 9 at 50 Hz is 100 m from end to end"),
        (
            lambda f, w: [write(f / "poses/S1/walk1.npz", pose=w[0], fps=50.0), change(f, ("fps = 50", "fps = 0.5"))],
            "1 frame of 60 is left",
        ),
        (lambda f, _: linked(f / "poses/S1/walk1.npz", "/dev/zero"), "is a device or pipe"),
        (lambda f, _: (f / "cameras.toml").write_text(CAMERA.replace("[1000, 1000]", "[1e18, 1000]")), r"size = \[1e\+18, 1000\]"),
        (lambda f, _: change(f, ('up = "y"', f'up = "{"y" * 10_000}"')), r"^.{,900}$"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_paragraph(folder, world, spoil, message):
    spoil(folder, world)
    with pytest.raises(PosebenchError) as refused:
        open_dataset("own", folder)
    assert re.search(message, str(refused.value)), str(refused.value)


def test_detections_of_a_clip_are_a_keypoint_source(folder):
    dataset = open_dataset("own", folder)
    exact = dataset.load("S2/walk1/c0").keypoints("gt")
    coco = np.zeros((len(exact), 17, 3))
    ours = skeleton("h36m17").joints
    for joint, name in enumerate(skeleton("coco17").joints):
        coco[:, joint] = np.column_stack([exact[:, ours.index(name if name in ours else "neck_nose")], np.full(len(exact), 0.9)])
    coco[7, :, 2] = 0.0
    people = [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": points.ravel().tolist(), "score": 2.0, "idx": 3}
        for frame, points in enumerate(coco)
    ]
    path = folder / "keypoints/alpha/S2/walk1.c0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(people))
    change(folder, ("[splits]", '[keypoints.alpha]\nwhat = "AlphaPose"\n[splits]'))
    clip = open_dataset("own", folder).load("S2/walk1/c0")
    found = clip.keypoints_as("alpha", "h36m17")
    assert np.abs(found[:, 2] - exact[:, 2])[[0, 6, 8]].max() < 0.01
    between = 0.5 * (exact[6, 2] + exact[8, 2])  # frame 7 was not detected
    assert np.abs(found[7, 2] - between).max() < 0.01


def test_the_fingerprint_is_that_of_the_motion_and_not_of_prose(folder):
    first = open_dataset("own", folder).fingerprint
    change(folder, ('title = "Walkers"', 'title = "People who walk"'))
    assert open_dataset("own", folder).fingerprint == first
    change(folder, ("floor = 0", "floor = 10"))
    assert open_dataset("own", folder).fingerprint != first


def test_the_fingerprint_is_that_of_the_cameras_too(folder, world):
    camera = static_camera(world[0][:, 0], "c2")
    change(folder, ('simulated = "cmu"\nfloor = 0', ""))
    seen = []
    for focal in (1145.0, 1145.5):
        place = (
            f"rotation = {vector_from_rotation(camera.rotation).tolist()}\ntranslation = {(-camera.rotation @ camera.position).tolist()}"
        )
        table = f"[a]\nsize = [1000, 1000]\nmatrix = [[{focal}, 0, 500], [0, {focal}, 500], [0, 0, 1]]\n{place}\n"
        (folder / "cameras.toml").write_text(table)
        seen.append(open_dataset("own", folder).fingerprint)
    assert seen[0] != seen[1]


def test_bvh_files_of_cmu_agree_with_the_skeletons_that_they_were_made_from(cmu_root, cmu, tmp_path):
    made = new_card(tmp_path / "mine", [cmu_root / "bvh_fixture"])
    text = made.path.read_text()
    assert set(made.questions) == {"licence", "redistribution", "capture", "unit"}
    for old, new in (
        ('"?"', '"markers"'),
        ('unit = "markers"', "unit = 56.4444"),
        ("fps = 120", "fps = 30"),
        ("first_frame = 0", "first_frame = 1"),
    ):
        text = text.replace(old, new)
    made.path.write_text(text.replace('floor = "measured"', "floor = 0"))
    clip, truth = (data.load(id) for data, id in ((open_dataset("own", tmp_path / "mine"), "07/07_01/c0"), (cmu, "S07/07_01/c0")))
    legs = [skeleton("h36m17").index(f"{side}_{joint}") for side in "lr" for joint in ("hip", "knee", "ankle")]
    ours, theirs = (one.camera.to_world(one.pose)[:, legs] for one in (clip, truth))
    assert len(ours) == len(theirs)
    assert np.abs(ours - theirs).max() < 0.1


def test_a_training_is_refused_without_a_protocol_or_a_split_to_tune_on(folder):
    run = pytest.importorskip("posebench.training.run", reason="training needs the extra [baselines]")
    with pytest.raises(PosebenchError, match=r"without protocol.toml beside its card"):
        run.plan("martinez", "own", root=folder, preset="smoke")
    other = new_card(folder.parent / "other", [GOLDEN / "markers.c3d"]).path.parent
    shutil.copy(other / "protocol.toml", folder)
    with pytest.raises(PosebenchError, match=r"of dataset own-other"):
        run.plan("martinez", "own", root=folder, preset="smoke")
    (folder / "protocol.toml").write_text((folder / "protocol.toml").read_text().replace("other", "mine"))
    run.plan("martinez", "own", root=folder, preset="smoke")
    with pytest.raises(PosebenchError, match="own-mine without val"):
        run.plan("martinez", "own", root=folder, preset="smoke", tune=True)


def test_from_files_to_a_board_of_ones_own(tmp_path, world, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, pose in enumerate(world, 1):
        write(tmp_path / f"in/S{number}_walk.npz", pose=pose / 1000.0, fps=50.0)
    assert main(["data", "new", "mine", "--from", "in"]) == 0
    text = Path("mine/dataset.toml").read_text()
    assert 'unit = "m"' in text
    assert 'up = "y"' in text
    for old, new in (('frame = "?"', 'frame = "world"'), ('capture = "?"', 'capture = "generated"'), ('= "?"', '= "mine"')):
        text = text.replace(old, new)
    Path("mine/dataset.toml").write_text(text)
    data = ["--root", "mine"]
    assert main(["data", "info", "own", *data]) == 0
    assert main(["predict", "flat", "--dataset", "own", *data, "-o", "p.npz"]) == 0
    assert main(["score", "p.npz", "--protocol", "mine/protocol.toml", *data, "-o", "r.json"]) == 0
    assert main(["board", "add", "r.json", "--board", "board"]) == 2  # the board does not know the protocol
    assert "protocol 'own/mine'" in capsys.readouterr().err
    assert main(["board", "add", "r.json", "--board", "board", "--protocol", "mine/protocol.toml"]) == 0
    Path("board/published.toml").touch()
    assert main(["board", "add", "r.json", "--board", "board"]) == 1
    assert "the project's own leaderboard" in capsys.readouterr().err
