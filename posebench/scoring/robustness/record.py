"""The file of ``posebench robustness``: for each method, condition and metric the sums by take.

**Convention.** JSON, ``posebench_robustness`` first. A *study* is one protocol on one copy of the data; its methods have the same takes.
A method may be incomplete while its conditions are being measured: the file is written while the work goes on, and the same command
continues it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.readers.text import read_json
from posebench.base.schema import Fields
from posebench.data.corruption.conditions import Condition, conditions
from posebench.predictions.provenance import Provenance, context_in_words
from posebench.scoring.protocol import Protocol, load_protocol, protocol_ids
from posebench.scoring.robustness.measured import TakeSums

FORMAT = 1
#: A method takes some 400 kB.
MAX_BYTES = 2**28
#: Above every sum of errors in mm of finite poses in a file of float32.
_LARGEST = 1e60
_ADVICE = "measure into a new file: posebench robustness LIFTER ... -o NEW.json"
#: Facts of a method that tables need.
FACTS = ("supervision", "scale", "trained_on", "trained_keypoints", "form", "context")


def facts_of(supervision: str, scale: str, made: Provenance | None, context: int | None) -> dict[str, str]:
    """:data:`FACTS` of a method; ``made`` and ``context`` are None where they are not known."""
    return {
        "supervision": supervision,
        "scale": scale,
        "trained_on": made.trained_on if made else "",
        "trained_keypoints": made.trained_keypoints if made else "",
        "form": made.form if made else "",
        "context": "" if context is None else context_in_words(context),
    }


@dataclass(eq=False)
class Method:
    """One method.

    Attributes:
        name: in tables.
        identity: a hash of what it was measured with; conditions of another identity are measured again.
        facts: texts by the names of :data:`FACTS`; empty where unknown.
        sets: condition to metric to sums.
    """

    name: str
    identity: str
    facts: dict[str, str]
    sets: dict[str, dict[str, TakeSums]] = field(default_factory=dict)

    @property
    def trained_on_errors(self) -> bool:
        """It was trained on keypoints with errors."""
        return self.facts.get("trained_keypoints", "") not in ("", "gt", "none")


@dataclass(eq=False)
class Study:
    """Methods under one protocol, on one copy of the data.

    Attributes:
        protocol: id, version and digest are compared when the file is read.
        data: name and fingerprint.
        takes: in the dataset's order.
        methods: by name.
    """

    protocol: Protocol
    data: tuple[str, str]
    takes: tuple[str, ...]
    methods: dict[str, Method] = field(default_factory=dict)

    @property
    def conditions(self) -> list[Condition]:
        """``clean`` and every condition of the protocol."""
        return conditions(self.protocol.conditions)

    def missing(self, method: Method) -> list[Condition]:
        """The conditions that are not measured yet."""
        return [condition for condition in self.conditions if str(condition) not in method.sets]

    @property
    def complete(self) -> list[Method]:
        """The methods of which every condition is measured."""
        return [method for method in self.methods.values() if not self.missing(method)]


@dataclass(eq=False)
class Robustness:
    """The content of a file: studies by protocol id."""

    studies: dict[str, Study] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, completely or not at all."""
        content = {"posebench_robustness": FORMAT, "studies": [_study_as_dict(study) for study in self.studies.values()]}
        write_text(path, json.dumps(content, separators=(",", ":")) + "\n")
        return Path(path)

    def study(self, protocol: Protocol, data: tuple[str, str], takes: tuple[str, ...]) -> Study:
        """The study of a protocol, made if there is none.

        Raises:
            PosebenchError: the one that is there is of other data, takes or digest.
        """
        found = self.studies.setdefault(protocol.id, Study(protocol, data, takes))
        for what, mine, other in (
            ("digest", found.protocol.digest, protocol.digest),
            ("data", " ".join(found.data), " ".join(data)),
            ("takes", ", ".join(found.takes), ", ".join(takes)),
        ):
            if mine != other:
                raise PosebenchError(f"{what} {mine} and {other} under {protocol.id}", f"methods of one {what}", "use another file with -o")
        return found

    def add(self, other: Robustness) -> None:
        """Take in the methods of another file.

        Raises:
            PosebenchError: a study of other data or digest, or another method of the same name.
        """
        for study in other.studies.values():
            mine = self.study(study.protocol, study.data, study.takes)
            for method in study.methods.values():
                if method.name in mine.methods and mine.methods[method.name].identity != method.identity:
                    raise PosebenchError(
                        f"two methods named {method.name} under {study.protocol.id}", "different names", "name them with --name"
                    )
                kept = mine.methods.setdefault(method.name, method)
                kept.sets = {**method.sets, **kept.sets}


