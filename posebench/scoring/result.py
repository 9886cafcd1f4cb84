"""What scoring a file gives: a JSON file for people and programs, and an npz of sums from which every number can be computed again."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import posebench
from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of, write_text
from posebench.base.readers.text import read_json
from posebench.predictions.finding import Finding
from posebench.scoring.records import RecordError, from_json, to_json
from posebench.scoring.sums import Row, Sums
from posebench.scoring.sums_file import read_sums, sums_path, write_sums

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
_MAX_JSON_BYTES = 64 * 2**20
_NEXT = "score the predictions again: posebench score PREDS --protocol ID -o R.json"
_COLUMNS = ("metric", "unit", "kind", "key", "value", "low", "high")


@dataclass(frozen=True, kw_only=True)
class ScoredProtocol:
    """The protocol; ``headline`` is the average by which methods are ranked."""

    id: str
    version: int
    digest: str
    headline: str


@dataclass(frozen=True, kw_only=True)
class ScoredData:
    """The data that was scored against; ``note`` says in words how it differs from the official copy."""

    name: str
    version: str
    fingerprint: str
    official: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class ScoredFile:
    """The prediction file and what it states; ``provenance`` as the file holds it, None where it states none."""

    file: str
    sha256: str
    method: str
    keypoints: str
    supervision: str
    skeleton: str
    scale: str
    hypotheses: int
    provenance: dict[str, Any] | None = field(default=None, metadata={"optional": True})
    scored_as: str = field(metadata={"key": "scored as"})


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of what the protocol asks for the file holds."""

    poses: int
    poses_wanted: int = field(metadata={"key": "poses wanted"})
    clips: int
    clips_wanted: int = field(metadata={"key": "clips wanted"})
    partial: bool


