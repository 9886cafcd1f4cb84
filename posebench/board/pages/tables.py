"""Tables of a ranking: markdown for people, CSV and JSON of the same frame for programs.

**Convention.** A value for people has one decimal if its standard error (half its 95 % interval over 1.96) is below 1, and none otherwise:
a digit that the takes do not support is not printed. Differences, the range over seeds, and values without an interval have one decimal.
Files for programs have four, so that they do not depend on the last bits of a machine.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd

from posebench.base.escape import csv_text, markdown_text
from posebench.board.entry import PRIMARY, Entry
from posebench.board.rank import Ranking
from posebench.display.tables import markdown_table
from posebench.lifters import simple_lifters
from posebench.lifters.timing.record import Record
from posebench.networks.recipe import baselines
from posebench.scoring.protocol import Protocol

#: Position errors in the ranked table besides :data:`PRIMARY`, if the protocol has them.
POSITION_ERRORS = ("N-MPJPE", "MPJPE")
#: Further metrics, in a second table, so that each fits the page of a code host.
FURTHER = ("PCK@150", "AUC", "N-PCK@150", "CPS", "MPJVE")
FLIPS = "flip-rate"
DIAGNOSTICS = ("PA-MPJPE-reflection", FLIPS)
#: Titles of the facts in tables for people.
FACT_TITLES = {
    "context": "context [frames]",
    "online": "online",
    "tta": "test-time augmentation",
    "test_time": "work at test time",
    "input_filter": "2D filter",
    "oracle": "oracle",
    "selection": "weights chosen by",
    "side_information": "side information",
}
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


def metric_cell(row: Mapping[Hashable, Any], metric: str, *, interval: bool = False) -> str:
    """The cell of one metric of a row of a ranking's frame."""
    return cell(row[metric], row[f"{metric} low"], row[f"{metric} high"], interval=interval)


def seeds_cell(row: Mapping[Hashable, Any], metric: str = PRIMARY) -> str:
    """How many seeds, and their range where there are several."""
    count = int(row["seeds"])
    return "1" if count == 1 else f"{count}: {row[f'{metric} seed low']:.1f} to {row[f'{metric} seed high']:.1f}"


def entry_link(entry: Entry, protocol: Protocol, text: str = "", *, target_only: bool = False) -> str:
    """A link from a board's folder to the page of an entry, under its label or another text; or its target alone."""
    target = f"entries/{quote(protocol.id)}/{quote(entry.name, safe='@+')}.md"
    return target if target_only else f"[{markdown_text(text or entry.label)}]({target})"


def method_table(ranking: Ranking, records: Mapping[str, Record], protocol: Protocol, *roles: str) -> str:
    """The rows of some roles, best first: what each is, what it was told, what it costs, its errors; empty where there are none."""
    units = ranking.units
    metrics = [PRIMARY, *(metric for metric in POSITION_ERRORS if metric in units)]
    flips = [FLIPS] if FLIPS in units else []
    times = times_a_frame(ranking, records)[1]
    rows = []
    for entry, _, row in ranking.of(*roles):
        made = entry.seeds[0].provenance
        rows.append(
            [
                row["group"],
                entry_link(entry, protocol, entry.method if made and made.recipe == made.form else entry.variant),
                form_cell(entry),
                *([made.preset if made else ""]),
                *(metric_cell(row, metric, interval=True) for metric in metrics),
                *(metric_cell(row, name) for name in flips),
                seeds_cell(row),
                markdown_text(row["supervision"]),
                row["context"],
                parameters_cell(row["parameters"]),
                times.get(entry.label, ""),
            ]
        )
    heads = ["tie", "method", "form", "budget", *_heads(metrics, units), *(["flips [%]"] if flips else []), "seeds"]
    heads += ["3D seen, and side information", "frames", "parameters", "ms a frame"]
    right = [*range(4, 4 + len(metrics) + len(flips)), *range(len(heads) - 3, len(heads))]
    if not times:
        rows, heads, right = [row[:-1] for row in rows], heads[:-1], right[:-1]
    return markdown_table(rows, heads, right=right) if rows else ""


def parameters_cell(number: float) -> str:
    """A number of parameters in millions or thousands; empty for NaN.

    Example:
        >>> parameters_cell(4293680), parameters_cell(102793), parameters_cell(float("nan"))
        ('4.29 M', '103 k', '')
    """
    if pd.isna(number):
        return ""
    return f"{number / 1e6:.2f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


def times_a_frame(ranking: Ranking, records: Mapping[str, Record]) -> tuple[str, dict[str, str]]:
    """The machine of the first quiet record that times one of the rows, and by label the median time of one frame in ms."""
    for machine, record in records.items():
        cases = {one.name: case for one in record.lifters if (case := one.usual(1)) is not None}
        found = {}
        for entry in ranking.all_entries:
            made = entry.seeds[0].provenance
            names = made.names(entry.method) if made else (entry.method,)
            if case := next((cases[name] for name in names if name in cases), None):
                found[entry.label] = f"{1e3 * case.p50:.2g}"
        if found and record.noise.trusted:
            return machine, found
    return "", {}


