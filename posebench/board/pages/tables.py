"""Tables of a ranking: markdown for people, CSV and JSON for programs.

**Convention.** In markdown a value has one decimal if its standard error (half of its 95 % interval, divided by 1.96) is below 1, and no
decimals otherwise. Differences, ranges over seeds and values without an interval have one decimal. CSV and JSON have four decimals, so that
rounding differences between machines do not change the files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from posebench.board.rank import PRIMARY, Ranking
from posebench.display.table import table
from posebench.scoring.protocol import Protocol

#: Position errors next to :data:`PRIMARY` in the ranked table, where the protocol has them.
SECONDARY = ("N-MPJPE", "MPJPE")
#: Further metrics, in a separate table: one table would be too wide for the pages of code hosts.
FURTHER = ("PCK@150", "AUC", "N-PCK@150", "CPS", "MPJVE")
DIAGNOSTICS = ("PA-MPJPE-reflection", "flip-rate")
#: Half of a 95 % interval, in standard errors.
_HALF_WIDTH = 1.96
_DIGITS = 4


def metrics_of(protocol: Protocol, units: Sequence[str]) -> list[str]:
    """The metrics and diagnostics that entries hold: :data:`PRIMARY`, then the others in the protocol's order."""
    names = [metric.name for metric in (*protocol.metrics, *protocol.diagnostics)]
    return list(dict.fromkeys([PRIMARY, *(name for name in (*names, *units) if name in units)]))


def cell(value: float | None, low: float | None = None, high: float | None = None, *, interval: bool = False) -> str:
    """A value with as many decimals as its interval supports; with the interval if ``interval``; empty for None and NaN.

    Example:
        >>> cell(36.28, 31.66, 41.90, interval=True), cell(36.28, 35.9, 36.7), cell(36.28)
        ('36 [32, 42]', '36.3', '36.3')
    """
    if value is None or pd.isna(value):
        return ""
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return f"{value:.1f}"
    places = 1 if (high - low) / 2 < _HALF_WIDTH else 0
    return f"{value:.{places}f}" + (f" [{low:.{places}f}, {high:.{places}f}]" if interval else "")


def metric_cell(row: pd.Series, metric: str, *, interval: bool = False) -> str:
    """The cell of one metric, from a row of a ranking's frame."""
    return cell(row[metric], row[f"{metric} low"], row[f"{metric} high"], interval=interval)


def seeds_cell(row: pd.Series, metric: str = PRIMARY) -> str:
    """The number of seeds, and the range of their values where there are several."""
    count = int(row["seeds"])
    return "1" if count == 1 else f"{count}: {row[f'{metric} seed low']:.1f} to {row[f'{metric} seed high']:.1f}"


def ranked_table(ranking: Ranking, folder: str) -> str:
    """The ranked table: tie groups, methods with a link to the entry's page in ``folder``, supervision, position errors, seeds."""
    units = ranking.entries[0].units
    metrics = [PRIMARY, *(metric for metric in SECONDARY if metric in units)]
    rows = [
        [
            row["group"],
            f"[{row['method']}]({folder}/{row['entry']}.md)",
            row["supervision"],
            *(metric_cell(row, metric, interval=metric == PRIMARY) for metric in metrics),
            seeds_cell(row),
        ]
        for _, row in ranking.frame.iterrows()
    ]
    return table(
        rows, ["group", "method", "supervision", *_heads(metrics, units), "seeds"], right=range(3, 3 + len(metrics)), form="markdown"
    )


def metrics_table(ranking: Ranking, metrics: Sequence[str]) -> str:
    """A row per method with the given metrics; empty where the entries have none of them."""
    units = ranking.entries[0].units
    present = [metric for metric in metrics if metric in units]
    rows = [[row["method"], *(metric_cell(row, metric) for metric in present)] for _, row in ranking.frame.iterrows()]
    return table(rows, ["method", *_heads(present, units)], right=range(1, 1 + len(present)), form="markdown") if present else ""


def _heads(metrics: Sequence[str], units: dict[str, str]) -> list[str]:
    return [f"{metric} [{units[metric]}]" for metric in metrics]


def as_csv(ranking: Ranking) -> str:
    """The ranking's frame as CSV; a cell is empty where the method has no such value."""
    return ranking.frame.round(_DIGITS).to_csv(index=False, lineterminator="\n")


def as_json(ranking: Ranking) -> str:
    """The ranking's frame as JSON, with the protocol, data, keypoints and units that all rows share."""
    first = ranking.entries[0]
    rows = json.loads(ranking.frame.to_json(orient="records", double_precision=_DIGITS))
    content = {
        "protocol": first.protocol,
        "data": first.data,
        "keypoints": first.keypoints,
        "ranked by": PRIMARY,
        "units": first.units,
        "smallest separable difference": None if ranking.smallest is None else round(ranking.smallest, _DIGITS),
        "rows": rows,
    }
    return json.dumps(content, indent=1) + "\n"
