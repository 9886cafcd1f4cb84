"""The strict reader of ``published.toml``: numbers from papers, which are never ranked with measured ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.readers.text import read_toml
from posebench.base.schema import Fields
from posebench.board.published.types import (
    CONFIDENCES,
    DATASETS,
    KEYPOINTS,
    MEASURES,
    METRICS,
    OPERATIONS,
    ORACLES,
    PER,
    TAGS,
    VERDICTS,
    Filing,
    Measured,
    Paper,
    Published,
    Row,
    Speed,
    Value,
)
from posebench.predictions.archive import SUPERVISIONS
from posebench.scoring.protocol import AVERAGES, protocol_ids

NAME = "published.toml"
SCHEMA = 1
_NUMBER = r"\d+(\.\d+)?"
_ADVICE = "the head of leaderboard/published.toml explains every field"


def load_published(board: Path) -> Published | None:
    """The published numbers of a board, or None where it has no ``published.toml``.

    Raises:
        PosebenchError: a field is wrong, missing or unknown, or parts do not fit together; the message names file and field.
    """
    path = board / NAME
    if not path.is_file():
        return None
    try:
        content = read_toml(path)
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "a readable TOML file", _ADVICE, exit_code=1) from error
    fields = Fields(content, str(path), _ADVICE)
    if fields.whole("posebench_published") != SCHEMA:
        raise fields.wrong("posebench_published", content["posebench_published"], f"schema {SCHEMA}")
    papers = [_paper(item) for item in fields.tables("papers")]
    _each_once(fields, "papers", (paper.id for paper in papers))
    ids = [paper.id for paper in papers]
    by_id = {paper.id: paper for paper in papers}
    rows = tuple(_row(item, by_id) for item in fields.tables("rows"))
    _each_once(fields, "rows", (row.id for row in rows))
    known = {row.id: row for row in rows}
    published = Published(
        papers=by_id,
        rows=rows,
        filings=tuple(_filing(item, ids, known) for item in fields.tables("filings")),
        measured=tuple(_measured(item, ids) for item in fields.tables("measured")),
        speeds=tuple(_speed(item, ids) for item in fields.tables("speeds")),
        unread=tuple(_unread(item) for item in fields.tables("unread")),
    )
    fields.finish()
    return published


def _each_once(fields: Fields, key: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            raise fields.wrong(key, id, "each id once")
        seen.add(id)


def _paper(fields: Fields) -> Paper:
    paper = Paper(
        id=fields.text("id"),
        name=fields.text("name"),
        title=fields.text("title"),
        venue=fields.text("venue"),
        url=fields.text("url", default=""),
        supervision=fields.choice("supervision", SUPERVISIONS),
        side_information=fields.text("side_information", default=""),
        methods=fields.texts("methods"),
        reading=fields.text("reading", default=""),
        reasons=fields.texts("reasons"),
    )
    fields.finish()
    return paper


def _row(fields: Fields, papers: dict[str, Paper]) -> Row:
    paper = papers[fields.choice("paper", list(papers))]
    row = Row(
        id=fields.text("id"),
        paper=paper.id,
        variant=fields.text("variant", default=""),
        side_information=fields.text("side_information", default=paper.side_information),
        dataset=fields.choice("dataset", DATASETS),
        protocol=fields.choice("protocol", protocol_ids()),
        differs=fields.text("differs", default=""),
        trained_on=fields.choice("trained_on", (*DATASETS, "unstated")),
        keypoints=fields.choice("keypoints", KEYPOINTS),
        frames=_printed(fields, "frames", whole=True),
        joints=fields.choice("joints", ("14", "16", "17", "unstated")),
        averaging=fields.choice("averaging", (*AVERAGES, "unstated")),
        table=fields.text("table", default="not known"),
        source=fields.text("source"),
        notes=fields.text("notes", default=""),
        values=tuple(_value(item) for item in fields.tables("values")),
    )
    fields.finish()
    if not row.protocol.startswith(row.dataset + "/"):
        raise fields.wrong("protocol", row.protocol, f"a protocol of {row.dataset}")
    metrics = [value.metric for value in row.values]
    if not metrics or len(set(metrics)) < len(metrics):
        raise fields.wrong("values", metrics, "at least one metric, and each once")
    return row


def _value(fields: Fields) -> Value:
    metric = fields.choice("metric", METRICS)
    value = Value(
        metric=metric,
        alignment=fields.choice("alignment", METRICS[metric]),
        oracle=fields.choice("oracle", ORACLES, default="none"),
        printed=_printed(fields),
        tag=fields.choice("tag", TAGS),
        confidence=fields.choice("confidence", CONFIDENCES),
        recalled=fields.text("recalled", default=""),
        by_action=_by_action(fields),
    )
    fields.finish()
    most = 1000.0 if metric.endswith("MPJPE") else 100.0
    if not 0.0 < value.value <= most:
        raise fields.wrong("value", value.printed, f"a {metric} above 0 and up to {most:g}")
    # A typing error in one of the fifteen values shows in their mean; 0.06 allows for two roundings.
    if value.by_action and not abs(sum(value.by_action) / 15 - value.value) < 0.06:
        raise fields.wrong("by_action", list(value.by_action), f"15 numbers with the mean {value.value:g}")
    return value


def _by_action(fields: Fields) -> tuple[float, ...]:
    printed = fields.text("by_action", default="").split()
    if printed and not (len(printed) == 15 and all(re.fullmatch(_NUMBER, number) for number in printed)):
        raise fields.wrong("by_action", " ".join(printed), "15 numbers in one string")
    return tuple(map(float, printed))


def _printed(fields: Fields, key: str = "value", *, whole: bool = False) -> str:
    """A number as a source prints it; every key but ``value`` may be missing and is empty then."""
    if key != "value" and key not in fields.names():
        return ""
    printed = fields.text(key)
    if not re.fullmatch(r"[1-9]\d*" if whole else _NUMBER, printed):
        raise fields.wrong(key, printed, f"a {'whole ' * whole}number as it is printed in the source, in quotes")
    return printed


def _speed(fields: Fields, papers: list[str]) -> Speed:
    speed = Speed(
        paper=fields.choice("paper", papers),
        variant=fields.text("variant", default=""),
        frames=_printed(fields, "frames", whole=True),
        parameters=_printed(fields, "parameters"),
        operations=_printed(fields, "operations"),
        counted=fields.choice("counted", ("", *OPERATIONS), default=""),
        per=fields.choice("per", PER, default="unstated"),
        poses_per_second=_printed(fields, "poses_per_second"),
        hardware=fields.text("hardware", default=""),
        source=fields.text("source"),
        tag=fields.choice("tag", TAGS),
        notes=fields.text("notes", default=""),
    )
    fields.finish()
    if not (speed.parameters or speed.operations or speed.poses_per_second):
        raise fields.wrong("parameters", "", "parameters, operations or poses_per_second")
    if bool(speed.operations) != bool(speed.counted):
        raise fields.wrong("counted", speed.counted, "what operations counts, and nothing where there are none")
    if bool(speed.poses_per_second) != bool(speed.hardware):
        raise fields.wrong("hardware", speed.hardware, 'what poses_per_second was measured on ("not stated"), and nothing without it')
    return speed


def _filing(fields: Fields, papers: list[str], rows: dict[str, Row]) -> Filing:
    verdict = fields.choice("verdict", VERDICTS)
    traced = verdict not in ("not traced", "no value")
    listed = verdict != "no value" and (traced or "value" in fields.names())
    row = fields.choice("row", rows) if traced else fields.choice("row", ("", *rows), default="")
    values = {value.metric: value for value in rows[row].values} if row else {}
    filing = Filing(
        paper=fields.choice("paper", papers),
        site=fields.text("site"),
        label=fields.text("label"),
        printed=_printed(fields) if listed else None,
        verdict=verdict,
        row=row,
        metric=fields.choice("metric", values) if row else "",
        confidence=fields.choice("confidence", CONFIDENCES),
        why=fields.text("why"),
    )
    fields.finish()
    if traced:
        real = values[filing.metric]
        known = real.by_action if verdict == "one action only" else (real.value,)
        if float(filing.printed or 0) not in known:
            raise fields.wrong("value", filing.printed, f"a value of {row}, {filing.metric}; else the verdict `not traced`")
    return filing


def _measured(fields: Fields, papers: list[str]) -> Measured:
    values = fields.table("values")
    measured = Measured(
        paper=fields.choice("paper", ("", *papers), default=""),
        what=fields.text("what"),
        official=fields.flag("official"),
        work=fields.text("work"),
        protocol=fields.choice("protocol", protocol_ids()),
        keypoints=fields.text("keypoints"),
        joints=fields.whole("joints"),
        values={name: values.number(name) for name in MEASURES if name in values.names()},
        notes=fields.text("notes", default=""),
    )
    values.finish()
    fields.finish()
    return measured


def _unread(fields: Fields) -> tuple[str, str]:
    item = (fields.text("name"), fields.text("why"))
    fields.finish()
    return item
