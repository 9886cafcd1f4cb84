"""What the plots of a ranking show, as plain data: one function for each plot.

**Convention.** A function takes a ranking and the board's timing records by the name of their machine. It gives title, axis and numbers,
rounded to four digits, or None where there is nothing to plot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posebench.board.entry import PRIMARY
from posebench.board.rank import Ranking
from posebench.lifters.timing.record import Record
from posebench.scoring.sums import group_means

_DIGITS = 4
#: The area under the PCK curve that is plotted: like the primary metric, it exists for methods of unknown scale too.
_CURVE = "PA-AUC"

Data = dict[str, Any]


def error_by_method(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method, best first: value, interval, every seed, letters of its tie groups."""
    rows = []
    headline = ranking.entries[0].protocol["headline"]
    for entry, (_, row) in zip(ranking.entries, ranking.frame.iterrows(), strict=True):
        seeds = [entry.value(PRIMARY, headline, seed) for seed in range(len(entry.seeds))]
        bounds = [row[f"{PRIMARY} low"], row[f"{PRIMARY} high"]]
        rows.append(
            {
                "method": entry.label,
                "form": entry.form,
                "group": row["group"],
                "value": _rounded(row[PRIMARY]),
                "interval": None if bounds[0] != bounds[0] else [_rounded(bound) for bound in bounds],
                "seeds": [_rounded(value) for value in seeds],
            }
        )
    return {**_about(ranking), "rows": rows}


def error_by_action(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method its frame-weighted mean by action; None where there is one action only."""
    series = {
        entry.label: group_means(entry.rows, entry.seeds[seed].of(PRIMARY), "action")
        for entry, seed in zip(ranking.entries, ranking.shown, strict=True)
    }
    return _series(ranking, "action", series)


def error_by_joint(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method its headline average by joint; None where no entry holds sums by joint."""
    headline = ranking.entries[0].protocol["headline"]
    series = {entry.label: entry.by_joint(PRIMARY, headline, seed) for entry, seed in zip(ranking.entries, ranking.shown, strict=True)}
    return _series(ranking, "joint", series)


def error_thresholds(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method its PCK after alignment by threshold; None where no entry holds the curve."""
    series: dict[str, list[float]] = {}
    thresholds: list[float] = []
    without: list[str] = []
    for entry, seed in zip(ranking.entries, ranking.shown, strict=True):
        curve = entry.seeds[seed].curves.get(_CURVE)
        if curve is None:
            without.append(entry.label)
            continue
        thresholds, percent = curve
        series[entry.label] = [_rounded(value) for value in percent]
    return {**_about(ranking), "thresholds": thresholds, "series": series, "without": without} if series else None


def error_against_time(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:
    """For each method and machine its error and the median time of lifting one frame; None where no method was timed."""
    points = []
    for machine, record in records.items():
        label = machine if record.noise.trusted else f"{machine} (too noisy to trust)"
        cases = {one.name: case for one in record.lifters if (case := one.usual(1)) is not None}
        for entry, (_, row) in zip(ranking.entries, ranking.frame.iterrows(), strict=True):
            made = entry.seeds[0].provenance
            case = next((cases[name] for name in (made.names(entry.method) if made else (entry.method,)) if name in cases), None)
            if case is not None:
                milliseconds = float(f"{1e3 * case.p50:.3g}")
                points.append({"method": entry.label, "machine": label, "value": _rounded(row[PRIMARY]), "milliseconds": milliseconds})
    if not points:
        return None
    timed = {point["method"] for point in points}
    return {**_about(ranking), "points": points, "without": [entry.label for entry in ranking.entries if entry.label not in timed]}


def _series(ranking: Ranking, by: str, series: dict[str, dict[str, float]]) -> Data | None:
    present = {name: values for name, values in series.items() if values}
    places = list(dict.fromkeys(place for values in present.values() for place in values))
    if len(places) < 2:
        return None
    rounded = {name: {place: _rounded(value) for place, value in values.items()} for name, values in present.items()}
    without = [name for name, values in series.items() if not values]
    return {**_about(ranking), "by": by, "places": places, "series": rounded, "without": without}


def _about(ranking: Ranking) -> Data:
    first = ranking.entries[0]
    return {
        "title": f"{first.protocol['id']}, keypoints {first.keypoints}",
        "axis": f"{PRIMARY} [{first.units[PRIMARY]}]",
        "headline": first.protocol["headline"],
    }


def _rounded(value: float | None) -> float:
    assert value is not None, "every entry has the metric that ranks"
    return round(float(value), _DIGITS)
