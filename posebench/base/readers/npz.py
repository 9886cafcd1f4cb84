"""npz archives from outside, read one array at a time; and archives whose bytes depend on their arrays alone, written.

Nothing is unpickled. An array is read only after its header agrees with the size that the archive records for it.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.npy import ArrayHeader, read_array_header

MAX_ENTRIES = 1_000_000
#: What file managers add to an archive: hidden copies of macOS, and folder settings.
_STRAY_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini"}
_ADVICE = "write the file again, with numpy.savez or posebench.save_predictions"


def open_zip(path: Path, file: IO[bytes]) -> zipfile.ZipFile:
    """The archive in an open file; ``path`` is for the message.

    Raises:
        PosebenchError: no zip archive, or a cut off or damaged one.
    """
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error ... on damaged bytes
        raise PosebenchError(f"{path}: {error}", "a whole npz archive", "the file may be cut off: copy it again, or " + _ADVICE) from error


class Npz:
    """An open archive.

    Attributes:
        shapes: shape and type of each array by key, in file order.
        duplicated: keys that are in the archive more than once.
        ignored: names of entries that a file manager added and that hold no array.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        self.shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self.duplicated: list[str] = []
        self.ignored: list[str] = []
        self._entries: dict[str, zipfile.ZipInfo] = {}
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise PosebenchError(f"{path}: {len(entries):,} entries", f"at most {MAX_ENTRIES:,}", _ADVICE)
        for entry in entries:
            if _is_stray(entry):
                self.ignored.append(entry.filename)
                continue
            if entry.filename.endswith("/") and entry.file_size == 0:  # not is_dir(), which fails on a member without a name
                continue
            key = entry.filename.removesuffix(".npy")
            if key in self._entries:
                self.duplicated.append(key)
            self._entries[key] = entry
        self._starts: dict[str, int] = {}
        self._column_major: set[str] = set()
        for key, entry in self._entries.items():
            self.shapes[key] = self._checked_header(key, entry)

    def _checked_header(self, key: str, entry: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type in a member's header, which must agree with the size that the archive records."""
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # zipfile decompresses the others without a bound on memory, and numpy writes none of them.
            raise PosebenchError(f"{self._path}: {key} is compressed by method {entry.compress_type}", "stored or deflated arrays", _ADVICE)
        try:
            with self._archive.open(entry) as file:
                header = read_array_header(file)
                start = self._starts[key] = file.tell()
        except Exception as error:  # zipfile, zlib and numpy's parser raise a dozen kinds on damaged bytes
            raise PosebenchError(f"{self._path}: {key} has no readable npy header ({error})", "plain arrays", _ADVICE) from error
        shape, dtype, column_major = header
        if dtype.hasobject:
            raise PosebenchError(
                f"{self._path}: {key} is an object array, which only pickle can read", "arrays of numbers; nothing is unpickled", _ADVICE
            )
        if column_major:
            self._column_major.add(key)
        if any(n < 0 for n in shape) or math.prod(max(n, 1) for n in shape) * dtype.itemsize >= 2**63:
            raise PosebenchError(f"{self._path}: {key} says {shape} {dtype}", "a shape that an array can have", _ADVICE)
        if entry.file_size != start + header.nbytes:
            raise PosebenchError(
                f"{self._path}: {key} says {shape} {dtype}, {header.nbytes:,} bytes, and holds {entry.file_size - start:,}",
                "as many bytes as the header says",
                "the file is damaged or forged: write it again",
            )
        return shape, dtype

    def read(self, key: str) -> npt.NDArray[Any]:
        """One array, row-major and read-only. Check ``shapes[key]`` first: this takes as much memory as it says, or twice if column-major.

        Raises:
            PosebenchError: the data is damaged or cut off.
        """
        shape, dtype = self.shapes[key]
        size = ArrayHeader(shape, dtype, column_major=False).nbytes
        try:
            with self._archive.open(self._entries[key]) as file:
                file.read(self._starts[key])
                data = file.read(size)
            if len(data) != size:
                raise EOFError(f"it ends after {len(data):,} of {size:,} bytes")
            if key not in self._column_major:
                return np.frombuffer(data, dtype=dtype).reshape(shape)
            array = np.ascontiguousarray(np.frombuffer(data, dtype=dtype).reshape(shape[::-1]).T)
            array.flags.writeable = False
            return array
        except Exception as error:  # zlib.error, BadZipFile (CRC), EOFError: whatever a damaged stream raises
            raise PosebenchError(f"{self._path}: {key} is damaged ({error})", "whole data", "copy the file again") from error

    def text(self, key: str, limit: int) -> str:
        """A string stored as a 0-d array of at most ``limit`` bytes.

        Raises:
            PosebenchError: it is missing, no string, or longer.
        """
        shape, dtype = self.shapes.get(key, ((), np.dtype(object)))
        if dtype.kind not in "US" or shape != () or dtype.itemsize > limit:
            found = f"{key} holds {dtype} {shape}" if key in self.shapes else f"no {key}"
            raise PosebenchError(f"{self._path}: {found}", f"{key}: one JSON string", _ADVICE)
        data = self.read(key).tobytes()
        try:
            # Not str(): numpy makes strings of characters that do not exist, and Python raises an error of another kind on them.
            return data.decode("utf-8" if dtype.kind == "S" else "utf-32-be" if dtype.byteorder == ">" else "utf-32-le").rstrip("\0")
        except UnicodeDecodeError as error:
            raise PosebenchError(f"{self._path}: {key} is no text ({error})", f"{key}: one JSON string", _ADVICE) from error


def _is_stray(entry: zipfile.ZipInfo) -> bool:
    """Added by a file manager, e.g. ``__MACOSX/._p.npy``."""
    name = entry.filename.rpartition("/")[2]
    return entry.filename.startswith("__MACOSX/") or name.startswith("._") or name in _STRAY_NAMES


def write_npz(path: Path, arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> None:
    """Write arrays uncompressed, with fixed dates; not atomic by itself (see :mod:`posebench.base.files`)."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays:
            _write_member(archive, key, array)


def _write_member(archive: zipfile.ZipFile, key: str, array: npt.NDArray[Any]) -> None:
    # A fixed date, so that the same poses give the same file.
    with archive.open(zipfile.ZipInfo(key + ".npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
