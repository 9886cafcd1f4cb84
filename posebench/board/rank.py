"""Rank comparable entries and group those that are not significantly different."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from posebench.base.errors import PosebenchError
from posebench.board.differences import RowDifference, all_pairs, letters, single_pairs
from posebench.board.entry import ABLATION, METHOD, PRIMARY, Entry
from posebench.scoring import intervals
from posebench.scoring.protocol import Protocol, load_protocol
from posebench.scoring.sums import Sums

#: The group of an entry that is shown beside the ranking.
UNRANKED = "unranked"

#: (protocol id, protocol digest, data fingerprint, keypoint source): only entries with the same key are compared.
Key = tuple[str, str, str, str]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Comparable entries in order, and the differences between them.

    Attributes:
        frame: best first by :data:`PRIMARY`: columns ``group role method form entry supervision scale seeds parameters``, the facts of
            :attr:`posebench.board.entry.Entry.facts`, for each metric ``M``, ``M low``, ``M high``, ``M seed low``, ``M seed high``, and
            ``parent``, ``to parent``, ``to parent low``, ``to parent high``; NaN where a row has no such value. Only rows whose ``role`` is
            ``method`` have a ``group``: a row with a part changed is compared with its parent, the row that it changes, and with no other.
            Where the parent is not in the table, an ablation counts as a method.
        entries: in the frame's order.
        shown: number of the seed that is shown for each, in the frame's order.
        pairs: all paired differences of :data:`PRIMARY` between rows whose role is ``method``.
        to_parent: by label, the difference of a row with a part or the training data changed to the row that it changes.
        aside: the entries that are shown and never ranked (:attr:`posebench.board.entry.Entry.why_unranked`), in the same order; None if
            there are none.
    """

    frame: pd.DataFrame
    entries: tuple[Entry, ...]
    shown: tuple[int, ...]
    pairs: tuple[RowDifference, ...]
    to_parent: Mapping[str, RowDifference]
    aside: Ranking | None = None

    @property
    def first(self) -> Entry:
        """An entry: all have protocol, data, keypoint source and units in common."""
        return (self.entries or (self.aside.entries if self.aside else ()))[0]

    @property
    def units(self) -> dict[str, str]:
        """Units of all metrics that one of the entries holds."""
        return _units(self.all_entries)

    @property
    def all_entries(self) -> tuple[Entry, ...]:
        """The ranked entries and those aside."""
        return self.entries + (self.aside.entries if self.aside else ())

    def of(self, *roles: str) -> list[tuple[Entry, int, dict[Hashable, Any]]]:
        """Entry, number of the shown seed, and row of the frame, of the rows of some roles, best first."""
        rows = zip(self.entries, self.shown, self.frame.to_dict("records"), strict=True)
        return [(entry, seed, row) for entry, seed, row in rows if row["role"] in roles]

    @cached_property
    def differences(self) -> dict[frozenset[str], RowDifference]:
        """:attr:`pairs` by the labels of both entries."""
        return {frozenset((pair.a, pair.b)): pair for pair in self.pairs}

    @property
    def half_widths(self) -> list[float]:
        """Half the width of each pair's 95 % interval, unadjusted, in ascending order; pairs without an interval are left out."""
        return sorted((pair.high - pair.low) / 2 for pair in self.pairs if pair.low is not None and pair.high is not None)

    @property
    def smallest(self) -> float | None:
        """The smallest difference that these takes can show: the median of :attr:`half_widths`; None without a pair.

        A pair that differs by more than its own half-width has an interval without zero, before Holm correction.
        """
        return median(self.half_widths) if self.half_widths else None


def comparable(entries: Sequence[Entry]) -> dict[Key, list[Entry]]:
    """Entries by key: those of one key may be compared."""
    tables: dict[Key, list[Entry]] = {}
    for entry in entries:
        key = (entry.protocol["id"], entry.protocol["digest"], entry.data["fingerprint"], entry.keypoints)
        tables.setdefault(key, []).append(entry)
    return tables


