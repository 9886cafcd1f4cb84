"""MATLAB files of version 5: numeric variables and cells of numeric arrays, read without trust; everything else is refused.

**Convention.** Arrays are float64, with MATLAB's dimensions and indices (a (3, 17) matrix is ``a[row, column]``); an empty cell is
an array without elements. Sizes are checked before memory is taken, cells hold no cells, and no class but numbers and cells is
interpreted. Version 7.3 is HDF5 and not read here.

scipy.io is not used: cells nested 5,000 deep make ``loadmat`` (scipy 1.17) crash the interpreter, it allocates cell arrays of any declared
size, and ``whosmat`` does not look into cells, where 3DHP's numbers of frames are.

Source: MathWorks, "MAT-File Format", chapter 1 (level 5: header, data element tags, compressed elements, array flags).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError

Array = npt.NDArray[np.float64]

#: Bytes of one variable at most; 14 cameras of the longest 3DHP recording are 121 MB.
MAX_VARIABLE = 2**29
_MAX_VARIABLES = 1000
_HEADER = 128
_HEAD = 4096  # compressed bytes that contain the description of a variable
#: Types of data elements.
_MATRIX, _COMPRESSED = 14, 15
#: Classes of arrays.
_CELL, _NUMERIC = 1, range(6, 16)
#: numpy's types for the types of numeric data elements.
_DTYPES = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}


@dataclass(frozen=True)
class Variable:
    """The description of a variable.

    Attributes:
        shape: MATLAB's dimensions.
        cells: whether it is a cell array.
        first: dimensions of the first cell, empty for a numeric variable.
        place: where its data element starts in the file, in bytes.
    """

    shape: tuple[int, ...]
    cells: bool
    first: tuple[int, ...]
    place: int


class _Elements:
    """Reads the consecutive data elements in the bytes of a variable."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def tag(self) -> tuple[int, int, int]:
        """Type and size of the next element, and where its content starts."""
        (first,) = struct.unpack_from("<I", self._data, self._at)
        if first >> 16:  # a small element: type and size share four bytes, the other four are the content
            if first >> 16 > 4:
                raise ValueError(f"a small data element of {first >> 16} bytes")
            return first & 0xFFFF, first >> 16, self._at + 4
        kind, size = struct.unpack_from("<II", self._data, self._at)
        return kind, size, self._at + 8

    def element(self) -> tuple[int, memoryview]:
        """Type and content of the next element; moves on to the one after it."""
        kind, size, start = self.tag()
        content = self._data[start : start + size]
        if len(content) != size:
            raise EOFError(f"an element ends after {len(content):,} of {size:,} bytes")
        self._at = start + 4 if start == self._at + 4 else start + -(-size // 8) * 8
        return kind, content

    def enter(self) -> int:
        """Move to the first element inside the next element, which must be a matrix; returns the matrix' size in bytes."""
        kind, size, self._at = self.tag()
        if kind != _MATRIX:
            raise ValueError(f"data element of type {kind} where a matrix is wanted")
        return size

    def description(self) -> tuple[int, tuple[int, ...], str]:
        """Class, dimensions and name of the matrix that was entered."""
        (_, flags), (_, shape), (_, name) = self.element(), self.element(), self.element()
        dimensions = tuple(np.frombuffer(shape, "<i4").tolist())
        if flags[1] & 0x08 or any(n < 0 for n in dimensions) or not 2 <= len(dimensions) <= 8:
            raise ValueError(f"complex numbers, or a matrix of size {dimensions}")
        return flags[0], dimensions, bytes(name).decode("ascii")

    def numbers(self, shape: tuple[int, ...]) -> Array:
        """The next element, the numbers of a matrix of this shape."""
        kind, content = self.element()
        dtype = np.dtype(_DTYPES[kind])
        if math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"{len(content):,} bytes of type {kind} for a matrix of size {shape}")
        return np.frombuffer(content, dtype).astype(np.float64).reshape(shape, order="F")

    def matrix(self) -> Array:
        """The next element, a numeric matrix; moves on to the one after it."""
        kind, content = self.element()
        inner = _Elements(content)
        if kind == _MATRIX and not content:
            return np.zeros((0, 0))
        number, shape, _ = inner.description()
        if kind != _MATRIX or number not in _NUMERIC:
            raise ValueError(f"array class {number}, where a numeric one is wanted")
        return inner.numbers(shape)


