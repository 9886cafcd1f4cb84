"""Entry files: written from results, read strictly, and refused where their numbers do not agree with their sums.

**Convention.** ``entries/<protocol id>/<method>[+<recipe>][@<dataset>]-<keypoints>[-<preset>].json``: the recipe if it is
not the default, the dataset if the method was trained on another one, the preset if it was trained. Content: :mod:`posebench.board.entry`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.schema import Fields
from posebench.board.entry import BY_JOINT, SCHEMA, Entry, Joints, Seed
from posebench.predictions.archive import SUPERVISIONS
from posebench.predictions.provenance import Provenance, read_provenance
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result import Result
from posebench.scoring.sums import codes

_MAX_BYTES = 64 * 2**20
_ADVICE = "make entries with: posebench board add R.json"
#: Largest difference between a stated number and the sums: values are stored in full, joints and curves with six digits.
_SAME, _SAME_ROUNDED = 1e-9, 1e-5


def entry_of(result: Result, name: str) -> Entry:
    """An entry with one seed from a result.

    Raises:
        PosebenchError: the result is not accepted: partial, scored with --truth, not the official copy, of an unknown or
            changed protocol, without method or keypoint source, with predictions that equal the ground truth, of a modified recipe,
            trained and tested on different keypoint sources, or with numbers that do not agree with its sums.
    """
    _check_result(result, name)
    provenance = result.predictions.get("provenance")
    made = None if provenance is None else read_provenance(Fields(provenance, f"{name}: provenance", _ADVICE))
    if made:
        _check_training(made, result.predictions["keypoints"], name)
    takes, sums, joints = _sums_by_take(result)
    tables = {**result.metrics, **result.diagnostics}
    stated = {metric: tables[metric]["by"].get(result.protocol["headline"]) for metric in sums}
    seed = Seed(
        predictions=result.predictions["sha256"],
        environment=result.environment,
        sums=sums,
        provenance=made,
        training=dict(result.training),
        behaviour=dict(result.behaviour),
        values={metric: float(value) for metric, value in stated.items() if value is not None},
        joints=joints,
        curves={
            metric: (table["curve"]["thresholds"], [_six_digits(value) for value in table["curve"]["percent"]])
            for metric, table in tables.items()
            if "curve" in table
        },
    )
    entry = Entry(
        **{key: result.predictions[key] for key in ("method", "keypoints", "supervision", "scale")},
        protocol=dict(result.protocol),
        data={key: result.data[key] for key in ("name", "version", "fingerprint")},
        takes=takes,
        units={metric: table["unit"] for metric, table in tables.items()},
        seeds=[seed],
    )
    _check_sums(entry, name)
    return entry


def _refused(name: str, found: str, wanted: str) -> PosebenchError:
    return PosebenchError(f"{name}: {found}", wanted, "score a complete file against the dataset itself, then add it", exit_code=1)


def _check_result(result: Result, name: str) -> None:
    """Refuse a result that is partial, not of the dataset's official copy, of another protocol, or without a usable name."""
    coverage, data, protocol, predictions = result.coverage, result.data, result.protocol, result.predictions
    if coverage["partial"]:
        found = f"partial, {coverage['poses']:,} of {coverage['poses wanted']:,} poses"
        raise _refused(name, found, "every pose of the protocol")
    if data["name"] == "file":
        raise _refused(name, "scored with --truth", "a result scored against a dataset")
    if not data["official"]:
        raise _refused(name, f"not the official copy of {data['name']} ({data['note']})", "the official frame counts")
    digest = load_protocol(protocol["id"]).digest
    if protocol["digest"] != digest:
        wanted = f"{digest}, the digest of {protocol['id']} in this posebench"
        raise _refused(name, f"protocol digest {protocol['digest']}", wanted)
    for key in ("method", "keypoints"):
        if not re.fullmatch(r"[\w.+-]+", predictions[key]):
            wanted = f"a {key} of letters, digits, and . + - _, stated in the prediction file"
            raise _refused(name, f"{key} {predictions[key]!r}", wanted)
    if any(finding["name"] == "leakage" for finding in result.findings):
        raise _refused(name, "the predictions equal the truth", "a method's own predictions")


def _check_training(made: Provenance, keypoints: str, name: str) -> None:
    """Refuse a modified recipe, a dataset without a name, and training on another keypoint source than ``keypoints``."""
    for key, value in (("recipe", made.recipe), ("preset", made.preset)):
        if not re.fullmatch(r"[\w.-]+", value):
            wanted = "a recipe and preset that the method's recipe.toml names, nothing changed by hand"
            raise _refused(name, f"{key} {value!r}", wanted)
    if not re.fullmatch(r"[\w.+-]+", made.trained_on.partition(" ")[0]):
        wanted = "the dataset's name first, of letters, digits, and . + - _, such as 'h36m 1'"
        raise _refused(name, f"trained_on {made.trained_on!r}", wanted)
    if made.trained_keypoints != keypoints:
        raise _refused(name, f"trained on {made.trained_keypoints}, tested on {keypoints}", "one keypoint source for both")


def _sums_by_take(
    result: Result,
) -> tuple[list[tuple[str, str, str]], dict[str, tuple[list[float], list[float]]], dict[str, Joints]]:
    """Takes (take, subject, action); sums of each metric over their cameras; and sums by joint of the metrics of ``BY_JOINT``.

    A take whose frames have several actions (3DHP) has a row for each action.
    """
    takes, code = codes([(row.take, row.subject, row.action) for row in result.rows])
    sums, joints = {}, {}
    for metric, one in result.sums.items():
        total, count = np.zeros((len(takes), one.total.shape[1])), np.zeros(len(takes))
        np.add.at(total, code, one.total)
        np.add.at(count, code, one.count)
        sums[metric] = (total.mean(axis=1).tolist(), count.tolist())
        if metric in BY_JOINT and one.parts and count.any():
            joints[metric] = Joints(list(one.parts), [[_six_digits(value) for value in row] for row in total.tolist()])
    return takes, sums, joints


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")


