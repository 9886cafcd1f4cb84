"""Averages of row sums with any grouping, under weights of the takes: the adopted ones and those of other projects."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from posebench.scoring import intervals
from posebench.scoring.conventions.reading import AVERAGES
from posebench.scoring.sums import Row, codes

Array = npt.NDArray[np.float64]

_LABELS: dict[str, Callable[[Row], Hashable]] = {
    "": lambda _: "",
    "action": lambda row: row.action,
    "subject": lambda row: row.subject,
    "subject x action": lambda row: (row.subject, row.action),
}
_UNITS: dict[str, Callable[[Row], Hashable]] = {"clip": lambda row: row.clip, "take": lambda row: row.take}


class Averages:
    """Averages over one list of rows, and the interval of the change from one to another.

    The interval is paired: a resample draws the same takes for both averages, as `posebench compare` does.

    Args:
        rows: labels of the rows.
        headline: the protocol's average, which decides how takes are drawn.
    """

    def __init__(self, rows: Sequence[Row], headline: str) -> None:
        self._rows = rows
        self._draw = intervals.resample(rows, headline)
        self._takes, self._take = codes([row.take for row in rows])
        self._codes: dict[str, tuple[int, npt.NDArray[np.intp]]] = {}

    def value(self, total: Array, count: Array, kind: str) -> float:
        """One average, of :data:`AVERAGES`, of row totals and counts (rows,); NaN where nothing is counted."""
        return float(self._weighted(total, count, kind, np.ones((1, len(self._takes))))[0])

    def resampled(self, total: Array, count: Array, kind: str) -> Array | None:
        """The average in every resample; None where there are no resamples or one of them is empty."""
        if self._draw is None:
            return None
        values = self._weighted(total, count, kind, self._draw.weights)
        return values if np.isfinite(values).all() else None

    def change(self, one: Array | None, other: Array | None) -> tuple[float, float] | None:
        """The interval of one resampled average less another; None where none can be given."""
        if one is None or other is None or self._draw is None:
            return None
        return self._draw.interval(one - other)

    def takes_counted(self, count: Array) -> int:
        """How many takes have a count in any of their rows (rows,)."""
        return int((np.bincount(self._take, count, len(self._takes)) > 0).sum())

    def _weighted(self, total: Array, count: Array, kind: str, weights: Array) -> Array:
        unit, within = AVERAGES[kind]
        groups, group = self._coded(within, _LABELS[within])
        if unit != "frame":
            total, count = self._means(total, count, unit, within)
        numerator, denominator = np.zeros((len(self._takes), groups)), np.zeros((len(self._takes), groups))
        np.add.at(numerator, (self._take, group), total)
        np.add.at(denominator, (self._take, group), count)
        numerator, denominator = weights @ numerator, weights @ denominator
        counted = denominator > 0
        means = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=counted)
        number = counted.sum(axis=1)
        out: Array = np.divide(means.sum(axis=1), number, out=np.full(len(means), np.nan), where=number > 0)
        return out

    def _means(self, total: Array, count: Array, unit: str, within: str) -> tuple[Array, Array]:
        """The mean of each unit within its group, at the unit's first row, and 1 there: their sums count units."""
        number, code = self._coded(f"{unit} in {within}", lambda row: (_UNITS[unit](row), _LABELS[within](row)))
        totals, counts = np.bincount(code, total, number), np.bincount(code, count, number)
        first = np.zeros(len(code), dtype=bool)
        first[np.unique(code, return_index=True)[1]] = True
        at = first & (counts[code] > 0)
        means = np.divide(totals[code], counts[code], out=np.zeros(len(code)), where=at)
        return means, at.astype(np.float64)

    def _coded(self, name: str, label: Callable[[Row], Hashable]) -> tuple[int, npt.NDArray[np.intp]]:
        if name not in self._codes:
            labels, code = codes([label(row) for row in self._rows])
            self._codes[name] = len(labels), code
        return self._codes[name]
