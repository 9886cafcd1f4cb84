"""The free datasets in their own layouts: what is written is read again, and files of another unit, order, axis or length are refused."""

from __future__ import annotations

import json
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.readers.c3d import read_c3d, write_c3d
from posebench.base.skeletons import joint_map, skeleton
from posebench.data import DATASETS, open_dataset
from posebench.data.aspset.dataset import read_camera
from posebench.data.aspset.fetch import ARCHIVES, fetch_aspset
from posebench.data.rehearsal import world
from posebench.metrics.alignment import residuals
from posebench.metrics.peers import aspset_pa_errors
from posebench.predictions.archive import save_predictions
from posebench.scoring.evaluate import score

GOLDEN = Path(__file__).parents[1] / "golden"
FREE = ("aspset", "humaneva", "3dpw", "h3wb", "aist")


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
    left, mid = (written.load(id) for id in list(written.infos)[:2])
    ours = mid.camera.to_camera(world(left, "aspset17"))
    good = np.arange(len(ours)) % 50 != 49
    assert np.abs(clip.pose - ours)[good].max() < 0.01
    assert np.allclose(clip.camera.focal, mid.camera.focal)
    assert np.abs(clip.keypoints("gt") - mid.camera.project(ours))[good].max() < 0.01


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


def edit_h3wb(folder, change):
    def edited(view):
        return view | {"camera_3d": change(view["camera_3d"])} if isinstance(view, dict) else view

    def content_of(train):
        return {
            who: {act: {key: edited(view) for key, view in views.items()} for act, views in acts.items()} for who, acts in train.items()
        }

    path = folder / "h3wb_train.npz"
    with np.load(path, allow_pickle=True) as archive:
        train, about = archive["train_data"].item(), archive["metadata"].item()
    np.savez_compressed(path, train_data=np.array(content_of(train), dtype=object), metadata=np.array(about, dtype=object))


EDITS = {"aspset": edit_aspset, "humaneva": edit_humaneva, "3dpw": edit_3dpw, "h3wb": edit_h3wb, "aist": edit_aist}
#: What a length in the files is multiplied by to be in metres, or millimetres where it is in metres; and in centimetres or inches.
OTHER_UNITS = {"aspset": (1e-3, 0.1), "humaneva": (1e3, 100.0), "3dpw": (1e3, 100.0), "h3wb": (1e-3, 0.1), "aist": (0.01, 10.0)}
ORDERS = {"aspset": "aspset17", "humaneva": "humaneva15", "3dpw": "smpl24", "h3wb": "coco133", "aist": "coco17"}


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
    assert f"{name}, " in found or str(folder) in found


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("humaneva", "data_3d_humaneva15.npz"),
        ("humaneva", "data_2d_humaneva15_gt.npz"),
        ("3dpw", "sequenceFiles/test/s9_walking_1_00.pkl"),
        ("aspset", "trainval/joints_3d/s1/s1-0001.c3d"),
        ("aspset", "trainval/cameras/s1/s1-mid.json"),
        ("h3wb", "h3wb_train.npz"),
        ("h3wb", "2Dto3D_test_3d.json"),
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
        ("h3wb", "2Dto3D_test_3d.json", "without 2Dto3D_test_3d.json"),
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


def test_the_two_tests_of_h3wb_are_clips_of_samples_by_their_id_and_gaps_are_zeros(copies):
    data = open_dataset("h3wb", copies / "h3wb")
    whole, gaps = (data.load(f"S8/{task}/0") for task in ("task1", "task2"))
    assert np.abs(whole.pose - gaps.pose).max() < 1e-9
    missing = (gaps.keypoints("gt") == 0.0).all(axis=-1)
    assert 0.2 < missing.mean() < 0.3
    assert np.abs(whole.keypoints("gt") - gaps.keypoints("gt"))[~missing].max() < 1e-9
    assert data.splits == {"train": ("S1", "S5", "S6"), "test-s7": ("S7",), "test": ("S8",)}
    assert whole.camera is None
    clip = data.load(next(id for id in data.infos if id.startswith("S7/")))
    assert np.abs(clip.camera.project(clip.pose) - clip.keypoints("gt")).max() < 0.01


