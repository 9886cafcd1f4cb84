"""Weights of frames: loaders that skip, lose or repeat frames, or average batches.

**Convention.** Frames are in reading order: clip after clip as the dataset lists them, ascending within a clip. A rule is a word and a
number: ``stride 5``. Only the frames that count (the chosen rows) are in the table, as a loader sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The scored frames (N,) in reading order.

    Attributes:
        row: number of each frame's row of sums.
        clip: number of its clip.
        number: its frame number in the clip, 0-based.
        action: number of its action.
    """

    row: Index
    clip: Index
    number: Index
    action: Index

    def __len__(self) -> int:
        return len(self.row)

    def select(self, keep: npt.NDArray[np.bool_]) -> FrameTable:
        """Only some frames."""
        return FrameTable(self.row[keep], self.clip[keep], self.number[keep], self.action[keep])

    def place_within(self, label: Index) -> tuple[Index, Index]:
        """Each frame's place among the frames of its label, and how many there are (N,), (N,)."""
        sizes = np.bincount(label)
        order = np.argsort(label, kind="stable")
        starts = np.cumsum(sizes) - sizes
        place = np.empty(len(label), dtype=np.int64)
        place[order] = np.arange(len(label)) - np.repeat(starts, sizes)
        return place, sizes[label].astype(np.int64)


def weights(rule: str, table: FrameTable, values: Array) -> tuple[Array, Array]:
    """Weights (N,) of the frames in numerator and count. ``values`` (N,) are the quantity, which only ``nonzero`` looks at."""
    word, _, number = rule.partition(" ")
    given = _RULES[word](table, int(number) if number else 0, values)
    return given if isinstance(given, tuple) else (given, given)


def _stride(table: FrameTable, every: int, _values: Array) -> Array:
    out: Array = (table.number % every == 0).astype(np.float64)
    return out


def _drop_last(table: FrameTable, batch: int, _values: Array) -> Array:
    return (np.arange(len(table)) < len(table) // batch * batch).astype(np.float64)


def _cut(table: FrameTable, batch: int, _values: Array) -> Array:
    place, size = table.place_within(table.action)
    return (place < size // batch * batch).astype(np.float64)


def _chunks(table: FrameTable, length: int, _values: Array) -> Array:
    """A clip is read in chunks of ``length``, the last of which is moved back to the clip's end: its first frames count twice."""
    place, size = table.place_within(table.clip)
    whole = size // length * length
    twice = (size > whole) & (size >= length) & (place >= size - length) & (place < whole)
    out: Array = 1.0 + twice.astype(np.float64)
    return out


def _unpadded(table: FrameTable, field: int, _values: Array) -> Array:
    place, size = table.place_within(table.clip)
    half = field // 2
    return ((place >= half) & (place < size - half)).astype(np.float64)


def _zero_padded(table: FrameTable, length: int, _values: Array) -> tuple[Array, Array]:
    """The last chunk is filled up with zeros, whose error of zero counts: the count grows to a multiple of ``length``."""
    _, size = table.place_within(table.clip)
    return np.ones(len(table)), -(-size // length) * length / size


def _nonzero(_table: FrameTable, _: int, values: Array) -> Array:
    out: Array = (values != 0.0).astype(np.float64)
    return out


def _batches(table: FrameTable, batch: int, _values: Array) -> Array:
    """The mean of the means of batches: frames of the last, smaller one weigh more."""
    last = len(table) % batch
    out = np.ones(len(table))
    if last:
        out[-last:] = batch / last
    return out


_RULES: dict[str, Callable[[FrameTable, int, Array], Array | tuple[Array, Array]]] = {
    "all": lambda table, _, __: np.ones(len(table)),
    "stride": _stride,
    "drop_last": _drop_last,
    "cut": _cut,
    "chunks": _chunks,
    "unpadded": _unpadded,
    "zero_padded": _zero_padded,
    "nonzero": _nonzero,
    "batches": _batches,
}


def credited(values: Array, batch: int) -> Array:
    """Values (N,) in which every frame has the mean of its batch, as P-STMO's Protocol 2 credits them."""
    whole = len(values) // batch * batch
    out = values.copy()
    out[:whole] = np.repeat(values[:whole].reshape(-1, batch).mean(axis=1), batch)
    if whole < len(values):
        out[whole:] = values[whole:].mean()
    return out


def row_sums(rule: str, table: FrameTable, values: Array, rows: int) -> tuple[Array, Array]:
    """Totals and counts (rows,) of a quantity (N,) under a rule."""
    if rule.startswith("credited "):
        values, rule = credited(values, int(rule.split()[1])), "all"
    above, below = weights(rule, table, values)
    return _sums(table.row, values * above, rows), _sums(table.row, below, rows)


def _sums(code: Index, values: Array, size: int) -> Array:
    return np.bincount(code, values, size).astype(np.float64)


def phases(every: int, table: FrameTable, values: Array, rows: int) -> tuple[Array, Array]:
    """Totals and counts (phases, rows) of every k-th frame, beginning with each of the first k."""
    code = table.row * every + table.number % every
    total, count = _sums(code, values, rows * every), _sums(code, np.ones(len(code)), rows * every)
    return total.reshape(rows, every).T, count.reshape(rows, every).T
