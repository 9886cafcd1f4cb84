"""How the plots are drawn: plain data of :mod:`posebench.board.pages.plot_data` onto a matplotlib figure.

**Convention.** Colours differ for people who do not see red or green (Okabe and Ito 2008), and never carry a meaning alone:
lines and points are labelled where they stand, cells of a heat map hold their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from posebench.board.pages.plot_data import Data
from posebench.display.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (*COLOURS, "#888888")
_MARKERS = "os^DvPX<>*"
_STYLES = ("-", "--", "-.", ":")
_BETTER, _WORSE, _OPEN = _COLOURS[0], _COLOURS[1], _COLOURS[-1]
#: Height of a row, height of all that is around the rows, and width of a plot, inches.
_ROW, _HEAD, _WIDTH = 0.3, 1.0, 7.6
#: Characters of tie groups that a plot has room for.
_LONGEST_GROUP = 14
#: The largest difference that the plot of differences resolves, as a multiple of the median one; larger ones are cut and say their value.
_CUT = 4.0
#: Points whose times differ by this factor have room for a label between them.
_FAR = 3.0
#: A cell this far up the colour scale has white text on it.
_DARK = 0.55


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
    _name_rows(axes, [row["method"] for row in rows])
    axes.set_xlim(left=0)
    letters = axes.secondary_yaxis("right")
    letters.set_yticks(range(len(rows)), [_short(row["group"]) for row in rows], fontsize=9)
    letters.tick_params(length=0)
    letters.spines["right"].set_visible(False)
    _label(figure, axes, data, f"{data['axis']}, average by {data['headline']}")
    axes.set_title("point: median seed; band: 95 % interval over takes; strokes: seeds; same letter: not separable", fontsize=8, wrap=True)


def draw_differences(figure: Figure, data: Data) -> None:
    """The difference of each changed row to its parent, grouped by parent; a difference far beyond the others is cut and labelled."""
    rows = data["rows"]
    parents = list(dict.fromkeys(row["parent"] for row in rows))
    figure.set_size_inches(_WIDTH, _HEAD + _ROW * (len(rows) + len(parents)))
    axes = figure.subplots()
    sizes = sorted(abs(row["value"]) for row in rows)
    resolved = [row for row in rows if abs(row["value"]) <= max(1.0, _CUT * sizes[len(sizes) // 2])]
    limit = 1.1 * max([1.0, *(abs(end) for row in resolved for end in (row["value"], *(row["interval"] or ())))])
    names: list[str] = []
    for parent in parents:
        names.append(parent)
        for row in (row for row in rows if row["parent"] == parent):
            place, value = len(names), row["value"]
            names.append(f"{row['recipe']}  ")
            colour = _OPEN if not row["separable"] else _BETTER if value < 0 else _WORSE
            if abs(value) > limit:
                edge, inside = (limit, "right") if value > 0 else (-limit, "left")
                axes.plot([0, edge], [place, place], color=colour, linewidth=1.2, linestyle=":")
                axes.annotate(
                    f"{value:+.0f}", (edge, place), (-3 if value > 0 else 3, 4), textcoords="offset points", fontsize=8, ha=inside
                )
                continue
            axes.plot([0, value], [place, place], color=colour, linewidth=1.2)
            if row["interval"]:
                axes.plot(row["interval"], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
            axes.plot([value], [place], "o", color=colour, markersize=6, fillstyle="full" if row["separable"] else "none")
    _name_rows(axes, names)
    for place, label in enumerate(axes.get_yticklabels()):
        if names[place] in parents:
            label.set_fontweight("bold")
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_xlim(-limit, limit)
    unit = data["axis"].partition("[")[2].rstrip("]")
    _label(figure, axes, data, f"difference of PA-MPJPE to the unchanged method [{unit}]; left of 0: better")
    axes.set_title(
        "band: 95 % interval of the paired difference; hollow grey: not separable; dotted: beyond the axis", fontsize=8, wrap=True
    )


def draw_heat_map(figure: Figure, data: Data) -> None:
    """A row for each action or joint, a column for each method, one colour scale; each cell holds its value."""
    series, places = data["series"], data["places"]
    names = list(series)
    values = [[series[name].get(place) for name in names] for place in places]
    known = [value for row in values for value in row if value is not None]
    figure.set_size_inches(max(_WIDTH, 2.2 + 0.62 * len(names)), _HEAD + 1.2 + 0.27 * len(places))
    axes = figure.subplots()
    low, high = min(known), max(known)
    shown = [[float("nan") if value is None else value for value in row] for row in values]
    image = axes.imshow(shown, cmap="cividis_r", vmin=low, vmax=high, aspect="auto")
    for line, row in enumerate(values):
        for column, value in enumerate(row):
            if value is not None:
                dark = value - low > _DARK * (high - low)
                axes.text(column, line, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_yticks(range(len(places)), places, fontsize=9)
    axes.set_xticks(range(len(names)), names, fontsize=9, rotation=35, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.015, fraction=0.03)
    bar.ax.tick_params(labelsize=8)
    weighting = "frame-weighted" if data["by"] == "action" else f"average by {data['headline']}"
    figure.suptitle(f"{data['title']}: {data['axis']} by {data['by']}, {weighting}, median seed", fontsize=10)


def draw_curves(figure: Figure, data: Data) -> None:
    """PCK curves, a line for each method, labelled at its end."""
    series = data["series"]
    figure.set_size_inches(_WIDTH, 4.4)
    axes = figure.subplots()
    last = [values[-1] for values in series.values()]
    heights = _apart(last, 4.5)
    end = data["thresholds"][-1]
    for number, (name, values) in enumerate(series.items()):
        colour, style = _COLOURS[number % len(_COLOURS)], _STYLES[number // 2 % len(_STYLES)]
        axes.plot(data["thresholds"], values, color=colour, linestyle=style, linewidth=1.6)
        axes.annotate(
            name,
            (end, values[-1]),
            (end * 1.03, heights[number]),
            fontsize=8,
            va="center",
            color=colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6},
        )
    axes.set_xlim(data["thresholds"][0], end)
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    _open(axes)
    _label(figure, axes, data, f"threshold [mm], after alignment; average by {data['headline']}, median seed")
    axes.set_ylabel("PA-PCK [%]", fontsize=9)
    axes.tick_params(axis="y", labelsize=8)


def draw_times(figure: Figure, data: Data) -> None:
    """Error against time, labelled points; a line joins those that no other point beats in both."""
    points = data["points"]
    machines = list(dict.fromkeys(point["machine"] for point in points))
    figure.set_size_inches(_WIDTH, 4.4)
    axes = figure.subplots()
    for number, machine in enumerate(machines):
        mine = [point for point in points if point["machine"] == machine]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(
            [point["milliseconds"] for point in mine], [point["value"] for point in mine], _MARKERS[number % len(_MARKERS)], color=colour
        )
        front = pareto([(point["milliseconds"], point["value"]) for point in mine])
        axes.plot(*zip(*front, strict=True), color=colour, linewidth=1, linestyle="--", alpha=0.6, drawstyle="steps-post")
        gap = 0.05 * max(point["value"] for point in points)
        for near in _neighbours(mine):
            for point, height in zip(near, _apart([point["value"] for point in near], gap), strict=True):
                place = (1.25 * max(one["milliseconds"] for one in near), height)
                leader = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.7}
                start = (point["milliseconds"], point["value"])
                axes.annotate(point["method"], start, place, fontsize=8, va="center", arrowprops=leader)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlim(min(point["milliseconds"] for point in points) / 2, max(point["milliseconds"] for point in points) * 20)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    _open(axes)
    _label(figure, axes, data, "median time of lifting one frame [ms], as a prediction does it")
    axes.set_ylabel(data["axis"], fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    of = f"{'machines, by marker' if len(machines) > 1 else 'machine'}: {', '.join(machines)}"
    axes.set_title(f"{of}; dashed: no timed method is both faster and better", fontsize=8, wrap=True)


def draw_rises(figure: Figure, data: Data) -> None:
    """A row for each kind of error, a point with its interval for each pair of methods; left of 0: training on errors helps."""
    kinds, series = data["kinds"], data["series"]
    figure.set_size_inches(_WIDTH, _HEAD + 0.4 + (_ROW + 0.14 * len(series)) * len(kinds))
    axes = figure.subplots()
    step = 0.7 / max(1, len(series))
    for number, (name, values) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [row + (number - (len(series) - 1) / 2) * step for row in range(len(kinds))]
        for place, value in zip(places, values, strict=True):
            if value["interval"]:
                axes.plot(value["interval"], [place, place], color=colour, linewidth=4, alpha=0.35, solid_capstyle="butt")
        points = [value["value"] for value in values]
        axes.plot(points, places, _MARKERS[number % len(_MARKERS)], color=colour, markersize=6, label=name)
    _name_rows(axes, kinds)
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_xlabel(f"change of {data['axis']}, mean over severities; left of 0: better than trained on exact keypoints", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    figure.legend(loc="outside upper left", ncols=2, fontsize=8, frameon=False)


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, by the first coordinate, that no other point beats in one coordinate without losing in the other; smaller is better.

    Example:
        >>> pareto([(3.0, 30.0), (1.0, 90.0), (2.0, 95.0), (4.0, 30.0)])
        [(1.0, 90.0), (3.0, 30.0)]
    """
    front: list[tuple[float, float]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights of labels in the same order, moved down so that neighbours are ``gap`` apart."""
    moved = list(heights)
    order = sorted(range(len(heights)), key=lambda place: -heights[place])
    for above, below in pairwise(order):
        moved[below] = min(moved[below], moved[above] - gap)
    return moved


def _neighbours(points: Sequence[Data]) -> list[list[Data]]:
    """Points whose labels would overlap: from the fastest on, a group ends where the next one takes :data:`_FAR` times as long."""
    groups: list[list[Data]] = []
    for point in sorted(points, key=lambda point: point["milliseconds"]):
        if groups and point["milliseconds"] < _FAR * groups[-1][-1]["milliseconds"]:
            groups[-1].append(point)
        else:
            groups.append([point])
    return groups


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


def _open(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _label(figure: Figure, axes: Axes, data: Data, axis: str) -> None:
    figure.suptitle(data["title"], fontsize=10)
    axes.set_xlabel(axis, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
