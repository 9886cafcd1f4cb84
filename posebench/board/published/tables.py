"""Tables of published numbers: one for each protocol and 2D source, in order of error, with numbered notes below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from posebench.board.published.types import DATASETS, METRICS, TAGS, Paper, Published, Row, Value
from posebench.display.tables import markdown_table
from posebench.scoring.protocol import Protocol, load_protocol

#: Letter after a number -> its alignment, or what was chosen against the truth. A number without a letter is aligned as its metric's
#: name says.
MARKS = {
    "r": "a reflection is allowed in the alignment",
    "f": "the better of the pose and its mirror image in depth was chosen against the truth",
    "n": "each pose is rescaled by the ratio of norms to the truth",
    "p": "each pose is rescaled by the scale of a Procrustes alignment to the truth",
    "h": "each pose is rescaled by the truth's distance from head to root",
    "d": "each pose is scaled by the true depth of its root",
    "b": "the best of several predicted poses was chosen against the truth",
    "e": "the best epoch was chosen on the test set",
    "?": "the source does not say whether a reflection is allowed (PA-MPJPE) or the pose is rescaled (the rest)",
}
_MARK_OF = {
    "similarity+reflection": "r",
    "similarity, reflection unstated": "?",
    "scale: norm ratio": "n",
    "scale: Procrustes": "p",
    "scale: head to root": "h",
    "unstated": "?",
    "best of flip": "f",
    "true depth": "d",
    "best hypothesis": "b",
    "best epoch": "e",
}
#: What a value took from the truth, in the words of the column *oracle*.
_ORACLES = {"best of flip": "flip", "true depth": "scale", "best hypothesis": "hypothesis", "best epoch": "epoch"}
UNITS = {metric: "mm" if metric.endswith("MPJPE") else "%" for metric in METRICS}
_TITLES = {
    "gt": "2D source: the truth projected (`gt`)",
    "cpn_ft_h36m_dbb": "2D source: CPN, fine-tuned on Human3.6M (`cpn_ft_h36m_dbb`)",
    "sh": "2D source: Stacked Hourglass",
    "": "Other 2D sources",
}
_OTHERS = {
    "hrnet": "HRNet",
    "detectron_ft_h36m": "Mask R-CNN",
    "detected": "a detector, not stated which",
    "image": "images",
    "unstated": "not stated",
}


def cell(value: Value | None, *, tagged: bool = True) -> str:
    """A number with its marks and tag, ``59.8 (f) [2]``; in italics if it is unverified; empty for None."""
    if value is None:
        return ""
    number = value.printed if value.verified else f"*{value.printed}*"
    listed = ", ".join(_marks(value))
    return number + (f" ({listed})" if listed else "") + (f" [{value.tag}]" if tagged else "")


def _marks(value: Value) -> list[str]:
    return [mark for text in (value.alignment, value.oracle) if (mark := _MARK_OF.get(text))]


def marks_legend() -> str:
    """A list of the letters in round brackets and their meanings."""
    return "\n".join(f"* ({mark}) {meaning}" for mark, meaning in MARKS.items())


def tags_legend() -> str:
    """A list of the tags in square brackets and their meanings."""
    return "\n".join(f"* [{tag}] {meaning}" for tag, meaning in TAGS.items())


def who(published: Published, row: Row) -> str:
    """A row's method and variant."""
    return titled(published.papers[row.paper], row.variant)


def titled(paper: Paper, variant: str) -> str:
    """A paper's name with a variant."""
    return paper.name + (f", {variant}" if variant else "")


def linked(paper: Paper, variant: str) -> str:
    """A paper's name with a variant, as a link where the paper has one."""
    name = titled(paper, variant)
    return f"[{name}]({paper.url})" if paper.url else name


def data_of(row: Row) -> str:
    """The dataset, and the training data if they are another dataset."""
    if row.trained_on == row.dataset:
        return DATASETS[row.dataset]
    return f"{DATASETS[row.dataset]}, trained on {DATASETS.get(row.trained_on, 'data not stated')}"


def published_section(published: Published, protocol: str) -> str:
    """The verified numbers under a protocol or nearest to it, as a section of a page; empty where there are none."""
    rows = [row for row in published.rows if row.protocol == protocol and any(value.verified for value in row.values)]
    if not rows:
        return ""
    values = [value for row in rows for value in _shown(row, unverified=False)]
    used = {mark for value in values for mark in _marks(value)}
    letters = [f"* ({mark}) {meaning}" for mark, meaning in MARKS.items() if mark in used]
    tags = [f"* {tag}: {meaning}" for tag, meaning in TAGS.items() if tag in {value.tag for value in values}]
    head = f"## Published under `{protocol}` or a similar protocol\n"
    if letters:
        letters = ["Letters after a number:", "", *letters, ""]
    parts = [head, *letters, "*source*:", "", *tags, ""]
    return "\n".join([*parts, *reported_tables(published, rows, unverified=False, level=3)])


