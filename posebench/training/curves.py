"""The learning curves of a run, drawn from its log."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posebench.base.errors import drawing
from posebench.base.files import replacing
from posebench.metrics.behaviour import BEHAVIOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: In runs of fewer epochs every value has a marker.
_FEW_EPOCHS = 12

#: By panel title, the curves by name; NaN where a term has no value.
Panels = dict[str, dict[str, list[float]]]


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of ``log.jsonl``, one an epoch."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def draw_curves(log: Path, picture: Path, title: str) -> None:
    """Draw the curves of a run's log into a PNG file."""
    figure = curves_figure(read_log(log), title)
    with replacing(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def curves_figure(lines: Sequence[dict[str, Any]], title: str) -> Figure:
    """A panel for the loss terms of each network, one for the diagnostics of all lifters, and one for the method's own, over the epochs.

    A loss panel has a logarithmic axis if all its terms are positive. A term that is missing in some epochs, as in a method with several
    stages, has no line there.
    """
    with drawing():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

    epochs = [line["epoch"] for line in lines]
    panels = _panels(lines)
    figure = Figure(figsize=(4.6 * len(panels), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for label, values in curves.items():
            _draw_curve(axes, epochs, values, label)
        if name.startswith("losses") and all(not value <= 0 for values in curves.values() for value in values):
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_title(name, fontsize=9)
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    return figure


def _panels(lines: Sequence[dict[str, Any]]) -> Panels:
    panels: Panels = {}
    for name in dict.fromkeys(name for line in lines for name in line["losses"]):
        network, _, term = name.partition("/")
        panels.setdefault(f"losses of {network}", {})[term] = [line["losses"].get(name, math.nan) for line in lines]
    for name in dict.fromkeys(name for line in lines for name in line["behaviour"]):
        title = "diagnostics on training frames" if name in BEHAVIOUR else "the method's own diagnostics"
        panels.setdefault(title, {})[name] = [line["behaviour"].get(name, math.nan) for line in lines]
    return panels


def _draw_curve(axes: Axes, epochs: Sequence[int], values: Sequence[float], label: str) -> None:
    """A line, with markers in short runs; a value without a neighbour always has one, for a line needs two."""
    known = [not math.isnan(value) for value in [math.nan, *values, math.nan]]
    alone = [i for i in range(len(values)) if known[i + 1] and not known[i] and not known[i + 2]]
    marked = range(len(values)) if len(epochs) < _FEW_EPOCHS else alone
    axes.plot(epochs, values, label=label, marker="o", markersize=3, markevery=list(marked))
