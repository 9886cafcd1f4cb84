"""The reconciliation page: what the numbers on results sites really are, comparable numbers side by side, reported against reproduced."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.board.entry import Entry
from posebench.board.published.reproduction import official, reproduced
from posebench.board.published.speed import published_speed
from posebench.board.published.tables import UNITS, cell, data_of, marks_legend, reported_tables, tags_legend
from posebench.board.published.types import DATASETS, KEYPOINTS, METRICS, Filing, Published, Row
from posebench.display.tables import markdown_table

#: Papers whose numbers are compared wherever they share data, metric and 2D source.
COMPARED = ("chen2019", "repnet", "ites")

_HEAD = """# Reconciliation: what published numbers mean

Made by `posebench board render` from `published.toml` and the files under `entries/`; do not edit by hand.

In this field one number has several names, and one name is used for several numbers. "Protocol #1" and "#2" mean MPJPE and PA-MPJPE in
some papers, and a choice of cameras or frames in others. Methods without scale rescale each pose by the ground truth in one of four ways
before they report an "MPJPE". Some choose the better of each pose and its mirror image. This page states what each number is, how certain
that is, and why. Errors are in mm, PCK and AUC in %.

**2D source.** `gt`: the truth projected; `cpn_ft_h36m_dbb`: CPN fine-tuned on Human3.6M; `sh`: Stacked Hourglass, fine-tuned or not;
`hrnet`: HRNet; `detectron_ft_h36m`: Mask R-CNN fine-tuned on Human3.6M; `detected`: by a detector, not stated which; `image`: the method
reads images.

**Letters in round brackets** state how a number was aligned. PA-MPJPE without one is a similarity alignment without reflection, MPJPE
without one is relative to the root, scaled MPJPE without one is N-MPJPE (least-squares scale).

{marks}

**Tags in square brackets** say where a number was read. Numbers in *italics* carry [M] or [L]: they are not
checked and appear on this page only; do not quote them.

{tags}
"""


def reconciliation(published: Published, entries: Sequence[Entry]) -> str:
    """The whole page, in markdown."""
    return "\n".join(
        [
            _HEAD.format(marks=marks_legend(), tags=tags_legend()),
            _filings(published),
            _comparable(published),
            reproduced(published, entries),
            official(published),
            _reported(published),
            published_speed(published),
            _unread(published),
        ]
    )


def _filings(published: Published) -> str:
    parts = [
        """## Numbers as sites list them, and what they are

`wizwand.com` and `paperswithcode.com` were read in stored copies. `aggregator` is a list of unknown address with the labels of wizwand.com.
*Confidence* is ours, in what the number is.
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
            parts.append(markdown_table(lines, ["listed as", "value", "the label is", "what it is", "confidence", "why"]) + "\n")
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


def _comparable(published: Published) -> str:
    names = [published.papers[id].name for id in COMPARED if id in published.papers]
    parts = [
        f"""## Comparable numbers: {", ".join(names)}

A line holds numbers of one dataset, metric and 2D source. Numbers of different lines are not comparable. Numbers of one line are
comparable only if the last column says so.
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
    parts.append(markdown_table(lines, ["data", "metric", "2D", *names, "comparable?"]) + "\n")
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
    if len(alignments) > 1:
        return "no: other alignments"
    return "yes" if len({row.protocol for row in compared}) == 1 else "no: other protocols"


def _reported(published: Published) -> str:
    parts = [
        """## Every reported number

In order of error within a protocol and 2D source, with sources; unverified numbers included. Confidence is high unless stated.
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
