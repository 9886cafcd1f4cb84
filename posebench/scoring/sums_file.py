"""The npz of sums that belongs to a result: numerator and count of every metric, by clip and action."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing
from posebench.base.readers.npz import Npz, open_zip, write_npz
from posebench.base.readers.text import parse_json
from posebench.scoring.sums import Row, Sums

_MAX_LAYOUT_BYTES = 64 * 2**20
_MAX_BYTES = 2**30
_NEXT = "score the predictions again: posebench score PREDS --protocol ID -o R.json"


def sums_path(path: Path) -> Path:
    """Where the sums of a result are: ``R.sums.npz`` next to ``R.json``, since ``R.npz`` may be the predictions.

    Example:
        >>> sums_path(Path("flat.json")).name
        'flat.sums.npz'
    """
    return path.with_suffix(".sums.npz")


def write_sums(path: Path, rows: Sequence[Row], sums: Mapping[str, Sums], frames: Mapping[str, npt.NDArray[np.float64]]) -> None:
    """Write sums and values of single frames, whole or not at all."""
    layout = {"rows": rows, "parts": {name: one.parts for name, one in sums.items()}}
    arrays = [("__layout__", np.array(json.dumps(layout)))]
    for name, one in sums.items():
        arrays += [(f"{name}/total", one.total), (f"{name}/count", one.count)]
    arrays += [(f"frames/{key}", values) for key, values in frames.items()]
    with replacing(path) as temporary:
        write_npz(temporary, arrays)


def read_sums(path: Path) -> tuple[list[Row], dict[str, Sums]]:
    """Rows, and the sums of each metric over them.

    Raises:
        PosebenchError: the file is missing, damaged, too large, or holds other arrays than its layout states.
    """
    wanted = "the sums that posebench score wrote with the result"
    try:
        with path.open("rb") as file, open_zip(path, file) as archive:
            npz = Npz(path, archive)
            size = sum(int(np.prod(shape, dtype=np.float64)) * dtype.itemsize for shape, dtype in npz.shapes.values())
            if size > _MAX_BYTES:
                raise PosebenchError(f"{path}: {size:,} bytes of arrays", f"at most {_MAX_BYTES:,}", _NEXT)
            layout = parse_json(npz.text("__layout__", _MAX_LAYOUT_BYTES))
            rows = [Row(*map(str, row)) for row in layout["rows"]]
            return rows, {name: _read_one(npz, name, len(rows), parts) for name, parts in layout["parts"].items()}
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror}", wanted, "keep the .sums.npz next to its .json, or " + _NEXT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PosebenchError(f"{path}: {error}", wanted, _NEXT) from error


def _read_one(npz: Npz, name: str, rows: int, parts: Sequence[str]) -> Sums:
    """The sums of one metric; raises ValueError where they are not finite sums of the expected shape."""
    total, count = npz.read(f"{name}/total"), npz.read(f"{name}/count")
    if total.shape != (rows, max(1, len(parts))) or count.shape != (rows,):
        raise ValueError(f"{name} has {total.shape} and {count.shape}")
    floats = {total.dtype.kind, count.dtype.kind} == {"f"}
    if not floats or not (np.isfinite(total).all() and np.isfinite(count).all() and (count >= 0).all()):
        raise ValueError(f"{name} holds something else than finite sums and counts")
    return Sums(total.astype(np.float64), count.astype(np.float64), tuple(map(str, parts)))
