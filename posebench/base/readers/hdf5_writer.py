"""HDF5 files written: whole, or an error of the operating system."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt


class _Sink(io.FileIO):
    """A file to write, which keeps its first error and claims success from then on.

    HDF5 writes again what could not be written when it closes a file and when it is unloaded, and then crashes.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        if self.error is None:
            try:
                done = 0
                while done < size:  # near the end of the space, the system writes a part
                    done += super().write(memoryview(data).cast("B")[done:])
            except OSError as error:
                self.error = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def readinto(self, buffer: Any, /) -> int:
        # HDF5 reads back what it wrote. What could not be written is not there.
        view = memoryview(buffer).cast("B")
        count = super().readinto(view) or 0
        if self.error is not None:
            view[count:] = bytes(len(view) - count)
            count = len(view)
        return count


@contextmanager
def new_hdf5(path: Path, **options: Any) -> Iterator[h5py.File]:
    """A new file to write; ``options`` are those of :class:`h5py.File`.

    Raises:
        OSError: it cannot be written, for example because no space is left.
    """
    with _Sink(path, "w+") as sink:
        with h5py.File(sink, "w", **options) as file:
            yield file
            if sink.error is not None:
                raise sink.error
        if sink.error is not None:
            raise sink.error


def write_hdf5(path: Path, attributes: dict[str, str], arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> None:
    """Write text ``attributes`` and contiguous datasets. ``track_times`` is off, so that the same arrays give the same file.

    Raises:
        OSError: as :func:`new_hdf5`.
    """
    with new_hdf5(path) as file:
        for name, text in attributes.items():
            # Of fixed length: strings of variable length are stored in HDF5's global heap, and a damaged heap can make HDF5 loop for ever.
            file.attrs[name] = np.bytes_(text.encode())
        for key, array in arrays:
            file.create_dataset(key, data=array, track_times=False)
