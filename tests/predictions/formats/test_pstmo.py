"""inference_data.mat: read as scipy writes it, as the golden file holds it, and refused where it is anything but plain matrices."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from posebench.predictions.archive import open_predictions
from posebench.predictions.formats.registry import convert, recognise

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="module")
def six(walker):
    """True and predicted poses (T, 17, 3) mm of six sequences, in the order of mpi17."""
    from posebench.base.skeletons import skeleton

    names = [{"neck": "thorax", "head": "neck_nose"}.get(joint, joint) for joint in skeleton("mpi17").joints]
    order = [skeleton("h36m17").index(name) for name in names]
    true = {f"TS{n}/TS{n}/0": walker(10 + n, n)[:, order] for n in range(1, 7)}
    random = np.random.default_rng(0)
    poses = {clip: pose + random.normal(scale=20.0, size=pose.shape) for clip, pose in true.items()}
    return true, {clip: pose - pose[:, 14:15] for clip, pose in poses.items()}


def matrices(poses):
    return {clip.split("/")[0]: pose.transpose(2, 1, 0)[:, :, None] for clip, pose in poses.items()}


@pytest.mark.parametrize("compressed", [False, True])
def test_the_six_sequences_score_as_their_poses_do(tmp_path, six, same_as_ours, compressed):
    true, poses = six
    scipy.io.savemat(tmp_path / "inference_data.mat", matrices(poses), do_compression=compressed)
    assert recognise(tmp_path / "inference_data.mat") == ["p-stmo-mat"]
    finding = same_as_ours(tmp_path / "inference_data.mat", poses, true, skeleton="mpi17")
    for word in ("p-stmo-mat", "millimetres", "mpi17", "camera frame", "pelvis-relative", "6 sequences"):
        assert word in finding["message"]


def test_single_precision_and_a_sequence_of_one_frame_are_read(tmp_path, six):
    poses = {"TS1": six[1]["TS1/TS1/0"][:1].astype(np.float32)}
    scipy.io.savemat(tmp_path / "p.mat", {"TS1": poses["TS1"][0].T})
    convert(tmp_path / "p.mat", tmp_path / "p.npz")
    with open_predictions(tmp_path / "p.npz") as file:
        np.testing.assert_array_equal(file.poses("TS1/TS1/0"), poses["TS1"])


def test_the_golden_file_holds_the_golden_poses(tmp_path):
    if not (GOLDEN / "inference_data.mat").exists() or not (GOLDEN / "threedhp_cases.npz").exists():
        pytest.skip("the golden 3DHP files are not there")
    convert(GOLDEN / "inference_data.mat", tmp_path / "p.npz", "p-stmo-mat")
    cases = np.load(GOLDEN / "threedhp_cases.npz")
    with open_predictions(tmp_path / "p.npz") as file:
        assert list(file.shapes) == [f"TS{n}/TS{n}/0" for n in range(1, 7)]
        assert (file.meta.skeleton, file.meta.unit) == ("mpi17", "mm")
        for clip in file.shapes:
            np.testing.assert_array_equal(file.poses(clip), cases[clip.split("/")[0] + "__pred"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"TS1": np.zeros((17, 3, 1, 9))}, "TS1 is 17x3x1x9"),
        ({"TS1": np.zeros((3, 17, 2, 9))}, "TS1 is 3x17x2x9"),
        ({"TS1": np.zeros((3, 17, 1, 9), complex)}, "complex"),
        ({"TS1": np.array([np.zeros(3), None], dtype=object)}, "TS1 is a cell array"),
        ({"poses": np.zeros((3, 17, 1, 9))}, "none of TS1"),
    ],
)
def test_other_variables_are_refused(tmp_path, refused, content, words):
    scipy.io.savemat(tmp_path / "p.mat", {k: v if v.dtype != object else np.array([[1.0, 2.0]], dtype=object) for k, v in content.items()})
    assert words in refused(tmp_path / "p.mat")


def test_structs_are_refused(tmp_path, refused):
    scipy.io.savemat(tmp_path / "p.mat", {"TS1": {"pose": np.zeros((3, 17))}})
    refused(tmp_path / "p.mat")


def test_a_truncated_file_is_refused(tmp_path, six, refused):
    scipy.io.savemat(tmp_path / "p.mat", matrices(six[1]))
    whole = (tmp_path / "p.mat").read_bytes()
    for size in (127, 140, 300, len(whole) - 8):
        (tmp_path / "p.mat").write_bytes(whole[:size])
        refused(tmp_path / "p.mat")


def variable(frames, data, size=None):
    """The bytes of a matrix TS1 of 3x17x1xframes; ``size`` is the one that its tag states."""
    flags, shape, name = struct.pack("<IIII", 6, 8, 6, 0), struct.pack("<II4i", 5, 16, 3, 17, 1, frames), struct.pack("<HH4s", 1, 3, b"TS1")
    body = flags + shape + name + struct.pack("<II", 9, len(data)) + data
    return struct.pack("<II", 14, len(body) if size is None else size) + body


def mat(element):
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + element


def deflated(element):
    packed = zlib.compress(element)
    return struct.pack("<II", 15, len(packed)) + packed


def test_a_variable_that_claims_more_than_it_holds_is_refused(tmp_path, run):
    for frames in (50, 2**31 - 1):
        for element in (variable(frames, bytes(3 * 17 * 8)), variable(frames, bytes(100_000)), variable(1, bytes(3 * 17 * 8), size=0)):
            for stored in (element, deflated(element)):
                (tmp_path / "p.mat").write_bytes(mat(stored))
                code, out, err = run("convert", tmp_path / "p.mat", "-o", tmp_path / "p.npz")
                assert (code, out) == (2, ""), frames
                assert err.startswith("posebench: Found: ")
    assert [path.name for path in tmp_path.iterdir()] == ["p.mat"]


def test_a_variable_that_inflates_without_end_takes_no_memory(tmp_path, run):
    for size in (0, 2**20):
        (tmp_path / "p.mat").write_bytes(mat(deflated(variable(1, bytes(2**26), size=size))))
        tracemalloc.start()
        assert run("convert", tmp_path / "p.mat", "-o", tmp_path / "p.npz")[0] == 2
        assert tracemalloc.get_traced_memory()[1] < 2**25
        tracemalloc.stop()
