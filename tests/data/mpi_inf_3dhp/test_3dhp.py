"""MPI-INF-3DHP's layouts, written from the synthetic dataset and by hand: what is read, what is refused and how the message helps."""

from __future__ import annotations

import os
import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from posebench.base.errors import PosebenchError
from posebench.base.readers import matlab
from posebench.base.skeletons import EQUATED, joint_map, skeleton
from posebench.data import open_dataset
from posebench.data.clip import ClipInfo, describe
from posebench.data.mpi_inf_3dhp.dataset import _unofficial, open_3dhp
from posebench.data.mpi_inf_3dhp.export import LAYOUTS, NEAREST
from posebench.data.mpi_inf_3dhp.official import ACTIVITIES, CAMERAS, TEST, TRAIN, UNLABELLED, Recording, _annotations, read_calibration

GOLDEN = Path(__file__).parents[2] / "golden"
LIKE = GOLDEN / "threedhp_like"
BACK = list(joint_map("mpi17", "h36m17"))


@pytest.fixture(scope="module")
def synthetic():
    return open_dataset("synthetic")


@pytest.fixture(scope="module")
def written(synthetic, tmp_path_factory):
    """Folders of both layouts; not to be changed."""
    folders = {}
    for layout, export in LAYOUTS.items():
        folders[layout] = tmp_path_factory.mktemp(layout)
        export(synthetic, folders[layout])
    return folders


@pytest.fixture
def copy(tmp_path):
    """A copy of the golden test sequences, to be damaged."""
    return Path(shutil.copytree(LIKE, tmp_path / "3dhp"))


def read_all(root, **options):
    for clip in open_3dhp(root, **options).clips():
        assert clip.pose.shape == (clip.info.frames, 17, 3)


def refusal(root, **options):
    with pytest.raises(PosebenchError) as error:
        read_all(root, **options)
    assert error.value.exit_code == 2
    return str(error.value)


def replace(path, name, value):
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value


# the test sequences of the release


def test_a_test_sequence_is_read_as_it_was_written():
    data = open_3dhp(LIKE)
    assert (data.name, data.version, data.skeleton, data.keypoint_sources) == ("3dhp", "1", "mpi17", ("gt",))
    assert data.clip_ids("test") == list(data.infos) == [f"TS{n}/TS{n}/0" for n in range(1, 7)]
    assert data.clip_ids("train") == []
    with np.load(GOLDEN / "threedhp_cases.npz") as cases:
        for n, clip in enumerate(data.clips(), 1):
            truth, valid, activity = (cases[f"TS{n}__{name}"] for name in ("univ_annot3", "valid_frame", "activity_annotation"))
            assert np.array_equal(clip.pose, truth)
            assert clip.camera is None, "the file holds no calibration"
            assert clip.keypoints("gt").shape == (len(truth), 17, 2)
            assert np.array_equal(data.valid[clip.id], np.flatnonzero(valid == 1))
            wanted = [ACTIVITIES[int(number) - 1] for number in activity]
            assert data.labels[clip.id].tolist() == wanted


def test_the_activities_have_their_official_names_in_the_official_order():
    wanted = "Standing/Walking, Exercising, Sitting, Reaching/Crouching, On The Floor, Sports, Miscellaneous"
    assert ", ".join(ACTIVITIES) == wanted


def test_the_test_set_is_found_under_its_own_folder_too(tmp_path):
    shutil.copytree(LIKE, tmp_path / "mpi_inf_3dhp_test_set")
    assert open_3dhp(tmp_path).fingerprint == open_3dhp(LIKE).fingerprint


def test_either_annotation_is_read_and_univ_annot3_is_the_default(copy):
    with h5py.File(copy / "TS2" / "annot_data.mat") as file:
        true_size = file["annot3"][:, 0] * 1.25
    replace(copy / "TS2" / "annot_data.mat", "annot3", true_size[:, None])
    assert np.array_equal(open_3dhp(copy, annotation="annot3").load("TS2/TS2/0").pose, true_size)
    default = open_3dhp(copy)
    assert not np.array_equal(default.load("TS2/TS2/0").pose, true_size)
    named = open_dataset("3dhp", copy, annotation="univ_annot3")
    assert default.fingerprint == named.fingerprint != open_3dhp(copy, annotation="annot3").fingerprint
    assert "one of univ_annot3, annot3" in refusal(copy, annotation="annot2")


