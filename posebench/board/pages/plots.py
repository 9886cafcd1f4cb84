"""Plots as SVG: of a ranking (error by method, action and joint, effect of each part, PCK curves, time), and of robustness.

**Convention.** A plot is drawn from plain data only. It ends with a stamp: a digest of the data and :data:`STYLE_VERSION`, and a digest of
the drawing. So :func:`fresh` recognises a stale or edited plot without drawing it again, whatever version of matplotlib drew it. One
version of matplotlib draws the same bytes from the same data. A new plot is one more line in :data:`PLOTS`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from posebench.base.errors import drawing
from posebench.base.escape import plot_text
from posebench.board.pages import drawings
from posebench.board.pages import plot_data as sources
from posebench.board.pages.plot_data import Data
from posebench.board.rank import Ranking
from posebench.display.robustness import draw_curves as draw_severities
from posebench.lifters.timing.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Raise it with every change of how plots look: all plots are then drawn again.
STYLE_VERSION = 5


class Plot(NamedTuple):
    """A kind of plot: where its data come from (None: nothing to plot), how they are drawn, and what it shows, in words.

    A plot that is not of a ranking has no ``data``: its page makes them.
    """

    data: Callable[[Ranking, Mapping[str, Record]], Data | None] | None
    draw: Callable[[Figure, Data], None]
    title: str


PLOTS = {
    "error": Plot(sources.error_by_method, drawings.draw_errors, "error by method"),
    "ablations": Plot(sources.difference_to_parent, drawings.draw_differences, "what each part does"),
    "actions": Plot(sources.error_by_action, drawings.draw_heat_map, "error by action"),
    "joints": Plot(sources.error_by_joint, drawings.draw_heat_map, "error by joint"),
    "pck": Plot(sources.error_thresholds, drawings.draw_curves, "share of joints below a threshold"),
    "time": Plot(sources.error_against_time, drawings.draw_times, "error against time"),
    "robustness": Plot(None, draw_severities, "error against severity"),
    "training on errors": Plot(None, drawings.draw_rises, "what training on keypoints with errors changes"),
}


def plot_data(ranking: Ranking, records: Mapping[str, Record]) -> dict[str, Data]:
    """Plot name to data, of every plot that a ranking has data for; ``records`` are timing records by the name of their machine."""
    found = {name: plot.data(ranking, records) for name, plot in PLOTS.items() if plot.data is not None and ranking.entries}
    return {name: data for name, data in found.items() if data is not None}


def draw(name: str, data: Data) -> str:
    """The SVG text of one of :data:`PLOTS`, stamped."""
    with drawing():
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

    # Text is drawn as outlines, so fonts do not matter. Without a salt, or with a date, every drawing would have other bytes.
    with rc_context({"svg.hashsalt": "posebench", "svg.fonttype": "path"}):
        figure = Figure(layout="constrained")
        FigureCanvasSVG(figure)
        PLOTS[name].draw(figure, _as_drawn(data))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    text = "\n".join(lines) + "\n"
    return text + _stamp(name, data, text)


def _as_drawn(data: Any) -> Any:
    """The same data with every text as matplotlib must get it."""
    if isinstance(data, str):
        return plot_text(data)
    if isinstance(data, dict):
        # Names of fields stay: they are plain words.
        return {_as_drawn(key): _as_drawn(value) for key, value in data.items()}
    return [_as_drawn(item) for item in data] if isinstance(data, list) else data


def fresh(text: str, name: str, data: Data) -> bool:
    """Whether the SVG was drawn from these data in this style, and not edited since."""
    drawing, mark, _ = text.rpartition("<!-- posebench:")
    return bool(mark) and text == drawing + _stamp(name, data, drawing)


def _stamp(name: str, data: Data, drawing: str) -> str:
    source = json.dumps([STYLE_VERSION, name, data], sort_keys=True)
    return f"<!-- posebench: data {_digest(source)}, drawing {_digest(drawing)} -->\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
