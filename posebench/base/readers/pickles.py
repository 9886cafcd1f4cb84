"""Pickles in dataset archives that the user names: read as plain data, without running anything in them.

**Convention.** Read are numpy arrays, numpy scalars, dicts, lists, tuples, strings, bytes and numbers. A pickle is a program for a
stack machine. This reader executes only the instructions that build those values, replaces every global that it knows by a function of
its own, and builds arrays by :func:`numpy.frombuffer` from checked sizes, not by numpy's own ``__setstate__``.

**What a small pickle may cost.** A pickle may refer to a value many times, and so describe in some hundred bytes what takes gigabytes to
build or hours to hash. Each instruction is therefore judged before it is executed: a read stays within the file, a whole number within
64 bits, and a key is short printable text, a number, or a tuple of these, before it is hashed. All arrays together hold no more bytes
than the pickle, and arrays of objects no more objects than it has instructions. Nesting is judged before anything is built from the
values.

Sources: the pickle protocol as Python's ``pickletools`` documents it; numpy's ``ndarray.__reduce__`` for protocols 2 to 5, under the
module paths of numpy 1 (``numpy.core``) and numpy 2 (``numpy._core``).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.npy import open_file, read_array_header
from posebench.base.readers.npz import open_zip
from posebench.base.readers.unpickler import ArrayParts, ArrayType, BoundedStream, EncodedText, Refused, Unpickler, judge_key, judge_number

#: Above the size of any known archive (2D joints of all H36M subjects: 0.3 GB); bounds what a zip bomb can expand to.
MAX_BYTES = 4 * 2**30
#: Poses and keypoints compress to a third at best. Above _SMALL_BYTES, an archive that expands more than this is no archive of poses.
MAX_EXPANSION = 50
_SMALL_BYTES = 64 * 2**20
MAX_DEPTH = 32
_ADVICE = "get the archive again from its source; nothing in this one was run"


class _Builder:
    """Builds the arrays among the values of a pickle of ``size`` bytes that was read with some number of ``instructions``."""

    def __init__(self, size: int, instructions: int) -> None:
        self._bytes_left = size
        self._objects_left = instructions
        # By the id of each original: the original, kept alive so that its id stays unique, and what was built from it. A value that is
        # referred to many times is built once.
        self._done: dict[int, tuple[object, object]] = {}

    def build(self, value: object, depth: int = 0) -> object:
        """The value with its arrays built."""
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
                raise Refused("text with half a character (a surrogate)")
            return value
        if isinstance(value, bytes | float | complex | bool | None):
            return value
        if isinstance(value, int):
            judge_number(value)
            return value
        if depth > MAX_DEPTH:
            raise Refused(f"values nested deeper than {MAX_DEPTH}")
        if id(value) in self._done:
            return self._done[id(value)][1]
        built: object
        if isinstance(value, ArrayParts):
            built = self._array(value, depth)
        elif isinstance(value, EncodedText):
            built = self._encoded(value.text)
        elif isinstance(value, dict):
            built = {self._key(key): self.build(item, depth + 1) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            built = type(value)(self.build(item, depth + 1) for item in value)
        else:
            raise Refused(f"a value of type {type(value).__name__}")
        self._done[id(value)] = (value, built)
        return built

    def _key(self, key: object) -> object:
        built = self.build(key, MAX_DEPTH - 1)
        judge_key(built)
        return built

    def _spend(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise Refused("arrays that together hold more bytes than it")

    def _encoded(self, text: str) -> bytes:
        self._spend(len(text))
        return text.encode("latin-1")

    def _array(self, parts: ArrayParts, depth: int) -> object:
        if not isinstance(parts.dtype, ArrayType):
            raise Refused("an array without a type")
        dtype = parts.dtype.dtype()
        shape = () if parts.shape is None else (parts.shape,) if isinstance(parts.shape, int) else parts.shape
        if not isinstance(shape, tuple) or len(shape) > 16 or not all(isinstance(n, int) and 0 <= n < 2**40 for n in shape):
            raise Refused("an array with an impossible shape")
        size = math.prod(shape)
        order: Any = "F" if parts.order == "F" else "C"
        if dtype.hasobject:
            if not isinstance(parts.data, list) or len(parts.data) != size:
                raise Refused("an array of objects without its objects")
            self._objects_left -= size
            if self._objects_left < 0:
                raise Refused("arrays of more objects than it has instructions")
            flat = np.empty(size, dtype=object)
            for k, item in enumerate(parts.data):
                flat[k] = self.build(item, depth + 1)
            return flat.reshape(shape, order=order)
        text = parts.data.text if isinstance(parts.data, EncodedText) else parts.data
        if not isinstance(text, bytes | bytearray | str) or len(text) != size * dtype.itemsize or (dtype.itemsize == 0 and shape):
            raise Refused(f"an array {shape} {dtype} without its {size * dtype.itemsize:,} bytes")
        self._spend(len(text))
        data = text.encode("latin-1") if isinstance(text, str) else text
        if dtype.kind == "U" and len(data):
            codes = np.frombuffer(data, dtype=dtype.byteorder.replace("|", "=") + "u4")
            if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
                raise Refused("an array of text with characters that do not exist")
        array = np.frombuffer(data, dtype=dtype).reshape(shape, order=order) if len(data) else np.empty(shape, dtype)
        return array[()] if parts.shape is None else array


def _read(file: IO[bytes], size: int, place: str) -> object:
    """The value in the next ``size`` bytes of ``file``."""
    try:
        reader = Unpickler(BoundedStream(file, size))
        value = reader.load()
        return _Builder(size, reader.instructions.executed).build(value)
    except Refused as refused:
        raise PosebenchError(
            f"{place} holds a pickle with {refused}",
            "numpy arrays, dicts, lists, tuples, strings, bytes and numbers, and nothing else",
            _ADVICE,
        ) from None
    except Exception as error:  # EOFError, UnpicklingError, KeyError, zlib.error ...: damaged bytes
        raise PosebenchError(f"{place} is damaged ({type(error).__name__}: {error})", "a whole pickle", "copy the file again") from error


def read_pickle(path: Path, *, max_bytes: int = 64 * 2**20) -> object:
    """The value in a pickle file of at most ``max_bytes``.

    **Convention.** Arrays are read-only views of the file's bytes; numpy scalars stay numpy scalars.

    Raises:
        PosebenchError: it is too large, damaged, or contains anything but plain data (the message names it; nothing is run).
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise PosebenchError(f"{path}: {size:,} bytes", f"a pickle of at most {max_bytes:,} bytes", "name the right file")
        with path.open("rb") as file:
            return _read(file, size, str(path))
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a file that can be read", "check the path") from error