def rankings(entries: Sequence[Entry]) -> dict[Key, Ranking]:
    """A ranking of all metrics for each key; by protocol, true keypoints first, then by the noise of the keypoints."""
    tables = comparable(entries)
    return {key: rank(tables[key], metrics_of(load_protocol(key[0]), list(_units(tables[key])))) for key in sorted(tables, key=_order)}


def _units(entries: Sequence[Entry]) -> dict[str, str]:
    """Units of all metrics that one of the entries holds."""
    return {metric: unit for entry in reversed(entries) for metric, unit in entry.units.items()}


def _order(key: Key) -> tuple[str, bool, str, Key]:
    id, _, _, keypoints = key
    # Numbers in the name of a source sort by value: gauss5 before gauss10.
    return id, keypoints != "gt", re.sub(r"[0-9]+", lambda number: number[0].zfill(9), keypoints), key


def file_stems(ranked: Mapping[Key, Ranking]) -> dict[Key, str]:
    """Path of each ranking's tables and plots without folder and ending: ``<protocol id>/<keypoints>``.

    Rankings of an older digest or of other data have both in their name.
    """
    stems: dict[Key, str] = {}
    for key in sorted(ranked, key=lambda key: (key[1] != load_protocol(key[0]).digest, key)):
        id, digest, fingerprint, keypoints = key
        plain = f"{id}/{keypoints}"
        stems[key] = plain if plain not in stems.values() else f"{plain}-{digest[:8]}-{fingerprint[:8]}"
    return stems


def metrics_of(protocol: Protocol, units: Sequence[str]) -> list[str]:
    """Every metric and diagnostic that entries hold, :data:`PRIMARY` first and then in the protocol's order."""
    names = [metric.name for metric in (*protocol.metrics, *protocol.diagnostics)]
    return list(dict.fromkeys([PRIMARY, *(name for name in (*names, *units) if name in units)]))


def rank(entries: Sequence[Entry], metrics: Sequence[str]) -> Ranking:
    """Rank comparable entries, one or more, by the headline average of :data:`PRIMARY`.

    **Convention.** A method with several seeds is shown with its seed of median error, never with its best; with an even number of seeds
    with the worse of the two in the middle. All its numbers and comparisons are that seed's; the range is over all seeds.

    Rows whose role is ``method`` are compared in pairs over takes, with Holm correction. Two that differ over takes, but whose ranges over
    seeds overlap, are not separable. Rows that share a letter in ``group`` are not separable; a row may have several letters. The other
    rows are compared with their parent, with a Holm correction of their own. Entries that
    :attr:`posebench.board.entry.Entry.why_unranked` names are in ``aside``.
    """
    ranked = [entry for entry in entries if not entry.why_unranked]
    beside = [entry for entry in entries if entry.why_unranked]
    aside = _ranking(beside, entries[0], metrics, compared=False) if beside else None
    return replace(_ranking(ranked, entries[0], metrics, compared=True), aside=aside)


def _ranking(entries: Sequence[Entry], first: Entry, metrics: Sequence[str], *, compared: bool) -> Ranking:
    """Entries in order; with the differences between them and the letters of their tie groups if ``compared``."""
    headline, rows = first.protocol["headline"], first.rows
    parents = {entry.label: next((other for other in entries if other.is_parent_of(entry)), None) for entry in entries}
    roles = {entry.label: METHOD if entry.role == ABLATION and parents[entry.label] is None else entry.role for entry in entries}
    shown = {entry.label: _median_seed(entry, headline) for entry in entries}
    groups = {entry.label: UNRANKED if not compared else "" for entry in entries}
    pairs, to_parent = list[RowDifference](), dict[str, RowDifference]()
    if compared:
        methods = sorted(
            (entry for entry in entries if roles[entry.label] == METHOD),
            key=lambda entry: (entry.value(PRIMARY, headline, shown[entry.label]) or 0.0, entry.label),
        )
        pairs = all_pairs(methods, {entry.label: primary_sums(entry, first, shown[entry.label]) for entry in methods})
        groups |= letters(methods, pairs)
        to_parent = _to_parents(entries, parents, shown)
    resampling = intervals.resample(rows, headline)
    table = [
        {
            "group": groups[entry.label],
            "role": roles[entry.label],
            "method": entry.label,
            "form": entry.form,
            "entry": entry.name,
            "supervision": entry.supervision_in_words,
            "scale": entry.scale,
            "seeds": len(entry.seeds),
            "parameters": made.parameters if (made := entry.seeds[0].provenance) else np.nan,
            **entry.facts,
            "context": int(context) if (context := entry.facts["context"]).isdecimal() else context,
            **_numbers(entry, first, shown[entry.label], metrics, resampling),
            **_parent_numbers(to_parent.get(entry.label)),
        }
        for entry in entries
    ]
    frame = pd.DataFrame(table)
    if table:
        frame = frame.sort_values([PRIMARY, "method"], ignore_index=True)
    by_label = {entry.label: entry for entry in entries}
    ordered = tuple(by_label[name] for name in frame["method"]) if table else ()
    return Ranking(frame, ordered, tuple(shown[entry.label] for entry in ordered), tuple(pairs), to_parent)


