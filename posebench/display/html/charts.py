"""Charts as inline SVG, for cells of tables and on their own. They take their colours from the style sheet, and stretch with the page.

**Convention.** Positions along the page are percentages of a chart's width; so a chart in a cell needs no size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from posebench.base.cameras import Array
from posebench.base.skeletons import Skeleton
from posebench.display.html.elements import Markup, element

#: Number of distinct colours and dashes of the style sheet.
COLOURS = 8
#: Size of the chart of curves, in its own units, and its margins: left, right, top, bottom.
_WIDTH, _HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 12, 10, 38


class Scale(NamedTuple):
    """The values at both ends of a chart."""

    low: float
    high: float

    def percent(self, value: float) -> str:
        """Where a value is, as an attribute of SVG; values beyond the ends are at the ends."""
        share = 0.5 if self.high <= self.low else (value - self.low) / (self.high - self.low)
        return f"{100 * min(1.0, max(0.0, share)):.2f}%"

    @property
    def ticks(self) -> list[float]:
        """Three to six round values.

        Example:
            >>> Scale(0.0, 117.0).ticks
            [0.0, 25.0, 50.0, 75.0, 100.0]
        """
        step = round_step((self.high - self.low) / 4)
        first = math.ceil(self.low / step - 1e-9)
        return [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below 0.85 times ``least``.

    Example:
        >>> round_step(29.0), round_step(0.3), round_step(0.0)
        (25.0, 0.5, 1.0)
    """
    if not 0.0 < least < math.inf:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(least))
    return next((factor * power for factor in (1.0, 2.0, 2.5, 5.0) if factor * power >= 0.85 * least), 10.0 * power)


def padded(values: Sequence[float], *, zero: bool = False) -> Scale:
    """A scale on which all values have room at both ends; from zero if asked for."""
    low, high = min([*values, 0.0] if zero else values), max([*values, 0.0] if zero else values)
    room = 0.08 * (high - low) or 1.0
    return Scale(low if zero and low >= 0 else low - room, high if zero and high <= 0 else high + room)


def _strip(*marks: Markup, height: int = 20) -> Markup:
    """A chart of one row; what it shows is in the cells beside it."""
    return element("svg", *marks, class_="strip", width="100%", height=height, aria_hidden="true", focusable="false")


def axis(scale: Scale, unit: str) -> Markup:
    """Numbers along the top of a column of strips."""
    marks = [
        element("text", f"{tick:g}", x=scale.percent(tick), y=14, text_anchor=_anchor(scale.percent(tick)), class_="tick")
        for tick in scale.ticks
    ]
    return element("svg", *marks, class_="strip", width="100%", height=18, role="img", aria_label=f"axis in {unit}")


def _anchor(place: str) -> str:
    share = float(place.rstrip("%"))
    return "start" if share < 6 else "end" if share > 94 else "middle"


def dot(value: float, low: float | None, high: float | None, scale: Scale, colour: int = 0, *, zero: bool = False) -> Markup:
    """A value as a dot, its interval as a line with ends; a thin line at zero if asked for."""
    marks = [element("line", x1=scale.percent(tick), x2=scale.percent(tick), y1=0, y2=20, class_="grid") for tick in scale.ticks]
    if zero:
        marks.append(element("line", x1=scale.percent(0.0), x2=scale.percent(0.0), y1=0, y2=20, class_="zero"))
    line = f"line c{colour % COLOURS}"
    if low is not None and high is not None:
        marks.append(element("line", x1=scale.percent(low), x2=scale.percent(high), y1=10, y2=10, class_=line))
        marks += [element("line", x1=scale.percent(end), x2=scale.percent(end), y1=6, y2=14, class_=line) for end in (low, high)]
    marks.append(element("circle", cx=scale.percent(value), cy=10, r=4.5, class_=f"dot c{colour % COLOURS}"))
    return _strip(*marks)


def fall(before: float | None, value: float, chance: float | None, scale: Scale, *, colour: int = 0) -> Markup:
    """A bar up to ``value``; paler from there to the value ``before``; a tick at what chance would leave."""
    marks = [element("line", x1=scale.percent(tick), x2=scale.percent(tick), y1=0, y2=20, class_="grid") for tick in scale.ticks]
    marks.append(element("rect", x="0%", width=scale.percent(value), y=3, height=14, class_=f"fill c{colour % COLOURS}"))
    if before is not None:
        left, right = sorted((value, before))
        width = f"{float(scale.percent(right)[:-1]) - float(scale.percent(left)[:-1]):.2f}%"
        kind = "pale" if before >= value else "worse"
        marks.append(element("rect", x=scale.percent(left), width=width, y=3, height=14, class_=f"{kind} c{colour % COLOURS}"))
    if chance is not None:
        marks.append(element("line", x1=scale.percent(chance), x2=scale.percent(chance), y1=0, y2=20, class_="chance"))
    return _strip(*marks)


