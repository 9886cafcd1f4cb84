"""What scoring a file gives: a JSON file for people and programs, and an npz of sums from which every number can be computed again."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.base.files import sha256_of, write_text
from posebench.base.readers.text import read_json
from posebench.data.h36m.names import ACTIONS, short_actions
from posebench.predictions.finding import Finding
from posebench.scoring.markup import html_table, latex_table
from posebench.scoring.protocol import higher_is_better
from posebench.scoring.records import RecordError, from_json, to_json
from posebench.scoring.result_parts import Coverage, Environment, InvalidPoses, MetricValue, ScoredData, ScoredFile, ScoredProtocol
from posebench.scoring.sums import Row, Sums, average
from posebench.scoring.sums_file import read_sums, sums_path, write_sums

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
_MAX_JSON_BYTES = 64 * 2**20
#: Tolerance of a stated value against the average of its sums, relative and absolute.
_TOLERANCE = 1e-6
_NEXT = "score the predictions again: posebench score PREDS --protocol ID -o R.json"
_COLUMNS = ("metric", "unit", "kind", "key", "value", "low", "high")


@dataclass(frozen=True, kw_only=True)
class WorstFrame:
    """A frame of :meth:`Result.worst`.

    Attributes:
        clip: the clip id.
        index: its place among the clip's scored frames, from 0; the frame number where the protocol and the file have every frame.
        value: of the metric, in ``unit``.
        unit: the metric's unit.
    """

    clip: str
    index: int
    value: float
    unit: str


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
        frames: values of single frames by ``<clip id>/<metric>``, where they were asked for; stored in the npz. Of a loaded result they
            are read when the first is asked for.
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
    frames: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict, metadata={"stored": False})
    behaviour: dict[str, Any] = field(default_factory=dict, metadata={"optional": True})
    training: dict[str, Any] = field(default_factory=dict, metadata={"optional": True})

    def __repr__(self) -> str:
        name = self.predictions.method or self.predictions.file
        metric, first = next(((name, table) for name, table in self.metrics.items() if table.value is not None), ("", None))
        value = f", {metric} {first.value:.2f} {first.unit}" if first else ""
        return f"<Result {name!r} under {self.protocol.id}: {self.coverage.poses:,} poses{value}>"

    def _repr_html_(self) -> str:
        """For notebooks: the ranked metrics with their intervals and averages."""
        averages = list(next(iter(self.metrics.values())).by) if self.metrics else []
        rows = []
        for name, table in self.metrics.items():
            interval = "" if table.low is None else f"[{_number(table.low)}, {_number(table.high)}]"
            rows.append([name, table.unit, _number(table.value), interval, *(_number(table.by.get(kind)) for kind in averages)])
        heads = ["metric", "unit", f"value ({self.protocol.headline})", "95 % interval", *(f"by {kind}" for kind in averages)]
        return html_table(rows, heads, repr(self).strip("<>"))

    @property
    def actions(self) -> list[str]:
        """The scored actions, in the order of the papers for those of Human3.6M, otherwise in the order of the dataset."""
        found = dict.fromkeys(action for table in self.metrics.values() for action in table.groups.get("action", ()))
        return [action for action in ACTIONS if action in found] if found.keys() <= set(ACTIONS) else list(found)

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
            advice = did_you_mean(metric, self.tables, "correct the name")
            raise PosebenchError(f"metric {metric!r}", "one of " + ", ".join(self.tables), advice)
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
            for kind, value in table.by.items():
                low, high = (table.low, table.high) if kind == self.protocol.headline else (None, None)
                if value is not None:
                    yield name, table.unit, "average", kind, value, low, high
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

    def worst(self, count: int = 10, metric: str = "MPJPE") -> list[WorstFrame]:
        """The frames with the largest error, or with the lowest value of a metric of which more is better; the worst first.

        Args:
            count: number of frames.
            metric: name of a metric or diagnostic.

        Raises:
            PosebenchError: the result holds no values of single frames, or has no such metric.

        Example:
            >>> import numpy as np, posebench, tempfile
            >>> truth = {"S1/Walk 1/c0": np.random.default_rng(0).normal(0, 300, (9, 17, 3))}
            >>> file = posebench.save_predictions(tempfile.mkdtemp() + "/truth.npz", truth, unit="mm", skeleton="h36m17")
            >>> poses = {clip: pose * np.linspace(1.0, 1.2, 9)[:, None, None] for clip, pose in truth.items()}
            >>> result = posebench.score(poses, "pair-17j", truth=file, unit="mm", skeleton="h36m17", per_frame=True)
            >>> (frame,) = result.worst(1)
            >>> frame.clip, frame.index, round(frame.value, 2)
            ('S1/Walk 1/c0', 7, 102.14)
        """
        if count < 1:
            raise PosebenchError(f"{count} frames", "1 or more", "ask for more frames")
        if self.value(metric) is None:
            raise PosebenchError(f"no value for {metric}, since the scale is unknown", "a metric with a value", "name another metric")
        clips = {clip: f"{clip}/{metric}" for clip in dict.fromkeys(row.clip for row in self.rows)}
        found = {clip: self.frames[key] for clip, key in clips.items() if key in self.frames}
        if not found:
            raise PosebenchError(
                f"no values of single frames for {metric}",
                "a result that keeps them, loaded with its .sums.npz",
                "score with per_frame=True, or posebench score --per-frame -o R.json",
            )
        names = list(found)
        place = np.repeat(np.arange(len(names)), [len(values) for values in found.values()])
        index = np.concatenate([np.arange(len(values)) for values in found.values()])
        values = np.concatenate(list(found.values()))
        # NaN, where a difference over time has no predecessor, is sorted to the end; stable, so that equal frames keep their order.
        order = np.argsort(values if higher_is_better(metric) else -values, kind="stable")[:count]
        unit = self.tables[metric].unit
        return [
            WorstFrame(clip=names[place[i]], index=int(index[i]), value=float(values[i]), unit=unit)
            for i in order
            if not np.isnan(values[i])
        ]

    def to_latex(self, metrics: Sequence[str] = ("MPJPE", "PA-MPJPE", "N-MPJPE")) -> str:
        r"""The table by action that papers print: one line a metric, one column an action, and the mean of the actions.

        **Convention.** Frame-weighted within an action. The actions of Human3.6M are in the order of the papers, with their short names.
        The text needs ``\usepackage{booktabs}``; names are escaped. Metrics that the file's scale leaves empty are left out.
        :func:`posebench.scoring.latex.results_in_latex` sets several results in one table.

        Raises:
            PosebenchError: the result has no such metric, or none of them has a value.
        """
        shown = [name for name in metrics if self.value(name) is not None]
        if not shown:
            raise PosebenchError(
                f"no value for {', '.join(metrics) or 'any metric'}",
                "a metric that the result has a value for",
                "name other metrics: " + (", ".join(name for name, table in self.tables.items() if table.value is not None)),
            )
        method = self.predictions.method or self.predictions.file
        rows = []
        for name in shown:
            values = self.tables[name].groups["action"]
            numbers = [_number(values.get(action), 1) for action in self.actions]
            rows.append([method, f"{name} [{self.tables[name].unit}]", *numbers, _number(mean_of_actions(self, name), 1)])
        return latex_table(rows, ["method", "metric", *short_actions(self.actions), "Avg"], left=2)

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


def mean_of_actions(result: Result, metric: str) -> float | None:
    """Mean of the frame-weighted means of all actions; None where the metric has none."""
    values = result.tables[metric].groups.get("action")
    return float(np.mean(list(values.values()))) if values else None


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def load_result(path: str | os.PathLike[str], *, sums: bool = True) -> Result:
    """Read a result; ``sums=False`` does not open the file of sums, so that ``rows``, ``sums`` and ``frames`` stay empty.

    Raises:
        PosebenchError: a file is missing, no result, of a newer schema, or the sums do not belong to it.

    Example:
        >>> import numpy as np, posebench, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> truth = {"S1/Walk 1/c0": np.random.default_rng(0).normal(0, 300, (9, 17, 3))}
        >>> file = posebench.save_predictions(folder + "/truth.npz", truth, unit="mm", skeleton="h36m17")
        >>> path = posebench.score(file, "pair-17j", truth=file, per_frame=True).save(folder + "/r.json")
        >>> result = posebench.load_result(path)
        >>> result.value("MPJPE"), result.frames["S1/Walk 1/c0/MPJPE"].shape
        (0.0, (9,))
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
    rows, loaded, frames = read_sums(sums_path(path))
    if frames.sha256 != expected:
        raise PosebenchError(f"{sums_path(path)} is not the file that was written with {path.name}", "the two files of one scoring", _NEXT)
    valued = {name for name, table in result.tables.items() if table.value is not None}
    if odd := sorted(loaded.keys() - result.tables.keys()) + sorted(valued - loaded.keys()):
        raise PosebenchError(f"{path}: {odd[0]} is in one of the result's two files only", "every metric in both", _NEXT)
    _refuse_edited(path, result, rows, loaded)
    return replace(result, rows=rows, sums=loaded, frames=frames)


def _refuse_edited(path: Path, result: Result, rows: Sequence[Row], sums: Mapping[str, Sums]) -> None:
    """Raise :class:`PosebenchError` if a stated value is not the average that the sums give."""
    for name, table in result.tables.items():
        if table.value is not None and result.protocol.headline in table.by:
            given = float(average(rows, sums[name].row_total, sums[name].count, result.protocol.headline))
            if not math.isclose(table.value, given, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
                raise PosebenchError(f"{path}: {name} = {table.value:.6g}", f"{given:.6g}, which its sums give", _NEXT)


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
    if isinstance(content, dict) and "posebench_explanation" in content:
        raise PosebenchError(f"{path} is an explanation, whose values are of other protocols", wanted, _NEXT)
    if isinstance(content, dict) and "posebench_diagnosis" in content:
        raise PosebenchError(f"{path} is a diagnosis", wanted, _NEXT)
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
