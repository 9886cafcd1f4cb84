"""Ranking: a table of entries in, the same table with groups out. Rows are comparable by the time they come here."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from posebench import stats
from posebench.board.entries import Entry
from posebench.comparison import paired
from posebench.slices import Sums

#: The metric that orders a table: every file has it, whatever its scale.
PRIMARY = "PA-MPJPE"


def comparable(entries: Sequence[Entry]) -> dict[tuple[str, str, str, str], list[Entry]]:
    """Entries by (protocol id, protocol digest, data fingerprint, keypoint source): only within one of these may rows meet."""
    tables: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in entries:
        key = (entry.protocol["id"], entry.protocol["digest"], entry.data["fingerprint"], entry.keypoints)
        tables.setdefault(key, []).append(entry)
    return tables


def ranked(entries: Sequence[Entry], metrics: Sequence[str]) -> pd.DataFrame:
    """One table, best first by :data:`PRIMARY`.

    **Convention.** A method with several seeds stands with its seed of median error, never its best; ``low`` and ``high`` are that seed's
    interval over takes, ``seed_low`` and ``seed_high`` the range over seeds. Methods that share a letter in ``group`` are not separable.

    Returns:
        Columns ``group method supervision scale seeds low high seed_low seed_high`` and one for each metric (headline average).
    """
    headline = entries[0].protocol["headline"]
    median = {entry.label: _median_seed(entry, headline) for entry in entries}
    sums = {entry.label: _aligned_sums(entry, entries[0], median[entry.label]) for entry in entries}
    groups = paired(PRIMARY, entries[0].units[PRIMARY], headline, entries[0].rows, sums).letters
    draw = stats.resample(entries[0].rows, headline)
    rows = []
    for entry in entries:
        one = sums[entry.label]
        bounds = stats.interval(entries[0].rows, one.row_total, one.count, headline, draw) or (None, None)
        values = [entry.value(PRIMARY, headline, seed) for seed in range(len(entry.seeds))]
        known = [value for value in values if value is not None]
        rows.append(
            {
                "group": groups[entry.label],
                "method": entry.label,
                "supervision": entry.supervision,
                "scale": entry.scale,
                "seeds": len(entry.seeds),
                "low": bounds[0],
                "high": bounds[1],
                "seed_low": min(known),
                "seed_high": max(known),
                **{metric: entry.value(metric, headline, median[entry.label]) for metric in metrics},
            }
        )
    return pd.DataFrame(rows).sort_values([PRIMARY, "method"], ignore_index=True)


def _median_seed(entry: Entry, headline: str) -> int:
    order = sorted(range(len(entry.seeds)), key=lambda seed: entry.value(PRIMARY, headline, seed) or 0.0)
    return order[(len(order) - 1) // 2]


def _aligned_sums(entry: Entry, first: Entry, seed: int) -> Sums:
    """The entry's sums in the order of the first entry's takes (they are the same takes: the fingerprint says so)."""
    place = {take: i for i, take in enumerate(entry.takes)}
    order = [place[take] for take in first.takes]
    sums = entry.seeds[seed].of(PRIMARY)
    return Sums(sums.total[order], sums.count[order], ())