def variables(path: Path) -> dict[str, Variable]:
    """The variables in the file, by name; only the first bytes of each are read.

    Raises:
        PosebenchError: it is not a MATLAB 5 file, or is damaged.
    """
    with path.open("rb") as file, _damage_reported(path):
        found = {}
        for place, head in _elements(file):
            data = _Elements(head)
            data.enter()
            kind, shape, name = data.description()
            first: tuple[int, ...] = ()
            if kind == _CELL and 0 not in shape and data.enter():
                _, first, _ = data.description()
            found[name] = Variable(shape, kind == _CELL, first, place)
            if len(found) > _MAX_VARIABLES:
                raise ValueError(f"more than {_MAX_VARIABLES} variables")
        return found


def read_numbers(path: Path, name: str) -> Array:
    """One numeric variable.

    Raises:
        PosebenchError: it is missing, of another class, too large or damaged.
    """
    with _damage_reported(path):
        return _Elements(_content(path, name)).matrix()


def read_cells(path: Path, name: str, wanted: Collection[int]) -> dict[int, Array]:
    """The numeric arrays in the ``wanted`` cells (0-based, column-major) of one cell variable; the others are skipped.

    Raises:
        PosebenchError: it is missing, not a cell array, too large or damaged, or a wanted cell is not numeric.
    """
    with _damage_reported(path):
        data = _Elements(_content(path, name))
        data.enter()
        kind, shape, _ = data.description()
        if kind != _CELL or any(i >= math.prod(shape) for i in wanted):
            raise ValueError(f"{name} is of class {kind} and size {shape}, where cells 0 to {max(wanted)} are wanted")
        found = {}
        for i in range(max(wanted) + 1):
            if i in wanted:
                found[i] = data.matrix()
            else:
                data.element()
        return found


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    """Report what is raised on damaged bytes as one kind of error."""
    try:
        yield
    except (ValueError, EOFError, struct.error, zlib.error, KeyError, IndexError, OverflowError) as error:
        wanted = "a whole MATLAB 5 file of numbers and cells of numbers"
        raise PosebenchError(f"{path}: {error}", wanted, "copy the file again, or download it again") from error


def _elements(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Place in the file and uncompressed first bytes of every variable."""
    header = file.read(_HEADER)
    if len(header) != _HEADER or header[126:] != b"IM" or header[124:126] != b"\x00\x01":
        raise ValueError(f"no MATLAB 5 header (the file starts with {header[:20]!r})")
    place = _HEADER
    while tag := file.read(8):
        kind, size = struct.unpack("<II", tag)
        if kind not in (_MATRIX, _COMPRESSED):
            raise ValueError(f"data element of type {kind} at byte {place:,}")
        head = file.read(min(size, _HEAD))
        file.seek(0, 2)
        if file.tell() < place + 8 + size:
            raise EOFError(f"the file ends after {file.tell():,} of {place + 8 + size:,} bytes")
        yield place, tag + head if kind == _MATRIX else zlib.decompressobj().decompress(head, _HEAD)
        place += 8 + size
        file.seek(place)


def _content(path: Path, name: str) -> bytes:
    """The data element of one variable, uncompressed."""
    found = variables(path)
    if name not in found:
        raise ValueError(f"no variable {name}, only {', '.join(found) or 'none at all'}")
    with path.open("rb") as file:
        file.seek(found[name].place)
        tag = file.read(8)
        kind, size = struct.unpack("<II", tag)
        if size > MAX_VARIABLE:
            raise ValueError(f"{name} takes {size:,} bytes, more than {MAX_VARIABLE:,}")
        data = file.read(size)
    if kind == _MATRIX:
        return tag + data
    expand = zlib.decompressobj()
    start = expand.decompress(data, 8)
    _, inside = struct.unpack("<II", start)
    if inside > MAX_VARIABLE:
        raise ValueError(f"{name} takes {inside:,} bytes, more than {MAX_VARIABLE:,}")
    return start + expand.decompress(expand.unconsumed_tail, max(inside, 1))  # to zlib 0 means no limit