def test_a_frame_that_is_not_valid_may_have_any_activity_a_valid_one_must_have_one(copy):
    with np.load(GOLDEN / "threedhp_cases.npz") as cases:
        valid, activity = np.array(cases["TS1__valid_frame"]), np.array(cases["TS1__activity_annotation"])
    activity[valid == 0] = 0
    replace(copy / "TS1" / "annot_data.mat", "activity_annotation", activity[:, None])
    assert set(open_3dhp(copy).labels["TS1/TS1/0"][valid == 0].tolist()) == {UNLABELLED}
    activity[np.flatnonzero(valid)[0]] = 8
    replace(copy / "TS1" / "annot_data.mat", "activity_annotation", activity[:, None])
    assert "activity 8 in valid frame" in refusal(copy)


def recording(id, frames, valid=None):
    subject, take, camera = id.split("/")
    info = ClipInfo(id, subject, f"{subject}/{take}", camera, "", frames)
    return Recording(info, 25.0, lambda: None, None if valid is None else np.arange(valid))


def test_the_official_counts_are_those_that_papers_state():
    assert [frames for frames, _ in TEST.values()] == [6151, 6080, 5838, 6007, 320, 492]
    assert [valid for _, valid in TEST.values()] == [603, 540, 505, 553, 276, 452]
    assert sum(valid for _, valid in TEST.values()) == 2929
    assert len(TRAIN) == 16
    assert TRAIN["S3/Seq1"] == (12488, 50.0)


def test_a_copy_is_official_when_frames_and_valid_frames_are():
    whole = [recording(f"{name}/{name}/0", *counts) for name, counts in TEST.items()]
    assert _unofficial(whole) == []
    assert _unofficial([*whole[:5], recording("TS6/TS6/0", 492, 451)]) == ["TS6/TS6"]
    assert _unofficial([*whole, recording("S1/Seq1/0", 6416), recording("S1/Seq2/0", 6416), recording("S1/Seq2/1", 6416)]) == ["S1/Seq2"]


def test_a_copy_of_official_lengths_says_that_it_is_official(tmp_path):
    for name, (frames, valid) in TEST.items():
        (tmp_path / name).mkdir()
        with h5py.File(tmp_path / name / "annot_data.mat", "w") as file:
            for array, axes in (("annot2", 2), ("annot3", 3), ("univ_annot3", 3)):
                file.create_dataset(array, (frames, 1, 17, axes), "f4", fillvalue=1.0)
            file["valid_frame"] = (np.arange(frames) < valid).astype(float)[None]
            file["activity_annotation"] = np.ones((frames, 1))
    data = open_3dhp(tmp_path)
    assert data.official
    assert data.note == "no training recordings"
    assert sum(map(len, data.valid.values())) == 2929
    assert describe(data)["test"] == f"{', '.join(TEST)}: 6 takes, 6 clips, 24888 poses"


# what is refused of them


def test_a_folder_without_the_files_is_told_what_is_wanted(tmp_path):
    assert "TS1/annot_data.mat" in refusal(tmp_path)
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    assert "docs/3dhp.md" in refusal(tmp_path)


def test_a_missing_test_sequence_is_named(copy):
    (copy / "TS4" / "annot_data.mat").unlink()
    shutil.rmtree(copy / "TS6")
    assert f"without {Path('TS4', 'annot_data.mat')}, {Path('TS6', 'annot_data.mat')}" in refusal(copy)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_a_truncated_test_file_is_refused(copy, share):
    path = copy / "TS3" / "annot_data.mat"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert str(path) in refusal(copy)