def test_intrinsics_in_thousands_of_pixels_are_read_as_such(copies, copy):
    folder = copy("h3wb")
    edit_metadata(folder, lambda facts: facts | {"K": facts["K"] * np.array([[1e-3], [1e-3], [1.0]])})
    read, as_pixels = (open_dataset("h3wb", root).load("S1/Walking 1/c0").camera for root in (folder, copies / "h3wb"))
    assert np.allclose(read.focal, as_pixels.focal)
    edit_metadata(folder, dict.clear)
    assert open_dataset("h3wb", folder).load("S1/Walking 1/c0").camera is None


def edit_metadata(folder, change):
    path = folder / "h3wb_train.npz"
    with np.load(path, allow_pickle=True) as archive:
        train, about = archive["train_data"], archive["metadata"].item()
    about = {who: {camera: change(facts) or {} for camera, facts in cameras.items()} for who, cameras in about.items()}
    np.savez_compressed(path, train_data=train, metadata=np.array(about, dtype=object))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda samples: {key: samples[key] for key in list(samples)[1:]}, "not in both files (0)"),
        (lambda samples: samples | {"x1": samples["0"]}, "sample x1"),
        (lambda samples: samples | {"0": {"keypont_3d": {}}}, "without keypoints_3d (it has keypont_3d)"),
        (lambda samples: samples | {"0": {"keypoints_3d": {"133": {"x": 0, "y": 0, "z": 0}}}}, "joint 133"),
        (lambda samples: samples | {"0": {"keypoints_3d": {"5": {"x": 0, "y": 0}}}}, "'z'"),
        (lambda samples: samples | {"0": {"keypoints_3d": {}}}, "sample 0 without a joint"),
        (list, "a list"),
    ],
)
def test_broken_samples_of_h3wb_are_refused(copy, change, words):
    folder = copy("h3wb")
    path = folder / "2Dto3D_test_3d.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    found = refusal("h3wb", folder)
    assert words in found
    assert str(path) in found


def test_the_columns_of_h3wb_are_the_official_formulas(copies, tmp_path):
    """The official test script's means, written out: the root between the hips, the face from the nose, each hand from its wrist."""
    clip = open_dataset("h3wb", copies / "h3wb").load("S8/task1/0")
    pred = clip.pose + np.random.default_rng(0).normal(0.0, 30.0, clip.pose.shape)
    file = save_predictions(tmp_path / "p.npz", {clip.id: pred}, unit="mm", skeleton="coco133")
    result = score(file, "h3wb/task1", root=copies / "h3wb")

    def error(joints, root):
        ours, true = (pose[:, joints] - pose[:, root].mean(axis=1, keepdims=True) for pose in (pred, clip.pose))
        return float(np.linalg.norm(ours - true, axis=-1).mean())

    hips = [11, 12]
    expected = {
        "MPJPE": error(range(133), hips),
        "MPJPE-body": error(range(23), hips),
        "MPJPE-face": error(range(23, 91), hips),
        "MPJPE-face-own-root": error(range(23, 91), [0]),
        "MPJPE-hands": error(range(91, 133), hips),
        "MPJPE-hands-own-root": 0.5 * (error(range(91, 112), [91]) + error(range(112, 133), [112])),
    }
    for name, value in expected.items():
        assert result.value(name) == pytest.approx(value, rel=1e-9), name


