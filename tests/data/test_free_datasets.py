"""The free datasets in their own layouts: what is written is read again, and files of another unit, order, axis or length are refused."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.readers.c3d import read_c3d, write_c3d
from posebench.base.skeletons import joint_map, skeleton
from posebench.data import DATASETS, open_dataset
from posebench.data.aspset.dataset import read_camera
from posebench.data.rehearsal import in_order

GOLDEN = Path(__file__).parents[1] / "golden"
FREE = ("aspset", "humaneva", "3dpw", "aist")


@pytest.fixture
def copy(copies, tmp_path, monkeypatch):
    """A folder with the files of an export, to be damaged."""
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    return lambda name: Path(shutil.copytree(copies / name, tmp_path / name))


def read_all(name, folder):
    for clip in open_dataset(name, folder).clips():
        assert clip.pose.size


def refusal(name, folder):
    with pytest.raises(PosebenchError) as error:
        read_all(name, folder)
    assert error.value.exit_code == 2
    return str(error.value)


@pytest.mark.parametrize("name", FREE)
def test_a_copy_is_described_with_its_limits_and_every_number_is_finite(copies, name):
    data = open_dataset(name, copies / name)
    assert not data.official
    assert "tested on generated files only" in data.note
    assert "generated files only" in DATASETS[name].description
    for clip in data.clips():
        assert clip.pose.shape == (clip.info.frames, len(skeleton(data.skeleton)), 3)
        assert np.isfinite(clip.pose).all()
        assert clip.id.endswith(f"/{clip.info.camera}")
        for source in data.keypoint_sources:
            assert np.isfinite(clip.keypoints(source)).all()


@pytest.mark.parametrize("name", FREE)
def test_reading_twice_gives_the_same_fingerprint_and_a_changed_pose_another(copies, copy, name):
    folder = copy(name)
    assert open_dataset(name, copies / name).fingerprint == open_dataset(name, folder).fingerprint
    EDITS[name](folder, lambda pose: pose * 1.01)
    assert open_dataset(name, copies / name).fingerprint != open_dataset(name, folder).fingerprint


def test_a_clip_of_aspset_is_the_pose_that_was_written_with_its_camera(copies, synthetic_part):
    clip = open_dataset("aspset", copies / "aspset").load("s1/0001/mid")
    written = synthetic_part(subjects=("S1",), actions=("Walking", "Sitting"))
    first = written.load(list(written.infos)[1])  # its second camera
    ours = in_order(first.pose, "aspset17")
    good = np.arange(len(ours)) % 50 != 49
    assert np.abs(clip.pose - ours)[good].max() < 0.01
    assert np.allclose(clip.camera.focal, first.camera.focal)
    assert np.abs(clip.keypoints("gt") - first.camera.project(ours))[good].max() < 0.01


def test_frames_with_a_missing_point_are_not_scored(copies):
    data = open_dataset("aspset", copies / "aspset")
    for id, info in data.infos.items():
        assert 49 not in data.valid[id]
        assert len(data.valid[id]) == info.frames - info.frames // 50


def test_the_published_camera_of_aspset_projects_its_pose_onto_the_published_pixels(tmp_path):
    """Camera, pose and pixels of clip 04ac-0026 as the package's own tests hold them (CC0)."""
    known = json.loads((GOLDEN / "aspset_04ac.json").read_text())
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({key: np.ravel(known[key]).tolist() for key in ("intrinsic_matrix", "extrinsic_matrix")}))
    camera = read_camera(path)
    pose = np.array(known["joints_3d"])
    assert np.abs(camera.project(camera.to_camera(pose)) - known["joints_2d"]).max() < 1e-2
    order = skeleton("aspset17")
    hips = [order.index("l_hip"), order.index("r_hip")]
    assert np.linalg.norm(pose[order.index("pelvis")] - pose[hips].mean(axis=0)) == pytest.approx(99.0, abs=0.5)