def test_bytes_damaged_anywhere_raise_nothing_else(copy):
    path = copy / "TS5" / "annot_data.mat"
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 20):
            damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        with suppress(PosebenchError):
            read_all(copy)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("univ_annot3", np.zeros((18, 17, 3)), "univ_annot3 of shape (18, 17, 3)"),
        ("univ_annot3", np.zeros((3, 17, 1, 18)), "(frames, 1, 17, 3)"),
        ("univ_annot3", np.zeros((17, 1, 17, 3)), "different lengths"),
        ("univ_annot3", None, "no array univ_annot3"),
        ("univ_annot3", h5py.ExternalLink("other.mat", "/annot3"), "no array univ_annot3"),
        ("univ_annot3", h5py.SoftLink("/annot3"), "no array univ_annot3"),
        ("univ_annot3", np.full((18, 1, 17, 3), b"text"), "plain numbers"),
        ("annot2", np.zeros((18, 1, 17, 3)), "annot2 of shape"),
        ("valid_frame", np.zeros((17, 1)), "valid_frame of shape (17, 1)"),
        ("valid_frame", np.full((18, 1), 2.0), "valid_frame holds 2"),
        ("valid_frame", None, "no array valid_frame"),
        ("activity_annotation", np.full((18, 1), np.nan), "activity nan"),
    ],
)
def test_arrays_of_another_form_are_refused(copy, name, value, said):
    replace(copy / "TS1" / "annot_data.mat", name, value)
    message = refusal(copy)
    assert said in message
    assert str(copy / "TS1" / "annot_data.mat") in message


def test_an_array_that_claims_to_be_huge_is_refused_before_memory_is_taken(copy):
    path = copy / "TS1" / "annot_data.mat"
    with h5py.File(path, "r+") as file:
        del file["annot3"]
        file.create_dataset("annot3", (2**40, 1, 17, 3), "f8", chunks=(1, 1, 17, 3))
    assert "at most 1,000,000 frames" in refusal(copy, annotation="annot3")


def test_a_file_kept_outside_is_not_followed(copy, tmp_path):
    path = copy / "TS1" / "annot_data.mat"
    (tmp_path / "secret").write_bytes(bytes(18 * 17 * 3 * 8))
    with h5py.File(path, "r+") as file:
        del file["annot3"]
        file.create_dataset("annot3", (18, 1, 17, 3), "f8", external=[(str(tmp_path / "secret"), 0, 18 * 17 * 3 * 8)])
    assert "stored outside the file" in refusal(copy, annotation="annot3")


# training recordings, and round trips


