"""Tables of a ranking: markdown for people, CSV and JSON of the same frame for programs.

**Convention.** A value for people has one decimal if its standard error (half its 95 % interval over 1.96) is below 1, and none otherwise:
a digit that the takes do not support is not printed. Differences, the range over seeds, and values without an interval have one decimal.
Files for programs have four, so that they do not depend on the last bits of a machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from posebench.board.rank import PRIMARY, Ranking
from posebench.display.tables import markdown_table

#: Position errors in the ranked table besides :data:`PRIMARY`, if the protocol has them.
POSITION_ERRORS = ("N-MPJPE", "MPJPE")
#: Further metrics, in a second table, so that each fits the page of a code host.
FURTHER = ("PCK@150", "AUC", "N-PCK@150", "CPS", "MPJVE")
DIAGNOSTICS = ("PA-MPJPE-reflection", "flip-rate")
_NORMAL = 1.96
_DIGITS = 4


def cell(value: float | None, low: float | None = None, high: float | None = None, *, interval: bool = False) -> str:
    """A value with the digits that its interval supports, and the interval behind it if asked for; empty for None and NaN.

    Example:
        >>> cell(36.28, 31.66, 41.90, interval=True), cell(36.28, 35.9, 36.7), cell(36.28)
        ('36 [32, 42]', '36.3', '36.3')
    """
    if value is None or pd.isna(value):
        return ""
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return f"{value:.1f}"
    places = 1 if (high - low) / 2 < _NORMAL else 0
    return f"{value:.{places}f}" + (f" [{low:.{places}f}, {high:.{places}f}]" if interval else "")


def metric_cell(row: pd.Series, metric: str, *, interval: bool = False) -> str:
    """The cell of one metric of a row of a ranking's frame."""
    return cell(row[metric], row[f"{metric} low"], row[f"{metric} high"], interval=interval)


def seeds_cell(row: pd.Series, metric: str = PRIMARY) -> str:
    """How many seeds, and their range where there are several."""
    count = int(row["seeds"])
    return "1" if count == 1 else f"{count}: {row[f'{metric} seed low']:.1f} to {row[f'{metric} seed high']:.1f}"


def ranked_table(ranking: Ranking, folder: str) -> str:
    """The table that ranks: groups, methods with a link to the entry's page in ``folder``, position errors, seeds."""
    units = ranking.entries[0].units
    metrics = [PRIMARY, *(metric for metric in POSITION_ERRORS if metric in units)]
    rows = [
        [
            row["group"],
            f"[{row['method']}]({folder}/{row['entry']}.md)",
            row["form"],
            row["supervision"],
            *(metric_cell(row, metric, interval=metric == PRIMARY) for metric in metrics),
            seeds_cell(row),
        ]
        for _, row in ranking.frame.iterrows()
    ]
    heads = ["group", "method", "form", "supervision", *_heads(metrics, units), "seeds"]
    return markdown_table(rows, heads, right=range(4, 4 + len(metrics)))


def metrics_table(ranking: Ranking, metrics: Sequence[str]) -> str:
    """A row a method with further metrics; empty where the entries have none of them."""
    units = ranking.entries[0].units
    present = [metric for metric in metrics if metric in units]
    rows = [[row["method"], *(metric_cell(row, metric) for metric in present)] for _, row in ranking.frame.iterrows()]
    return markdown_table(rows, ["method", *_heads(present, units)], right=range(1, 1 + len(present))) if present else ""


def _heads(metrics: Sequence[str], units: dict[str, str]) -> list[str]:
    return [f"{metric} [{units[metric]}]" for metric in metrics]


def as_csv(ranking: Ranking) -> str:
    """The frame as CSV; an empty cell is a value that the method does not have."""
    return ranking.frame.round(_DIGITS).to_csv(index=False, lineterminator="\n")


def as_json(ranking: Ranking) -> str:
    """The frame as JSON, and what all its rows have in common."""
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
