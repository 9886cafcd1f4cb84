"""The inside of :mod:`posebench.base.readers.hdf5`, for the child process: h5py, which may crash or hang on a forged file.

Links to other files, external and virtual storage, objects and oversized chunks are refused. Shapes are known before data is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError

_MAX_DEPTH = 8
_MAX_ITEMS = 100_000
#: HDF5 reads a chunk whole, whatever part of it is needed. A chunk larger than this and than its dataset only wastes memory.
_MAX_CHUNK_BYTES = 2**24

Shape = tuple[tuple[int, ...], np.dtype[Any]]


class OpenFile:
    """An open file. Datasets are named by their path, e.g. ``S9/Walking 1/54138969``."""

    def __init__(self, path: Path, file: h5py.File, advice: str) -> None:
        self._path = path
        self._file = file
        self._advice = advice

    def close(self) -> None:
        """Close the file; damaged ones may refuse."""
        with suppress(Exception):
            self._file.close()

    def _wrong(self, found: str, wanted: str) -> PosebenchError:
        return PosebenchError(f"{self._path}: {found}", wanted, self._advice)

    @contextmanager
    def _damage_reported(self, what: str) -> Iterator[None]:
        """Report what h5py raises on damaged bytes (OSError, RuntimeError, KeyError, ValueError, ...) as one kind of error."""
        try:
            yield
        except PosebenchError:
            raise
        except Exception as error:
            raise self._wrong(f"{what} is damaged ({error})", "a whole HDF5 file") from error

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shape and type of every dataset in the file, in file order.

        Raises:
            PosebenchError: the file is damaged, nested too deep, has too many items, or a dataset is refused.
        """
        with self._damage_reported("the tree of groups"):
            return {name: (tuple(item.shape), item.dtype) for name, item in self._walk(self._file)}

    def _walk(self, root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
        # The count includes items that are reached twice: hard links may lead back up, and a few of them make very many paths.
        visited = 0
        pending = [("", iter(root), root)]
        while pending:
            prefix, names, group = pending[-1]
            name = next(names, None)
            if name is None:
                pending.pop()
                continue
            visited += 1
            if visited > _MAX_ITEMS:
                raise self._wrong(f"more than {_MAX_ITEMS:,} groups and datasets", "one dataset a clip")
            item = self._child(group, name, prefix + name)
            if isinstance(item, h5py.Group):
                if len(pending) > _MAX_DEPTH:
                    raise self._wrong(f"groups nested deeper than {_MAX_DEPTH} at {prefix}{name}/", "names of the form subject/take/camera")
                pending.append((f"{prefix}{name}/", iter(item), item))
            elif isinstance(item, h5py.Dataset):
                self._check_storage(prefix + name, item)
                yield prefix + name, item

    def _child(self, group: h5py.Group, name: str, place: str) -> Any:
        """A member of a group, if it is stored there and not linked from elsewhere."""
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise self._wrong(f"{place} is a {type(link).__name__}", "data stored in the file itself")
        return group[name]

    def _check_storage(self, name: str, dataset: h5py.Dataset) -> None:
        if dataset.external or dataset.is_virtual:
            raise self._wrong(f"{name} is stored outside the file", "data stored in the file itself")
        if dataset.shape is None or dataset.dtype.hasobject:
            raise self._wrong(f"{name} holds {dataset.dtype}", "arrays of plain numbers")
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        if chunk > max(_MAX_CHUNK_BYTES, size):
            raise self._wrong(f"{name} has chunks of {chunk:,} bytes", "chunks no larger than the dataset")

    def __contains__(self, name: str) -> bool:
        with self._damage_reported(name):
            return name in self._file

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one dataset of numbers; the rest of the file is not looked at.

        Raises:
            PosebenchError: there is none of this name, it is refused, or it is no array of numbers.
        """
        return tuple(self._dataset(name).shape)

    def numbers(self, name: str, max_bytes: int) -> npt.NDArray[np.floating]:
        """One dataset of numbers, as float32 if it is stored so, else as float64.

        Raises:
            PosebenchError: as :meth:`shape`, or it is larger than ``max_bytes`` or damaged.
        """
        dataset = self._dataset(name)
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        if size > max_bytes:
            raise self._wrong(f"{name} of shape {tuple(dataset.shape)} takes {size:,} bytes", f"at most {max_bytes:,} bytes")
        with self._damage_reported(name):
            values = np.asarray(dataset[...])
        return values.astype(np.float32 if values.dtype == np.float32 else np.float64, copy=False)

    def _dataset(self, name: str) -> h5py.Dataset:
        missing = f"no array {name} in the file"
        item = self._file
        with self._damage_reported(name):
            for part in name.split("/"):
                if not isinstance(item, h5py.Group) or item.get(part, getlink=True) is None:
                    raise self._wrong(missing, name)
                item = self._child(item, part, f"{missing}: {part}")
            if not isinstance(item, h5py.Dataset):
                raise self._wrong(missing, name)
            self._check_storage(name, item)
            if item.dtype.kind not in "fiu":
                raise self._wrong(f"{name} holds {item.dtype}", "arrays of plain numbers")
        return item

    def read(self, name: str) -> npt.NDArray[Any]:
        """One of :attr:`shapes`, as stored. Check its shape first: this takes as much memory as it says.

        Raises:
            PosebenchError: its bytes are damaged.
        """
        with self._damage_reported(name):
            return np.asarray(self._file[name][...])

    def has_attribute(self, name: str) -> bool:
        """Whether the file itself has an attribute of this name."""
        with self._damage_reported(f"the attribute {name}"):
            return name in self._file.attrs

    def text_attribute(self, name: str, max_bytes: int) -> str:
        """A string among the file's attributes.

        Raises:
            PosebenchError: it is missing, no string, or longer than ``max_bytes``.
        """
        with self._damage_reported(name):
            if name not in self._file.attrs:
                raise self._wrong(f"no attribute {name}", f"an attribute {name} that holds one JSON string")
            size = self._file.attrs.get_id(name).get_storage_size()
            if size > max_bytes:
                raise self._wrong(f"{name} of {size:,} bytes", f"at most {max_bytes:,}")
            value = self._file.attrs[name]
            if not isinstance(value, str | bytes) or len(value) > max_bytes:
                raise self._wrong(f"{name} is a {type(value).__name__}", "one JSON string")
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


_opened: dict[str, OpenFile] = {}


def _file(at: str, path: str, advice: str) -> OpenFile:
    """The file at ``at``, opened with its first call; ``path`` is its name in messages."""
    if at not in _opened:
        try:
            file = h5py.File(at, "r")
        except Exception as error:  # OSError, RuntimeError, ValueError ...: h5py on damaged bytes
            raise PosebenchError(f"{path}: {error}", "a whole HDF5 file", f"the file may be cut off: copy it again, or {advice}") from error
        _opened[at] = OpenFile(Path(path), file, advice)
    return _opened[at]


def close_file(at: str, **_names: str) -> tuple[None, list[Any]]:
    """Close a file."""
    if at in _opened:
        _opened.pop(at).close()
    return None, []


def start(at: str, path: str, advice: str) -> tuple[None, list[Any]]:
    """Open a file anew."""
    close_file(at)
    _file(at, path, advice)
    return None, []


def shapes(at: str, path: str, advice: str) -> tuple[list[Any], list[Any]]:
    """Name, shape and type of every dataset. Types of which there is no array, such as structures, are given by name only."""
    found = _file(at, path, advice).shapes
    return [
        [name, shape, dtype.str if dtype.fields is None and dtype.subdtype is None else "V"] for name, (shape, dtype) in found.items()
    ], []


def has(at: str, path: str, advice: str, name: str) -> tuple[bool, list[Any]]:
    """Whether the file holds ``name``."""
    return name in _file(at, path, advice), []


def shape(at: str, path: str, advice: str, name: str) -> tuple[tuple[int, ...], list[Any]]:
    """Shape of a dataset of numbers."""
    return _file(at, path, advice).shape(name), []


def numbers(at: str, path: str, advice: str, name: str, max_bytes: int) -> tuple[None, list[Any]]:
    """A dataset of numbers."""
    return None, [_file(at, path, advice).numbers(name, max_bytes)]


def read(at: str, path: str, advice: str, name: str) -> tuple[None, list[Any]]:
    """A dataset as stored."""
    return None, [_file(at, path, advice).read(name)]


def has_attribute(at: str, path: str, advice: str, name: str) -> tuple[bool, list[Any]]:
    """Whether the file itself has an attribute."""
    return _file(at, path, advice).has_attribute(name), []


def text_attribute(at: str, path: str, advice: str, name: str, max_bytes: int) -> tuple[str, list[Any]]:
    """A string among the file's attributes."""
    return _file(at, path, advice).text_attribute(name, max_bytes), []