def reported_tables(published: Published, rows: Sequence[Row], *, unverified: bool, level: int) -> list[str]:
    """For each 2D source among ``rows`` a heading, a table in order of error, and numbered notes.

    Args:
        published: the file's content.
        rows: rows to show, all of one protocol.
        unverified: also show unverified values, and each row's source among the notes.
        level: of the headings.
    """
    parts = []
    for keypoints, title in _TITLES.items():
        chosen = [row for row in rows if (row.keypoints if row.keypoints in _TITLES else "") == keypoints]
        if chosen:
            parts += [f"{'#' * level} {title}\n", *_table(published, chosen, unverified)]
    return parts


def _shown(row: Row, unverified: bool) -> list[Value]:
    return [value for value in row.values if unverified or value.verified]


def _table(published: Published, rows: Sequence[Row], unverified: bool) -> list[str]:
    shown = {row.id: {value.metric: value for value in _shown(row, unverified)} for row in rows}
    metrics = [metric for metric in METRICS if any(metric in values for values in shown.values())]
    ordered = _in_order(rows, shown, metrics)
    # A column is shown only where its rows differ from the usual.
    sources = any(row.keypoints in _OTHERS for row in rows)
    trained = any(row.trained_on != row.dataset for row in rows)
    notes: dict[str, int] = {}
    protocol = load_protocol(rows[0].protocol)
    lines = []
    for row in ordered:
        paper, values = published.papers[row.paper], shown[row.id]
        numbers = sorted(notes.setdefault(note, len(notes) + 1) for note in _notes(row, protocol, unverified))
        tags = dict.fromkeys(value.tag for value in values.values())
        lines.append(
            [
                linked(paper, row.variant) + (f" ({', '.join(map(str, numbers))})" if numbers else ""),
                paper.year,
                paper.supervision,
                *([_OTHERS[row.keypoints]] if sources else []),
                *([DATASETS.get(row.trained_on, "")] if trained else []),
                row.frames,
                *(cell(values.get(metric), tagged=len(tags) > 1) for metric in metrics),
                _oracle(values.values()),
                ", ".join(tags),
            ]
        )
    before = ["method", "year", "3D seen", *["2D"] * sources, *["trained on"] * trained, "frames"]
    heads = [*before, *(f"{metric} [{UNITS[metric]}]" for metric in metrics), "oracle", "source"]
    table = markdown_table(lines, heads, right=range(len(before) - 1, len(before) + len(metrics)))
    return [table, "", "\n".join(f"{number}. {note}" for note, number in notes.items()) + "\n"] if notes else [table, ""]


def _in_order(rows: Sequence[Row], shown: dict[str, dict[str, Value]], metrics: Sequence[str]) -> list[Row]:
    """By the metric that most rows have; rows without it follow, by the next."""
    order = sorted(metrics, key=lambda metric: -sum(metric in values for values in shown.values()))

    def key(row: Row) -> tuple[int, float]:
        place = next(place for place, metric in enumerate(order) if metric in shown[row.id])
        value = shown[row.id][order[place]].value
        return place, value if UNITS[order[place]] == "mm" else -value

    return sorted(rows, key=key)


def _oracle(values: Iterable[Value]) -> str:
    found = []
    for value in values:
        found += ["scale"] * value.alignment.startswith("scale:")
        found += [_ORACLES[value.oracle]] if value.oracle in _ORACLES else []
    return ", ".join(dict.fromkeys(found))


def _notes(row: Row, protocol: Protocol, unverified: bool) -> list[str]:
    """What a row used and how it departs from its protocol; with ``unverified`` also where it was read and how sure that is."""
    shown = _shown(row, unverified)
    recalled = dict.fromkeys(value.recalled for value in shown if value.recalled)
    joints = str(len(protocol.skeleton))
    notes = [
        f"Also used: {row.side_information}." if row.side_information else "",
        f"Differs: {row.differs}." if row.differs else "",
        f"{row.joints} joints." if row.joints not in ("unstated", joints) and "joints" not in row.differs else "",
        f"Only recalled: {'; '.join(recalled)}." if recalled else "",
    ]
    if unverified:
        doubts = [f"{value.metric} {value.confidence}" for value in shown if value.confidence != "high"]
        stated = {"joints": row.joints, "average": row.averaging}
        missing = [name for name, text in stated.items() if text == "unstated"]
        about = [
            f"**{row.id}.**",
            row.notes,
            f"Confidence: {', '.join(doubts)}." if doubts else "",
            f"In the paper: {row.table}." if row.table != "not known" else "",
            f"Average over each {row.averaging}." if row.averaging != "unstated" else "",
            f"Not stated: {', '.join(missing)}." if missing else "",
            f"Source: {row.source}.",
        ]
        notes.append(" ".join(filter(None, about)))
    return [note for note in notes if note]