def test_humaneva_moves_poses_into_the_cameras_and_keeps_chunks_in_one_take(copies):
    data = open_dataset("humaneva", copies / "humaneva")
    clip = data.load("Validate-S1/Walking 1 chunk0/C2")
    assert clip.info.take == "Validate-S1/Walking 1"
    assert clip.info.action == "Walking"
    made_up = Camera(np.eye(3), np.zeros(3), np.full(2, 750.0), np.array([320.0, 240.0]), (640, 480))
    assert np.abs(clip.keypoints("gt") - made_up.project(clip.pose)).max() < 0.01
    assert clip.keypoints("detectron_pt_coco").shape[1] == 17
    assert clip.matched("detectron_pt_coco", "h36m17").source == "coco17"
    assert data.splits == {"train": ("Train-S1",), "test": ("Validate-S1", "Validate-S2")}


def test_poses_of_3dpw_are_in_the_frame_of_the_camera_of_each_frame(copies):
    data = open_dataset("3dpw", copies / "3dpw")
    clip = data.load("test/s9_walking_1_00_0/cam")
    assert np.array_equal(clip.camera.position, np.zeros(3))
    seen = clip.camera.project(clip.pose)
    found = clip.keypoints("openpose")
    scored = data.valid[clip.id]
    ours, theirs = skeleton("smpl24"), skeleton("openpose18")
    for joint in ("l_knee", "r_wrist"):
        assert np.abs(seen[scored, ours.index(joint)] - found[scored, theirs.index(joint)]).max() < 0.01
    assert not {24, 39} & set(scored.tolist())
    every = open_dataset("3dpw", copies / "3dpw", annotation="all")
    assert set(every.valid[clip.id].tolist()) - set(scored.tolist()) == {
        frame for frame in range(24, clip.info.frames, 25) if frame % 40 != 39
    }
    assert clip.info.take == "test/s9_walking_1_00"


def test_16_joints_of_smpl_are_those_of_posebench3d():
    assert joint_map("smpl24", "h36m16") == (0, 2, 5, 8, 1, 4, 7, 6, 12, 15, 16, 18, 20, 17, 19, 21)
    assert joint_map("smpl24", "posebench3d14") == (0, 2, 5, 8, 1, 4, 7, 12, 16, 18, 20, 17, 19, 21)


def edit_npz(path, key, change):
    with np.load(path, allow_pickle=True) as archive:
        content = archive[key].item()
    np.savez_compressed(path, **{key: np.array(change(content), dtype=object)})


def of_every_array(content, change):
    return {who: {name: change(value) for name, value in chunks.items()} for who, chunks in content.items()}


def edit_humaneva(folder, change):
    edit_npz(folder / "data_3d_humaneva15.npz", "positions_3d", lambda content: of_every_array(content, change))


def edit_3dpw(folder, change):
    for path in (folder / "sequenceFiles").rglob("*.pkl"):
        content = pickle.loads(path.read_bytes())
        content["jointPositions"] = [change(pose.reshape(len(pose), 24, 3)).reshape(len(pose), 72) for pose in content["jointPositions"]]
        path.write_bytes(pickle.dumps(content, protocol=2))


def edit_aspset(folder, change):
    for path in folder.rglob("*.c3d"):
        write_c3d(path, change(read_c3d(path).points), 50.0, {"UNITS": "mm", "SKEL": "aspset_17j"})


def edit_aist(folder, change):
    for path in (folder / "keypoints3d").glob("*.pkl"):
        content = pickle.loads(path.read_bytes())
        path.write_bytes(pickle.dumps({key: change(pose) for key, pose in content.items()}, protocol=2))


EDITS = {"aspset": edit_aspset, "humaneva": edit_humaneva, "3dpw": edit_3dpw, "aist": edit_aist}
#: What a length in the files is multiplied by to be in metres, or millimetres where it is in metres; and in centimetres or inches.
OTHER_UNITS = {"aspset": (1e-3, 0.1), "humaneva": (1e3, 100.0), "3dpw": (1e3, 100.0), "aist": (0.01, 10.0)}
ORDERS = {"aspset": "aspset17", "humaneva": "humaneva15", "3dpw": "smpl24", "aist": "coco17"}