def stack(shares: Sequence[tuple[str, float]]) -> Markup:
    """Parts of a whole one after the other, each as wide as its percentage; the names are for pointers, numbers stand beside it."""
    marks, at = [], 0.0
    for number, (name, percent) in enumerate(shares):
        width = max(0.0, percent)
        bar = element("title", f"{name}: {percent:.1f} %")
        marks.append(element("rect", bar, x=f"{at:.2f}%", width=f"{width:.2f}%", y=2, height=24, class_=f"fill part c{number % COLOURS}"))
        at += width
    return _strip(*marks, height=28)


def key(number: int) -> Markup:
    """The small square that stands for a colour of a chart."""
    return element("svg", element("rect", width=12, height=12, class_=f"fill c{number % COLOURS}"), class_="key", width=12, height=12)


def line_key(number: int) -> Markup:
    """The short line that stands for a curve."""
    mark = element("line", x1=0, x2=28, y1=6, y2=6, class_=f"curve c{number % COLOURS} d{number % COLOURS}")
    return element("svg", mark, class_="key", width=28, height=12, aria_hidden="true")


def curves(label: str, across: str, up: str, places: Sequence[float], lines: Mapping[str, Sequence[float]]) -> Markup:
    """Curves of percentages over thresholds, with a key below; each has a colour and a dash of its own.

    Args:
        label: what the chart shows, for readers who do not see it.
        across: name of the horizontal axis.
        up: name of the vertical axis.
        places: values along the horizontal axis, ascending.
        lines: name to percentages, one for each place.
    """
    scale = Scale(min(places), max(places))
    plot_width, plot_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + plot_width * (value - scale.low) / ((scale.high - scale.low) or 1.0)

    def y(percent: float) -> float:
        return _TOP + plot_height * (1.0 - percent / 100.0)

    marks = [element("title", label)]
    for percent in (0, 25, 50, 75, 100):
        marks.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(percent), y2=y(percent), class_="grid"))
        marks.append(element("text", str(percent), x=_LEFT - 6, y=y(percent) + 4, text_anchor="end", class_="tick"))
    for tick in scale.ticks:
        marks.append(element("line", x1=x(tick), x2=x(tick), y1=_TOP, y2=_TOP + plot_height, class_="grid"))
        marks.append(element("text", f"{tick:g}", x=x(tick), y=_HEIGHT - _BOTTOM + 16, text_anchor="middle", class_="tick"))
    marks.append(element("text", across, x=_LEFT + plot_width / 2, y=_HEIGHT - 5, text_anchor="middle", class_="tick"))
    marks.append(element("text", up, x=-(_TOP + plot_height / 2), y=11, transform="rotate(-90)", text_anchor="middle", class_="tick"))
    for number, values in enumerate(lines.values()):
        points = " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in zip(places, values, strict=True))
        marks.append(element("polyline", points=points, class_=f"curve c{number % COLOURS} d{number % COLOURS}"))
    chart = element("svg", *marks, class_="chart", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=label)
    names = [element("li", line_key(number), name) for number, name in enumerate(lines)]
    return element("figure", chart, element("ul", *names, class_="keys"))


def pose(views: Sequence[tuple[Array, str]], skeleton: Skeleton, reach: float, label: str) -> Markup:
    """Skeletons over each other, in a square.

    Args:
        views: the joints (J, 2) of each skeleton in mm, right and down, and its class: ``truth``, or ``sides`` to colour left and right.
        skeleton: joint order.
        reach: mm from the centre to an edge.
        label: what is shown, for readers who do not see it.
    """
    marks = [element("title", label)]
    for points, kind in views:
        for side, class_ in (("", "middle"), ("l_", "left"), ("r_", "right")):
            bones = [bone for bone in skeleton.bones if side == (skeleton.joints[bone[1]][:2] if _sided(skeleton, bone[1]) else "")]
            places = (points * 100.0 / reach).round(1)
            path = "".join(f"M{places[a, 0]:g} {places[a, 1]:g}L{places[b, 0]:g} {places[b, 1]:g}" for a, b in bones)
            if path:
                marks.append(element("path", d=path, class_=f"bone {kind if kind == 'truth' else class_}"))
    return element("svg", *marks, class_="pose", viewBox="-100 -100 200 200", role="img", aria_label=label)


def _sided(skeleton: Skeleton, joint: int) -> bool:
    return skeleton.joints[joint].startswith(("l_", "r_"))
