"""MPI-INF-3DHP in the archives of P-STMO: what is read, and archives that are refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from posebench.data.mpi_inf_3dhp.dataset import open_3dhp
from posebench.data.mpi_inf_3dhp.official import TEST


def archive(folder, name, content):
    np.savez(folder / f"data_{name}_3dhp.npz", data=np.array(content, dtype=object))
    return folder


def arrays(frames=5, **changes):
    return {"data_2d": np.zeros((frames, 17, 2), "f4"), "data_3d": np.ones((frames, 17, 3), "f4"), "valid": np.ones(frames)} | changes


@pytest.mark.parametrize(
    ("name", "content", "message_part"),
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
def test_malformed_archives_are_refused(tmp_path, name, content, message_part, refusal):
    assert message_part in refusal(archive(tmp_path, name, content))


def test_numbers_as_keys_and_flags_as_booleans_are_read(tmp_path):
    archive(tmp_path, "train", {"S4 Seq2": [{0: arrays(), 8: arrays(3)}, 25]})
    archive(tmp_path, "test", {sequence: arrays(valid=np.array([[True], [False], [True]]), frames=3) for sequence in TEST})
    data = open_3dhp(tmp_path)
    assert {id: info.frames for id, info in data.infos.items()} == {"S4/Seq2/0": 5, "S4/Seq2/8": 3} | {f"{t}/{t}/0": 3 for t in TEST}
    assert data.valid["TS3/TS3/0"].tolist() == [0, 2]
    assert data.load("S4/Seq2/8").pose.dtype == np.float64


@pytest.mark.parametrize("name", ["train", "test"])
def test_poses_in_metres_are_refused_and_collapsed_or_invalid_frames_are_no_unit(tmp_path, name, refusal, walker):
    def content(pose):
        if name == "train":
            return {"S1 Seq1": [{"0": arrays(data_3d=pose)}, 25]}
        valid = np.array([0, 1, 1, 1, 0])
        return {sequence: arrays(data_3d=pose * np.where(valid, 1.0, 1e-3)[:, None, None], valid=valid) for sequence in TEST}

    pose = walker(5)
    for good in (pose, np.zeros_like(pose)):
        assert len(list(open_3dhp(archive(tmp_path, name, content(good))).clips())) == (1 if name == "train" else 6)
    found = refusal(archive(tmp_path, name, content(pose / 1000.0)))
    assert "they look like metres, and millimetres are stated" in found
    assert "of 3dhp: true poses 1." in found


def test_archives_hold_one_annotation_only(written, refusal):
    assert "these archives hold no other" in refusal(written["p-stmo"], annotation="annot3")


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path, malicious, refusal):
    harm = tmp_path / "harm"
    archive(tmp_path, "test", {"TS1": malicious(harm)})
    assert "io.open" in refusal(tmp_path)
    assert not harm.exists()
    assert pickle.dumps(malicious(harm)), "it can be pickled"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_refused(written, tmp_path, share, refusal):
    whole = (written["p-stmo"] / "data_test_3dhp.npz").read_bytes()
    path = tmp_path / "data_test_3dhp.npz"
    path.write_bytes(whole[: int(share * len(whole))])
    assert str(path) in refusal(tmp_path)
