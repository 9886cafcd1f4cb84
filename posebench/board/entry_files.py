"""Files of entries: written from results, and read strictly.

**Convention.** ``entries/<protocol id>/<method>[+<recipe>][@<dataset>]-<keypoints>[-<preset>].json``: recipe and preset if there was a
training, the training dataset unless it is the protocol's. Earlier files leave out the recipe ``tuned``; they keep their names.
:mod:`posebench.board.entry` describes the content.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.readers.text import read_json
from posebench.base.schema import Fields
from posebench.board.admission import entry_of
from posebench.board.entry import SCHEMA, Entry, Joints, Seed
from posebench.board.entry_checks import ADVICE, check_derived
from posebench.predictions.archive import SUPERVISIONS
from posebench.predictions.disclosure import FACTS
from posebench.predictions.provenance import read_provenance
from posebench.scoring.protocol import AVERAGES
from posebench.scoring.result import Result

_MAX_BYTES = 64 * 2**20
#: The numbers of papers, which only the project's own leaderboard has.
_PUBLISHED = "published.toml"
#: Sums that differ by less are the same, computed on another processor.
_NOISE = 1e-7
#: From this schema on an entry states :data:`posebench.predictions.disclosure.FACTS`, and its sums have nine digits.
_WITH_FACTS = 4


def add(board: Path, results: Sequence[Result], names: Sequence[str]) -> list[Path]:
    """Write an entry for each method among the results; results of one method become its seeds. Nothing is written if one is refused.

    Raises:
        PosebenchError: see :func:`entry_of`; or two results of one method were scored on different data, or are of one seed and differ.
    """
    entries: dict[Path, Entry] = {}
    for result, name in zip(results, names, strict=True):
        entry = entry_of(result, name, own=not (board / _PUBLISHED).is_file())
        path = entry.path(board)
        known = entries.get(path)
        if known is None:
            entries[path] = entry
            continue
        if _common(known) != _common(entry):
            raise PosebenchError(f"{name} differs from another result of {entry.name}", "seeds of one training under one protocol", ADVICE)
        made = entry.seeds[0]
        if made.predictions in {seed.predictions for seed in known.seeds}:
            continue
        if made.provenance and made.provenance.seed in {seed.provenance.seed for seed in known.seeds if seed.provenance}:
            raise PosebenchError(
                f"{name}: other predictions of {entry.name} with seed {made.provenance.seed} again", "one result of each seed", ADVICE
            )
        known.seeds.append(made)
    for path, entry in entries.items():
        if not _holds(path, board, entry):
            write_text(path, entry.dump())
        for earlier in entry.names[1:]:
            path.with_name(f"{earlier}.json").unlink(missing_ok=True)
    return list(entries)


def _holds(path: Path, board: Path, entry: Entry) -> bool:
    """Whether a file holds this entry already, but for rounding errors and where it was scored: it then keeps its bytes."""
    try:
        known = load_entry(path, board)
    except PosebenchError:
        return False  # there is none, or it is of an earlier version or damaged
    if _common(known) != _common(entry) or known.takes != entry.takes or known.units != entry.units or len(known.seeds) != len(entry.seeds):
        return False
    return all(
        (one.predictions, one.provenance) == (other.predictions, other.provenance)
        and set(one.sums) == set(other.sums)
        and all(np.allclose(one.sums[metric], other.sums[metric], rtol=_NOISE, atol=_NOISE) for metric in one.sums)
        for one, other in zip(known.seeds, entry.seeds, strict=True)
    )


def _common(entry: Entry) -> tuple[Any, ...]:
    """What all seeds of an entry share."""
    made = entry.seeds[0].provenance
    return entry.data, entry.protocol, entry.supervision, entry.scale, made and made.common


def load_entries(board: Path) -> list[Entry]:
    """Every entry of a board, by path.

    Raises:
        PosebenchError: a file is no entry, is not named as its content says, or its numbers do not fit together.
    """
    found = {path: load_entry(path, board) for path in sorted((board / "entries").rglob("*.json"))}
    for path, entry in found.items():
        present = path.with_name(f"{entry.names[0]}.json")
        if path != present and present in found:
            raise PosebenchError(f"{path} and {present}: the same entry", "one file of an entry", f"remove {path}", exit_code=1)
    return list(found.values())


def load_entry(path: Path, board: Path) -> Entry:
    """One entry, strictly validated; errors name file and field.

    Raises:
        PosebenchError: it is no entry, is not named as its content says, or states a number that does not follow from its sums
            (exit code 1).
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PosebenchError(f"{path}: {path.stat().st_size:,} bytes", f"at most {_MAX_BYTES:,}", ADVICE)
        content = read_json(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "an entry in JSON", ADVICE) from error
    fields = Fields(content if isinstance(content, dict) else {}, str(path), ADVICE)
    schema = fields.whole("posebench_entry")
    if schema > SCHEMA:
        raise fields.wrong("posebench_entry", content["posebench_entry"], f"schema {SCHEMA}; upgrade posebench")
    protocol, data, units = fields.table("protocol"), fields.table("data"), fields.table("units")
    takes = _takes(fields)
    entry = Entry(
        method=fields.text("method"),
        keypoints=fields.text("keypoints"),
        supervision=fields.choice("supervision", SUPERVISIONS),
        scale=fields.choice("scale", ("metric", "unknown")),
        protocol={
            "id": protocol.text("id"),
            "version": protocol.whole("version"),
            "digest": protocol.text("digest"),
            "headline": protocol.choice("headline", AVERAGES),
        },
        data={key: data.text(key) for key in ("name", "version", "fingerprint")},
        takes=takes,
        units={metric: units.text(metric) for metric in units.names()},
        seeds=[_seed(seed, len(takes)) for seed in fields.tables("seeds")],
    )
    for part in (protocol, data, units, fields):
        part.finish()
    if not entry.seeds:
        raise fields.wrong("seeds", [], "at least one")
    if len(set(entry.takes)) != len(entry.takes):
        raise fields.wrong("takes", "a take twice", "each take once")
    metrics = set(entry.seeds[0].sums)
    if "PA-MPJPE" not in metrics or not metrics <= set(entry.units) or any(set(seed.sums) != metrics for seed in entry.seeds):
        raise fields.wrong("seeds", sorted(metrics), "sums of the same metrics for every seed, each with its unit, PA-MPJPE among them")
    home = Path("entries") / entry.protocol["id"]
    if path not in [board / home / f"{name}.json" for name in entry.names]:
        wanted = f"it in {(home / entry.names[0]).as_posix()}.json, the file that its contents name"
        raise PosebenchError(f"{path}: {entry.names[0]} under the protocol {entry.protocol['id']}", wanted, ADVICE, exit_code=1)
    made = entry.seeds[0].provenance
    unstated = [fact for fact in FACTS if made and fact not in made.facts] if schema >= _WITH_FACTS else []
    if unstated:
        raise PosebenchError(f"{path}: no word of {', '.join(unstated)}", f"all facts in an entry of schema {schema}", ADVICE)
    entry = replace(entry, stem=path.stem)
    check_derived(entry, str(path), nine_digits=schema >= _WITH_FACTS)
    return entry


