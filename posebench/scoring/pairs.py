"""Pairs of methods under one metric: differences with interval and verdict, and their p-values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import overload

import numpy as np

from posebench.scoring import intervals
from posebench.scoring.protocol import higher_is_better
from posebench.scoring.sums import Sums

#: Two methods whose values differ by less in every row, in the metric's unit, do not differ: rounding to float32 does as much.
_PRECISION = 1e-3
#: Pairs whose p-values are computed together.
_BLOCK = 8


@dataclass(frozen=True, repr=False)
class Difference:
    """One pair of methods under one metric.

    Attributes:
        metric, unit: name and unit of the metric.
        a, b: names of the methods.
        value: A - B, of the headline average.
        low, high: 95 % interval of the difference, not adjusted; None where none can be given.
        p: p-value, Holm-adjusted over all pairs of the metric; None where there is no interval, or no difference.
        takes: number of takes that the pair was compared on.
    """

    metric: str
    a: str
    b: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    unit: str
    takes: int

    def __repr__(self) -> str:
        return f"<Difference {self.a!r} - {self.b!r} under {self.metric}: {self.value:.2f} {self.unit}, {self.verdict}>"

    @property
    def separable(self) -> bool:
        """The difference is significant: its adjusted p-value is below 5 %."""
        return self.p is not None and self.p < 1.0 - intervals.LEVEL

    @property
    def verdict(self) -> str:
        """In words: which method is better, by how much, with the interval; or that the two are not separable, or the same."""
        takes = f"{self.takes} take" + ("s" if self.takes != 1 else "")
        if self.value == self.low == self.high == 0.0:
            return f"the same on {takes}"
        if not self.separable or self.low is None or self.high is None:
            return f"not separable on {takes}"
        better = self.a if (self.value > 0) == higher_is_better(self.metric) else self.b
        low, high = sorted((abs(self.low), abs(self.high)))
        return f"{better} is better by {abs(self.value):.1f} {self.unit} [{low:.1f}, {high:.1f}]"


class Pairs(Sequence[Difference]):
    """All pairs of many methods. The interval of a pair, which takes longest, is computed when the pair is asked for."""

    def __init__(
        self,
        facts: tuple[str, str, int],
        values: Mapping[str, float],
        same: set[tuple[str, str]],
        p_values: Sequence[float | None],
        resampling: intervals.Draw | None,
        resampled: Mapping[str, intervals.Array | None],
    ) -> None:
        self._facts = facts
        self._values = values
        self._same = same
        self._p_values = p_values
        self._resampling = resampling
        self._resampled = resampled
        self._names = list(combinations(values, 2))

    def between(self, name: str, others: Sequence[str]) -> list[Difference]:
        """The pairs of one method with others."""
        places = {frozenset(pair): place for place, pair in enumerate(self._names) if name in pair}
        return [self[places[frozenset((name, other))]] for other in others]

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> Difference: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Difference, ...]: ...

    def __getitem__(self, place: int | slice) -> Difference | tuple[Difference, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        (metric, unit, takes), (a, b), p = self._facts, self._names[place], self._p_values[place]
        if (a, b) in self._same:
            return Difference(metric, a, b, 0.0, 0.0, 0.0, None, unit, takes)
        one, other = self._resampled[a], self._resampled[b]
        low, high = (None, None) if self._resampling is None or one is None or other is None else self._resampling.interval(one - other)
        return Difference(metric, a, b, self._values[a] - self._values[b], low, high, p, unit, takes)


def unadjusted(
    names: Sequence[str], resampling: intervals.Draw | None, resampled: Mapping[str, intervals.Array | None]
) -> Iterator[float | None]:
    """Unadjusted p-value of every pair, from the averages of both methods in the same resamples; None where there are none."""
    known = [name for name in names if resampled[name] is not None]
    if resampling is None or not known:
        yield from [None] * (len(names) * (len(names) - 1) // 2)
        return
    row = {name: i for i, name in enumerate(known)}
    values = np.stack([average for name in known if (average := resampled[name]) is not None])
    for place, name in enumerate(names):
        others = names[place + 1 :]
        rows = [row[other] for other in others if other in row and name in row]
        # A few rows at a time stay in the processor's cache.
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        found = (p for block in blocks for p in resampling.p_values(values[row[name]] - values[block[0] : block[-1] + 1]))
        yield from (next(found) if name in row and other in row else None for other in others)


def same_pairs(values: Mapping[str, float], sums: Mapping[str, Sums]) -> set[tuple[str, str]]:
    """The pairs of methods that do not differ in any row. Methods whose averages differ are not compared by row."""
    return {(a, b) for a, b in combinations(values, 2) if not abs(values[a] - values[b]) >= 2 * _PRECISION and _same(sums[a], sums[b])}


def _same(a: Sums, b: Sums) -> bool:
    """The values differ by no more than rounding in any row."""
    if not np.array_equal(a.count, b.count):
        return False
    counted = a.count > 0
    return bool((np.abs(a.row_total - b.row_total)[counted] <= _PRECISION * a.count[counted]).all())
