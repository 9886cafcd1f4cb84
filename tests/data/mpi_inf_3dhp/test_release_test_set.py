"""The test sequences of MPI-INF-3DHP, as released: what is read, and files that are refused."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data import open_dataset
from posebench.data.clip import ClipInfo, describe
from posebench.data.mpi_inf_3dhp.dataset import _unofficial, open_3dhp
from posebench.data.mpi_inf_3dhp.official import ACTIVITIES, TEST, TRAIN, UNLABELLED, Recording, open_test_sequence


def replace(path, name, value):
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value


def test_a_test_sequence_is_read_as_it_was_written(golden):
    data = open_3dhp(golden / "threedhp_like")
    assert (data.name, data.version, data.skeleton, data.keypoint_sources) == ("3dhp", "1", "mpi17", ("gt",))
    assert data.clip_ids("test") == list(data.infos) == [f"TS{n}/TS{n}/0" for n in range(1, 7)]
    assert data.clip_ids("train") == []
    with np.load(golden / "threedhp_cases.npz") as cases:
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


def test_the_test_set_is_also_found_in_a_folder_of_its_own(tmp_path, golden):
    shutil.copytree(golden / "threedhp_like", tmp_path / "mpi_inf_3dhp_test_set")
    assert open_3dhp(tmp_path).fingerprint == open_3dhp(golden / "threedhp_like").fingerprint


def test_either_annotation_is_read_and_univ_annot3_is_the_default(release, refusal):
    with h5py.File(release / "TS2" / "annot_data.mat") as file:
        true_size = file["annot3"][:, 0] * 1.25
    replace(release / "TS2" / "annot_data.mat", "annot3", true_size[:, None])
    assert np.array_equal(open_3dhp(release, annotation="annot3").load("TS2/TS2/0").pose, true_size)
    default = open_3dhp(release)
    assert not np.array_equal(default.load("TS2/TS2/0").pose, true_size)
    named = open_dataset("3dhp", release, annotation="univ_annot3")
    assert default.fingerprint == named.fingerprint != open_3dhp(release, annotation="annot3").fingerprint
    assert "one of univ_annot3, annot3" in refusal(release, annotation="annot2")


def test_only_valid_frames_need_an_activity(release, golden, refusal):
    with np.load(golden / "threedhp_cases.npz") as cases:
        valid, activity = np.array(cases["TS1__valid_frame"]), np.array(cases["TS1__activity_annotation"])
    activity[valid == 0] = 0
    replace(release / "TS1" / "annot_data.mat", "activity_annotation", activity[:, None])
    assert set(open_3dhp(release).labels["TS1/TS1/0"][valid == 0].tolist()) == {UNLABELLED}
    activity[np.flatnonzero(valid)[0]] = 8
    replace(release / "TS1" / "annot_data.mat", "activity_annotation", activity[:, None])
    assert "activity 8 in valid frame" in refusal(release)


def recording(id, frames, valid=None):
    subject, take, camera = id.split("/")
    info = ClipInfo(id, subject, f"{subject}/{take}", camera, "", frames)
    return Recording(info, 25.0, lambda: None, None if valid is None else np.arange(valid))


def test_the_official_counts_are_the_published_ones():
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


def test_files_of_official_lengths_open_as_the_official_copy(tmp_path):
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


def test_a_folder_without_the_files_is_refused_with_the_names_of_the_files(tmp_path, refusal):
    assert "TS1/annot_data.mat" in refusal(tmp_path)
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    assert "docs/3dhp.md" in refusal(tmp_path)


def test_a_missing_test_sequence_is_named(release, refusal):
    (release / "TS4" / "annot_data.mat").unlink()
    shutil.rmtree(release / "TS6")
    assert f"without {Path('TS4', 'annot_data.mat')}, {Path('TS6', 'annot_data.mat')}" in refusal(release)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_a_truncated_test_file_is_refused(release, share, refusal):
    path = release / "TS3" / "annot_data.mat"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert str(path) in refusal(release)


def test_damaged_bytes_raise_a_posebench_error_or_nothing(release):
    path = release / "TS5" / "annot_data.mat"
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 20):
            damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        with suppress(PosebenchError):
            open_test_sequence(path, "TS5", "univ_annot3").read()


@pytest.mark.parametrize(
    ("name", "value", "message_part"),
    [
        ("univ_annot3", np.zeros((18, 17, 3)), "univ_annot3 of shape (18, 17, 3)"),
        ("univ_annot3", np.zeros((3, 17, 1, 18)), "(frames, 1, 17, 3)"),
        ("univ_annot3", np.zeros((17, 1, 17, 3)), "different lengths"),
        ("univ_annot3", None, "no array univ_annot3"),
        ("univ_annot3", h5py.ExternalLink("other.mat", "/annot3"), "no array univ_annot3"),
        ("univ_annot3", h5py.SoftLink("/annot3"), "no array univ_annot3"),
        ("univ_annot3", np.full((18, 1, 17, 3), b"text"), "arrays of plain numbers"),
        ("annot2", np.zeros((18, 1, 17, 3)), "annot2 of shape"),
        ("valid_frame", np.zeros((17, 1)), "valid_frame of shape (17, 1)"),
        ("valid_frame", np.full((18, 1), 2.0), "valid_frame holds 2"),
        ("valid_frame", None, "no array valid_frame"),
        ("activity_annotation", np.full((18, 1), np.nan), "activity nan"),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(release, name, value, message_part, refusal):
    replace(release / "TS1" / "annot_data.mat", name, value)
    message = refusal(release)
    assert message_part in message
    assert str(release / "TS1" / "annot_data.mat") in message


def test_an_array_that_claims_to_be_huge_is_refused_before_memory_is_taken(release, refusal):
    path = release / "TS1" / "annot_data.mat"
    with h5py.File(path, "r+") as file:
        del file["annot3"]
        file.create_dataset("annot3", (2**40, 1, 17, 3), "f8", chunks=(1, 1, 17, 3))
    assert "at most 1,000,000 frames" in refusal(release, annotation="annot3")


def test_data_stored_in_another_file_are_refused(release, tmp_path, refusal):
    path = release / "TS1" / "annot_data.mat"
    (tmp_path / "secret").write_bytes(bytes(18 * 17 * 3 * 8))
    with h5py.File(path, "r+") as file:
        del file["annot3"]
        file.create_dataset("annot3", (18, 1, 17, 3), "f8", external=[(str(tmp_path / "secret"), 0, 18 * 17 * 3 * 8)])
    assert "stored outside the file" in refusal(release, annotation="annot3")