def originals(synthetic):
    """Clip id in 3DHP to the synthetic clip that was written there (see `export_3dhp`)."""
    found = {}
    infos = [synthetic.infos[id] for id in synthetic.clip_ids("train")]
    for n, subject in enumerate(dict.fromkeys(info.subject for info in infos), 1):
        takes = list(dict.fromkeys(info.take for info in infos if info.subject == subject))[:2]
        for k, take in enumerate(takes, 1):
            ids = [info.id for info in infos if info.take == take]
            found |= {f"S{n}/Seq{k}/{camera}": id for camera, id in zip(CAMERAS, ids, strict=False)}
    tests = list(dict.fromkeys(synthetic.infos[id].take for id in synthetic.clip_ids("test")))
    return found | {f"TS{n + 1}/TS{n + 1}/0": f"{tests[10 * n]}/c{n % 4}" for n in range(6)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_round_trip_returns_the_same_clips_exactly(synthetic, written, layout):
    data = open_3dhp(written[layout])
    pairs = originals(synthetic)
    assert sorted(data.infos) == sorted(pairs)
    assert list(data.infos) == [*data.clip_ids("train"), *data.clip_ids("test")]
    for id, source in pairs.items():
        ours, theirs = data.load(id), synthetic.load(source)
        assert ours.info == data.infos[id]
        assert len(ours.pose) == data.infos[id].frames
        assert np.array_equal(ours.pose[:, BACK], theirs.pose), "float64 in, float64 out"
        assert np.array_equal(ours.keypoints("gt")[:, BACK], theirs.keypoints("gt"))


def test_the_layouts_agree_on_everything_that_both_hold(written):
    release, archive = (open_3dhp(written[layout]) for layout in ("3dhp", "p-stmo"))
    assert release.fingerprint == archive.fingerprint
    assert all(np.array_equal(release.valid[clip], archive.valid[clip]) for clip in archive.valid)
    assert release.labels.keys() == set(release.clip_ids("test"))
    assert not archive.labels
    assert "activities" in archive.note


def test_the_cameras_of_the_calibration_project_the_poses_onto_the_keypoints(synthetic, written):
    data = open_3dhp(written["3dhp"])
    for id in ("S1/Seq1/0", "S5/Seq2/4"):
        clip = data.load(id)
        assert np.abs(clip.camera.project(clip.pose) - clip.keypoints("gt")).max() < 1e-6
        theirs = synthetic.load(originals(synthetic)[id]).camera
        assert np.allclose(clip.camera.position, theirs.position, atol=1e-9)
        assert np.allclose(clip.camera.rotation, theirs.rotation, atol=1e-15)
        assert clip.camera.size == theirs.size
    assert data.load("TS1/TS1/0").camera is None


def test_a_recording_without_calibration_has_no_camera(written, tmp_path):
    shutil.copytree(written["3dhp"] / "S1", tmp_path / "S1")
    (tmp_path / "S1" / "Seq1" / "camera.calibration").unlink()
    data = open_3dhp(tmp_path)
    assert data.load("S1/Seq1/0").camera is None
    assert data.load("S1/Seq2/0").camera is not None
    assert not data.official
    assert "no test sequences" in data.note
    assert "S2/Seq1" in data.note


def test_the_frame_rate_is_the_recordings_own(written):
    release = open_3dhp(written["3dhp"])
    assert [release.load(f"S1/Seq{n}/0").fps for n in (1, 2)] == [25.0, 50.0]
    assert open_3dhp(written["p-stmo"]).load("S1/Seq1/0").fps == 50.0, "the archive states the rate"


def test_progress_counts_files(written):
    for layout, files in (("3dhp", 16), ("p-stmo", 2)):
        seen = []
        open_3dhp(written[layout], progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen == [(k, files) for k in range(1, files + 1)]


def test_joints_that_the_source_lacks_stand_at_their_neighbours(written, synthetic):
    cells = matlab.read_cells(written["3dhp"] / "S1" / "Seq1" / "annot.mat", "annot3", [0])[0]
    pose = cells.reshape(len(cells), 28, 3)
    source = synthetic.load(originals(synthetic)["S1/Seq1/0"])
    for joint, near in NEAREST.items():
        assert np.array_equal(pose[:, skeleton("mpi28").index(joint)], source.pose[:, skeleton("h36m17").index(near)]), joint
    assert EQUATED["mpi28", "h36m17"].items() <= NEAREST.items()


def test_an_unknown_clip_is_named(written):
    with pytest.raises(PosebenchError, match="TS7/TS7/0"):
        open_3dhp(written["3dhp"]).load("TS7/TS7/0")


def test_both_layouts_in_one_folder_are_an_error_that_asks(written, tmp_path):
    shutil.copytree(LIKE, tmp_path, dirs_exist_ok=True)
    shutil.copy(written["p-stmo"] / "data_test_3dhp.npz", tmp_path)
    message = refusal(tmp_path)
    assert "data_test_3dhp.npz" in message
    assert "one layout" in message


def test_only_a_source_in_h36m17_order_with_enough_takes_is_exported(tmp_path):
    for export in LAYOUTS.values():
        with pytest.raises(PosebenchError, match="h36m17"):
            export(open_3dhp(LIKE), tmp_path)


# annot.mat


def annotations(frames=4, **changes):
    """The content of an annot.mat whose camera k has the value k everywhere, plus the joint's number."""

    def cells(axes):
        out = np.empty((14, 1), dtype=object)
        for camera in range(14):
            out[camera, 0] = np.tile(100.0 * camera + np.repeat(np.arange(28), axes), (frames, 1))
        return out

    return {"annot2": cells(2), "annot3": cells(3), "univ_annot3": cells(3), "cameras": np.arange(14)[None]} | changes


def training(folder, content, **options):
    path = folder / "S2" / "Seq1" / "annot.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {name: value for name, value in content.items() if value is not None}, **options)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_eight_of_fourteen_cameras_and_17_of_28_joints_are_taken(tmp_path, compressed):
    training(tmp_path, annotations(), do_compression=compressed)
    data = open_3dhp(tmp_path)
    assert list(data.infos) == [f"S2/Seq1/{camera}" for camera in (0, 1, 2, 4, 5, 6, 7, 8)]
    order = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]  # mpii_get_joints.m, from 0
    for clip in data.clips():
        assert clip.pose[2, :, 1].tolist() == [100.0 * int(clip.info.camera) + joint for joint in order]
        assert clip.keypoints("gt")[1, :, 0].tolist() == clip.pose[2, :, 1].tolist()


def test_a_file_that_changed_is_read_again(tmp_path):
    path = training(tmp_path, annotations())
    data = open_3dhp(tmp_path)
    before = data.load("S2/Seq1/8").pose
    training(tmp_path, annotations(univ_annot3=annotations()["annot3"] * 2))
    os.utime(path, (1, 1))
    assert np.array_equal(data.load("S2/Seq1/8").pose, 2 * before)
    training(tmp_path, annotations(frames=3))
    os.utime(path, (2, 2))
    with pytest.raises(PosebenchError, match=r"cell 0 of univ_annot3 has size \(3, 84\)"):
        data.load("S2/Seq1/8")


def test_without_a_list_of_cameras_all_are_taken_to_be_there(tmp_path):
    training(tmp_path, annotations(cameras=None))
    assert len(open_3dhp(tmp_path).infos) == 8


def odd_cell(shape):
    cells = annotations()["univ_annot3"]
    cells[7, 0] = np.zeros(shape)
    return cells


def text_cell():
    cells = annotations()["univ_annot3"]
    cells[7, 0] = "text"
    return cells


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"univ_annot3": None}, "no univ_annot3"),
        ({"annot2": None}, "no annot2"),
        ({"univ_annot3": np.zeros((4, 84))}, "univ_annot3 as (4, 84) matrix"),
        ({"univ_annot3": annotations()["annot3"][:13]}, "univ_annot3 as (13, 1) cells"),
        ({"univ_annot3": annotations()["annot2"]}, "the first (4, 56)"),
        ({"univ_annot3": odd_cell((3, 84))}, "cell 7 of univ_annot3 has size (3, 84)"),
        ({"univ_annot3": text_cell()}, "array class 4"),
        ({"cameras": np.array([1j])}, "complex"),
    ],
)
def test_training_annotations_of_another_form_are_refused(tmp_path, change, said):
    path = training(tmp_path, annotations(**change))
    message = refusal(tmp_path)
    assert said in message
    assert str(path) in message


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_annot_mat_is_refused(tmp_path, compressed, share):
    path = training(tmp_path, annotations(frames=50), do_compression=compressed)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert str(path) in refusal(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_bytes_of_annot_mat_raise_nothing_else(tmp_path, compressed):
    path = training(tmp_path, annotations(), do_compression=compressed)
    whole = path.read_bytes()
    random = np.random.default_rng(1)
    for trial in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole) if trial % 2 else 600, 8):
            damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        _annotations.cache_clear()  # two files in one tick of the clock
        with suppress(PosebenchError):
            read_all(tmp_path)


