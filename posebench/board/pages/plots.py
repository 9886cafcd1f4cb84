"""Plots of a ranking as SVG: error by method with intervals and seeds, by action, by joint, PCK curves, error against time.

**Convention.** A plot is drawn from plain data and nothing else. Its last line is a stamp: a digest of the data and of
:data:`STYLE_VERSION`, and a digest of the drawing. :func:`fresh` compares the stamp without drawing, so the check does not depend on the
version of matplotlib. One version of matplotlib draws the same bytes from the same data. To add a plot, add a line to :data:`PLOTS`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from posebench.base.errors import first_ten
from posebench.board.rank import PRIMARY, Ranking
from posebench.lifters.timing.record import Record
from posebench.scoring.sums import group_means

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that colour-blind readers can distinguish (Okabe and Ito 2008); markers and line styles vary as well.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_MARKERS = "os^DvPX<>*"
_STYLES = ("-", "--", ":", "-.")
#: Inches: height of a row, height of title and axis, width of a plot.
_ROW, _HEAD, _WIDTH = 0.3, 1.15, 7.6
_DIGITS = 4
#: Raise it with every change of how a plot looks: plots of another version are stale and are drawn again.
STYLE_VERSION = 1
#: The metric whose PCK curve is drawn: as the primary metric, methods of unknown scale have it too.
_CURVE = "PA-AUC"

Data = dict[str, Any]


def error_by_method(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """A row per method, best first: value, interval, every seed, letters."""
    rows = []
    headline = ranking.entries[0].protocol["headline"]
    for entry, (_, row) in zip(ranking.entries, ranking.frame.iterrows(), strict=True):
        seeds = [entry.value(PRIMARY, headline, seed) for seed in range(len(entry.seeds))]
        bounds = [row[f"{PRIMARY} low"], row[f"{PRIMARY} high"]]
        rows.append(
            {
                "method": entry.label,
                "group": row["group"],
                "value": _rounded(row[PRIMARY]),
                "interval": None if bounds[0] != bounds[0] else [_rounded(bound) for bound in bounds],
                "seeds": [_rounded(value) for value in seeds],
            }
        )
    return {**_about(ranking), "rows": rows}


def error_by_action(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """Frame-weighted mean of each action, a series per method; None where there is only one action."""
    series = {
        entry.label: group_means(entry.rows, entry.seeds[seed].of(PRIMARY), "action")
        for entry, seed in zip(ranking.entries, ranking.shown, strict=True)
    }
    return _series(ranking, "action", series)


def error_by_joint(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """Headline average of each joint, a series per method; None where no entry holds sums by joint."""
    headline = ranking.entries[0].protocol["headline"]
    series = {entry.label: entry.by_joint(PRIMARY, headline, seed) for entry, seed in zip(ranking.entries, ranking.shown, strict=True)}
    return _series(ranking, "joint", series)


def error_thresholds(ranking: Ranking, records: Mapping[str, Record]) -> Data | None:  # noqa: ARG001
    """PCK after alignment at each threshold, a series per method; None where no entry holds the curve."""
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
    """A point per method and machine: error, and median time of lifting one frame; None where no method was timed."""
    points = []
    for machine, record in records.items():
        label = machine if record.noise.trusted else f"{machine} (too noisy to trust)"
        held = {one.name: case for one in record.lifters if (case := one.usual(1)) is not None}
        for entry, (_, row) in zip(ranking.entries, ranking.frame.iterrows(), strict=True):
            made = entry.seeds[0].provenance
            case = held.get(made.named(entry.method) if made else entry.method)
            if case is not None:
                milliseconds = float(f"{1e3 * case.p50:.3g}")
                points.append({"method": entry.label, "machine": label, "value": _rounded(row[PRIMARY]), "milliseconds": milliseconds})
    if not points:
        return None
    timed = {point["method"] for point in points}
    return {**_about(ranking), "points": points, "without": [entry.label for entry in ranking.entries if entry.label not in timed]}


def _series(ranking: Ranking, by: str, series: dict[str, dict[str, float]]) -> Data | None:
    held = {name: values for name, values in series.items() if values}
    places = list(dict.fromkeys(place for values in held.values() for place in values))
    if len(places) < 2:
        return None
    rounded = {name: {place: _rounded(value) for place, value in values.items()} for name, values in held.items()}
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
    assert value is not None, "every entry has the primary metric"
    return round(float(value), _DIGITS)


def _draw_errors(figure: Figure, data: Data) -> None:
    rows = data["rows"]
    figure.set_size_inches(_WIDTH, _HEAD + _ROW * len(rows))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        if row["interval"]:
            axes.plot(row["interval"], [place, place], color=_COLOURS[0], linewidth=5, alpha=0.3, solid_capstyle="butt")
        if len(row["seeds"]) > 1:
            axes.plot(row["seeds"], [place] * len(row["seeds"]), "|", color="#222222", markersize=11)
        axes.plot([row["value"]], [place], "o", color=_COLOURS[0], markersize=6)
    _name_rows(axes, [row["method"] for row in rows])
    axes.set_xlim(left=0)
    letters = axes.secondary_yaxis("right")
    letters.set_yticks(range(len(rows)), [row["group"] for row in rows], fontsize=9)
    letters.tick_params(length=0)
    letters.spines["right"].set_visible(False)
    _explain(figure, axes, data, f"{data['axis']}, average by {data['headline']}")
    axes.set_title(
        "point: median seed; band: 95 % interval over takes; strokes: seeds; shared letter: not significantly different", fontsize=8
    )


def _draw_series(figure: Figure, data: Data) -> None:
    series, places = data["series"], data["places"]
    figure.set_size_inches(_WIDTH, _HEAD + 0.22 * -(-len(series) // 3) + _ROW * len(places))
    axes = figure.subplots()
    for number, (name, values) in enumerate(series.items()):
        known = [place for place in places if place in values]
        axes.plot(
            [values[place] for place in known],
            [places.index(place) for place in known],
            linestyle="",
            marker=_MARKERS[number % len(_MARKERS)],
            color=_COLOURS[number % len(_COLOURS)],
            markersize=6,
            alpha=0.85,
            label=name,
        )
    _name_rows(axes, places)
    axes.set_xlim(left=0)
    weighting = "frame-weighted" if data["by"] == "action" else f"average by {data['headline']}"
    _explain(figure, axes, data, f"{data['axis']} by {data['by']}, {weighting}, median seed")
    if data["without"]:
        axes.set_title(f"without data: {first_ten(data['without'])}", fontsize=8)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def _draw_curves(figure: Figure, data: Data) -> None:
    series = data["series"]
    figure.set_size_inches(_WIDTH, 4.2 + 0.22 * -(-len(series) // 3))
    axes = figure.subplots()
    for number, (name, values) in enumerate(series.items()):
        colour, style = _COLOURS[number % len(_COLOURS)], _STYLES[number // len(_COLOURS) % len(_STYLES)]
        axes.plot(data["thresholds"], values, color=colour, linestyle=style, linewidth=1.6, label=name)
    axes.set_xlim(data["thresholds"][0], data["thresholds"][-1])
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _explain(figure, axes, data, f"threshold [mm], after alignment; average by {data['headline']}, median seed")
    axes.set_ylabel("PA-PCK [%]", fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    if data["without"]:
        axes.set_title(f"without data: {first_ten(data['without'])}", fontsize=8)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def _draw_times(figure: Figure, data: Data) -> None:
    points, methods = data["points"], list(dict.fromkeys(point["method"] for point in data["points"]))
    machines = list(dict.fromkeys(point["machine"] for point in points))
    figure.set_size_inches(_WIDTH, 4.2 + 0.22 * -(-len(methods) // 3))
    axes = figure.subplots()
    named = set()
    for point in points:
        number = methods.index(point["method"])
        axes.plot(
            [point["milliseconds"]],
            [point["value"]],
            linestyle="",
            marker=_MARKERS[(number if len(machines) == 1 else machines.index(point["machine"])) % len(_MARKERS)],
            color=_COLOURS[number % len(_COLOURS)],
            markersize=8,
            label=None if point["method"] in named else point["method"],
        )
        named.add(point["method"])
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _explain(figure, axes, data, "median time of lifting one frame [ms]")
    axes.set_ylabel(data["axis"], fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    machines_text = f"machine{'s, by shape' if len(machines) > 1 else ''}: {', '.join(machines)}"
    axes.set_title(machines_text + (f"; not timed: {first_ten(data['without'])}" if data["without"] else ""), fontsize=8, wrap=True)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _explain(figure: Figure, axes: Axes, data: Data, axis: str) -> None:
    figure.suptitle(data["title"], fontsize=10)
    axes.set_xlabel(axis, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)


#: Name of a plot -> function that gives its data (None: nothing to draw), function that draws them, title of its link.
PLOTS: dict[str, tuple[Callable[[Ranking, Mapping[str, Record]], Data | None], Callable[[Figure, Data], None], str]] = {
    "error": (error_by_method, _draw_errors, "error by method"),
    "actions": (error_by_action, _draw_series, "error by action"),
    "joints": (error_by_joint, _draw_series, "error by joint"),
    "pck": (error_thresholds, _draw_curves, "share of joints below a threshold"),
    "time": (error_against_time, _draw_times, "error against time"),
}


def plot_data(ranking: Ranking, records: Mapping[str, Record]) -> dict[str, Data]:
    """The data of every plot that can be drawn for a ranking, by name; ``records`` are timings by the name of their machine."""
    found = {name: give(ranking, records) for name, (give, _, _) in PLOTS.items()}
    return {name: data for name, data in found.items() if data is not None}


def draw(name: str, data: Data) -> str:
    """The SVG text of one of :data:`PLOTS`, with its stamp."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # Text as outlines, independent of installed fonts. The fixed salt and the missing date make the bytes reproducible.
    with rc_context({"svg.hashsalt": "posebench", "svg.fonttype": "path"}):
        figure = Figure(layout="constrained")
        FigureCanvasSVG(figure)
        PLOTS[name][1](figure, data)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    text = "\n".join(lines) + "\n"
    return text + _stamp(name, data, text)


def fresh(text: str, name: str, data: Data) -> bool:
    """The SVG was drawn in the present style from these data, and not edited afterwards."""
    drawing, mark, _ = text.rpartition("<!-- posebench:")
    return bool(mark) and text == drawing + _stamp(name, data, drawing)


def _stamp(name: str, data: Data, drawing: str) -> str:
    source = json.dumps([STYLE_VERSION, name, data], sort_keys=True)
    return f"<!-- posebench: data {_digest(source)}, drawing {_digest(drawing)} -->\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