def mirrored(order):
    return lambda pose: pose[:, list(skeleton(order).mirror)]


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("one other unit", "they look like"),
        ("another one", "they look like"),
        ("another order", "on the left|the length|keypoints|knees"),
        ("sides exchanged", "knees that bend backwards|keypoints"),
        ("an axis mirrored", "knees that bend backwards|keypoints|behind"),
    ],
)
def test_poses_of_another_unit_order_or_axis_are_refused(copy, name, fault, words):
    order, units = ORDERS[name], OTHER_UNITS[name]
    change = {
        "one other unit": lambda pose: pose * units[0],
        "another one": lambda pose: pose * units[1],
        "another order": lambda pose: pose[:, np.random.default_rng(0).permutation(pose.shape[1])],
        "sides exchanged": mirrored(order),
        "an axis mirrored": lambda pose: pose * [-1.0, 1.0, 1.0],
    }[fault]
    folder = copy(name)
    EDITS[name](folder, change)
    found = refusal(name, folder)
    assert any(word in found for word in words.split("|")), found
    assert f"{name}, " in found


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("humaneva", "data_3d_humaneva15.npz"),
        ("humaneva", "data_2d_humaneva15_gt.npz"),
        ("3dpw", "sequenceFiles/test/s9_walking_1_00.pkl"),
        ("aspset", "trainval/joints_3d/s1/s1-0001.c3d"),
        ("aspset", "trainval/cameras/s1/s1-mid.json"),
        ("aist", "keypoints3d/gBR_sBM_cAll_d01_mBR0_ch00.pkl"),
        ("aist", "keypoints2d/gBR_sBM_cAll_d01_mBR0_ch00.pkl"),
        ("aist", "cameras/setting1.json"),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.97])
def test_a_cut_file_is_named(copy, name, file, share):
    path = copy(name) / file
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert str(path) in refusal(name, path.parents[len(Path(file).parts) - 1])


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("humaneva", "data_3d_humaneva15.npz", "without data_3d_humaneva15.npz"),
        ("aspset", "splits.csv", "splits.csv"),
        ("aspset", "test/cameras/s9/s9-left.json", "s9-left.json"),
        ("aist", "cameras/setting1.json", "setting1.json"),
        ("aist", "cameras/mapping.txt", "mapping.txt"),
    ],
)
def test_a_missing_file_is_named(copy, name, file, words):
    folder = copy(name)
    (folder / file).unlink()
    assert words in refusal(name, folder)


@pytest.mark.parametrize("name", FREE)
def test_a_folder_without_the_files_says_what_is_wanted(tmp_path, name):
    found = refusal(name, tmp_path)
    assert "docs/datasets.md" in found or "data/prepare" in found


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(copy, malicious, tmp_path):
    folder, harm = copy("3dpw"), tmp_path / "harm"
    (folder / "sequenceFiles" / "test" / "s9_walking_1_00.pkl").write_bytes(pickle.dumps(malicious(harm)))
    assert "io.open" in refusal("3dpw", folder)
    assert not harm.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cam_intrinsics": np.zeros((3, 3))}, "cam_intrinsics"),
        ({"cam_poses": np.tile(np.diag([-1.0, 1, 1, 1]), (1, 1, 1))}, "cam_poses"),
        ({"campose_valid": [np.ones(3)]}, "campose_valid"),
        ({"poses2d": []}, "different people"),
        ({"jointPositions": None}, "jointPositions"),
    ],
)
def test_a_sequence_of_3dpw_with_a_broken_part_is_refused(copy, change, words):
    folder = copy("3dpw")
    path = folder / "sequenceFiles" / "test" / "s9_walking_1_00.pkl"
    content = pickle.loads(path.read_bytes())
    change = {key: np.tile(value, (len(content["cam_poses"]), 1, 1)) if key == "cam_poses" else value for key, value in change.items()}
    path.write_bytes(pickle.dumps(content | change, protocol=2))
    found = refusal("3dpw", folder)
    assert words in found
    assert str(path) in found