def test_a_variable_that_claims_to_be_huge_is_refused(tmp_path, monkeypatch):
    training(tmp_path, annotations(frames=50), do_compression=True)
    monkeypatch.setattr(matlab, "MAX_VARIABLE", 10_000)
    assert "more than 10,000" in refusal(tmp_path)


def test_a_mat_file_of_another_version_is_refused(tmp_path):
    path = training(tmp_path, annotations())
    savemat(path, {"cameras": np.arange(3)}, format="4")
    assert "no MATLAB 5 header" in refusal(tmp_path)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "u8", "f4", "f8"])
def test_numbers_of_every_type_are_read(tmp_path, dtype):
    values = np.arange(6).reshape(2, 3).astype(dtype)
    savemat(tmp_path / "a.mat", {"a_name_longer_than_four": values, "x": values[:1], "none": np.zeros((0, 3))})
    assert np.array_equal(matlab.read_numbers(tmp_path / "a.mat", "a_name_longer_than_four"), values)
    assert matlab.read_numbers(tmp_path / "a.mat", "x").shape == (1, 3)
    assert matlab.read_numbers(tmp_path / "a.mat", "none").shape == (0, 3)
    with pytest.raises(PosebenchError, match="no variable y, only a_name_longer_than_four, x, none"):
        matlab.read_numbers(tmp_path / "a.mat", "y")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  size        1000 1000", "  size", "line 4 has 1 words"),
        ("1000 1000", "a thousand", "could not convert"),
        ("  extrinsic   ", "  extrinsic   5", "does not hold a rotation"),
    ],
)
def test_a_calibration_of_another_form_is_refused(written, tmp_path, old, new, said):
    text = (written["3dhp"] / "S1" / "Seq1" / "camera.calibration").read_text()
    path = tmp_path / "camera.calibration"
    path.write_text(text.replace(old, new))
    with pytest.raises(PosebenchError, match=said):
        read_calibration(path)
    path.write_text("")
    with pytest.raises(PosebenchError, match="0 lines"):
        read_calibration(path)


