"""The entry: one method on the board under one protocol and keypoint source, with all its seeds.

**Convention.** An entry keeps the sums by take of every metric, so that its numbers, intervals and every comparison can be computed again
from the entry alone; for the metrics of :data:`BY_JOINT` also by joint. Stated numbers (``values``) must follow from them.
Schema 2 added ``values`` and ``joints``, schema 3 ``curves``, schema 4 the form of the method and the facts of
:mod:`posebench.predictions.disclosure`, and sums and values of nine digits; entries without them stay valid.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.lifters import simple_lifters
from posebench.lifters.rigid_track.lifter import KNOWN
from posebench.networks.recipe import baselines
from posebench.predictions.disclosure import FACTS, NONE, NOT_STATED, OF_UNTRAINED, supervision_in_words, why_unranked
from posebench.predictions.provenance import Provenance, context_in_words, untracked_recipe
from posebench.scoring.sums import Row, Sums, average

SCHEMA = 4
#: The metric that orders a table: every method has it, also those of unknown scale.
PRIMARY = "PA-MPJPE"
#: What a row is: a method in one of its forms; one with a part changed; one that was trained on another dataset than it is tested on.
METHOD, ABLATION, ELSEWHERE = "method", "ablation", "other training data"
#: Metrics whose sums an entry keeps by joint, where the method has them.
BY_JOINT = (PRIMARY, "MPJPE")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Joints:
    """One metric's sums by joint: ``total`` (takes, K) to six digits; its counts are those of the metric."""

    names: list[str]
    total: list[list[float]]


@dataclass(frozen=True, eq=False)
class Seed:
    """One scored prediction file of an entry.

    Attributes:
        predictions: sha256 of the file.
        environment: of the scoring.
        sums: by take: metric to (total (takes,), count (takes,)).
        provenance: how the lifter was trained; None where nothing was trained, or the prediction file does not state it.
        training: seconds, steps and machine of the training, where posebench ran it.
        behaviour: label-free diagnostics of predicted and of true poses (:mod:`posebench.metrics.behaviour`).
        values: headline average of each metric as the result stated it; empty in entries of schema 1.
        joints: sums by joint, of the metrics of :data:`BY_JOINT`; empty in entries of schema 1.
        curves: by the name of the area under a PCK curve: (thresholds in mm, PCK in % at each, as headline average to six digits);
            empty in entries of schema 2 and before.
    """

    predictions: str
    environment: dict[str, str]
    sums: dict[str, tuple[list[float], list[float]]]
    provenance: Provenance | None = None
    training: dict[str, str | float] = field(default_factory=dict)
    behaviour: dict[str, dict[str, float]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    joints: dict[str, Joints] = field(default_factory=dict)
    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)

    @property
    def scored_with(self) -> str:
        """Versions, machine and kernel of the scoring, in words."""
        text = "posebench {posebench}, Python {python}, numpy {numpy}, {platform}".format_map(self.environment)
        return text + (f", kernel {self.environment['kernel']}" if "kernel" in self.environment else "")

    def of(self, metric: str) -> Sums:
        """The sums of one metric, as one column."""
        total, count = self.sums[metric]
        return Sums(np.array(total)[:, None], np.array(count), ())


