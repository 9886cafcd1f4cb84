"""Differences between rows of the board: paired over takes, and checked against the spread of the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from posebench.board.entry import PRIMARY, Entry
from posebench.scoring import intervals
from posebench.scoring.comparison import paired
from posebench.scoring.pairs import Difference
from posebench.scoring.sums import Sums


class RowDifference(NamedTuple):
    """One row's :data:`PRIMARY` minus another's, on the same takes.

    Attributes:
        a, b: labels of the rows.
        value: A - B, of the headline average.
        low, high: 95 % interval of the difference over takes, not adjusted; None where none can be given.
        p: p-value, Holm-adjusted over the differences that are judged together; None where there is no interval, or no difference.
        seeds_overlap: the ranges over seeds of the two rows overlap: with other seeds their order might change.
    """

    a: str
    b: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    seeds_overlap: bool

    @property
    def significant(self) -> bool:
        """The adjusted p-value is below 5 %. It covers the takes, not the seeds."""
        return self.p is not None and self.p < 1.0 - intervals.LEVEL

    @property
    def separable(self) -> bool:
        """Significant over takes, and the ranges over seeds do not overlap."""
        return self.significant and not self.seeds_overlap

    def seen_from(self, label: str) -> RowDifference:
        """The same difference with ``label`` as the first row."""
        if label == self.a:
            return self
        low, high = (None, None) if self.low is None or self.high is None else (-self.high, -self.low)
        return RowDifference(self.b, self.a, -self.value, low, high, self.p, self.seeds_overlap)


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two ranges overlap; a row of one seed is a range of one point.

    Example:
        >>> overlap([49.5, 53.1, 50.8], [52.0]), overlap([49.5], [49.6])
        (True, False)
    """
    return max(min(one), min(other)) <= min(max(one), max(other))


def all_pairs(entries: Sequence[Entry], sums: Mapping[str, Sums]) -> list[RowDifference]:
    """Every pair of rows, Holm-adjusted over all of them; ``sums`` of :data:`PRIMARY` by label, in the order of the first entry's takes."""
    if len(entries) < 2:
        return []
    first = entries[0]
    by_label = {entry.label: entry for entry in entries}
    comparison = paired(PRIMARY, first.units[PRIMARY], first.protocol["headline"], first.rows, sums)
    return [_row_difference(pair, pair.p, by_label[pair.a], by_label[pair.b]) for pair in comparison.pairs]


def single_pairs(pairs: Sequence[tuple[Entry, Sums, Entry, Sums]]) -> list[RowDifference]:
    """The differences of chosen pairs, Holm-adjusted over these alone; the sums of a pair have their takes in the same order."""
    found = []
    for one, its, other, others in pairs:
        names = (f"a {one.label}", f"b {other.label}")
        facts = one.units[PRIMARY], one.protocol["headline"], one.rows
        found.append(paired(PRIMARY, *facts, dict(zip(names, (its, others), strict=True))).pairs[0])
    # A pair without a p-value still counts among the comparisons.
    adjusted = intervals.holm([1.0 if pair.p is None else pair.p for pair in found])
    return [
        _row_difference(pair, None if pair.p is None else p, one, other)
        for pair, p, (one, _, other, _) in zip(found, adjusted, pairs, strict=True)
    ]


def letters(entries: Sequence[Entry], pairs: Sequence[RowDifference]) -> dict[str, str]:
    """Compact letter display: rows, best first, that share a letter are not separable."""
    separable = {frozenset((pair.a, pair.b)) for pair in pairs if pair.separable}
    return intervals.compact_letter_display([entry.label for entry in entries], separable)


def _row_difference(pair: Difference, p: float | None, one: Entry, other: Entry) -> RowDifference:
    same = pair.p is None and pair.value == 0.0
    overlapping = not same and overlap(_values(one), _values(other))
    return RowDifference(one.label, other.label, pair.value, pair.low, pair.high, p, overlapping)


def _values(entry: Entry) -> list[float]:
    headline = entry.protocol["headline"]
    return [value for seed in range(len(entry.seeds)) if (value := entry.value(PRIMARY, headline, seed)) is not None]
