"""Points of C3D files: those of another library, our own, and files that are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.readers.c3d import read_c3d, write_c3d

GOLDEN = Path(__file__).parents[2] / "golden" / "ezc3d_17points.c3d"


def points(frames=6, seed=0):
    return np.random.RandomState(seed).normal(0, 800, (frames, 17, 3)).astype("f4").astype(float)


def test_a_file_of_ezc3d_is_read_with_its_gap_rate_and_texts():
    """Written by ezc3d 1.7.2 from these random points, of which point 4 is missing in frame 2."""
    expected = points()
    expected[2, 4] = np.nan
    content = read_c3d(GOLDEN)
    assert np.array_equal(content.points, expected, equal_nan=True)
    assert (content.rate, content.text("POINT:SKEL"), content.text("POINT:UNITS")) == (50.0, "aspset_17j", "mm")
    assert content.parameters["POINT:LABELS"] == [f"joint{number}" for number in range(17)]


def test_what_is_written_is_read_again(tmp_path):
    pose = points(40, 1)
    pose[3, 2], pose[0, 0] = np.nan, 0.0
    write_c3d(tmp_path / "p.c3d", pose, 50.0, {"UNITS": "mm", "LABELS": ["a", "long name"]})
    content = read_c3d(tmp_path / "p.c3d")
    pose[0, 0] = np.nan  # exactly at the origin: not seen
    assert np.array_equal(content.points, pose, equal_nan=True)
    assert content.parameters["POINT:LABELS"] == ["a", "long name"]
    assert content.text("POINT:SKEL") == ""


def test_whole_numbers_are_read_with_their_scale(tmp_path):
    write_c3d(tmp_path / "p.c3d", points(3, 2), 50.0, {"UNITS": "mm"})
    data = bytearray((tmp_path / "p.c3d").read_bytes())
    start = (struct.unpack_from("<H", data, 16)[0] - 1) * 512
    whole = np.round(points(3, 2) / 0.5)
    numbers = np.concatenate([whole, np.zeros((3, 17, 1))], axis=-1).astype("<i2")
    data[12:16] = struct.pack("<f", 0.5)
    (tmp_path / "q.c3d").write_bytes(bytes(data[:start]) + numbers.tobytes())
    assert np.array_equal(read_c3d(tmp_path / "q.c3d").points, whole * 0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1000], "cut off"),
        (lambda data: data[:600], "without the mark"),
        (lambda data: data[:1] + b"\x51" + data[2:], "without the mark"),
        (lambda data: data[:515] + bytes([85]) + data[516:], "processor 85"),
        (lambda data: data[:2] + b"\x00\x00" + data[4:], "0 points"),
        (lambda data: data[:8] + b"\xff\xff" + data[10:], "cut off"),
        (lambda data: bytes(len(data)), "without the mark"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, change, words):
    path = tmp_path / "p.c3d"
    path.write_bytes(change(GOLDEN.read_bytes()))
    with pytest.raises(PosebenchError, match=words) as error:
        read_c3d(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PosebenchError, match=r"none\.c3d"):
        read_c3d(tmp_path / "none.c3d")