@dataclass(frozen=True, eq=False)
class Entry:
    """A method, what it was scored on, and its seeds.

    Attributes:
        method: its id.
        keypoints: source of the keypoints.
        supervision: the 3D that its training saw.
        scale: of its poses, ``metric`` or ``unknown``.
        protocol: id, version, digest and headline.
        data: name, version and fingerprint.
        takes: (take, subject, action) of each row of sums.
        units: of each metric.
        seeds: one or more.
        stem: name of the file that it was read from, without suffix; empty for a new entry. Not part of the file.
    """

    method: str
    keypoints: str
    supervision: str
    scale: str
    protocol: dict[str, Any]
    data: dict[str, Any]
    takes: list[tuple[str, str, str]]
    units: dict[str, str]
    seeds: list[Seed]
    stem: str = ""

    @property
    def name(self) -> str:
        """File name of the entry, without suffix: that of its file, or the one that its contents give."""
        return self.stem or self.names[0]

    @property
    def names(self) -> tuple[str, ...]:
        """File names that fit its contents, without suffix: the present one first, then that of earlier versions if it is another."""
        made = self.seeds[0].provenance
        if made is None:
            return (f"{self.method}-{self.keypoints}",)
        rest = f"{self._learnt_elsewhere}-{self.keypoints}-{made.preset}"
        return tuple(dict.fromkeys(self.method + variant + rest for variant in (made.variant, made.earlier_variant)))

    def path(self, board: Path) -> Path:
        """Its file on a board, under its present name; an earlier version may have written it under the second of :attr:`names`."""
        return board / "entries" / str(self.protocol["id"]) / f"{self.names[0]}.json"

    @property
    def variant(self) -> str:
        """``<method>[+<recipe>][@<dataset>]``: the recipe if there was a training, the dataset if it was another one."""
        made = self.seeds[0].provenance
        return self.method if made is None else self.method + made.variant + self._learnt_elsewhere

    @property
    def form(self) -> str:
        """One of :data:`posebench.predictions.forms.FORMS`; ``untrained`` for a simple lifter; ``not stated`` without provenance."""
        made = self.seeds[0].provenance
        if made is None:
            return "untrained" if self.untrained else NOT_STATED
        _, how = self.trained_and_tracked
        if not how:
            return made.form
        return f"{made.form} + tracking as a stream" if "--lag" in how else f"{made.form} + tracking"

    @property
    def untrained(self) -> bool:
        """It is one of the lifters of posebench that need no training."""
        return self.seeds[0].provenance is None and self.method in simple_lifters()

    @property
    def facts(self) -> dict[str, str]:
        """What the method was given, in words: ``context``, :data:`posebench.predictions.disclosure.FACTS`, ``side_information``."""
        made = self.seeds[0].provenance
        if made is None:
            known = {"context": "1", **OF_UNTRAINED, "side_information": NONE} if self.untrained else {}
        else:
            averaged = {"tta": "flip"} if made.flip_averaging else {}
            side = [*made.side_information, *(f"extra data: {name}" for name in made.extra_data)]
            known = {"context": context_in_words(made.context), **averaged, **made.facts, "side_information": "; ".join(side) or NONE}
        return {name: known.get(name, NOT_STATED) for name in ("context", *FACTS, "side_information")}

    @property
    def why_unranked(self) -> str:
        """Why the entry is shown beside the ranking and not in it; empty if it is ranked."""
        return why_unranked(self.facts)

    @property
    def supervision_in_words(self) -> str:
        """The 3D that the method has seen: of its training, and of what its side information was measured from."""
        made = self.seeds[0].provenance
        return supervision_in_words(self.supervision, made.side_information if made else ())

    @property
    def role(self) -> str:
        """:data:`METHOD`, :data:`ABLATION` or :data:`ELSEWHERE`.

        A method that is not a baseline of posebench is never an ablation, and a form whose poses were tracked is a method of its own.
        """
        made = self.seeds[0].provenance
        if self._learnt_elsewhere:
            return ELSEWHERE
        return ABLATION if made and self.method in baselines() and self.trained_and_tracked[0] != made.form else METHOD

    def is_parent_of(self, other: Entry) -> bool:
        """Whether ``other`` is this row with one thing changed: a part of the method, or the training data."""
        mine, its = self.seeds[0].provenance, other.seeds[0].provenance
        if mine is None or its is None or (self.method, mine.preset, mine.form) != (other.method, its.preset, its.form):
            return False
        if other.role == ELSEWHERE:
            return self.role != ELSEWHERE and mine.recipe == its.recipe
        same_tracking = self.trained_and_tracked[1] == other.trained_and_tracked[1]
        return same_tracking and other.role == ABLATION and self.role == METHOD

    @property
    def trained_and_tracked(self) -> tuple[str, str]:
        """See :func:`untracked_recipe`. A recipe of another author's method may end like one whose poses were tracked."""
        made = self.seeds[0].provenance
        if made is None:
            return "", ""
        tracked = self.method in baselines() or KNOWN in made.side_information
        return untracked_recipe(made.recipe) if tracked else (made.recipe, "")

    @property
    def _learnt_elsewhere(self) -> str:
        return "" if self.learnt_on in ("", self.data["name"]) else f"@{self.learnt_on}"

    @property
    def learnt_on(self) -> str:
        """Name of the dataset that the method was trained on; empty where nothing was trained."""
        made = self.seeds[0].provenance
        return made.trained_on.partition(" ")[0] if made else ""

    @property
    def label(self) -> str:
        """Name of the row in tables: the variant, then the preset in brackets."""
        made = self.seeds[0].provenance
        return f"{self.variant} ({made.preset})" if made else self.method

    @property
    def rows(self) -> list[Row]:
        """The takes as rows of sums; cameras are already added up."""
        return [Row("", subject, take, "", action) for take, subject, action in self.takes]

    def value(self, metric: str, average_kind: str, seed: int = 0) -> float | None:
        """One average of one metric, computed from the sums; None where the method has no such value."""
        if metric not in self.seeds[seed].sums:
            return None
        sums = self.seeds[seed].of(metric)
        return float(average(self.rows, sums.row_total, sums.count, average_kind))

    def seed_like(self, other: Seed, usual: int) -> int:
        """Place of the seed whose training had the seed number of ``other``; ``usual`` where there is none."""
        wanted = other.provenance.seed if other.provenance else None
        numbers = [seed.provenance.seed if seed.provenance else None for seed in self.seeds]
        return numbers.index(wanted) if wanted is not None and wanted in numbers else usual

    def by_joint(self, metric: str, average_kind: str, seed: int = 0) -> dict[str, float]:
        """One average of one metric for each joint; empty where the entry does not hold it."""
        joints = self.seeds[seed].joints.get(metric)
        if joints is None:
            return {}
        values = average(self.rows, np.array(joints.total), self.seeds[seed].of(metric).count, average_kind)
        return {name: float(value) for name, value in zip(joints.names, values, strict=True)}

    def dump(self) -> str:
        """The JSON text of the entry, each list of numbers on one line; empty tables of a seed are left out."""
        content = {"posebench_entry": SCHEMA, **asdict(self)}
        del content["stem"]
        for seed in content["seeds"]:
            for key in ("values", "joints", "curves"):
                if not seed[key]:
                    del seed[key]
        text = json.dumps(content, indent=1)
        # JSON strings hold no line breaks, so a bracket before one opens a list.
        return re.sub(r"\[\n[\d\s,.eE+-]*\]", _one_line, text) + "\n"


def _one_line(numbers: re.Match[str]) -> str:
    return "[" + re.sub(r"\s+", " ", numbers[0][1:-1]).strip() + "]"
