"""What the plots of a ranking show, as plain data: one function for each plot.

**Convention.** A function takes a ranking and the board's timing records by the name of their machine. It gives title, axis and numbers,
rounded to four digits, or None where there is nothing to plot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posebench.board.entry import ABLATION, METHOD, PRIMARY, Entry
from posebench.board.rank import Ranking
from posebench.lifters.timing.record import Record
from posebench.scoring.sums import group_means

_DIGITS = 4
#: The area under the PCK curve that is plotted: like the primary metric, it exists for methods of unknown scale too.
_CURVE = "PA-AUC"
#: Curves in one plot: as many as a reader can follow.
MOST_CURVES = 8

Data = dict[str, Any]


def error_by_method(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method, best first: value, interval, every seed, letters of its tie groups."""
    rows = []
    for entry, _, row in ranking.of(METHOD):
        seeds = [entry.value(PRIMARY, entry.protocol["headline"], seed) for seed in range(len(entry.seeds))]
        bounds = [row[f"{PRIMARY} low"], row[f"{PRIMARY} high"]]
        rows.append(
            {
                "method": name_in_plots(entry),
                "group": row["group"],
                "value": _rounded(row[PRIMARY]),
                "interval": None if bounds[0] != bounds[0] else [_rounded(bound) for bound in bounds],
                "seeds": [_rounded(value) for value in seeds],
            }
        )
    return {**_about(ranking), "rows": rows} if rows else None


def difference_to_parent(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method with ablations, its unchanged row and each changed row's difference to it; None where there are none."""
    rows = []
    for entry, _, _ in ranking.of(ABLATION):
        made, difference = entry.seeds[0].provenance, ranking.to_parent[entry.label]
        assert made is not None, "an ablation has a recipe"
        bounds = None if difference.low is None or difference.high is None else [_rounded(difference.low), _rounded(difference.high)]
        row = {"parent": f"{entry.method}, {made.form}", "recipe": made.recipe, "value": _rounded(difference.value), "interval": bounds}
        rows.append({**row, "separable": difference.separable})
    rows.sort(key=lambda row: (row["parent"], row["value"]))
    return {**_about(ranking), "rows": rows} if rows else None


def error_by_action(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method its frame-weighted mean by action; None where there is one action only."""
    rows = ranking.of(METHOD)
    series = {name_in_plots(entry): group_means(entry.rows, entry.seeds[seed].of(PRIMARY), "action") for entry, seed, _ in rows}
    return _series(ranking, "action", series)


def error_by_joint(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For each method its headline average by joint; None where no entry holds sums by joint."""
    rows = ranking.of(METHOD)
    series = {name_in_plots(entry): entry.by_joint(PRIMARY, entry.protocol["headline"], seed) for entry, seed, _ in rows}
    return _series(ranking, "joint", series)


def error_thresholds(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """For the best :data:`MOST_CURVES` methods that hold the curve: PCK after alignment by threshold; None where none holds it."""
    series: dict[str, list[float]] = {}
    thresholds: list[float] = []
    for entry, seed, _ in ranking.of(METHOD):
        if len(series) < MOST_CURVES and (curve := entry.seeds[seed].curves.get(_CURVE)) is not None:
            thresholds, percent = curve
            series[name_in_plots(entry)] = [_rounded(value) for value in percent]
    return {**_about(ranking), "thresholds": thresholds, "series": series} if series else None


def error_against_time(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:
    """For each method and machine its error and the median time of lifting one frame; None where no method was timed."""
    points = []
    for machine, record in records.items():
        label = machine if record.noise.trusted else f"{machine} (too noisy to trust)"
        cases = {one.name: case for one in record.lifters if (case := one.usual(1)) is not None}
        for entry, _, row in ranking.of(METHOD):
            made = entry.seeds[0].provenance
            case = next((cases[name] for name in (made.names(entry.method) if made else (entry.method,)) if name in cases), None)
            if case is not None:
                milliseconds = float(f"{1e3 * case.p50:.3g}")
                points.append(
                    {"method": name_in_plots(entry), "machine": label, "value": _rounded(row[PRIMARY]), "milliseconds": milliseconds}
                )
    return {**_about(ranking), "points": points} if points else None


def name_in_plots(entry: Entry) -> str:
    """A method and its form or preset, as short as it can be: ``repnet, paper``; its label where the form does not tell its recipe."""
    made = entry.seeds[0].provenance
    if made is None:
        return entry.method
    if made.recipe != made.form or made.preset == "smoke":
        return entry.label
    return f"{entry.method}, {made.form}"


def _series(ranking: Ranking, by: str, series: dict[str, dict[str, float]]) -> Data | None:
    present = {name: values for name, values in series.items() if values}
    places = list(dict.fromkeys(place for values in present.values() for place in values))
    if len(places) < 2:
        return None
    rounded = {name: {place: _rounded(value) for place, value in values.items()} for name, values in present.items()}
    return {**_about(ranking), "by": by, "places": places, "series": rounded}


def _about(ranking: Ranking) -> Data:
    first = ranking.first
    return {
        "title": f"{first.protocol['id']}, keypoints {first.keypoints}",
        "axis": f"{PRIMARY} [{first.units[PRIMARY]}]",
        "headline": first.protocol["headline"],
    }


def _rounded(value: float | None) -> float:
    assert value is not None, "every entry has the metric that ranks"
    return round(float(value), _DIGITS)
