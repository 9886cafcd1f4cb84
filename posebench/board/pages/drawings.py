"""How the plots are drawn: plain data of :mod:`posebench.board.pages.plot_data` onto a matplotlib figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from posebench.base.errors import first_ten
from posebench.board.pages.plot_data import Data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Distinct without red against green (Okabe and Ito 2008); markers and line styles differ as well.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_MARKERS = "os^DvPX<>*"
_STYLES = ("-", "--", ":", "-.")
#: Height of a row, height of all that is around the rows, and width of a plot, inches.
_ROW, _HEAD, _WIDTH = 0.3, 1.15, 7.6
#: Characters of tie groups that a plot has room for.
_LONGEST_GROUP = 14


def draw_errors(figure: Figure, data: Data) -> None:
    """Points with intervals and seeds, a row for each method."""
    rows = data["rows"]
    figure.set_size_inches(_WIDTH, _HEAD + _ROW * len(rows))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        if row["interval"]:
            axes.plot(row["interval"], [place, place], color=_COLOURS[0], linewidth=5, alpha=0.3, solid_capstyle="butt")
        if len(row["seeds"]) > 1:
            axes.plot(row["seeds"], [place] * len(row["seeds"]), "|", color="#222222", markersize=11)
        axes.plot([row["value"]], [place], "o", color=_COLOURS[0], markersize=6)
    # Most names say the form: chen2019+paper.
    _name_rows(axes, [row["method"] if f"+{row['form']}" in row["method"] else f"{row['method']}, {row['form']}" for row in rows])
    axes.set_xlim(left=0)
    letters = axes.secondary_yaxis("right")
    letters.set_yticks(range(len(rows)), [_short(row["group"]) for row in rows], fontsize=9)
    letters.tick_params(length=0)
    letters.spines["right"].set_visible(False)
    _label(figure, axes, data, f"{data['axis']}, average by {data['headline']}")
    axes.set_title("point: median seed; band: 95 % interval over takes; strokes: seeds; same letter: not separable", fontsize=8, wrap=True)


def draw_series(figure: Figure, data: Data) -> None:
    """Points by action or joint, a marker for each method."""
    series, places = data["series"], data["places"]
    figure.set_size_inches(_WIDTH, _HEAD + _legend_height(len(series)) + _ROW * len(places))
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
    _label(figure, axes, data, f"{data['axis']} by {data['by']}, {weighting}, median seed")
    _name_missing(axes, data)
    _legend(figure)


def draw_curves(figure: Figure, data: Data) -> None:
    """PCK curves, a line for each method."""
    series = data["series"]
    figure.set_size_inches(_WIDTH, 4.2 + _legend_height(len(series)))
    axes = figure.subplots()
    for number, (name, values) in enumerate(series.items()):
        colour, style = _COLOURS[number % len(_COLOURS)], _STYLES[number // len(_COLOURS) % len(_STYLES)]
        axes.plot(data["thresholds"], values, color=colour, linestyle=style, linewidth=1.6, label=name)
    axes.set_xlim(data["thresholds"][0], data["thresholds"][-1])
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _label(figure, axes, data, f"threshold [mm], after alignment; average by {data['headline']}, median seed")
    axes.set_ylabel("PA-PCK [%]", fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    _name_missing(axes, data)
    _legend(figure)


def draw_times(figure: Figure, data: Data) -> None:
    """Error against time, a marker for each method or machine."""
    points, methods = data["points"], list(dict.fromkeys(point["method"] for point in data["points"]))
    machines = list(dict.fromkeys(point["machine"] for point in points))
    figure.set_size_inches(_WIDTH, 4.2 + _legend_height(len(methods)))
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
    _label(figure, axes, data, "median time of lifting one frame [ms], as a prediction does it")
    axes.set_ylabel(data["axis"], fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    machines_text = f"machine{'s, by shape' if len(machines) > 1 else ''}: {', '.join(machines)}"
    axes.set_title(machines_text + (f"; not timed: {first_ten(data['without'])}" if data["without"] else ""), fontsize=8, wrap=True)
    _legend(figure)


def _short(group: str) -> str:
    """Tie groups that fit next to a plot."""
    return group if len(group) <= _LONGEST_GROUP else f"{group[: _LONGEST_GROUP - 4].rsplit(' ', 1)[0]} ..."


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _label(figure: Figure, axes: Axes, data: Data, axis: str) -> None:
    figure.suptitle(data["title"], fontsize=10)
    axes.set_xlabel(axis, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)


def _name_missing(axes: Axes, data: Data) -> None:
    if data["without"]:
        axes.set_title(f"not in the entries of {first_ten(data['without'])}", fontsize=8)


def _legend(figure: Figure) -> None:
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def _legend_height(entries: int) -> float:
    """Inches that a legend of three columns takes."""
    return 0.22 * math.ceil(entries / 3)