@dataclass(frozen=True, kw_only=True)
class InvalidPoses:
    """Numbers of invalid poses, of those that are not finite, and of poses that N-MPJPE scales by zero or less."""

    poses: int
    nonfinite: int = field(metadata={"key": "non-finite"})
    nonpositive_scale: int = field(metadata={"key": "non-positive N-scale"})


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The PCK curve under an AUC: ``percent`` of the joints that are nearer than each of ``thresholds``, mm."""

    thresholds: list[float]
    percent: list[float]

    def __post_init__(self) -> None:
        if len(self.thresholds) != len(self.percent):
            raise ValueError(f"{len(self.thresholds)} thresholds and {len(self.percent)} percentages")


@dataclass(frozen=True, kw_only=True)
class MetricValue:
    """One metric.

    Attributes:
        value: the headline average; None where the file's scale leaves the metric empty.
        unit: ``mm``, ``%``, ...
        low, high: the 95 % interval of the headline average; None where none can be given.
        by: value of each average that the protocol shows: ``frame``, ``take``, ``action``.
        groups: group to label to value. Frame-weighted means by ``action``, ``subject``, ``camera``, ``take`` and the protocol's own
            groups; the headline average by ``joint``.
        curve: the PCK curve, for an AUC only.
    """

    value: float | None
    unit: str
    low: float | None
    high: float | None
    by: dict[str, float | None]
    groups: dict[str, dict[str, float]]
    curve: Curve | None = field(default=None, metadata={"optional": True})


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The versions and the machine that numbers can depend on."""

    posebench: str
    python: str
    numpy: str
    platform: str

    @classmethod
    def current(cls) -> Environment:
        """Of this process."""
        machine = f"{sys.platform} {platform.machine()}"
        return cls(posebench=posebench.__version__, python=platform.python_version(), numpy=np.__version__, platform=machine)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Result:
    """The result of scoring a prediction file.

    ``result.value("PA-MPJPE")`` is a number, :meth:`to_frame` a table of all numbers, and :meth:`save` writes the result to disk.

    Attributes:
        protocol, data, predictions: what was scored against what.
        coverage, invalid: counts of poses.
        metrics: the ranked metrics by name.
        diagnostics: metrics that are shown and never ranked.
        findings: what the checks found, with at most ten clips each.
        environment: versions and machine of the scoring.
        wall_time_s: duration of the scoring, seconds.
        rows, sums: numerator and count of each metric by clip and action; stored in the npz.
        frames: values of single frames by ``<clip id>/<metric>``, where they were asked for; stored in the npz.
        behaviour: label-free diagnostics (:mod:`posebench.metrics.behaviour`) of the ``predicted`` and the ``true`` poses.
        training: time, steps and machine of the training, where posebench ran it.
    """

    protocol: ScoredProtocol
    data: ScoredData
    predictions: ScoredFile
    coverage: Coverage
    invalid: InvalidPoses
    metrics: dict[str, MetricValue]
    diagnostics: dict[str, MetricValue]
    findings: list[Finding]
    environment: Environment
    wall_time_s: float
    rows: list[Row] = field(default_factory=list, metadata={"stored": False})
    sums: dict[str, Sums] = field(default_factory=dict, metadata={"stored": False})
    frames: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict, metadata={"stored": False})
    behaviour: dict[str, Any] = field(default_factory=dict, metadata={"optional": True})
    training: dict[str, Any] = field(default_factory=dict, metadata={"optional": True})

    def __repr__(self) -> str:
        name = self.predictions.method or self.predictions.file
        metric, first = next(((name, table) for name, table in self.metrics.items() if table.value is not None), ("", None))
        value = f", {metric} {first.value:.2f} {first.unit}" if first else ""
        return f"<Result {name!r} under {self.protocol.id}: {self.coverage.poses:,} poses{value}>"

    @property
    def tables(self) -> dict[str, MetricValue]:
        """Metrics and diagnostics by name."""
        return {**self.metrics, **self.diagnostics}

    def value(self, metric: str, average: str | None = None) -> float | None:
        """The headline value of a metric or diagnostic, or another average of it; None where the file's scale leaves it empty.

        Raises:
            PosebenchError: the result has no such metric or average.
        """
        table = self.tables.get(metric)
        if table is None:
            raise PosebenchError(f"metric {metric!r}", "one of " + ", ".join(self.tables), "correct the name")
        if average is not None and average not in table.by:
            raise PosebenchError(f"average {average!r}", "one of " + ", ".join(table.by), "correct the name")
        value = table.value if average is None else table.by[average]
        return None if value is None else float(value)

    def long_rows(self) -> Iterator[tuple[str, str, str, str, float, float | None, float | None]]:
        """Every number: metric, unit, kind (``average`` or a group), key (which average, or the label), value, low, high.

        Metrics without a value are left out. Only headline averages have an interval.
        """
        for name, table in self.tables.items():
            if table.value is None:
                continue
            for average, value in table.by.items():
                low, high = (table.low, table.high) if average == self.protocol.headline else (None, None)
                if value is not None:
                    yield name, table.unit, "average", average, value, low, high
            for group, values in table.groups.items():
                for label, value in values.items():
                    yield name, table.unit, group, label, value, None, None

    def to_frame(self) -> pd.DataFrame:
        """Every number as a pandas table with the columns metric, unit, kind, key, value, low, high; see :meth:`long_rows`.

        Example:
            ``frame.query("kind == 'action' and metric == 'MPJPE'").set_index("key")["value"]`` are the MPJPE of all actions.
        """
        import pandas as pd

        frame = pd.DataFrame(list(self.long_rows()), columns=list(_COLUMNS))
        return frame.astype({"value": float, "low": float, "high": float})

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON file."""
        return {"posebench_result": SCHEMA, **to_json(self)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``path`` (JSON) and its sums (:func:`posebench.scoring.sums_file.sums_path`), each whole or not at all.

        Raises:
            PosebenchError: the name does not end with .json, or the folder cannot be written.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise PosebenchError(f"{path.name}", "a name that ends with .json", "rename the output file")
        write_sums(sums_path(path), self.rows, self.sums, self.frames)
        content = {**self.as_dict(), "sums_sha256": sha256_of(sums_path(path))}
        write_text(path, json.dumps(content, indent=1) + "\n")
        return path


def load_result(path: str | os.PathLike[str], *, sums: bool = True) -> Result:
    """Read a result; ``sums=False`` does not open the file of sums.

    Raises:
        PosebenchError: a file is missing, no result, of a newer schema, or the sums do not belong to it.
    """
    path = Path(path)
    content = _read_json(path)
    expected = content.pop("sums_sha256", None)
    try:
        result: Result = from_json(Result, content)
    except RecordError as error:
        raise PosebenchError(f"{path}: {error}", "a result written by posebench score -o", _NEXT) from error
    if not sums:
        return result
    rows, loaded = read_sums(sums_path(path))
    if sha256_of(sums_path(path)) != expected:
        raise PosebenchError(f"{sums_path(path)} is not the file that was written with {path.name}", "the two files of one scoring", _NEXT)
    return replace(result, rows=rows, sums=loaded)


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in the file without its schema number, which is checked."""
    wanted = "a result written by posebench score -o"
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise PosebenchError(f"{path}: {path.stat().st_size:,} bytes", f"at most {_MAX_JSON_BYTES:,}", _NEXT)
        content = read_json(path, _MAX_JSON_BYTES)
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror}", wanted, _NEXT) from error
    except ValueError as error:
        raise PosebenchError(f"{path} is not JSON ({error})", wanted, _NEXT) from error
    schema = content.pop("posebench_result", None) if isinstance(content, dict) else None
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise PosebenchError(f"{path}: posebench_result = {schema!r}", f"{wanted}, of schema 1 to {SCHEMA}", _NEXT)
    return dict(content)


def distinct_names(results: Sequence[Result], paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A name for each result: its method, or where that is missing or shared, its file's name; the whole path if need be."""
    for names in (
        [result.predictions.method for result in results],
        [Path(path).stem for path in paths],
        [str(path) for path in paths],
    ):
        if all(names) and len(set(names)) == len(names):
            break
    return names
