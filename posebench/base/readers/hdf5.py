"""Prediction files as HDF5: clip ids make groups. Links to other files, external and virtual storage and objects are refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError

_META = "__meta__"
_ADVICE = "write the file with posebench.save_predictions('preds.h5', ...)"
_MAX_DEPTH = 8
_MAX_META = 2**20
_MAX_ITEMS = 100_000
#: One chunk is read whole, whatever part of it the dataset needs; a larger one than this (and than its dataset) is a trap.
_MAX_CHUNK = 2**24


class Hdf:
    """An open file, its shapes read, its data not yet."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path = path
        self._file = file
        self.shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self.duplicated: list[str] = []
        self._items = 0
        self._walk(file, "", 0)
        self.meta_text = self._meta()

    def _wrong(self, found: str, wanted: str) -> PosebenchError:
        return PosebenchError(f"{self._path}: {found}", wanted, _ADVICE)

    def _walk(self, group: h5py.Group, prefix: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise self._wrong(f"groups nested deeper than {_MAX_DEPTH} at {prefix}", "clip ids of the form subject/take/camera")
        for name in group:
            # Hard links may lead back up: a few of them make more paths than anyone can walk.
            self._items += 1
            if self._items > _MAX_ITEMS:
                raise self._wrong(f"more than {_MAX_ITEMS:,} groups and datasets", "one dataset a clip")
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise self._wrong(f"{prefix}{name} is a {type(link).__name__}", "data stored in the file itself")
            item = group[name]
            if isinstance(item, h5py.Group):
                self._walk(item, f"{prefix}{name}/", depth + 1)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise self._wrong(f"{prefix}{name} is stored outside the file", "data stored in the file itself")
                if item.shape is None or item.dtype.hasobject:
                    raise self._wrong(f"{prefix}{name} holds {item.dtype}", "plain arrays of numbers")
                chunk = math.prod(item.chunks or ()) * item.dtype.itemsize
                if chunk > max(_MAX_CHUNK, math.prod(item.shape) * item.dtype.itemsize):
                    raise self._wrong(f"{prefix}{name} has chunks of {chunk:,} bytes", "chunks no larger than the dataset")
                self.shapes[prefix + name] = (tuple(item.shape), item.dtype)

    def _meta(self) -> str:
        if _META not in self._file.attrs:
            raise self._wrong(f"no attribute {_META}", "skeleton, unit, frame and scale stated in the file")
        size = self._file.attrs.get_id(_META).get_storage_size()
        if size > _MAX_META:
            raise self._wrong(f"{_META} of {size:,} bytes", f"at most {_MAX_META:,}")
        value = self._file.attrs[_META]
        if not isinstance(value, str | bytes) or len(value) > _MAX_META:
            raise self._wrong(f"{_META} is a {type(value).__name__}", "one JSON string")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def read(self, key: str) -> npt.NDArray[Any]:
        """One dataset; PosebenchError where its bytes are damaged."""
        try:
            return np.asarray(self._file[key][...])
        except Exception as error:  # OSError, and whatever else h5py makes of damaged bytes
            raise self._wrong(f"{key} is damaged ({error})", "whole data") from error


@contextmanager
def open_hdf(path: Path) -> Iterator[Hdf]:
    """Open for reading.

    Raises:
        PosebenchError: the file is damaged, has no ``__meta__``, or keeps data outside of itself.
    """
    with ExitStack() as stack:
        try:
            hdf = Hdf(path, stack.enter_context(h5py.File(path, "r")))
        except PosebenchError:
            raise
        except Exception as error:  # OSError, RuntimeError, KeyError, ValueError ...: h5py on damaged bytes
            raise PosebenchError(
                f"{path}: {error}", "a whole HDF5 file", "the file may be cut off: copy it again, or " + _ADVICE
            ) from error
        yield hdf


def write_hdf(path: Path, meta: str, arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> None:
    """Write ``arrays`` as contiguous datasets; ``track_times`` is off, so that the same poses give the same file."""
    with h5py.File(path, "w") as file:
        # Of fixed length: HDF5 can loop for ever in the heap of a damaged file, where strings of variable length live.
        file.attrs[_META] = np.bytes_(meta.encode())
        for key, array in arrays:
            file.create_dataset(key, data=array, track_times=False)
