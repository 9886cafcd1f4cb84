"""The reconciliation page: what the numbers on results sites really are, comparable numbers side by side, reported against reproduced."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.board.entry import Entry
from posebench.board.published.reproduction import official, reproduced
from posebench.board.published.tables import UNITS, cell, data_of, marks_legend, reported_tables, tags_legend
from posebench.board.published.types import DATASETS, KEYPOINTS, METRICS, Filing, Published, Row
from posebench.display.tables import markdown_table

#: Papers whose numbers are compared wherever they share data, metric and 2D source.
COMPARED = ("chen2019", "repnet", "ites")

_HEAD = """# Reconciliation: what published numbers really are

Made by `posebench board render` from `published.toml` and the files under `entries/`; do not edit by hand.

In this field one number is filed under several names, and one name covers several numbers. "Protocol #1" and "#2" mean MPJPE and PA-MPJPE
in one line of papers and camera or frame choices in others; methods that do not know the scale rescale each pose by the truth in one of
four ways before they print an "MPJPE"; and some choose, pose by pose, the better of a pose and its mirror image. This page says what
each number is, how sure that is and why. Errors are in mm, PCK and AUC in %.

**2D source.** `gt`: the truth projected; `sh`: Stacked Hourglass, fine-tuned or not; `cpn_ft_h36m_dbb`: CPN fine-tuned on Human3.6M;
`detected`: by a detector, not stated which; `image`: the method reads images.

**Letters in round brackets** say how a number was aligned. PA-MPJPE without one is a similarity alignment without reflection, MPJPE
without one is relative to the root, scaled MPJPE without one is N-MPJPE (least-squares scale).

{marks}

**Tags in square brackets** say where a number was read. Numbers in *italics* carry [M] or [L]: they are not
checked and appear on this page only; do not quote them.

{tags}
"""


def reconciliation(published: Published, entries: Sequence[Entry]) -> str:
    """The whole page."""
    return "\n".join(
        [
            _HEAD.format(marks=marks_legend(), tags=tags_legend()),
            _filings(published),
            _like_for_like(published),
            reproduced(published, entries),
            official(published),
            _reported(published),
            _unread(published),
        ]
    )


def _filings(published: Published) -> str:
    parts = [
        """## What sites file, and what it is

`wizwand.com` and `paperswithcode.com` were read in stored copies; `aggregator` is a list with the labels of wizwand.com that reached us
without its address. *Sure* is our confidence in what the number is.
"""
    ]
    for paper in published.papers.values():
        filings = [filing for filing in published.filings if filing.paper == paper.id]
        if filings:
            parts.append(f"### {paper.name}\n")
            parts += [f"{paper.reading}\n"] if paper.reading else []
            lines = [
                [
                    f"{filing.label} ({filing.site})",
                    filing.printed or "",
                    filing.verdict,
                    _truth(published, filing),
                    filing.confidence,
                    filing.why,
                ]
                for filing in filings
            ]
            parts.append(markdown_table(lines, ["filed under", "value", "the label is", "what it is", "sure", "why"]) + "\n")
    return "\n".join(parts)


def _truth(published: Published, filing: Filing) -> str:
    if not filing.row:
        return ""
    row = published.row(filing.row)
    value = next(value for value in row.values if value.metric == filing.metric)
    variant = f", {row.variant}" if row.variant else ""
    aligned = f"{value.alignment}, {value.oracle}" if value.oracle != "none" else value.alignment
    part = "one of 15 actions, whose mean is " if filing.verdict == "one action only" else ""
    return f"{filing.metric} ({aligned}) on {data_of(row)}; 2D {row.keypoints}{variant}: {part}{cell(value)}"


def _like_for_like(published: Published) -> str:
    names = [published.papers[id].name for id in COMPARED if id in published.papers]
    parts = [
        f"""## Like for like: {", ".join(names)}

A line holds numbers of one dataset, metric and 2D source. Numbers of different lines are not comparable, however near they are.
Within a line they are like for like only if the last column says so.
"""
    ]
    lines = []
    for dataset in DATASETS:
        for metric in METRICS:
            for keypoints in KEYPOINTS:
                rows = [row for row in published.rows if (row.dataset, row.keypoints) == (dataset, keypoints) and row.get(metric)]
                for where in sorted({data_of(row) for row in rows}):
                    line = [row for row in rows if data_of(row) == where]
                    cells = [_cells([row for row in line if row.paper == id], metric) for id in COMPARED]
                    if any(cells):
                        lines.append([where, f"{metric} [{UNITS[metric]}]", keypoints, *cells, _verdict(line, metric)])
    parts.append(markdown_table(lines, ["data", "metric", "2D", *names, "like for like?"]) + "\n")
    return "\n".join(parts)


def _cells(rows: Sequence[Row], metric: str) -> str:
    return "; ".join(cell(row.get(metric)) + (f" {row.variant}" if row.variant else "") for row in rows)


def _verdict(rows: Sequence[Row], metric: str) -> str:
    """Whether the compared methods' own numbers in a line are comparable; reproductions by others are left out."""
    compared = [row for row in rows if row.paper in COMPARED and "reproduced" not in row.variant]
    if len({row.paper for row in compared}) < 2:
        return "nothing to compare"
    values = [value for row in compared if (value := row.get(metric))]
    alignments = {(value.alignment, value.oracle) for value in values}
    if any("unstated" in alignment for alignment, _ in alignments):
        return "unknown: an alignment is not stated"
    return "yes" if len(alignments) == 1 else "no: other alignments"


def _reported(published: Published) -> str:
    parts = [
        """## Every reported number

In order of supervision and year, not ranked; with its source, and with the numbers that are only recalled.
Confidence is high where nothing else is said.
"""
    ]
    for dataset, title in DATASETS.items():
        for protocol in sorted({row.protocol for row in published.rows if row.dataset == dataset}):
            rows = [row for row in published.rows if row.protocol == protocol]
            parts.append(f"### {title}, nearest protocol `{protocol}`\n")
            parts += reported_tables(published, rows, unverified=True, level=4)
    return "\n".join(parts)


def _unread(published: Published) -> str:
    lines = "\n".join(f"* {name}: {why}." for name, why in published.unread)
    return f"## Methods without a number that could be verified\n\n{lines}\n"
