"""Foreign files, read with care: headers before data, sizes before memory, and nothing is unpickled."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import MAX_CLIP_BYTES

#: mmpose's own export of Human3.6M, every fifth frame, is half of this. A small file can fill much memory once it is parsed.
MAX_JSON_BYTES = 2**28
NPY_MAGIC = b"\x93NUMPY"
_ADVICE = "write plain arrays with numpy.save, or posebench's own format with posebench.save_predictions"


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of a file.

    Raises:
        PosebenchError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a file that can be read", "check the path") from error


def npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an ``.npy`` file, read from its header alone.

    Raises:
        PosebenchError: no such file, no plain array, or not as many bytes as the header says.
    """
    with _opened(path) as file:
        shape, dtype, _ = _header(path, file)
        return shape, dtype


def read_npy(path: Path) -> npt.NDArray[Any]:
    """The array of an ``.npy`` file; raises as :func:`npy_header`."""
    with _opened(path) as file:
        shape, dtype, fortran = _header(path, file)
        data = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype=dtype)
    return data.reshape(shape[::-1]).T if fortran else data.reshape(shape)


def read_json(path: Path) -> Any:
    """The content of a JSON file of bounded size.

    Raises:
        PosebenchError: no such file, too large, nested too deep, or no JSON.
    """
    with _opened(path) as file:
        size = file.seek(0, 2)
        if size > MAX_JSON_BYTES:
            raise PosebenchError(f"{path}: {size:,} bytes of JSON", f"at most {MAX_JSON_BYTES:,}", "write the poses with numpy instead")
        file.seek(0)
        try:
            return json.loads(file.read())
        except (ValueError, RecursionError) as error:
            raise PosebenchError(f"{path}: no readable JSON ({error})", "a whole JSON file", "copy the file again") from error


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a file that can be read", "check the path") from error


def _header(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):  # the others are for headers over 64 KiB, which an array of numbers does not have
            raise ValueError(f"npy format {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # numpy's parser raises a dozen kinds on damaged bytes
        raise PosebenchError(f"{path}: no readable npy header ({error})", "an npy file", _ADVICE) from error
    if dtype.hasobject:
        raise PosebenchError(f"{path}: an object array, which only pickle can read", "numbers; nothing is unpickled", _ADVICE)
    start = file.tell()
    stored = file.seek(0, 2) - start
    file.seek(start)
    shape = tuple(map(int, shape))
    promised = math.prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or promised > MAX_CLIP_BYTES:
        raise PosebenchError(f"{path}: the header says {shape} {dtype}", f"at most {MAX_CLIP_BYTES:,} bytes", _ADVICE)
    if stored != promised:
        raise PosebenchError(
            f"{path}: the header says {shape} {dtype}, {promised:,} bytes, and {stored:,} follow",
            "as many bytes as the header says",
            "the file is cut off or damaged: copy it again",
        )
    return shape, dtype, bool(fortran)
