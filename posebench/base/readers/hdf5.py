"""HDF5 files from outside, read without trust: only data stored in the file itself, and only plain arrays.

The HDF5 library may crash, hang or take all memory on a damaged or forged file. So a child process reads
(:mod:`posebench.base.confined.child`, :mod:`posebench.base.readers.hdf5_inside`); this process never opens the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.confined.child import READER, Limits, read
from posebench.base.errors import PosebenchError

_INSIDE = "posebench.base.readers.hdf5_inside:"
#: CPU seconds and memory of a call that reads no array.
_SECONDS, _MEMORY = 3.0, 2**29
#: Bytes that are decompressed in a second, at least.
_RATE = 2**25

Shape = tuple[tuple[int, ...], np.dtype[Any]]


class HDF5File:
    """An open file. Datasets are named by their path, e.g. ``S9/Walking 1/54138969``."""

    def __init__(self, path: Path, advice: str) -> None:
        self._path = path
        self._advice = advice
        self._names = {"path": str(path), "advice": advice}

    def _call(self, function: str, what: str, /, *, array: int = 0, items: int = 0, **arguments: Any) -> tuple[Any, list[Any]]:
        """Call a function of the other module; ``array`` bytes are the answer at most, ``items`` bytes of the file are walked over."""
        cpu = _SECONDS + (array + 32 * items) / _RATE
        limits = Limits(60.0 + 10.0 * cpu, cpu, _MEMORY + 4 * array, array)
        return read(f"{self._path}: {what}", "a whole HDF5 file", self._advice, _INSIDE + function, limits, **self._place, **arguments)

    @cached_property
    def _place(self) -> dict[str, Any]:
        return {"at": _absolute(self._path), **self._names}

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shape and type of every dataset in the file, in file order.

        Raises:
            PosebenchError: the file is damaged, nested too deep, has too many items, or a dataset is refused.
        """
        found, _ = self._call("shapes", "the tree of groups", items=self._path.stat().st_size)
        return {name: (tuple(shape), np.dtype(code)) for name, shape, code in found}

    def __contains__(self, name: str) -> bool:
        return bool(self._call("has", name, name=name)[0])

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one dataset of numbers; the rest of the file is not looked at.

        Raises:
            PosebenchError: there is none of this name, it is refused, or it is no array of numbers.
        """
        return tuple(self._call("shape", name, name=name)[0])

    def numbers(self, name: str, max_bytes: int) -> npt.NDArray[np.floating]:
        """One dataset of numbers, as float32 if it is stored so, else as float64.

        Raises:
            PosebenchError: as :meth:`shape`, or it is larger than ``max_bytes`` or damaged.
        """
        # An array of small whole numbers grows eightfold.
        _, (array,) = self._call("numbers", name, array=8 * max_bytes, name=name, max_bytes=max_bytes)
        return array  # type: ignore[no-any-return]

    def read(self, name: str) -> npt.NDArray[Any]:
        """One of :attr:`shapes`, as stored. Check its shape first: this takes as much memory as it says.

        Raises:
            PosebenchError: its bytes are damaged.
        """
        shape, dtype = self.shapes[name]
        _, (array,) = self._call("read", name, array=math.prod(shape) * dtype.itemsize, name=name)
        return array  # type: ignore[no-any-return]

    def has_attribute(self, name: str) -> bool:
        """Whether the file itself has an attribute of this name."""
        return bool(self._call("has_attribute", f"the attribute {name}", name=name)[0])

    def text_attribute(self, name: str, max_bytes: int) -> str:
        """A string among the file's attributes.

        Raises:
            PosebenchError: it is missing, no string, or longer than ``max_bytes``.
        """
        return str(self._call("text_attribute", f"the attribute {name}", name=name, max_bytes=max_bytes)[0])

    def _close(self) -> None:
        if READER.running:
            with suppress(PosebenchError):
                self._call("close_file", "its end")

    def _open(self) -> None:
        self._call("start", "the head of the file")


def _absolute(path: Path) -> str:
    try:
        return str(path.absolute())
    except OSError:  # the working folder was removed
        return str(path)


@contextmanager
def open_hdf5(path: Path, advice: str) -> Iterator[HDF5File]:
    """Open for reading; ``advice`` is what errors say to do next.

    Raises:
        PosebenchError: the file is missing or no HDF5 file.
    """
    if path.exists() and not path.is_file():
        raise PosebenchError(f"{path}: " + ("a folder" if path.is_dir() else "no plain file"), "an HDF5 file", "check the path")
    file = HDF5File(path, advice)
    file._open()
    try:
        yield file
    finally:
        file._close()
