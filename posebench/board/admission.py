"""From a scored result to an entry: which results the board accepts, and the sums that an entry keeps of them."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.schema import Fields
from posebench.board.entry import BY_JOINT, PRIMARY, Entry, Joints, Seed
from posebench.board.entry_checks import ADVICE, check_derived
from posebench.data.registry import OWN, registered
from posebench.lifters import simple_lifters
from posebench.predictions.disclosure import FACTS
from posebench.predictions.provenance import Provenance, read_provenance
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result import Result
from posebench.scoring.sums import codes

#: Significant digits of sums and values that do not depend on the processor.
_SUM_DIGITS = 9


def entry_of(result: Result, name: str, *, own: bool = False) -> Entry:
    """An entry with one seed from a result; ``name`` is what messages call the result.

    ``own``: the board is the user's, who may keep results of the user's own motion on it; such data have no official copy.

    Raises:
        PosebenchError: the board does not accept the result: partial, scored with --truth, not the official copy, of an unknown or
            changed protocol, without method or keypoint source, with predictions that equal the truth, of a recipe changed by hand,
            trained on another keypoint source than it was tested on, without word of what the method was given, or with numbers that do
            not follow from its sums.
    """
    _check_scoring(result, name, own=own)
    _check_predictions(result, name)
    provenance = _checked_provenance(result, name)
    tables = result.tables
    lacking = sorted(set(result.sums) - set(tables))
    if lacking:
        raise _refused(name, f"no {first_ten(lacking)} among its metrics, and sums of it", "a value and sums of the same metrics")
    if PRIMARY not in result.sums:
        raise _refused(name, f"no {PRIMARY}, by which the board ranks", "a protocol with that metric")
    entry = Entry(
        method=result.predictions.method,
        keypoints=result.predictions.keypoints,
        supervision=result.predictions.supervision,
        scale=result.predictions.scale,
        protocol=asdict(result.protocol),
        data={"name": result.data.name, "version": result.data.version, "fingerprint": result.data.fingerprint},
        takes=codes(_takes_of_rows(result))[0],
        units={metric: table.unit for metric, table in tables.items()},
        seeds=[_seed_of(result, provenance)],
    )
    check_derived(entry, name)
    return _reproducible(entry)


def _reproducible(entry: Entry) -> Entry:
    """The entry with the digits that another processor gives: rounding errors of the sums stay out of the file."""
    seeds = [
        replace(
            seed,
            sums={metric: (_digits(total, _SUM_DIGITS), count) for metric, (total, count) in seed.sums.items()},
            behaviour={who: {name: _rounded(value) for name, value in table.items()} for who, table in seed.behaviour.items()},
        )
        for seed in entry.seeds
    ]
    rounded = replace(entry, seeds=seeds)
    headline = entry.protocol["headline"]
    values = [{metric: rounded.value(metric, headline, number) for metric in seed.values} for number, seed in enumerate(seeds)]
    stated = [{metric: _rounded(value) for metric, value in one.items() if value is not None} for one in values]
    return replace(entry, seeds=[replace(seed, values=one) for seed, one in zip(seeds, stated, strict=True)])


def _digits(numbers: list[float], digits: int) -> list[float]:
    return [float(f"{number:.{digits}g}") for number in numbers]


def _rounded(number: float) -> float:
    return _digits([number], _SUM_DIGITS)[0]


def _refused(name: str, found: str, wanted: str) -> PosebenchError:
    return PosebenchError(f"{name}: {found}", wanted, "score a complete file against the dataset itself, then add it", exit_code=1)


def _check_scoring(result: Result, name: str, *, own: bool) -> None:
    """All poses of the official copy, under the protocol as it is today."""
    coverage, data, protocol = result.coverage, result.data, result.protocol
    if coverage.partial:
        raise _refused(name, f"partial, {coverage.poses:,} of {coverage.poses_wanted:,} poses", "every pose of the protocol")
    if data.name == "file":
        raise _refused(name, "scored with --truth", "a result scored against a dataset")
    if registered(data.name) == OWN and not own:
        wanted = "results of datasets that others can get: this is the project's own leaderboard"
        raise PosebenchError(f"{name}: {data.name}, which is your own motion", wanted, "a board of your own: --board my-board", exit_code=1)
    if not data.official and registered(data.name) != OWN:
        raise _refused(name, f"not the official copy of {data.name} ({data.note})", "the official frame counts")
    digest = load_protocol(protocol.id).digest
    if protocol.digest != digest:
        raise _refused(name, f"protocol digest {protocol.digest}", f"{digest}, the digest of {protocol.id} in this posebench")


def _check_predictions(result: Result, name: str) -> None:
    """Names that can be part of a file name, and no copy of the truth."""
    for key, stated in (("method", result.predictions.method), ("keypoints", result.predictions.keypoints)):
        if not re.fullmatch(r"[\w.+-]+", stated):
            raise _refused(name, f"{key} {stated!r}", f"a {key} of letters, digits, and . + - _, stated in the prediction file")
    if any(finding.name == "leakage" for finding in result.findings):
        raise _refused(name, "the predictions equal the truth", "a method's own predictions")


def _checked_provenance(result: Result, name: str) -> Provenance | None:
    """Provenance of a training as its recipe names it; None for a lifter of posebench that needs no training."""
    if result.predictions.provenance is None:
        if result.predictions.method in simple_lifters():
            return None
        raise PosebenchError(
            f"{name}: no word of how {result.predictions.method} was made and what it was given",
            "provenance in the prediction file",
            "save the predictions with provenance=posebench.Provenance(...), as in CONTRIBUTING.md, and score them again",
            exit_code=1,
        )
    made = read_provenance(Fields(result.predictions.provenance, f"{name}: provenance", ADVICE))
    for key, value in (("recipe", made.recipe), ("preset", made.preset)):
        if not re.fullmatch(r"[\w.-]+", value):
            raise _refused(name, f"{key} {value!r}", "a recipe and preset that the method's recipe.toml names, nothing changed by hand")
    if not re.fullmatch(r"[\w.+-]+", made.trained_on.partition(" ")[0]):
        wanted = "the dataset's name first, of letters, digits, and . + - _, such as 'h36m 1'"
        raise _refused(name, f"trained_on {made.trained_on!r}", wanted)
    unstated = [fact for fact in FACTS if fact not in made.facts]
    if unstated:
        raise PosebenchError(
            f"{name}: no word of {', '.join(unstated)}",
            "what the method was given: " + "; ".join(f"{fact}: {FACTS[fact].wanted}" for fact in unstated),
            "a run: posebench train ... --resume -o RUN makes its predictions again; others: state it in posebench.Provenance(...)",
            exit_code=1,
        )
    keypoints = result.predictions.keypoints
    if made.trained_keypoints != keypoints:
        raise _refused(name, f"trained on {made.trained_keypoints}, tested on {keypoints}", "one keypoint source for both")
    return made


def _takes_of_rows(result: Result) -> list[tuple[str, str, str]]:
    """(take, subject, action) of each row of sums. A take whose frames carry several actions (3DHP) has a row for each."""
    return [(row.take, row.subject, row.action) for row in result.rows]


def _seed_of(result: Result, provenance: Provenance | None) -> Seed:
    takes, code = codes(_takes_of_rows(result))
    sums, joints = {}, {}
    for metric, one in result.sums.items():
        total, count = np.zeros((len(takes), one.total.shape[1])), np.zeros(len(takes))
        np.add.at(total, code, one.total)
        np.add.at(count, code, one.count)
        sums[metric] = (total.mean(axis=1).tolist(), count.tolist())
        if metric in BY_JOINT and one.parts and count.any():
            joints[metric] = Joints(list(one.parts), [_six_digits(row) for row in total.tolist()])
    tables = result.tables
    headlines = {metric: tables[metric].by.get(result.protocol.headline) for metric in sums}
    curves = {metric: table.curve for metric, table in tables.items() if table.curve}
    return Seed(
        predictions=result.predictions.sha256,
        environment={key: value for key, value in asdict(result.environment).items() if value},
        sums=sums,
        provenance=provenance,
        training=dict(result.training),
        behaviour=dict(result.behaviour),
        values={metric: float(value) for metric, value in headlines.items() if value is not None},
        joints=joints,
        curves={metric: (curve.thresholds, _six_digits(curve.percent)) for metric, curve in curves.items()},
    )


def _six_digits(numbers: list[float]) -> list[float]:
    return _digits(numbers, 6)