def timing_note(ranking: Ranking, records: Mapping[str, Record]) -> str:
    """On which machine the times of :func:`method_table` were measured; empty where it has none."""
    machine, times = times_a_frame(ranking, records)
    if not times:
        return ""
    facts = records[machine].machine
    threads = facts.get("threads", "")
    threads = "one thread" if threads == "1" else f"{threads} threads"
    return f"Time: median of one frame at a time, {threads} of {markdown_text(facts.get('processor', machine))} ([speed](speed.md))."


def ranked_table(ranking: Ranking, protocol: Protocol) -> str:
    """Every row: group or difference to its parent, form, supervision, context, position errors, seeds."""
    units = ranking.units
    metrics = [PRIMARY, *(metric for metric in POSITION_ERRORS if metric in units)]
    rows = [
        [
            row["group"],
            entry_link(entry, protocol),
            form_cell(entry),
            markdown_text(row["supervision"]),
            row["context"],
            *(metric_cell(row, metric, interval=metric == PRIMARY) for metric in metrics),
            seeds_cell(row),
        ]
        for entry, row in zip(ranking.entries, ranking.frame.to_dict("records"), strict=True)
    ]
    heads = ["tie", "method", "form", "3D seen, and side information", "frames", *_heads(metrics, units), "seeds"]
    return markdown_table(rows, heads, right=range(4, 5 + len(metrics)))


def form_cell(entry: Entry) -> str:
    """The form of an entry, with a link to the page of its method if posebench has one."""
    page = method_page(entry.method)
    return f"[{entry.form}]({page})" if page else entry.form


def method_page(method: str) -> str:
    """The page of a method of posebench, seen from a board's folder; empty for other methods."""
    if method in baselines():
        return f"../baselines/{method}/README.md"
    return "../docs/lifters.md" if method in simple_lifters() else ""


def facts_table(ranking: Ranking) -> str:
    """What each method was given: its facts, one column each, without the context, which is in the ranked table."""
    names = [name for name in ranking.first.facts if name != "context"]
    rows = [
        [markdown_text(entry.label), *(markdown_text(entry.facts[name]) for name in names)]
        for part in filter(None, (ranking, ranking.aside))
        for entry in part.entries
    ]
    return markdown_table(rows, ["method", *(FACT_TITLES[name] for name in names)])


def metrics_table(ranking: Ranking, metrics: Sequence[str]) -> str:
    """A row a method with further metrics; empty where the entries have none of them."""
    units = ranking.units
    present = [metric for metric in metrics if metric in units]
    records = ranking.frame.to_dict("records")
    rows = [[markdown_text(row["method"]), *(metric_cell(row, metric) for metric in present)] for row in records]
    return markdown_table(rows, ["method", *_heads(present, units)], right=range(1, 1 + len(present))) if present else ""


def _heads(metrics: Sequence[str], units: dict[str, str]) -> list[str]:
    return [f"{markdown_text(metric)} [{markdown_text(units[metric])}]" for metric in metrics]


def as_csv(ranking: Ranking) -> str:
    """All rows as CSV, those aside last, with group ``unranked``; an empty cell is a value that the method does not have."""
    frames = [part.frame.round(_DIGITS) for part in (ranking, ranking.aside) if part and part.entries]
    whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    words = [name for name in whole.columns if not pd.api.types.is_numeric_dtype(whole[name])]
    texts = {name: whole[name].map(lambda value: csv_text(value) if isinstance(value, str) else value) for name in words}
    return whole.assign(**texts).to_csv(index=False, lineterminator="\n")


def as_json(ranking: Ranking) -> str:
    """The frame as JSON, the rows aside, and what all rows have in common."""
    first = ranking.first
    content = {
        "protocol": first.protocol,
        "data": first.data,
        "keypoints": first.keypoints,
        "ranked by": PRIMARY,
        "units": ranking.units,
        "smallest separable difference": None if ranking.smallest is None else round(ranking.smallest, _DIGITS),
        "rows": _records(ranking),
        **({"unranked rows": _records(ranking.aside)} if ranking.aside else {}),
    }
    return json.dumps(content, indent=1) + "\n"


def _records(ranking: Ranking) -> list[dict[str, object]]:
    """Rows of the frame; one that is shown aside says why."""
    rows = json.loads(ranking.frame.to_json(orient="records", double_precision=_DIGITS))
    reasons = [entry.why_unranked for entry in ranking.entries]
    return [{**row, **({"not ranked": reason} if reason else {})} for row, reason in zip(rows, reasons, strict=True)]
