"""CDF files from outside (NASA's format), read by cdflib in a child process (:mod:`posebench.base.confined.child`).

A few changed bytes in such a file make cdflib loop or take all memory; the child process has limits of both.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.confined.child import Limits, read
from posebench.base.errors import PosebenchError, needs

_INSIDE = "posebench.base.readers.cdf:variable"
#: CPU seconds of a file: one of Human3.6M takes some milliseconds.
_SECONDS = 3.0


def read_cdf(path: Path, name: str, max_bytes: int, wanted: str, advice: str) -> npt.NDArray[np.floating]:
    """A variable of numbers, as float32 if it takes four bytes a number, else as float64.

    Args:
        path: the file.
        name: of the variable.
        max_bytes: of the file, and of the variable.
        wanted: what the file should be, for messages.
        advice: what to do next.

    Raises:
        PosebenchError: there is none, or the file is too large or damaged.
    """
    if not path.is_file():
        raise PosebenchError(f"{path}: " + ("a folder" if path.is_dir() else "no file"), wanted, advice)
    if path.stat().st_size > max_bytes:
        raise PosebenchError(f"{path}: {path.stat().st_size:,} bytes", f"{wanted}, of at most {max_bytes:,} bytes", advice)
    limits = Limits(60.0 + 10.0 * _SECONDS, _SECONDS, 2**28 + 8 * max_bytes, 2 * max_bytes)
    _, (array,) = read(str(path), wanted, advice, _INSIDE, limits, at=str(path.absolute()), name=name, max_bytes=max_bytes)
    return array  # type: ignore[no-any-return]


def variable(at: str, name: str, max_bytes: int) -> tuple[None, list[Any]]:
    """A variable of numbers; for the child process."""
    with needs("reading the official files"):
        cdflib = importlib.import_module("cdflib")
    found = np.asarray(cdflib.CDF(at).varget(name))
    if found.dtype.kind not in "fiu" or found.nbytes > max_bytes:
        raise ValueError(f"{name} holds {found.dtype} {found.shape}")
    return None, [found.astype(np.float32 if found.dtype.itemsize == 4 else np.float64, copy=False)]
