"""Entries: one method on the board under one protocol and keypoint source, with all its seeds and where the numbers come from.

**Convention.** ``entries/<protocol id>/<method>[+<recipe>][@<dataset>]-<keypoints>[-<preset>].json``: the recipe where it is not the
method's own, the training data where they are not the protocol's, the preset where there was a training. An entry keeps the sums by take
of every metric, so that its numbers, intervals and every comparison can be computed again from the entry alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from posebench.errors import PosebenchError
from posebench.fields import Fields
from posebench.files import write_text
from posebench.predictions import SUPERVISIONS
from posebench.protocol import load_protocol
from posebench.provenance import Provenance, read_provenance
from posebench.result import Result
from posebench.slices import Row, Sums, average, codes

SCHEMA = 1
_MAX_BYTES = 64 * 2**20
_ADVICE = "make entries with: posebench board add R.json"


@dataclass(frozen=True, eq=False)
class Seed:
    """One scored prediction file of an entry.

    Attributes:
        predictions: sha256 of the file.
        environment: of the scoring.
        sums: by take: metric to (total (takes,), count (takes,)).
        provenance: how the lifter was made, or None where nothing was trained or the file does not say.
        training: seconds, steps and machine of the training, where posebench ran it.
        behaviour: what the lifter does beside its errors, predicted and true (:mod:`posebench.behaviour`).
    """

    predictions: str
    environment: dict[str, str]
    sums: dict[str, tuple[list[float], list[float]]]
    provenance: Provenance | None = None
    training: dict[str, str | float] = field(default_factory=dict)
    behaviour: dict[str, dict[str, float]] = field(default_factory=dict)

    def of(self, metric: str) -> Sums:
        """The sums of one metric, as one column."""
        total, count = self.sums[metric]
        return Sums(np.array(total)[:, None], np.array(count), ())


@dataclass(frozen=True, eq=False)
class Entry:
    """A method's row: what it is, what it was scored on, and its seeds. ``takes`` holds (take, subject, action) of each row of sums."""

    method: str
    keypoints: str
    supervision: str
    scale: str
    protocol: dict[str, Any]
    data: dict[str, Any]
    takes: list[tuple[str, str, str]]
    units: dict[str, str]
    seeds: list[Seed]

    @property
    def name(self) -> str:
        """File name of the entry, without ending."""
        made = self.seeds[0].provenance
        return f"{self.variant}-{self.keypoints}" + (f"-{made.preset}" if made else "")

    @property
    def variant(self) -> str:
        """``<method>[+<recipe>][@<dataset>]``."""
        made = self.seeds[0].provenance
        if made is None:
            return self.method
        learnt = made.trained_on.partition(" ")[0]
        return self.method + made.variant + ("" if learnt == self.data["name"] else f"@{learnt}")

    @property
    def label(self) -> str:
        """What a table calls the row: the variant, and the preset behind it."""
        made = self.seeds[0].provenance
        return f"{self.variant} ({made.preset})" if made else self.method

    @property
    def rows(self) -> list[Row]:
        """The takes as rows of sums: cameras are already together."""
        return [Row("", subject, take, "", action) for take, subject, action in self.takes]

    def value(self, metric: str, average_kind: str, seed: int = 0) -> float | None:
        """One average of one metric, computed from the sums; None where the method's scale leaves it empty."""
        if metric not in self.seeds[seed].sums:
            return None
        sums = self.seeds[seed].of(metric)
        return float(average(self.rows, sums.row_total, sums.count, average_kind))

    def dump(self) -> str:
        """The JSON text of the entry."""
        return json.dumps({"posebench_entry": SCHEMA, **asdict(self)}, indent=1) + "\n"


def entry_of(result: Result, name: str) -> Entry:
    """An entry with one seed from a result.

    Raises:
        PosebenchError: the result may not stand on a board: partial, scored with --truth, not the official copy, of an unknown or
            changed protocol, without method or keypoint source, with predictions that equal the truth, of a recipe changed by hand, or
            trained on another keypoint source than it was tested on.
    """

    def refuse(found: str, wanted: str) -> PosebenchError:
        return PosebenchError(f"{name}: {found}", wanted, "score a complete file against the dataset itself, then add it", exit_code=1)

    if result.coverage["partial"]:
        raise refuse(f"partial, {result.coverage['poses']:,} of {result.coverage['poses wanted']:,} poses", "every pose of the protocol")
    if result.data["name"] == "file":
        raise refuse("scored with --truth", "a result scored against a dataset")
    if not result.data["official"]:
        raise refuse(f"not the official copy of {result.data['name']} ({result.data['note']})", "the official frame counts")
    digest = load_protocol(result.protocol["id"]).digest
    if result.protocol["digest"] != digest:
        raise refuse(f"protocol digest {result.protocol['digest']}", f"{digest}, the digest of {result.protocol['id']} in this posebench")
    for key in ("method", "keypoints"):
        if not re.fullmatch(r"[\w.+-]+", result.predictions[key]):
            raise refuse(f"{key} {result.predictions[key]!r}", f"a {key} of letters, digits, and . + - _, stated in the prediction file")
    if any(finding["name"] == "leakage" for finding in result.findings):
        raise refuse("the predictions equal the truth", "a method's own predictions")
    provenance = result.predictions.get("provenance")
    made = None if provenance is None else read_provenance(Fields(provenance, f"{name}: provenance", _ADVICE))
    if made:
        for key, value in (("recipe", made.recipe), ("preset", made.preset)):
            if not re.fullmatch(r"[\w.-]+", value):
                raise refuse(f"{key} {value!r}", "a recipe and preset that the method's recipe.toml names, nothing changed by hand")
        if made.trained_keypoints != result.predictions["keypoints"]:
            raise refuse(
                f"trained on {made.trained_keypoints}, tested on {result.predictions['keypoints']}", "one keypoint source for both"
            )
    # A take whose frames carry several actions (3DHP) has a row for each.
    takes, code = codes([(row.take, row.subject, row.action) for row in result.rows])
    sums = {}
    for metric, one in result.sums.items():
        total, count = np.zeros(len(takes)), np.zeros(len(takes))
        np.add.at(total, code, one.row_total)
        np.add.at(count, code, one.count)
        sums[metric] = (total.tolist(), count.tolist())
    tables = {**result.metrics, **result.diagnostics}
    return Entry(
        method=result.predictions["method"],
        keypoints=result.predictions["keypoints"],
        supervision=result.predictions["supervision"],
        scale=result.predictions["scale"],
        protocol=dict(result.protocol),
        data={key: result.data[key] for key in ("name", "version", "fingerprint")},
        takes=takes,
        units={metric: table["unit"] for metric, table in tables.items()},
        seeds=[Seed(result.predictions["sha256"], result.environment, sums, made, dict(result.training), dict(result.behaviour))],
    )


