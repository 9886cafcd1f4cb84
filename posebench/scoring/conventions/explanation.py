"""What :func:`posebench.explain` gives: a value for each convention, its change, and the interval of the change."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posebench.base.errors import PosebenchError, did_you_mean, drawing, needs
from posebench.base.files import write_text
from posebench.predictions.finding import Finding
from posebench.scoring.conventions.difference import SAME, Difference
from posebench.scoring.markup import html_table
from posebench.scoring.records import to_json

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLUMNS = ("metric", "convention", "text", "who", "value", "unit", "change", "low", "high", "oracle", "cannot", "note")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One metric under one convention, or under a preset.

    Attributes:
        metric: name of the protocol's metric that is read otherwise.
        convention: id of the convention or preset.
        text: what is done.
        who: whose code does it.
        value: None where it cannot be computed.
        unit: of the value.
        change: value less the protocol's own; None where there is no value or another unit.
        low, high: 95 % interval of the change, paired over takes; None where none can be given.
        oracle: the truth chooses: the value is no score of the method.
        cannot: why there is no value; empty where there is one.
        note: what else is known, such as the range over phases; of a preset, what it applies and what it leaves out.
        applied: of a preset, ids of the conventions that it applies.
    """

    metric: str
    convention: str
    text: str
    who: str
    unit: str
    value: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    oracle: bool = False
    cannot: str = ""
    note: str = ""
    applied: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """The change is below :data:`SAME`."""
        return self.change is not None and abs(self.change) < SAME


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Explanation:
    """A score under the neighbouring conventions of its protocol. No value of it is a score under the protocol.

    Attributes:
        stamp: ``not PROTOCOL``: what every value but those of ``stated`` is.
        protocol: id and digest of the protocol.
        method: the method, or the file's name.
        source: ``files`` or ``sums``: what was read.
        stated: value of each metric under the protocol itself.
        units: unit of each metric.
        lines: a line for each metric and convention, by size of change; those that cannot be computed last.
        presets: a line for each metric and preset that was asked for.
        declared: what no convention can change and the file states: keypoint source, flip averaging, context.
        differences: what explains the difference to a second input, or to a number from elsewhere, by metric, where one was given.
        partial: how many of the poses were there, where not all.
        findings: what the checks found.
    """

    stamp: str
    protocol: dict[str, str]
    method: str
    source: str
    stated: dict[str, float]
    units: dict[str, str]
    lines: tuple[Line, ...]
    presets: tuple[Line, ...] = ()
    declared: dict[str, str] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    partial: str = ""
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        computed = sum(line.value is not None for line in self.lines)
        return f"<Explanation of {self.method!r}, {self.stamp}: {computed} values of {len(self.stated)} metrics>"

    def of(self, metric: str) -> tuple[Line, ...]:
        """The lines of one metric.

        Raises:
            PosebenchError: it was not explained.
        """
        if metric not in self.stated:
            raise PosebenchError(
                f"metric {metric!r}", "one of " + ", ".join(self.stated), did_you_mean(metric, self.stated, "name it in the call")
            )
        return tuple(line for line in self.lines if line.metric == metric)

    def line(self, metric: str, convention: str) -> Line:
        """The line of one metric under one convention or preset.

        Raises:
            PosebenchError: there is none.
        """
        lines = {line.convention: line for line in (*self.presets, *self.lines) if line.metric == metric}
        if convention not in lines:
            advice = did_you_mean(convention, lines, "see docs/explain.md for all conventions")
            raise PosebenchError(f"convention {convention!r} for {metric}", "one of " + ", ".join(lines), advice)
        return lines[convention]

    @property
    def frame(self) -> pd.DataFrame:
        """The lines and presets as a pandas table."""
        import pandas as pd

        rows = [{name: getattr(line, name) for name in _COLUMNS} for line in (*self.lines, *self.presets)]
        table = pd.DataFrame(rows, columns=list(_COLUMNS))
        return table.astype({"value": float, "change": float, "low": float, "high": float})

    def plot(self, metric: str = "", ax: Axes | None = None) -> Axes:
        """Draw the changes of one metric with their intervals, the largest on top, on matplotlib axes.

        Args:
            metric: by default the first one.
            ax: axes to draw on; by default new ones.

        Raises:
            PosebenchError: the metric was not explained, or matplotlib is not installed.
        """
        with needs("plotting", extra="plots"), drawing():
            import matplotlib.pyplot as plt
        metric = metric or next(iter(self.stated))
        lines = [line for line in self.of(metric) if line.change is not None and not line.same][::-1]
        if ax is None:
            _, ax = plt.subplots(figsize=(8.0, 1.2 + 0.24 * len(lines)), layout="constrained")
        for place, line in enumerate(lines):
            assert line.change is not None
            colour = "0.6" if line.oracle else "C0"
            ax.barh(place, line.change, color=colour, height=0.7)
            if line.low is not None and line.high is not None:
                ax.plot([line.low, line.high], [place, place], color="black", linewidth=1.0)
        ax.axvline(0.0, color="black", linewidth=0.8)
        ax.set_yticks(range(len(lines)), [line.text for line in lines])
        ax.set_xlabel(f"change of {metric} [{self.units[metric]}], 95 % interval")
        ax.set_title(f"{self.method}: {metric} {self.stated[metric]:.2f}; bars are {self.stamp}")
        return ax

    def _repr_html_(self) -> str:
        """For notebooks: the lines of each metric that change it."""
        return "\n".join(self._html_of(metric) for metric in self.stated)

    def _html_of(self, metric: str) -> str:
        lines = [line for line in (*self.presets, *self.lines) if line.metric == metric and line.value is not None and not line.same]
        rows = [[line.text, line.who, *numbers(line)] for line in lines]
        heads = ["convention", "who", f"value [{self.units[metric]}]", "change", "95 % interval"]
        return html_table(rows, heads, f"{self.method}: {metric} {self.stated[metric]:.2f}. Every line is {self.stamp}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``. It is no result, and a board refuses it."""
        differences = [{**to_json(one), "gap": one.gap, "sentence": one.sentence} for one in self.differences]
        return {"posebench_explanation": 1, **to_json(self), "differences": differences}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the JSON file, whole or not at all.

        Raises:
            PosebenchError: the name does not end with .json, or the folder cannot be written.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise PosebenchError(f"{path.name}", "a name that ends with .json", "rename the output file")
        write_text(path, json.dumps(self.as_dict(), indent=1) + "\n")
        return path


def numbers(line: Line) -> list[str]:
    """Value, change and interval as texts; empty where there are none."""
    change = "" if line.change is None else "same" if line.same else f"{line.change:+.2f}"
    interval = "" if line.low is None or line.high is None else f"[{line.low:+.2f}, {line.high:+.2f}]"
    return ["" if line.value is None else f"{line.value:.2f}", change, "" if line.same else interval]


def by_size(lines: Sequence[Line]) -> list[Line]:
    """The largest change first; lines of another unit, then those that cannot be computed, last."""
    return sorted(lines, key=lambda line: (line.value is None, line.change is None, -abs(line.change or 0.0)))
