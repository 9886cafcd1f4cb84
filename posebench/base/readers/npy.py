"""npy and JSON files from outside: headers are read before data, sizes checked before memory is taken, and nothing is unpickled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import MAX_CLIP_BYTES
from posebench.base.readers.text import parse_json

#: Twice mmpose's own export of every fifth frame of Human3.6M. Parsed JSON takes many times the file's size in memory.
MAX_JSON_BYTES = 2**28
NPY_MAGIC = b"\x93NUMPY"
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_ADVICE = "write plain arrays with numpy.save, or posebench's own format with posebench.save_predictions"


class ArrayHeader(NamedTuple):
    """What an npy header says; ``nbytes`` is the size of the data that must follow."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    column_major: bool

    @property
    def nbytes(self) -> int:
        """Bytes of all elements; negative for a shape that no array has."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_array_header(file: IO[bytes], newest: tuple[int, int] = (2, 0)) -> ArrayHeader:
    """The header of an array in npy format 1 or 2, at the file's position, which is then at the data. Nothing is checked against the data.

    Args:
        file: an npy file or a member of an archive.
        newest: newest format that is read. Format 2 is for headers over 64 KiB, which an array of numbers does not have.

    Raises:
        Exception: the bytes are no such header; numpy's parser raises a dozen types on damaged bytes, and callers report all as one.
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS or version > newest:
        raise ValueError(f"npy format {version}")
    shape, column_major, dtype = _HEADER_READERS[version](file)
    return ArrayHeader(tuple(map(int, shape)), dtype, bool(column_major))


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of a file.

    Raises:
        PosebenchError: it cannot be read.
    """
    with open_file(path) as file:
        return file.read(count)


def npy_header(path: Path, max_bytes: int = MAX_CLIP_BYTES) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an ``.npy`` file of an array of at most ``max_bytes``, read from its header alone.

    Raises:
        PosebenchError: no such file, no plain array, or not as many bytes as the header says.
    """
    with open_file(path) as file:
        header = _header(path, file, max_bytes)
    return header.shape, header.dtype


def read_npy(path: Path) -> npt.NDArray[Any]:
    """The array of an ``.npy`` file; raises as :func:`npy_header`."""
    with open_file(path) as file:
        header = _header(path, file)
        data = np.frombuffer(file.read(header.nbytes), dtype=header.dtype)
    return data.reshape(header.shape[::-1]).T if header.column_major else data.reshape(header.shape)


def read_json(path: Path) -> Any:
    """The content of a JSON file of bounded size.

    Raises:
        PosebenchError: no such file, too large, nested too deep, or no JSON.
    """
    with open_file(path) as file:
        size = file.seek(0, 2)
        if size > MAX_JSON_BYTES:
            raise PosebenchError(f"{path}: {size:,} bytes of JSON", f"at most {MAX_JSON_BYTES:,}", "write the poses with numpy instead")
        file.seek(0)
        try:
            return parse_json(file.read())
        except ValueError as error:
            raise PosebenchError(
                f"{path}: no readable JSON ({error})", "a whole JSON file of numbers that float64 can hold", "copy or write the file again"
            ) from error


def open_file(path: Path) -> IO[bytes]:
    """The file, opened for reading.

    Raises:
        PosebenchError: it cannot be read.
    """
    if path.is_char_device() or path.is_fifo() or path.is_block_device():
        raise PosebenchError(f"{path}, which is a device or pipe", "a file", "write it into a file first")
    try:
        return path.open("rb")
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a file that can be read", "check the path") from error


def _header(path: Path, file: IO[bytes], max_bytes: int = MAX_CLIP_BYTES) -> ArrayHeader:
    """The header of an npy file, checked against the file's length; the file is then at the data."""
    try:
        header = read_array_header(file, newest=(1, 0))
    except Exception as error:
        raise PosebenchError(f"{path}: no readable npy header ({error})", "an npy file", _ADVICE) from error
    shape, dtype, _ = header
    if dtype.hasobject:
        raise PosebenchError(f"{path}: an object array, which only pickle can read", "numbers; nothing is unpickled", _ADVICE)
    start = file.tell()
    stored = file.seek(0, 2) - start
    file.seek(start)
    if any(n < 0 for n in shape) or header.nbytes > max_bytes:
        raise PosebenchError(f"{path}: the header says {shape} {dtype}", f"at most {max_bytes:,} bytes", _ADVICE)
    if stored != header.nbytes:
        raise PosebenchError(
            f"{path}: the header says {shape} {dtype}, {header.nbytes:,} bytes, and {stored:,} follow",
            "as many bytes as the header says",
            "the file is cut off or damaged: copy it again",
        )
    return header