def add(board: Path, results: Sequence[Result], names: Sequence[str]) -> list[Path]:
    """Write an entry for each method among the results; results of one method become its seeds. Nothing is written if one is refused.

    Raises:
        PosebenchError: see :func:`entry_of`; or two results of one method were scored on different data.
    """
    entries: dict[Path, Entry] = {}
    for result, name in zip(results, names, strict=True):
        entry = entry_of(result, name)
        path = board / "entries" / entry.protocol["id"] / f"{entry.name}.json"
        known = entries.get(path)
        if known is None:
            entries[path] = entry
            continue
        if _common(known) != _common(entry):
            raise PosebenchError(f"{name} differs from another result of {entry.name}", "seeds of one training under one protocol", _ADVICE)
        if entry.seeds[0].predictions not in {seed.predictions for seed in known.seeds}:
            known.seeds.append(entry.seeds[0])
    for path, entry in entries.items():
        write_text(path, entry.dump())
    return list(entries)


def _common(entry: Entry) -> tuple[Any, ...]:
    """What all seeds of an entry share."""
    made = entry.seeds[0].provenance
    return entry.data, entry.protocol, entry.supervision, entry.scale, made and replace(made, seed=0)


def load_entries(board: Path) -> list[Entry]:
    """Every entry of a board, by path.

    Raises:
        PosebenchError: a file is no entry, stands under another name than its own, or its numbers do not fit together.
    """
    return [load_entry(path, board) for path in sorted((board / "entries").rglob("*.json"))]


def load_entry(path: Path, board: Path) -> Entry:
    """One entry, strictly validated; errors name file and field."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PosebenchError(f"{path}: {path.stat().st_size:,} bytes", f"at most {_MAX_BYTES:,}", _ADVICE)
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PosebenchError(f"{path}: {error}", "an entry in JSON", _ADVICE) from error
    fields = Fields(content if isinstance(content, dict) else {}, str(path), _ADVICE)
    if fields.whole("posebench_entry") > SCHEMA:
        raise fields.wrong("posebench_entry", content["posebench_entry"], f"schema {SCHEMA}; upgrade posebench")
    protocol, data, units = fields.table("protocol"), fields.table("data"), fields.table("units")
    takes = [tuple(take) for take in fields.records("takes", 3)]
    entry = Entry(
        method=fields.text("method"),
        keypoints=fields.text("keypoints"),
        supervision=fields.choice("supervision", SUPERVISIONS),
        scale=fields.choice("scale", ("metric", "unknown")),
        protocol={
            "id": protocol.text("id"),
            "version": protocol.whole("version"),
            "digest": protocol.text("digest"),
            "headline": protocol.choice("headline", ("frame", "take", "action")),
        },
        data={key: data.text(key) for key in ("name", "version", "fingerprint")},
        takes=[(str(a), str(b), str(c)) for a, b, c in takes],
        units={metric: units.text(metric) for metric in units.names()},
        seeds=[_seed(seed, len(takes)) for seed in fields.tables("seeds")],
    )
    for part in (protocol, data, units, fields):
        part.finish()
    if not entry.seeds:
        raise fields.wrong("seeds", [], "at least one")
    if path != board / "entries" / entry.protocol["id"] / f"{entry.name}.json":
        raise fields.wrong("method, keypoints", entry.name, "the name of the file it stands in")
    return entry


def _seed(fields: Fields, takes: int) -> Seed:
    environment, sums = fields.table("environment"), fields.table("sums")
    seed = Seed(
        predictions=fields.text("predictions"),
        environment={key: environment.text(key) for key in ("posebench", "python", "numpy", "platform")},
        sums={metric: sums.columns(metric, takes) for metric in sums.names()},
        provenance=read_provenance(fields.table("provenance")) if fields.present("provenance") else None,
        training=_training(fields.table("training")),
        behaviour={who: {sign: table.number(sign) for sign in table.names()} for who, table in _behaviour(fields.table("behaviour"))},
    )
    environment.finish()
    fields.finish()
    return seed


def _training(fields: Fields) -> dict[str, str | float]:
    numbers = ("seconds", "cpu_seconds", "steps")
    return {name: fields.number(name) if name in numbers else fields.text(name) for name in fields.names()}


def _behaviour(fields: Fields) -> list[tuple[str, Fields]]:
    return [(who, fields.table(who)) for who in fields.names()]
