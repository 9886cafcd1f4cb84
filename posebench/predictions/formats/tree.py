"""HDF5 files of other projects, read by the rules of :mod:`posebench.base.readers.hdf5`: no links, no outside storage, no objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.readers.hdf5 import Hdf


class Tree(Hdf):
    """An open file; it has no ``__meta__``."""

    def _meta(self) -> str:
        return ""


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Open for reading.

    Raises:
        PosebenchError: the file is missing, damaged, or keeps data outside of itself.
    """
    import h5py

    with ExitStack() as stack:
        try:
            tree = Tree(path, stack.enter_context(h5py.File(path, "r")))
        except PosebenchError:
            raise
        except Exception as error:  # OSError, RuntimeError, KeyError, ValueError ...: h5py on damaged bytes
            raise PosebenchError(f"{path}: {error}", "a whole HDF5 file", "the file may be cut off: copy it again") from error
        yield tree