# the P-STMO archives


def archive(folder, name, content):
    np.savez(folder / f"data_{name}_3dhp.npz", data=np.array(content, dtype=object))
    return folder


def arrays(frames=5, **changes):
    return {"data_2d": np.zeros((frames, 17, 2), "f4"), "data_3d": np.ones((frames, 17, 3), "f4"), "valid": np.ones(frames)} | changes


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("test", {"TS1": arrays()}, "without TS2, TS3, TS4, TS5, TS6"),
        ("test", {"TS9": arrays()}, "TS9"),
        ("test", {"TS1": arrays(valid=np.ones(4))}, "0 or 1 for each of 5 frames"),
        ("test", {"TS1": arrays(valid=np.full(5, 3))}, "other values"),
        ("test", {"TS1": arrays(data_3d=np.ones((5, 16, 3)))}, "data_3d"),
        ("test", {"TS1": arrays(data_2d=np.ones((4, 17, 2)))}, "data_2d"),
        ("test", {"TS1": [1]}, "without data_2d and data_3d"),
        ("test", {}, "no recordings"),
        ("train", {"S1 Seq3": [{"0": arrays()}, 25]}, "S1 Seq3"),
        ("train", {"S1 Seq1": {"0": arrays()}}, "[{camera: arrays}, frames per second]"),
        ("train", {"S1 Seq1": [{"14": arrays()}, 25]}, "camera 14"),
        ("train", {"S1 Seq1": [{"0": arrays()}, "fast"]}, "fast fps"),
        ("train", [1, 2], "one object (a dict)"),
        ("train", "text", "data is a str"),
    ],
)
def test_archives_of_another_form_are_refused(tmp_path, name, content, said):
    assert said in refusal(archive(tmp_path, name, content))


def test_numbers_as_keys_and_flags_as_booleans_are_read(tmp_path):
    archive(tmp_path, "train", {"S4 Seq2": [{0: arrays(), 8: arrays(3)}, 25]})
    archive(tmp_path, "test", {sequence: arrays(valid=np.array([[True], [False], [True]]), frames=3) for sequence in TEST})
    data = open_3dhp(tmp_path)
    assert {id: info.frames for id, info in data.infos.items()} == {"S4/Seq2/0": 5, "S4/Seq2/8": 3} | {f"{t}/{t}/0": 3 for t in TEST}
    assert data.valid["TS3/TS3/0"].tolist() == [0, 2]
    assert data.load("S4/Seq2/8").pose.dtype == np.float64


def test_archives_hold_one_annotation_only(written):
    assert "these archives hold no other" in refusal(written["p-stmo"], annotation="annot3")


class Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path):
    harm = tmp_path / "harm"
    archive(tmp_path, "test", {"TS1": Harm(str(harm))})
    assert "mkdir" in refusal(tmp_path)
    assert not harm.exists()
    assert pickle.dumps(Harm(str(harm))), "the pickle itself is sound"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_refused(written, tmp_path, share):
    whole = (written["p-stmo"] / "data_test_3dhp.npz").read_bytes()
    path = tmp_path / "data_test_3dhp.npz"
    path.write_bytes(whole[: int(share * len(whole))])
    assert str(path) in refusal(tmp_path)
