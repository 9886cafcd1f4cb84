"""A finished page, as :func:`posebench.report` returns it: the file, a table of its numbers, a plot, and itself in a notebook."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from posebench.base.errors import PosebenchError, drawing
from posebench.base.escape import plot_text
from posebench.base.files import write_text
from posebench.display.html.case import MAIN
from posebench.scoring.comparison import Comparison
from posebench.scoring.decomposition.record import Diagnosis
from posebench.scoring.result import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A page about results.

    Attributes:
        html: the whole file.
        results: by their names on the page.
        comparisons: paired differences, a metric each; empty for one result.
        diagnoses: of the results that the page has one of, by name.
        missing: what the page lacks, and how to get it, a sentence each.
    """

    html: str
    results: Mapping[str, Result]
    comparisons: Sequence[Comparison]
    diagnoses: Mapping[str, Diagnosis]
    missing: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Report on {', '.join(self.results)}: {len(self.html.encode()):,} bytes>"

    def _repr_html_(self) -> str:
        """For notebooks: the page in a frame of its own, which can neither read the notebook nor load anything."""
        frame = 'sandbox="allow-scripts" width="100%" height="720" title="posebench report"'
        return f'<iframe srcdoc="{html.escape(self.html)}" {frame}></iframe>'

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all.

        Raises:
            PosebenchError: the name does not end with .html, or the folder cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".html", ".htm"):
            raise PosebenchError(f"-o {path}", "a name that ends with .html", "rename the output file")
        write_text(path, self.html)
        return path

    @property
    def frame(self) -> pd.DataFrame:
        """Every number of every result as a pandas table: result, metric, unit, kind, key, value, low, high."""
        import pandas as pd

        frames = [result.to_frame().assign(result=name) for name, result in self.results.items()]
        whole = pd.concat(frames, ignore_index=True)
        return whole[["result", *whole.columns.drop("result")]]

    def plot(self, axes: Axes | None = None, metric: str = "") -> Axes:
        """Draw one metric of all results with its intervals on matplotlib axes; new ones if none are given.

        Args:
            axes: where.
            metric: its name; by default the first of MPJPE, PA-MPJPE and N-MPJPE that all results have.

        Raises:
            PosebenchError: a result has no value for the metric.
        """
        shared = (name for name in MAIN if all(name in one.tables and one.value(name) is not None for one in self.results.values()))
        metric = metric or next(shared, MAIN[1])
        values = [(name, result.value(metric), result.tables[metric]) for name, result in self.results.items()]
        if empty := [name for name, value, _ in values if value is None]:
            raise PosebenchError(f"{empty[0]} has no value for {metric}", "a metric that all results have", "name another metric")
        if axes is None:
            with drawing():
                from matplotlib.backends.backend_agg import FigureCanvasAgg
                from matplotlib.figure import Figure

            figure = Figure(figsize=(6.4, 1.2 + 0.35 * len(values)), layout="constrained")
            FigureCanvasAgg(figure)
            axes = figure.subplots()
        for place, (_, value, table) in enumerate(values):
            assert value is not None
            if table.low is not None and table.high is not None:
                axes.plot([table.low, table.high], [place, place], color="#0a6aa8", linewidth=2)
            axes.plot([value], [place], "o", color="#0a6aa8")
        axes.set_yticks(range(len(values)), [plot_text(name) for name, _, _ in values])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_xlabel(f"{metric} [{values[0][2].unit}], 95 % intervals over takes")
        return axes
