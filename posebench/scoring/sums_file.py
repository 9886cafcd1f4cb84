"""The npz of sums that belongs to a result: numerator and count of every metric, by clip and action."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing, sha256_of
from posebench.base.readers.npz import Npz, open_zip, write_npz
from posebench.base.readers.text import parse_json
from posebench.scoring.sums import Row, Sums

_MAX_LAYOUT_BYTES = 64 * 2**20
_MAX_BYTES = 2**30
_NEXT = "score the predictions again: posebench score PREDS --protocol ID -o R.json"
_FRAMES = "frames/"


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
    arrays += [(_FRAMES + key, values) for key, values in frames.items()]
    with replacing(path) as temporary:
        write_npz(temporary, arrays)


class StoredFrames(Mapping[str, npt.NDArray[np.float64]]):
    """The values of single frames in a file of sums; the file is read when the first value is asked for.

    Args:
        path: the file of sums.
        sha256: hash of the file that belongs to the result.
        keys: ``<clip id>/<metric>`` of every array, in file order.
    """

    def __init__(self, path: Path, sha256: str, keys: Sequence[str]) -> None:
        self._path = path
        self.sha256 = sha256
        self._keys = dict.fromkeys(keys)
        self._values: dict[str, npt.NDArray[np.float64]] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> npt.NDArray[np.float64]:
        """Values (n,) of the scored frames of a clip under a metric; NaN where the metric has no value.

        Raises:
            PosebenchError: the file is missing, damaged, or another one than when the result was loaded.
        """
        if key not in self._keys:
            raise KeyError(key)
        if self._values is None:
            self._values = self._read()
        return self._values[key]

    def __repr__(self) -> str:
        return f"<values of single frames: {len(self):,} arrays in {self._path.name}>"

    def _read(self) -> dict[str, npt.NDArray[np.float64]]:
        wanted = "the values of single frames that posebench score --per-frame wrote with the result"
        try:
            if sha256_of(self._path) != self.sha256:
                raise PosebenchError(f"{self._path} has changed since the result was loaded", "the file as it was", "load the result again")
            with self._path.open("rb") as file, open_zip(self._path, file) as archive:
                npz = Npz(self._path, archive)
                return {key: npz.read(_FRAMES + key).astype(np.float64) for key in self._keys}
        except OSError as error:
            raise PosebenchError(f"{self._path}: {error.strerror}", wanted, "put the .sums.npz back next to its .json") from error


def read_sums(path: Path) -> tuple[list[Row], dict[str, Sums], StoredFrames]:
    """Rows, the sums of each metric over them, and the values of single frames, where the file has any.

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
            sums = {name: _read_one(npz, name, len(rows), parts) for name, parts in layout["parts"].items()}
            return rows, sums, StoredFrames(path, sha256_of(path), _frame_keys(npz))
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror}", wanted, "keep the .sums.npz next to its .json, or " + _NEXT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PosebenchError(f"{path}: {error}", wanted, _NEXT) from error


def _frame_keys(npz: Npz) -> list[str]:
    """Keys of the values of single frames; raises ValueError where one is no list of floats."""
    found = {key: layout for key, layout in npz.shapes.items() if key.startswith(_FRAMES)}
    for key, (shape, dtype) in found.items():
        if len(shape) != 1 or dtype.kind != "f":
            raise ValueError(f"{key} holds {dtype} {shape}, not one float a frame")
    return [key.removeprefix(_FRAMES) for key in found]


def _read_one(npz: Npz, name: str, rows: int, parts: Sequence[str]) -> Sums:
    """The sums of one metric; raises ValueError where they are not finite sums of the expected shape."""
    total, count = npz.read(f"{name}/total"), npz.read(f"{name}/count")
    if total.shape != (rows, max(1, len(parts))) or count.shape != (rows,):
        raise ValueError(f"{name} has {total.shape} and {count.shape}")
    floats = {total.dtype.kind, count.dtype.kind} == {"f"}
    if not floats or not (np.isfinite(total).all() and np.isfinite(count).all() and (count >= 0).all()):
        raise ValueError(f"{name} holds something else than finite sums and counts")
    return Sums(total.astype(np.float64), count.astype(np.float64), tuple(map(str, parts)))
