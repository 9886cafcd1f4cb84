"""Files of labelled points: places that other libraries computed or wrote, and what a damaged file raises."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.readers.points import read_points

GOLDEN = Path(__file__).parents[2] / "golden" / "own"
TRC = "PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate CameraRate NumFrames NumMarkers Units\n100 100 2 2 m\n"
TRC += "Frame#\tTime\tLHip\t\t\tRHip\t\t\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n1\t0.0\t1\t2\t3\t4\t5\t6\n2\t0.01\t1\t2\t3\t\t\t\n"


def test_places_of_bvh_joints_are_those_of_another_library():
    expected = json.loads((GOLDEN / "mixed.json").read_text())
    found = read_points(GOLDEN / "mixed.bvh")
    order = [found.labels.index(label) for label in expected["labels"]]
    assert np.abs(found.points[:, order] - np.array(expected["points"])).max() < 2e-4  # float32 there, four digits in the file
    assert "LeftLeg_end" in found.labels
    assert found.fps == pytest.approx(120, rel=1e-4)


def test_a_compressed_bvh_file_holds_the_same(tmp_path):
    (tmp_path / "a.bvh.gz").write_bytes(gzip.compress((GOLDEN / "mixed.bvh").read_bytes()))
    assert np.array_equal(read_points(tmp_path / "a.bvh.gz").points, read_points(GOLDEN / "mixed.bvh").points)


def test_a_c3d_file_of_another_library_is_read_with_its_labels_rate_unit_and_gaps():
    found = read_points(GOLDEN / "markers.c3d")
    assert found.labels[:3] == ("LASI", "LPSI", "LKNE")  # stored as walker:LASI
    assert (found.fps, found.unit, found.points.shape) == (50.0, "mm", (12, 22, 3))
    assert np.argwhere(np.isnan(found.points[..., 0])).tolist() == [[5, 3]]


def test_a_c3d_file_of_more_frames_than_its_head_counts_is_refused(tmp_path):
    data = (GOLDEN / "markers.c3d").read_bytes()
    name = b"ACTUAL_END_FIELD"
    section = b"\x05\xfeTRIAL\x03\x00\x00" + b"\x12\x02ACTUAL_START_FIELD\x0a\x00\x02\x01\x02" + np.array([1, 0], "<i2").tobytes() + b"\x00"
    section += b"\x10\x02" + name + b"\x0a\x00\x02\x01\x02" + np.array([12, 1], "<i2").tobytes() + b"\x00\x00"
    start = (data[0] - 1) * 512 + 4
    (tmp_path / "a.c3d").write_bytes(data[:start] + section + data[start + len(section) :])
    with pytest.raises(PosebenchError, match=r"12 frames in its head, frames 1 to 65,548 in TRIAL"):
        read_points(tmp_path / "a.c3d")


def test_a_trc_file_states_rate_and_unit_and_leaves_gaps_empty(tmp_path):
    (tmp_path / "a.trc").write_text(TRC)
    found = read_points(tmp_path / "a.trc")
    assert (found.labels, found.fps, found.unit) == (("LHip", "RHip"), 100.0, "m")
    assert found.points[0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.isnan(found.points[1, 1]).all()


def test_columns_of_a_csv_file_are_grouped_by_their_axes(tmp_path):
    (tmp_path / "a.csv").write_text("time,LKNE_x,LKNE_y,LKNE_z,RKNE.X,RKNE.Y,RKNE.Z\n0,1,2,3,4,5,6\n1,7,8,9,,,\n")
    found = read_points(tmp_path / "a.csv")
    assert found.labels == ("LKNE", "RKNE")
    assert found.points[0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.isnan(found.points[1, 1]).all()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.bvh", b""),
        ("a.bvh", b"HIERARCHY ROOT a {"),
        ("a.bvh", b"HIERARCHY ROOT a { OFFSET 1 2 x }"),
        ("a.bvh", b"HIERARCHY } MOTION"),
        ("a.bvh", b"HIERARCHY ROOT"),
        ("a.bvh", b"HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 99999999999999999999 Xposition }"),
        ("a.bvh", b"HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 1 Xposition } MOTION Frames: 999999999 Frame Time: 0.01 1 2"),
        ("a.bvh", b"HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 1 Xposition } MOTION Frames: 2 Frame Time: 0.01 1 nan"),
        ("a.bvh", b"HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 1 Xposition } MOTION Frames: 1 Frame Time: 1e400 1"),
        ("a.bvh.gz", gzip.compress(b"HIERARCHY", mtime=0)[:-9]),
        ("a.bvh.gz", b"\x1f\x8b\x08garbage"),
        ("a.trc", b"PathFileType\n"),
        ("a.trc", TRC.replace("2 2 m", "2 99 m").encode()),
        ("a.trc", TRC.encode()[:-25]),
        ("a.csv", b""),
        ("a.csv", b"x,y,z\n1,2,3\n"),
        ("a.csv", b"a_x,a_y,a_z\n1,2\n"),
        ("a.csv", b"a_x,a_y,a_z\n1,2,three\n"),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.c3d", b"\x02\x50"),
        ("a.fbx", b"Kaydara"),
    ],
)
def test_a_damaged_file_is_refused_in_a_paragraph_that_names_it(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PosebenchError, match=r"a\.\w+"):
        read_points(tmp_path / name)


def test_cut_files_are_refused(tmp_path):
    for name in ("mixed.bvh", "markers.c3d"):
        data = (GOLDEN / name).read_bytes()
        for at in np.random.RandomState(0).randint(0, len(data) - 600, 40):  # a C3D file ends with up to 512 unused bytes
            (tmp_path / name).write_bytes(data[:at])
            with pytest.raises(PosebenchError):
                read_points(tmp_path / name)
