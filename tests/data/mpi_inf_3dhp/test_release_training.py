"""The training recordings of MPI-INF-3DHP, as released: ``annot.mat`` and ``camera.calibration``."""

from __future__ import annotations

import os
from contextlib import suppress

import numpy as np
import pytest
from scipy.io import savemat

from posebench.base.errors import PosebenchError
from posebench.base.readers import matlab
from posebench.data.mpi_inf_3dhp.dataset import open_3dhp
from posebench.data.mpi_inf_3dhp.official import _annotations, open_training_folder, read_calibration


def annotations(frames=4, **changes):
    """The content of an annot.mat whose camera k has the value 100 k everywhere, plus 30 times the joint's number."""

    def cells(axes):
        out = np.empty((14, 1), dtype=object)
        for camera in range(14):
            out[camera, 0] = np.tile(100.0 * camera + 30.0 * np.repeat(np.arange(28), axes), (frames, 1))
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
        assert clip.pose[2, :, 1].tolist() == [100.0 * int(clip.info.camera) + 30.0 * joint for joint in order]
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


def test_without_a_list_of_cameras_all_are_assumed_to_be_present(tmp_path):
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
    ("change", "message_part"),
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
def test_malformed_training_annotations_are_refused(tmp_path, change, message_part, refusal):
    path = training(tmp_path, annotations(**change))
    message = refusal(tmp_path)
    assert message_part in message
    assert str(path) in message


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_annot_mat_is_refused(tmp_path, compressed, share, refusal):
    path = training(tmp_path, annotations(frames=50), do_compression=compressed)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert str(path) in refusal(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_bytes_of_annot_mat_raise_a_posebench_error_or_nothing(tmp_path, compressed):
    path = training(tmp_path, annotations(), do_compression=compressed)
    whole = path.read_bytes()
    random = np.random.default_rng(1)
    for trial in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole) if trial % 2 else 600, 8):
            damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        _annotations.cache_clear()  # its key is the time of modification, which may be that of the trial before
        with suppress(PosebenchError):
            for recording in open_training_folder(path.parent, "univ_annot3"):
                recording.read()


def test_a_variable_that_claims_to_be_huge_is_refused(tmp_path, monkeypatch, refusal):
    training(tmp_path, annotations(frames=50), do_compression=True)
    monkeypatch.setattr(matlab, "MAX_VARIABLE", 10_000)
    assert "more than 10,000" in refusal(tmp_path)


def test_a_mat_file_of_another_version_is_refused(tmp_path, refusal):
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
    ("old", "new", "message_part"),
    [
        ("  size        1000 1000", "  size", "line 4 has 1 words"),
        ("1000 1000", "a thousand", "could not convert"),
        ("  extrinsic   ", "  extrinsic   5", "does not hold a rotation"),
    ],
)
def test_a_malformed_calibration_is_refused(written, tmp_path, old, new, message_part):
    text = (written["3dhp"] / "S1" / "Seq1" / "camera.calibration").read_text()
    path = tmp_path / "camera.calibration"
    path.write_text(text.replace(old, new))
    with pytest.raises(PosebenchError, match=message_part):
        read_calibration(path)
    path.write_text("")
    with pytest.raises(PosebenchError, match="0 lines"):
        read_calibration(path)
