"""The learning curves of a run, drawn from its log."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path
from typing import Any

from posebench.base.files import replacing
from posebench.metrics.behaviour import BEHAVIOUR


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of ``log.jsonl``, one an epoch."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def draw_curves(log: Path, picture: Path, title: str) -> None:
    """Draw each network's loss terms, what the lifter does, and the method's own signs, over the epochs.

    Terms of one network share axes with a logarithmic scale where all are above zero; terms that pass zero have a linear one. A term has
    no line over the epochs of a stage that it has no part in.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    lines = read_log(log)
    epochs = [line["epoch"] for line in lines]
    networks: dict[str, dict[str, list[float]]] = {}
    for name in dict.fromkeys(name for line in lines for name in line["losses"]):
        network, _, term = name.partition("/")
        networks.setdefault(network, {})[term] = [line["losses"].get(name, nan) for line in lines]
    signs = {name: [line["behaviour"].get(name, nan) for line in lines] for line in lines for name in line["behaviour"]}
    common = {name: values for name, values in signs.items() if name in BEHAVIOUR}
    own = {name: values for name, values in signs.items() if name not in BEHAVIOUR}
    panels = {f"losses of {network}": terms for network, terms in networks.items()}
    panels |= {name: shown for name, shown in (("behaviour on training frames", common), ("signs of the method's own", own)) if shown}
    figure = Figure(figsize=(4.6 * len(panels), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, terms) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for term, values in terms.items():
            axes.plot(epochs, values, label=term, marker="o" if len(epochs) < 12 else "", markersize=3)
        if name.startswith("losses") and all(not value <= 0 for values in terms.values() for value in values):
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_title(name, fontsize=9)
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    with replacing(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
