"""The strict reader of ``leaderboard/reproduce.toml``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.base.readers.text import read_toml
from posebench.base.schema import Fields
from posebench.board.published.reader import load_published
from posebench.board.published.types import Published, Value
from posebench.board.targets.types import ROOTS, Expected, Gpu, Section, Target, Targets
from posebench.networks.recipe import baselines, read_method
from posebench.scoring.protocol import AVERAGES, protocol_ids

NAME = "reproduce.toml"
SCHEMA = 1
_ADVICE = "the head of leaderboard/reproduce.toml explains every field"


def shipped_folder() -> Path:
    """The folder with the ``reproduce.toml`` and ``published.toml`` of this version: in an installed package, or in a checkout."""
    library = Path(str(files("posebench")))
    for folder in (library / "leaderboard", library.parent / "leaderboard"):
        if (folder / NAME).is_file():
            return folder
    raise PosebenchError(f"no {NAME} beside {library}", "the file that comes with posebench", "install posebench again")


def load_targets(folder: Path | None = None) -> Targets:
    """The targets of reproduction, and the published rows that they refer to.

    Args:
        folder: of ``reproduce.toml`` and ``published.toml``; None for those that come with posebench.

    Raises:
        PosebenchError: a field is wrong, missing or unknown, or parts do not fit together; the message names file and field.
    """
    folder = shipped_folder() if folder is None else folder
    path = folder / NAME
    published = load_published(folder)
    if published is None:
        raise PosebenchError(
            f"{folder} without published.toml", "the published numbers beside the targets", "restore the file", exit_code=1
        )
    try:
        content = read_toml(path)
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "a readable TOML file", _ADVICE, exit_code=1) from error
    fields = Fields(content, str(path), _ADVICE)
    if fields.whole("posebench_targets") != SCHEMA:
        raise fields.wrong("posebench_targets", content["posebench_targets"], f"schema {SCHEMA}")
    targets = tuple(_target(item, published) for item in fields.tables("targets"))
    ids = [target.id for target in targets]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice:
        raise fields.wrong("targets", twice, "each id once")
    found = Targets(
        machine=fields.text("machine"),
        gpu=_gpu(fields.table("gpu"), ids),
        sections=tuple(_section(item, published) for item in fields.tables("papers")),
        targets=targets,
    )
    fields.finish()
    papers = [section.paper.id for section in found.sections]
    homeless = next((target for target in targets if target.row.paper not in papers), None)
    if homeless:
        raise fields.wrong("papers", papers, f"{homeless.row.paper}, the paper of target {homeless.id}")
    return found


def find_target(targets: Targets, id: str) -> Target:
    """The target of an id.

    Raises:
        PosebenchError: there is none.
    """
    known = [target.id for target in targets.targets]
    if id not in known:
        raise PosebenchError(f"target {id!r}", f"one of {', '.join(known)}", did_you_mean(id, known, "posebench reproduce list"))
    return targets.targets[known.index(id)]


def _gpu(fields: Fields, ids: list[str]) -> Gpu:
    gpu = Gpu(fields.text("name"), fields.choice("target", ids), fields.number("step_ms"), fields.text("source"))
    fields.finish()
    if not gpu.step_ms > 0:
        raise fields.wrong("step_ms", gpu.step_ms, "milliseconds above 0")
    return gpu


def _section(fields: Fields, published: Published) -> Section:
    paper = published.papers[fields.choice("paper", list(published.papers))]
    section = Section(paper, fields.text("text"), fields.texts("cannot"))
    fields.finish()
    return section


def _target(fields: Fields, published: Published) -> Target:
    row = published.row(fields.choice("row", [row.id for row in published.rows]))
    method = fields.choice("method", baselines())
    trained_on = fields.choice("trained_on", list(ROOTS))
    tested_on = fields.choice("tested_on", list(ROOTS), default=trained_on)
    trained_keypoints = fields.text("trained_keypoints")
    values = {value.metric: value for value in row.values}
    target = Target(
        id=fields.text("id"),
        row=row,
        method=method,
        recipe=fields.choice("recipe", list(read_method(method)[0].get("recipes", {}))),
        trained_on=trained_on,
        trained_keypoints=trained_keypoints,
        tested_on=tested_on,
        keypoints=fields.text("keypoints", default=trained_keypoints),
        protocol=fields.choice("protocol", protocol_ids()),
        seeds=fields.whole("seeds"),
        expected=tuple(_expected(item, values) for item in fields.tables("expected")),
        because=fields.text("because"),
        differs=fields.texts("differs"),
        comparable=fields.flag("comparable", default=True),
        steps=fields.whole("steps"),
        poses=fields.whole("poses"),
        cpu_ms=fields.number("cpu_ms"),
    )
    fields.finish()
    if not target.expected:
        raise fields.wrong("expected", [], "at least one number")
    if tested_on != row.dataset or not target.protocol.startswith(tested_on + "/"):
        raise fields.wrong("tested_on", tested_on, f"the dataset of row {row.id} and of {target.protocol}")
    if not target.cpu_ms > 0:
        raise fields.wrong("cpu_ms", target.cpu_ms, "milliseconds above 0")
    if not target.comparable and not target.differs:
        raise fields.wrong("differs", [], "why the number cannot be reproduced")
    return target


def _expected(fields: Fields, values: dict[str, Value]) -> Expected:
    expected = Expected(
        published=values[fields.choice("published", list(values))],
        metric=fields.text("metric"),
        average=fields.choice("average", AVERAGES),
        tolerance=fields.number("tolerance"),
    )
    fields.finish()
    if not expected.tolerance > 0:
        raise fields.wrong("tolerance", expected.tolerance, "a number above 0")
    return expected