def test_keypoints_of_exchanged_cameras_are_refused(copy):
    folder = copy("humaneva")
    edit_npz(folder / "data_2d_humaneva15_gt.npz", "positions_2d", lambda content: of_every_array(content, lambda views: views[::-1]))
    assert "keypoints whose" in refusal("humaneva", folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda camera: camera | {"extrinsic_matrix": (np.diag([1.0, 1.0, -1.0, 1.0])).ravel().tolist()}, "mirrored"),
        (lambda camera: camera | {"extrinsic_matrix": (np.eye(4) * 2).ravel().tolist()}, "no rotation"),
        (lambda camera: camera | {"intrinsic_matrix": [0.0] * 12}, "focal length"),
        (lambda camera: camera | {"intrinsic_matrix": [1.0] * 9}, "12 numbers"),
        (lambda camera: camera.get("none", {}), "12 numbers"),
    ],
)
def test_a_broken_camera_of_aspset_is_refused(copy, change, words):
    folder = copy("aspset")
    path = folder / "test" / "cameras" / "s9" / "s9-left.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    found = refusal("aspset", folder)
    assert words in found
    assert str(path) in found


@pytest.mark.parametrize("line", ["s1,0001,train", "s1,../x,train,all", "s1,0001,all,all", "s1,0001,train,top"])
def test_a_broken_line_of_splits_is_refused(copy, line):
    folder = copy("aspset")
    with (folder / "splits.csv").open("a") as file:
        file.write(line + "\n")
    assert "subject, clip, train or val or test" in refusal("aspset", folder)


def test_a_subject_of_two_splits_is_one_for_each(copy):
    folder = copy("aspset")
    text = (folder / "splits.csv").read_text().splitlines()
    text[1] = text[1].replace(",train,", ",val,")
    (folder / "splits.csv").write_text("\n".join(text) + "\n")
    data = open_dataset("aspset", folder)
    assert data.splits["val"] == ("s1-val",)
    assert data.splits["train"] == ("s1-train",)


def aist_sequence(folder):
    return sorted((folder / "keypoints3d").glob("*.pkl"))[0]


def test_frames_of_aist_with_a_joint_that_was_not_triangulated_are_not_scored(copies):
    data = open_dataset("aist", copies / "aist")
    for id, info in data.infos.items():
        assert set(range(info.frames)) - set(data.valid[id].tolist()) == set(range(59, info.frames, 60))
    clip = data.load(next(iter(data.infos)))
    assert clip.id.endswith("/c01")
    scored = data.valid[clip.id]
    apart = clip.keypoints("det")[scored] - clip.camera.project(clip.pose)[scored]
    assert 2.0 < apart.std() < 4.0


def test_sequences_that_are_to_be_ignored_and_bad_views_are_left_out(copies, copy):
    folder = copy("aist")
    name = aist_sequence(folder).stem
    (folder / "ignore_list.txt").write_text(name + "\n")
    assert not any(name in id for id in open_dataset("aist", folder).infos)
    assert any(name in id for id in open_dataset("aist", copies / "aist").infos)


def test_a_camera_file_of_aist_with_tangential_distortion_is_read_with_a_note(copy):
    folder = copy("aist")
    path = folder / "cameras" / "setting1.json"
    rig = json.loads(path.read_text())
    rig[0]["distortions"] = [0.01, 0.0, 1e-3, 0.0, 0.0]
    path.write_text(json.dumps(rig))
    data = open_dataset("aist", folder)
    assert "tangential distortion left out of setting1" in data.note
    assert data.load(next(iter(data.infos))).camera.radial.tolist() == [0.01, 0.0, 0.0]


@pytest.mark.parametrize("change", [{"rotation": [0.0]}, {"size": "x"}, {"matrix": None}, {"name": "c77"}])
def test_a_broken_camera_of_aist_is_refused(copy, change):
    folder = copy("aist")
    path = folder / "cameras" / "setting1.json"
    rig = json.loads(path.read_text())
    path.write_text(json.dumps([rig[0] | change, *rig[1:]]))
    assert str(path) in refusal("aist", folder)


def test_detections_of_other_frames_are_refused(copy):
    folder = copy("aist")
    path = folder / "keypoints2d" / aist_sequence(folder).name
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(content | {"keypoints2d": content["keypoints2d"][:, :-3]}, protocol=2))
    assert "detections of" in refusal("aist", folder)


def test_a_name_that_is_no_sequence_is_refused(copy):
    folder = copy("aist")
    with (folder / "splits" / "pose_train.txt").open("a") as file:
        file.write("../../secret\n")
    assert "'../../secret'" in refusal("aist", folder)
