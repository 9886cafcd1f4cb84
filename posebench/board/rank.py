"""Rank comparable entries, and group those that are not significantly different."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np
import pandas as pd

from posebench.base.errors import PosebenchError
from posebench.board.entry import Entry
from posebench.scoring import intervals as stats
from posebench.scoring.comparison import Difference, paired
from posebench.scoring.sums import Sums

#: The metric that orders a table: every method has it, also those of unknown scale.
PRIMARY = "PA-MPJPE"

#: (protocol id, protocol digest, data fingerprint, keypoint source): entries are comparable if all four are equal.
Key = tuple[str, str, str, str]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Comparable entries in order, with their paired differences.

    Attributes:
        frame: best first by :data:`PRIMARY`: columns ``group method entry supervision scale seeds`` and for each metric ``M``, ``M low``,
            ``M high``, ``M seed low``, ``M seed high``; NaN where a method has no such value.
        entries: in the frame's order.
        shown: index of the seed that each entry is shown with, in the frame's order.
        pairs: all paired differences of :data:`PRIMARY`.
    """

    frame: pd.DataFrame
    entries: tuple[Entry, ...]
    shown: tuple[int, ...]
    pairs: tuple[Difference, ...]

    @property
    def half_widths(self) -> list[float]:
        """Half the width of each pair's 95 % interval, unadjusted, in ascending order; pairs without an interval are left out."""
        return sorted((pair.high - pair.low) / 2 for pair in self.pairs if pair.low is not None and pair.high is not None)

    @property
    def smallest(self) -> float | None:
        """The smallest significant difference on these takes: the median of :attr:`half_widths`, None without a pair.

        A pair that differs by more than its own half-width has an interval without zero, before Holm's adjustment.
        """
        return median(self.half_widths) if self.half_widths else None

    @property
    def overlaps(self) -> list[tuple[str, str]]:
        """Pairs that share no letter though the ranges of their seeds overlap: another training might reverse their order."""
        column = f"{PRIMARY} seed"
        rows = [row for _, row in self.frame.iterrows()]
        return [
            (one["method"], other["method"])
            for one, other in combinations(rows, 2)
            if not set(one["group"]) & set(other["group"])
            and max(one[f"{column} low"], other[f"{column} low"]) <= min(one[f"{column} high"], other[f"{column} high"])
        ]


def comparable(entries: Sequence[Entry]) -> dict[Key, list[Entry]]:
    """Entries grouped by what comparable entries share."""
    tables: dict[Key, list[Entry]] = {}
    for entry in entries:
        key = (entry.protocol["id"], entry.protocol["digest"], entry.data["fingerprint"], entry.keypoints)
        tables.setdefault(key, []).append(entry)
    return tables


def rank(entries: Sequence[Entry], metrics: Sequence[str]) -> Ranking:
    """Rank comparable entries, one or more, by the headline average of :data:`PRIMARY`.

    **Convention.** Of several seeds the one of median error is shown; of an even number the worse of the middle two. All numbers and
    comparisons of a method are those of that seed; the range is over all seeds. All pairs are compared over takes, with Holm correction.
    Methods that share a letter in ``group`` are not significantly different.
    """
    headline, rows = entries[0].protocol["headline"], entries[0].rows
    shown = {entry.label: _median_seed(entry, headline) for entry in entries}
    sums = {entry.label: _aligned_sums(entry, entries[0], shown[entry.label], PRIMARY) for entry in entries}
    compared = paired(PRIMARY, entries[0].units[PRIMARY], headline, rows, {name: one for name, one in sums.items() if one})
    draw = stats.resample(rows, headline)
    table = []
    for entry in entries:
        numbers: dict[str, float | None] = {}
        for metric in metrics:
            one = _aligned_sums(entry, entries[0], shown[entry.label], metric)
            low, high = (one and stats.interval(rows, one.row_total, one.count, headline, draw)) or (None, None)
            values = [value for seed in range(len(entry.seeds)) if (value := entry.value(metric, headline, seed)) is not None]
            numbers |= {
                metric: entry.value(metric, headline, shown[entry.label]),
                f"{metric} low": low,
                f"{metric} high": high,
                f"{metric} seed low": min(values, default=None),
                f"{metric} seed high": max(values, default=None),
            }
        table.append(
            {
                "group": compared.letters[entry.label],
                "method": entry.label,
                "entry": entry.name,
                "supervision": entry.supervision,
                "scale": entry.scale,
                "seeds": len(entry.seeds),
                **{name: np.nan if number is None else number for name, number in numbers.items()},
            }
        )
    frame = pd.DataFrame(table).sort_values([PRIMARY, "method"], ignore_index=True)
    place = {entry.label: entry for entry in entries}
    ordered = tuple(place[name] for name in frame["method"])
    return Ranking(frame, ordered, tuple(shown[entry.label] for entry in ordered), compared.pairs)


def _median_seed(entry: Entry, headline: str) -> int:
    order = sorted(range(len(entry.seeds)), key=lambda seed: entry.value(PRIMARY, headline, seed) or 0.0)
    return order[len(order) // 2]


def _aligned_sums(entry: Entry, first: Entry, seed: int, metric: str) -> Sums | None:
    """The entry's sums in the order of the first entry's takes, None where it has none. Equal fingerprints imply the same takes."""
    if metric not in entry.seeds[seed].sums:
        return None
    place = {take: i for i, take in enumerate(entry.takes)}
    if place.keys() != set(first.takes):
        raise PosebenchError(
            f"{entry.name} and {first.name}: other takes under one fingerprint",
            f"the {len(first.takes)} takes of {first.data['name']}",
            "score the predictions again",
            exit_code=1,
        )
    order = [place[take] for take in first.takes]
    sums = entry.seeds[seed].of(metric)
    return Sums(sums.total[order], sums.count[order], ())
