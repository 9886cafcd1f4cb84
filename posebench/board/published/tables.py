"""Tables of published numbers: unranked, in the order of the file, one table per 2D source."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.board.published.types import DATASETS, KEYPOINTS, METRICS, TAGS, Published, Row, Value
from posebench.display.tables import markdown_table

#: Letter after a number -> its alignment. A number without a letter is aligned as its metric's name says.
MARKS = {
    "r": "a reflection is allowed in the alignment",
    "f": "the better of the pose and its mirror image in depth was chosen against the truth",
    "n": "each pose is rescaled by the ratio of norms to the truth",
    "p": "each pose is rescaled by the scale of a Procrustes alignment to the truth",
    "h": "each pose is rescaled by the truth's distance from head to root",
    "?": "the source does not say whether a reflection is allowed (PA-MPJPE) or the pose is rescaled (the rest)",
}
_MARK_OF = {
    "similarity+reflection": "r",
    "similarity, reflection unstated": "?",
    "scale: norm ratio": "n",
    "scale: Procrustes": "p",
    "scale: head to root": "h",
    "unstated": "?",
}
UNITS = {metric: "mm" if metric.endswith("MPJPE") else "%" for metric in METRICS}
_TITLES = {
    "gt": "Keypoints `gt`",
    "sh": "Stacked Hourglass keypoints",
    "cpn_ft_h36m_dbb": "Keypoints `cpn_ft_h36m_dbb`",
    "detected": "Keypoints of a detector, not stated which",
    "image": "Images, no keypoints given",
    "unstated": "2D source not stated",
}


def cell(value: Value | None) -> str:
    """A number with its marks and tag, ``59.8 (f) [2]``; in italics if it is unverified; empty for None."""
    if value is None:
        return ""
    number = value.printed if value.verified else f"*{value.printed}*"
    listed = ", ".join(_marks(value))
    return number + (f" ({listed})" if listed else "") + f" [{value.tag}]"


def _marks(value: Value) -> list[str]:
    return [*filter(None, [_MARK_OF.get(value.alignment)]), *(["f"] if value.oracle == "best of flip" else [])]


def marks_legend() -> str:
    """A list of the letters in round brackets and their meanings."""
    return "\n".join(f"* ({mark}) {meaning}" for mark, meaning in MARKS.items())


def tags_legend() -> str:
    """A list of the tags in square brackets and their meanings."""
    return "\n".join(f"* [{tag}] {meaning}" for tag, meaning in TAGS.items())


def who(published: Published, row: Row) -> str:
    """A row's method and variant."""
    return published.papers[row.paper].name + (f", {row.variant}" if row.variant else "")


def data_of(row: Row) -> str:
    """The dataset, and the training data if they are another dataset."""
    if row.trained_on == row.dataset:
        return DATASETS[row.dataset]
    return f"{DATASETS[row.dataset]}, trained on {DATASETS.get(row.trained_on, 'data not stated')}"


def published_section(published: Published, protocol: str) -> str:
    """The verified numbers under a protocol or nearest to it, as a section of the board's page; empty where there are none."""
    rows = [row for row in published.rows if row.protocol == protocol and any(value.verified for value in row.values)]
    if not rows:
        return ""
    values = [value for row in rows for value in _shown(row, unverified=False)]
    used = {mark for value in values for mark in _marks(value)}
    letters = [f"({mark}) {meaning}" for mark, meaning in MARKS.items() if mark in used]
    tags = [f"[{tag}] {meaning}" for tag, meaning in TAGS.items() if tag in {value.tag for value in values}]
    head = f"""### Published under `{protocol}` or a similar protocol: not measured here, not ranked

Copied from papers and from what cites them, in order of supervision and year; not scored with posebench. A difference between two of
them, or to a measured row, need not be a difference between the methods. [reconciliation.md](reconciliation.md) gives every source,
and the numbers that are only recalled.

Alignment: {"; ".join(letters)}; no letter: as in the protocol. Source: {"; ".join(tags)}.
"""
    return "\n".join([head, *reported_tables(published, rows, unverified=False, level=4)])


def reported_tables(published: Published, rows: Sequence[Row], *, unverified: bool, level: int) -> list[str]:
    """For each 2D source among ``rows`` a heading, a table, and remarks on its rows.

    Args:
        published: the file's content.
        rows: rows to show, in this order.
        unverified: also show unverified values, and each row's source.
        level: of the headings.
    """
    parts = []
    for keypoints in KEYPOINTS:
        chosen = [row for row in rows if row.keypoints == keypoints]
        if chosen:
            parts += [
                f"{'#' * level} {_TITLES[keypoints]}\n",
                _rows(published, chosen, unverified),
                "",
                _remarks(published, chosen, unverified),
            ]
    return parts


def _shown(row: Row, unverified: bool) -> list[Value]:
    return [value for value in row.values if unverified or value.verified]


def _rows(published: Published, rows: Sequence[Row], unverified: bool) -> str:
    metrics = [metric for metric in METRICS if any(value.metric == metric for row in rows for value in _shown(row, unverified))]
    # Most methods train on Human3.6M; the column is shown only where one does not.
    trained = ["trained on"] if any(row.trained_on != "h36m" for row in rows) else []
    lines = []
    for row in rows:
        paper = published.papers[row.paper]
        values = {value.metric: value for value in _shown(row, unverified)}
        lines.append(
            [
                f"[{who(published, row)}]({paper.url})" if paper.url else who(published, row),
                paper.supervision + (f"; {row.side_information}" if row.side_information else ""),
                *([row.trained_on] if trained else []),
                *(cell(values.get(metric)) for metric in metrics),
                _stated(row.joints),
                _stated(row.averaging),
            ]
        )
    heads = ["method", "3D and side information", *trained, *(f"{metric} [{UNITS[metric]}]" for metric in metrics), "joints", "average"]
    return markdown_table(lines, heads, right=range(len(heads) - len(metrics) - 2, len(heads)))


def _stated(text: str) -> str:
    return "" if text == "unstated" else text


def _remarks(published: Published, rows: Sequence[Row], unverified: bool) -> str:
    lines = []
    for row in rows:
        recalled = dict.fromkeys(value.recalled for value in _shown(row, unverified) if value.recalled)
        doubts = [f"{value.metric} {value.confidence}" for value in _shown(row, unverified) if value.confidence != "high"]
        parts = [
            f"Differs: {row.differs}." if row.differs else "",
            f"Only recalled: {'; '.join(recalled)}." if recalled else "",
            row.notes if unverified else "",
            f"Confidence: {', '.join(doubts)}." if unverified and doubts else "",
            f"In the paper: {row.table}." if unverified and row.table != "not known" else "",
            f"Source: {row.source}." if unverified else "",
        ]
        text = " ".join(filter(None, parts))
        if text:
            lines.append(f"* **{who(published, row)}**: {text}")
    return "\n".join(lines) + "\n" if lines else ""
