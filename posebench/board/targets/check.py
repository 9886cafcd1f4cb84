"""Results held against a target: is the number within the tolerance, and what differs from the training and test that the target states?

**Convention.** A number counts as reproduced only if nothing differs: another protocol, an unofficial copy, less work, another recipe or
other keypoints make it another experiment, however near the number is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high, median_low
from typing import Any

from posebench.base.errors import PosebenchError
from posebench.board.published.tables import UNITS
from posebench.board.targets.documents import number as published_number
from posebench.board.targets.reader import find_target
from posebench.board.targets.types import PRESET, Expected, Target, Targets
from posebench.data.h36m.names import SPLITS
from posebench.display.document import Document, Table
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result import Result, load_result

#: Share by which the training poses of a run may differ from the target's: copies differ by a few frames.
_WORK = 0.02
#: Training subjects of a whole copy.
_SUBJECTS = {"h36m": SPLITS["train"], "3dhp": tuple(f"S{number}" for number in range(1, 9))}


@dataclass(frozen=True)
class Number:
    """One number of a target, and the same in the results.

    Attributes:
        expected: the published number.
        values: of the results, in their order.
    """

    expected: Expected
    values: tuple[float, ...]

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger number is a smaller error."""
        return self.expected.published.metric in ("PCK@150", "AUC")

    @property
    def value(self) -> float:
        """The result of median value; of an even number of results the worse of the middle two, as on the leaderboard."""
        return median_low(self.values) if self.higher_is_better else median_high(self.values)

    @property
    def difference(self) -> float:
        """Measured minus published."""
        return self.value - self.expected.published.value

    @property
    def within(self) -> bool:
        """Whether the difference is no larger than the tolerance."""
        return abs(self.difference) <= self.expected.tolerance

    @property
    def said(self) -> str:
        """``within``, or on which side it lies."""
        better = (self.difference > 0) == self.higher_is_better
        return "within" if self.within else f"outside, {'better' if better else 'worse'} than published"


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        target: what the results were held against.
        results: their names.
        numbers: one for each expected number.
        differences: what differs from the target, in words; empty if nothing does.
    """

    target: Target
    results: tuple[str, ...]
    numbers: tuple[Number, ...]
    differences: tuple[str, ...]

    @property
    def reproduced(self) -> bool:
        """Whether the published numbers were reproduced: all within the tolerance, and nothing differs."""
        return self.target.comparable and not self.differences and all(number.within for number in self.numbers)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        target = self.target
        if not target.comparable:
            return f"Not judged: no training of a lifter can reproduce {target.row.id}."
        missing = target.seeds - len(self.results)
        seeds = f" {len(self.results)} of {target.seeds} seeds: train the others too." if missing > 0 else ""
        if self.reproduced:
            return f"Reproduced: every number is within its tolerance, and nothing differs from {target.id}.{seeds}"
        outside = [number.expected.metric for number in self.numbers if not number.within]
        if not self.differences:
            return f"Not reproduced: {', '.join(outside)} outside the tolerance.{seeds}"
        near = f"{', '.join(outside)} outside the tolerance, and it" if outside else "the numbers are within the tolerance, but it"
        return f"Not a reproduction of {target.id}: {near} is another experiment.{seeds}"

    def document(self) -> Document:
        """What the command prints."""
        rows = [
            [
                number.expected.metric,
                number.expected.average,
                published_number(number.expected),
                f"{number.value:.2f}",
                f"{number.difference:+.2f} {UNITS[number.expected.published.metric]}",
                f"{number.expected.tolerance:g}",
                number.said if self.target.comparable else "not judged",
            ]
            for number in self.numbers
        ]
        heads = ["metric", "mean by", "published", "measured", "difference", "tolerance", ""]
        differing = [["this run", text] for text in self.differences] + [["in any case", text] for text in self.target.differs]
        return Document.of(
            f"{', '.join(self.results)} against {self.target.id}",
            Table(heads, rows, right=range(3, 6)),
            *([Table(["differs", "from the published number"], differing)] if differing else []),
            self.sentence,
            "" if all(number.expected.published.verified for number in self.numbers) else "A number with tag [M] is recalled, not read.",
        )

    def as_dict(self) -> dict[str, Any]:
        """The verdict for programs."""
        return {
            "target": self.target.id,
            "results": list(self.results),
            "reproduced": self.reproduced,
            "comparable": self.target.comparable,
            "numbers": [
                {
                    "metric": number.expected.metric,
                    "average": number.expected.average,
                    "published": number.expected.published.value,
                    "tag": number.expected.published.tag,
                    "values": list(number.values),
                    "value": number.value,
                    "difference": number.difference,
                    "tolerance": number.expected.tolerance,
                    "within": number.within,
                }
                for number in self.numbers
            ],
            "differences": list(self.differences),
            "differs in any case": list(self.target.differs),
            "sentence": self.sentence,
        }


def check_results(targets: Targets, paths: Sequence[str | os.PathLike[str]], id: str | None = None) -> Verdict:
    """Hold the results of one training, one for each seed, against a target.

    Args:
        targets: of :func:`posebench.board.targets.reader.load_targets`.
        paths: run folders or result files.
        id: of the target; None for the one that the first result has most in common with.

    Raises:
        PosebenchError: no such target, no result, a result without what the target needs, or one seed twice.
    """
    files = [_result_file(Path(path)) for path in paths]
    results = [load_result(file) for file in files]
    target = find_target(targets, id) if id else _nearest(targets, results[0], files[0])
    seeds = [_made(result).get("seed") for result in results]
    twice = next((seed for seed in seeds if seed is not None and seeds.count(seed) > 1), None)
    if twice is not None:
        raise PosebenchError(f"seed {twice} twice", "one result for each seed", "name each run once")
    pairs = list(zip(results, files, strict=True))
    numbers = [Number(expected, tuple(_value(result, expected, file) for result, file in pairs)) for expected in target.expected]
    named = [_name(file) for file in files]
    differences: dict[str, None] = {}
    for name, result in zip(named, results, strict=True):
        lead = f"{name}: " if len(results) > 1 else ""
        differences |= dict.fromkeys(lead + text for text in differences_of(target, result))
    return Verdict(target, tuple(named), tuple(numbers), tuple(differences))


def _result_file(path: Path) -> Path:
    file = path / "result.json" if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise PosebenchError(f"{path} without result.json", "the folder of a finished run, or a result file", "finish it: add --resume")
    return file


def _name(file: Path) -> str:
    return file.parent.name if file.name == "result.json" else f"{file.parent.name}/{file.stem}" if file.parent.name else file.stem


def _made(result: Result) -> dict[str, Any]:
    return result.predictions.provenance or {}


def _value(result: Result, expected: Expected, file: Path) -> float:
    if expected.metric not in result.tables or expected.average not in result.tables[expected.metric].by:
        found = f"{file}: no {expected.metric} by {expected.average} under {result.protocol.id}"
        raise PosebenchError(found, "a result under the target's protocol", "score the predictions again with it: posebench reproduce list")
    value = result.value(expected.metric, expected.average)
    if value is None:
        raise PosebenchError(
            f"{file}: {expected.metric} is empty: the method does not know the scale", "another target", "name it: --target"
        )
    return value


def _nearest(targets: Targets, result: Result, file: Path) -> Target:
    """The target that a result has most in common with; none if it is of a method or a dataset without targets."""
    candidates = [t for t in targets.targets if t.method == result.predictions.method and t.tested_on == result.data.name]
    if not candidates:
        found = f"{file}: {result.predictions.method or 'an unnamed method'} on {result.data.name}"
        raise PosebenchError(found, "a result of a target's method and dataset", "posebench reproduce list")
    made = _made(result)

    def agreement(target: Target) -> int:
        trained_on, _, _ = str(made.get("trained_on", "")).partition(" ")
        return sum(
            [
                2 * (made.get("recipe") == target.recipe),
                2 * (trained_on == target.trained_on),
                2 * (result.predictions.keypoints == target.keypoints),
                2 * (made.get("trained_keypoints") == target.trained_keypoints),
                result.protocol.id == target.protocol,
            ]
        )

    return max(candidates, key=agreement)


def differences_of(target: Target, result: Result) -> list[str]:
    """What differs between a result and its target, in words."""
    made, said = _made(result), []
    if not made:
        said.append("how the predictions were made is not stated: recipe, work and training data are unknown")
    if result.protocol.id != target.protocol or result.protocol.digest != load_protocol(target.protocol).digest:
        said.append(f"protocol: {result.protocol.id} ({result.protocol.digest}) instead of {target.protocol}")
    if not result.data.official:
        note = f": {result.data.note}" if result.data.note else ""
        said.append(f"copy: not the official one{note}")
    if result.coverage.partial:
        said.append(f"coverage: {result.coverage.poses:,} of {result.coverage.poses_wanted:,} poses")
    if result.predictions.method != target.method:
        said.append(f"method: {result.predictions.method or 'unstated'} instead of {target.method}")
    if result.predictions.keypoints != target.keypoints:
        said.append(f"keypoints: tested on {result.predictions.keypoints or 'unstated'} instead of {target.keypoints}")
    return said + (_differences_of_training(target, made) if made else [])


def _differences_of_training(target: Target, made: dict[str, Any]) -> list[str]:
    said = []
    if made["trained_keypoints"] != target.trained_keypoints:
        said.append(f"keypoints: trained on {made['trained_keypoints']} instead of {target.trained_keypoints}")
    if made["recipe"] != target.recipe:
        said.append(f"recipe: {made['recipe']} instead of {target.recipe}")
    if made["preset"] != PRESET:
        said.append(f"work: preset {made['preset']} instead of {PRESET}")
    poses = int(made["poses_seen"])
    if abs(poses - target.poses) > _WORK * target.poses:
        said.append(f"work: {poses:,} training poses instead of {target.poses:,}, {100.0 * poses / target.poses:.2g} %")
    data, _, subjects = str(made["trained_on"]).partition(":")
    if data.partition(" ")[0] != target.trained_on:
        said.append(f"training data: {data} instead of {target.trained_on}")
    else:
        absent = [subject for subject in _SUBJECTS[target.trained_on] if subject not in subjects.split()]
        if absent:
            said.append(f"training data: without {' '.join(absent)}")
    if made.get("extra_data"):
        said.append(f"training data: also {', '.join(made['extra_data'])}")
    return said