def _to_parents(entries: Sequence[Entry], parents: Mapping[str, Entry | None], shown: Mapping[str, int]) -> dict[str, RowDifference]:
    """The difference of each row that has a parent to its parent, of the same seed number where the parent has it."""
    chosen = []
    for entry in entries:
        if parent := parents[entry.label]:
            seed = shown[entry.label]
            of_parent = parent.seed_like(entry.seeds[seed], shown[parent.label])
            chosen.append((entry, primary_sums(entry, entry, seed), parent, primary_sums(parent, entry, of_parent)))
    return {difference.a: difference for difference in single_pairs(chosen)}


def _parent_numbers(difference: RowDifference | None) -> dict[str, object]:
    names = ("parent", "to parent", "to parent low", "to parent high")
    values = (None, None, None, None) if difference is None else (difference.b, difference.value, difference.low, difference.high)
    return {name: np.nan if value is None else value for name, value in zip(names, values, strict=True)}


def _numbers(entry: Entry, first: Entry, seed: int, metrics: Sequence[str], resampling: intervals.Draw | None) -> dict[str, float]:
    """Value, interval and range over seeds of each metric, by column of the frame; NaN where there is none."""
    headline, rows = first.protocol["headline"], first.rows
    numbers: dict[str, float | None] = {}
    for metric in metrics:
        sums = _aligned_sums(entry, first, seed, metric)
        bounds = None if sums is None else intervals.interval(rows, sums.row_total, sums.count, headline, resampling)
        low, high = bounds or (None, None)
        values = [value for number in range(len(entry.seeds)) if (value := entry.value(metric, headline, number)) is not None]
        numbers |= {
            metric: entry.value(metric, headline, seed),
            f"{metric} low": low,
            f"{metric} high": high,
            f"{metric} seed low": min(values, default=None),
            f"{metric} seed high": max(values, default=None),
        }
    return {name: np.nan if number is None else number for name, number in numbers.items()}


def _median_seed(entry: Entry, headline: str) -> int:
    order = sorted(range(len(entry.seeds)), key=lambda seed: entry.value(PRIMARY, headline, seed) or 0.0)
    return order[len(order) // 2]


def primary_sums(entry: Entry, first: Entry, seed: int) -> Sums:
    """The sums of :data:`PRIMARY`, which every entry has, in the order of the first entry's takes."""
    sums = _aligned_sums(entry, first, seed, PRIMARY)
    assert sums is not None, "every entry has the metric that ranks"
    return sums


def _aligned_sums(entry: Entry, first: Entry, seed: int, metric: str) -> Sums | None:
    """The entry's sums in the order of the first entry's takes; None if it has none. One fingerprint means the same takes."""
    if metric not in entry.seeds[seed].sums:
        return None
    position = {take: i for i, take in enumerate(entry.takes)}
    if position.keys() != set(first.takes):
        raise PosebenchError(
            f"{entry.name} and {first.name}: different takes under one fingerprint",
            f"the {len(first.takes)} takes of {first.data['name']}",
            "score the predictions again",
            exit_code=1,
        )
    order = [position[take] for take in first.takes]
    sums = entry.seeds[seed].of(metric)
    return Sums(sums.total[order], sums.count[order], ())