def read_object(path: Path, key: str, *, max_bytes: int = MAX_BYTES) -> object:
    """The value of a 0-d object array in an npz archive, such as VideoPose3D's ``positions_3d``: read as :func:`read_pickle` does.

    Raises:
        PosebenchError: no such archive or key, no 0-d object array, too large, damaged, or not plain data.
    """
    with open_file(path) as file, open_zip(path, file) as archive:
        name = f"{key}.npy"
        if name not in archive.namelist():
            have = ", ".join(entry.removesuffix(".npy") for entry in archive.namelist()[:10])
            raise PosebenchError(f"{path} with {have or 'no arrays'}", key, "name an archive of this layout")
        entry = archive.getinfo(name)
        if entry.compress_type not in (0, 8) or entry.file_size > max_bytes:
            raise PosebenchError(
                f"{path}: {key} of {entry.file_size:,} bytes, compressed by method {entry.compress_type}",
                f"at most {max_bytes:,} bytes, stored or deflated",
                _ADVICE,
            )
        if entry.file_size > max(_SMALL_BYTES, MAX_EXPANSION * entry.compress_size):
            found = f"{path}: {key} of {entry.file_size:,} bytes out of {entry.compress_size:,} compressed ones"
            raise PosebenchError(found, f"arrays that expand at most {MAX_EXPANSION} times", _ADVICE)
        try:
            with archive.open(entry) as stream:
                header = read_array_header(stream)
                if header.shape != () or header.dtype != np.dtype(object):
                    found = f"{path}: {key} is {header.dtype} {header.shape}"
                    raise PosebenchError(found, "one object (a dict)", "name an archive of this layout")
                value = _read(stream, entry.file_size - stream.tell(), f"{path}: {key}")
                # numpy pickles the array, not the object in it.
                return value[()] if isinstance(value, np.ndarray) and value.shape == () else value
        except PosebenchError:
            raise
        except Exception as error:  # zipfile, zlib and numpy's parser raise a dozen kinds on damaged bytes
            raise PosebenchError(f"{path}: {key} is damaged ({error})", "a whole npz archive", "copy the file again") from error


def numbers(value: object, shape: tuple[int | None, ...], place: str) -> npt.NDArray[np.floating]:
    """``value`` as an array of numbers of this shape (None: any length).

    Raises:
        PosebenchError: it is something else; ``place`` names it.
    """
    array = value if isinstance(value, np.ndarray) else np.empty(0, dtype=object)
    fits = array.ndim == len(shape) and all(want is None or have == want for have, want in zip(array.shape, shape, strict=True))
    if array.dtype.kind not in "fiu" or not fits:
        found = f"{array.dtype} {array.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        want = "(" + ", ".join("n" if n is None else str(n) for n in shape) + ")"
        raise PosebenchError(f"{place}: {found}", f"numbers of shape {want}", "get the file again from its source")
    return array