def _seed(fields: Fields, takes: int) -> Seed:
    environment, sums, curves = fields.table("environment"), fields.table("sums"), fields.table("curves")
    seed = Seed(
        predictions=fields.text("predictions"),
        environment={
            # Entries of results that do not name their kernel have none.
            key: environment.text(key)
            for key in ("posebench", "python", "numpy", "platform", "kernel")
            if key != "kernel" or environment.present(key)
        },
        sums={metric: _two_columns(sums, metric, takes) for metric in sums.names()},
        provenance=read_provenance(fields.table("provenance")) if fields.present("provenance") else None,
        training=_training(fields.table("training")),
        behaviour={who: {name: table.number(name) for name in table.names()} for who, table in _behaviour(fields.table("behaviour"))},
        values=_numbers(fields.table("values")),
        joints=_joints(fields.table("joints"), takes, sums),
        curves={metric: _two_columns(curves, metric) for metric in curves.names()},
    )
    environment.finish()
    fields.finish()
    return seed


def _training(fields: Fields) -> dict[str, str | float]:
    numbers = ("seconds", "cpu_seconds", "steps", "teacher_seconds", "teacher_cpu_seconds")
    return {name: fields.number(name) if name in numbers else fields.text(name) for name in fields.names()}


def _behaviour(fields: Fields) -> list[tuple[str, Fields]]:
    return [(who, fields.table(who)) for who in fields.names()]


def _numbers(fields: Fields) -> dict[str, float]:
    return {name: fields.number(name) for name in fields.names()}


def _joints(fields: Fields, takes: int, sums: Fields) -> dict[str, Joints]:
    found = {}
    for metric in fields.names():
        if metric not in sums.names():
            raise fields.wrong(metric, "sums by joint", "only metrics that the seed has sums of")
        part = fields.table(metric)
        names = list(part.texts("names"))
        if not names:
            raise part.wrong("names", names, "the names of the joints")
        found[metric] = Joints(names, part.nested("total", [(takes, len(names))]))
        part.finish()
    return found


def _takes(fields: Fields) -> list[tuple[str, str, str]]:
    """The takes, as (take, subject, action)."""
    wanted = "a list of lists of 3 strings"
    rows = fields.value("takes", list, wanted)
    if not all(isinstance(row, list) and len(row) == 3 and all(isinstance(item, str) for item in row) for row in rows):
        raise fields.wrong("takes", "other rows", wanted)
    return [(first, second, third) for first, second, third in rows]


def _two_columns(fields: Fields, key: str, length: int | None = None) -> tuple[list[float], list[float]]:
    """Two lists of ``length`` finite numbers each; without a length, of one length that is at least 1."""
    wanted = f"two lists of {length or 'as many'} finite numbers"
    columns = fields.value(key, list, wanted)
    if length is None:
        length = max(1, len(columns[0])) if columns and isinstance(columns[0], list) else 1
    if len(columns) != 2 or not all(isinstance(column, list) and len(column) == length for column in columns):
        raise fields.wrong(key, "other numbers", wanted)
    # By exact type: true is an int too. The comparison also refuses nan.
    if not all(type(number) in (int, float) and abs(number) < math.inf for column in columns for number in column):
        raise fields.wrong(key, "other numbers", wanted)
    first, second = ([float(number) for number in column] for column in columns)
    return first, second
