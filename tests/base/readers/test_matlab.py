"""MATLAB 5 files that no program writes; real ones are read in the tests of 3DHP and of P-STMO's format."""

import struct

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.readers.matlab import read_cells, variables

HEADER = b"MATLAB 5.0 MAT-file".ljust(124, b" ") + b"\x00\x01IM"
DOUBLE, CELL = 6, 1


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def matrix(array_class, shape, name=b"", content=b""):
    flags, dimensions = struct.pack("<II", array_class, 0), struct.pack(f"<{len(shape)}i", *shape)
    return element(14, element(6, flags) + element(5, dimensions) + element(1, name) + content)


NUMBER = matrix(DOUBLE, (1, 1), content=element(9, struct.pack("<d", 2.5)))


def test_a_cell_of_numbers_is_read(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(HEADER + matrix(CELL, (2, 1), b"x", NUMBER + NUMBER))
    assert variables(path)["x"].first == (1, 1)
    np.testing.assert_array_equal(read_cells(path, "x", [1])[1], [[2.5]])


def test_cells_in_cells_are_refused_however_deep(tmp_path):
    """scipy.io.loadmat recurses into them, and the interpreter crashes."""
    nested = NUMBER
    for _ in range(5000):
        nested = matrix(CELL, (1, 1), content=nested)
    path = tmp_path / "a.mat"
    path.write_bytes(HEADER + matrix(CELL, (1, 1), b"x", nested))
    with pytest.raises(PosebenchError, match="array class 1, where a numeric one is wanted"):
        read_cells(path, "x", [0])


def test_a_cell_array_of_any_declared_size_takes_no_memory(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(HEADER + matrix(CELL, (2**15, 2**15), b"x", NUMBER))
    with pytest.raises(PosebenchError):
        read_cells(path, "x", [0, 1])