def _check_sums(entry: Entry, where: str) -> None:
    """Refuse an entry whose stated numbers do not agree with its sums."""

    def refuse(what: str, stated: float, given: float | None) -> PosebenchError:
        sums = "no sums for it" if given is None else f"{given:.6g}, which its sums give"
        return PosebenchError(f"{where}: {what} = {stated:.6g}", sums, "score the predictions again, then " + _ADVICE, exit_code=1)

    headline = entry.protocol["headline"]
    for number, seed in enumerate(entry.seeds):
        for metric, stated in seed.values.items():
            given = entry.value(metric, headline, number)
            if given is None or not math.isclose(stated, given, rel_tol=_SAME, abs_tol=_SAME):
                raise refuse(f"{metric} of seeds[{number}]", stated, given)
        for metric, (_, percent) in seed.curves.items():
            mean = sum(percent) / len(percent)
            given = entry.value(metric, headline, number)
            if given is None or not math.isclose(mean, given, rel_tol=_SAME_ROUNDED, abs_tol=_SAME_ROUNDED):
                raise refuse(f"the mean of the curve of {metric} in seeds[{number}]", mean, given)
        for metric, joints in seed.joints.items():
            for (take, _, _), parts, total in zip(entry.takes, joints.total, seed.sums[metric][0], strict=True):
                mean = sum(parts) / len(parts)
                if not math.isclose(mean, total, rel_tol=_SAME_ROUNDED, abs_tol=_SAME):
                    raise refuse(f"the sum of {metric} in seeds[{number}] over the joints of {take}", mean, total)


def add(board: Path, results: Sequence[Result], names: Sequence[str]) -> list[Path]:
    """Write an entry for each method among the results; results of one method become its seeds. Nothing is written if one is refused.

    Raises:
        PosebenchError: see :func:`entry_of`; or two results of one method were scored on different data, or are of one seed and differ.
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
        made = entry.seeds[0]
        if made.predictions in {seed.predictions for seed in known.seeds}:
            continue
        if made.provenance and made.provenance.seed in {seed.provenance.seed for seed in known.seeds if seed.provenance}:
            raise PosebenchError(
                f"{name}: other predictions of {entry.name} with seed {made.provenance.seed} again", "one result of each seed", _ADVICE
            )
        known.seeds.append(made)
    for path, entry in entries.items():
        write_text(path, entry.dump())
    return list(entries)


def _common(entry: Entry) -> tuple[Any, ...]:
    """What all seeds of an entry share."""
    made = entry.seeds[0].provenance
    return entry.data, entry.protocol, entry.supervision, entry.scale, made and made.common


def load_entries(board: Path) -> list[Entry]:
    """Every entry of a board, by path.

    Raises:
        PosebenchError: a file is not an entry, has another name than its content requires, or its numbers do not agree.
    """
    return [load_entry(path, board) for path in sorted((board / "entries").rglob("*.json"))]


def load_entry(path: Path, board: Path) -> Entry:
    """One entry, strictly validated; errors name file and field.

    Raises:
        PosebenchError: it is not an entry, has another name than its content requires, or states a number that does not agree with its sums
            (exit code 1).
    """
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
    if len(set(entry.takes)) != len(entry.takes):
        raise fields.wrong("takes", "a take twice", "each take once")
    metrics = set(entry.seeds[0].sums)
    if "PA-MPJPE" not in metrics or not metrics <= set(entry.units) or any(set(seed.sums) != metrics for seed in entry.seeds):
        raise fields.wrong("seeds", sorted(metrics), "sums of the same metrics for every seed, each with its unit, PA-MPJPE among them")
    home = Path("entries") / entry.protocol["id"] / f"{entry.name}.json"
    if path != board / home:
        found = f"{path}: {entry.name} under the protocol {entry.protocol['id']}"
        raise PosebenchError(found, f"it in {home.as_posix()}, the file that its contents name", _ADVICE, exit_code=1)
    _check_sums(entry, str(path))
    return entry


def _seed(fields: Fields, takes: int) -> Seed:
    environment, sums, curves = fields.table("environment"), fields.table("sums"), fields.table("curves")
    seed = Seed(
        predictions=fields.text("predictions"),
        environment={key: environment.text(key) for key in ("posebench", "python", "numpy", "platform")},
        sums={metric: sums.columns(metric, takes) for metric in sums.names()},
        provenance=read_provenance(fields.table("provenance")) if fields.present("provenance") else None,
        training=_training(fields.table("training")),
        behaviour=_behaviour(fields.table("behaviour")),
        values=_numbers(fields.table("values")),
        joints=_joints(fields.table("joints"), takes, sums),
        curves={metric: curves.columns(metric) for metric in curves.names()},
    )
    environment.finish()
    fields.finish()
    return seed


def _training(fields: Fields) -> dict[str, str | float]:
    numbers = ("seconds", "cpu_seconds", "steps", "teacher_seconds", "teacher_cpu_seconds")
    return {name: fields.number(name) if name in numbers else fields.text(name) for name in fields.names()}


def _behaviour(fields: Fields) -> dict[str, dict[str, float]]:
    return {poses: _numbers(fields.table(poses)) for poses in fields.names()}


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