def packed(folder, archives, extra=()):
    """A stand-in for the download of ASPset-510: the files of a copy as the archives hold them."""

    def download(name, _destination):
        part = name.removeprefix("aspset510_v1_").removesuffix(".tar.gz")
        base, _, kind = part.partition("-")
        path = archives / name
        with tarfile.open(path, "w:gz") as archive:
            for file in sorted(folder.rglob("*")):
                place = file.relative_to(folder).as_posix()
                if file.is_file() and (place == "splits.csv" if base == "common" else place.startswith(f"{base}/{kind}/")):
                    archive.add(file, f"ASPset-510/{place}")
            for place in extra:
                archive.add(folder / "splits.csv", place)
        return path

    return download


def test_a_fetched_copy_is_opened_and_nothing_else_is_unpacked(copies, tmp_path):
    extra = ("../outside/splits.csv", "notes.txt", "test/joints_3d/../../../x.c3d")
    root = fetch_aspset(tmp_path / "out", progress=False, download=packed(copies / "aspset", tmp_path, extra))
    assert open_dataset("aspset", root).fingerprint == open_dataset("aspset", copies / "aspset").fingerprint
    assert {path.name for path in tmp_path.iterdir()} == {"out", *ARCHIVES}
    assert {path.name for path in root.iterdir()} == {"splits.csv", "trainval", "test"}


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_damaged_archive_is_named(copies, tmp_path, share):
    whole = packed(copies / "aspset", tmp_path)

    def cut(name, destination):
        path = whole(name, destination)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        return path

    with pytest.raises(PosebenchError, match=r"aspset510_v1_common-splits.tar.gz, which is damaged"):
        fetch_aspset(tmp_path / "out", progress=False, download=cut)


def test_a_file_that_is_too_large_is_not_unpacked(copies, tmp_path, monkeypatch):
    monkeypatch.setattr("posebench.data.aspset.fetch.MAX_FILE", 10)
    with pytest.raises(PosebenchError, match="too large"):
        fetch_aspset(tmp_path / "out", progress=False, download=packed(copies / "aspset", tmp_path))


def test_the_alignment_of_aspset_differs_from_ours_only_where_the_best_fit_is_a_reflection():
    random = np.random.default_rng(0)
    truth = random.normal(0.0, 300.0, (6, 17, 3))
    pred = 0.7 * truth + random.normal(0.0, 40.0, truth.shape)
    ours, _ = residuals(pred, truth, {"similarity"})
    assert np.abs(aspset_pa_errors(pred, truth) - ours["similarity"]).max() < 1e-9
    flipped = pred * [1.0, 1.0, -1.0]
    ours, _ = residuals(flipped, truth, {"similarity"})
    for frame, error in enumerate(aspset_pa_errors(flipped, truth)):
        # posekit's formula, written out for one pose.
        y, x = flipped[frame] - flipped[frame].mean(axis=0), truth[frame] - truth[frame].mean(axis=0)
        u, s, vt = np.linalg.svd(y.T @ x)
        rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        expected = np.linalg.norm(s.sum() / (y**2).sum() * y @ rotation - x, axis=-1)
        assert np.abs(error - expected).max() < 1e-9
    assert np.abs(aspset_pa_errors(flipped, truth) - ours["similarity"]).max() > 10.0


def test_without_the_official_tests_h3wb_is_trained_for_s7(copies, copy):
    folder = copy("h3wb")
    for path in folder.glob("*.json"):
        path.unlink()
    data = open_dataset("h3wb", folder)
    assert data.splits["test"] == ("S7",)
    assert DATASETS["h3wb"].protocol_for(data) == "h3wb/s7"
    assert DATASETS["h3wb"].protocol_for(open_dataset("h3wb", copies / "h3wb")) == "h3wb/task1"
    assert "no task1" in data.note


def test_a_copy_without_a_split_has_it_empty(copy):
    folder = copy("3dpw")
    shutil.rmtree(folder / "sequenceFiles" / "test")
    data = open_dataset("3dpw", folder)
    assert data.splits["test"] == ()
    assert "0 of 24 sequences of test" in data.note