def _study_as_dict(study: Study) -> dict[str, Any]:
    return {
        "protocol": {"id": study.protocol.id, "version": study.protocol.version, "digest": study.protocol.digest},
        "data": {"name": study.data[0], "fingerprint": study.data[1]},
        "takes": list(study.takes),
        "methods": [
            {
                "name": method.name,
                "identity": method.identity,
                "facts": method.facts,
                "sets": {
                    condition: {metric: {"total": sums.total.tolist(), "count": sums.count.tolist()} for metric, sums in metrics.items()}
                    for condition, metrics in method.sets.items()
                },
            }
            for method in study.methods.values()
        ],
    }


def load_robustness(path: str | os.PathLike[str], protocols: Mapping[str, Protocol] | None = None) -> Robustness:
    """Read a file of ``posebench robustness``.

    Args:
        path: the file.
        protocols: protocols by id that do not come with posebench.

    Raises:
        PosebenchError: it is no such file, is damaged, or is of another version of a protocol.
    """
    try:
        content = read_json(Path(path), MAX_BYTES)
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "a file that posebench robustness wrote", _ADVICE) from error
    if not isinstance(content, dict) or "posebench_robustness" not in content:
        raise PosebenchError(f"{path} is no file of posebench robustness", "one that it wrote with -o", _ADVICE)
    fields = Fields(content, str(path), _ADVICE)
    if fields.whole("posebench_robustness") > FORMAT:
        raise fields.wrong("posebench_robustness", content["posebench_robustness"], f"format {FORMAT} at most; upgrade posebench")
    found = Robustness()
    for table in fields.tables("studies"):
        study = _study(table, protocols or {})
        if study.protocol.id in found.studies:
            raise fields.wrong("studies", study.protocol.id, "each protocol once")
        found.studies[study.protocol.id] = study
    fields.finish()
    return found


def merged(paths: Iterable[str | os.PathLike[str]], protocols: Mapping[str, Protocol] | None = None) -> Robustness:
    """Several files as one; ``protocols`` as for :func:`load_robustness`.

    Raises:
        PosebenchError: as :func:`load_robustness` and :meth:`Robustness.add`.
    """
    found = Robustness()
    for path in paths:
        found.add(load_robustness(path, protocols))
    return found


def _study(fields: Fields, protocols: Mapping[str, Protocol]) -> Study:
    stated, data = fields.table("protocol"), fields.table("data")
    id, version, digest = stated.text("id"), stated.whole("version"), stated.text("digest")
    if id not in protocols and id not in protocol_ids():
        raise stated.wrong(
            "id", id, "a protocol that comes with posebench, or whose file is named: posebench robustness show --protocol FILE.toml"
        )
    protocol = protocols.get(id) or load_protocol(id)
    if digest != protocol.digest:
        raise stated.wrong(
            "digest", digest, f"{protocol.digest}, that of {id} version {protocol.version} (the file states version {version})"
        )
    study = Study(protocol, (data.text("name"), data.text("fingerprint")), fields.texts("takes"))
    if not study.takes or len(set(study.takes)) != len(study.takes):
        raise fields.wrong("takes", f"{len(study.takes)} names", "each take once")
    for table in fields.tables("methods"):
        method = _method(table, study)
        if method.name in study.methods:
            raise table.wrong("name", method.name, "each method once")
        study.methods[method.name] = method
    for part in (stated, data, fields):
        part.finish()
    return study


def _method(fields: Fields, study: Study) -> Method:
    facts = fields.table("facts")
    method = Method(fields.text("name"), fields.text("identity"), {name: facts.text(name, default="") for name in FACTS})
    known = {str(condition) for condition in study.conditions}
    sets = fields.table("sets")
    metrics = [metric.name for metric in (*study.protocol.metrics, *study.protocol.diagnostics)]
    for condition in sets.names():
        if condition not in known:
            raise sets.wrong(condition, "a condition", f"one of {study.protocol.id}: {', '.join(sorted(known))}")
        by_metric = sets.table(condition)
        method.sets[condition] = {
            metric: _sums(by_metric.table(metric), len(study.takes)) for metric in metrics if by_metric.present(metric)
        }
        primary = study.protocol.metrics[0].name
        if primary not in method.sets[condition] or not (method.sets[condition][primary].count > 0).all():
            raise by_metric.wrong(primary, "no sum of some take", "the sums by which methods are ranked, of every take")
        by_metric.finish()
    for part in (facts, sets, fields):
        part.finish()
    return method


def _sums(fields: Fields, takes: int) -> TakeSums:
    wanted = f"{takes} finite numbers from 0, one a take; a sum of no frames is 0"
    arrays = []
    for key in ("total", "count"):
        values = fields.value(key, list, wanted)
        if len(values) != takes or not all(type(value) in (int, float) and 0.0 <= value < _LARGEST for value in values):
            raise fields.wrong(key, f"{len(values)} values", wanted)
        arrays.append(np.array(values, dtype=np.float64))
    if (arrays[0][arrays[1] == 0] > 0).any() or (arrays[1] % 1 > 0).any():
        raise fields.wrong("count", "sums that do not fit it", wanted)
    fields.finish()
    return TakeSums(arrays[0], arrays[1])
