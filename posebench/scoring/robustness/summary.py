"""What tables and curves show of a study: errors by kind, the mean corrupted error with its tie groups, and where `flat` is better.

**Convention.** All values are headline averages over takes: a take's value is the mean over its frames and cameras, and all takes have the
same weight. The error of a kind is the mean over severities 1 to 5. The mean corrupted error (mC) is the mean over kinds, so that every
condition has the same weight; methods are ranked by it, and tie groups are those of paired differences over takes with the Holm correction
(:func:`posebench.scoring.comparison.paired`). Ratios to the clean error reward a bad one, and are shown without a rank.

Source: the ratio to a reference method, summed over severities before it is divided, is the corruption error of ImageNet-C (Hendrycks and
Dietterich 2019); in percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.data.corruption.conditions import CLEAN, SEVERITIES, amounts
from posebench.scoring import intervals
from posebench.scoring.comparison import paired
from posebench.scoring.pairs import Difference
from posebench.scoring.protocol import Protocol, higher_is_better
from posebench.scoring.robustness.record import Method, Study
from posebench.scoring.sums import Row, Sums

Array = npt.NDArray[np.float64]
#: The lifter that predicts no depth: a method that it beats has nothing to offer there.
FLOOR = "flat"
#: Values that differ by less, in the metric's unit, are alike.
SAME = 0.05


@dataclass(frozen=True)
class Value:
    """A mean over takes and its 95 % interval; None where there is none."""

    value: float
    low: float | None
    high: float | None

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class MethodRow:
    """One method in the table of a metric.

    Attributes:
        name: of the method.
        group: letters of its tie groups; empty for a metric that is not ranked.
        clean: error without corruption or shift.
        kinds: kind to its mean over severities.
        curves: kind to the values at severities 1 to 5.
        mean: over kinds, mC.
        rise: mC minus the clean error, on the same takes.
        ratio: mC divided by the clean error; None where that is 0.
        worst: the kind of the largest error (for a metric where more is better, of the smallest value); empty where all are alike.
        relative: kind to its error in percent of the reference method's; empty without a reference.
        below_floor: kind to the least severity from which `flat` is better at every severity on.
        trained_on_errors: it was trained on keypoints with errors.
    """

    name: str
    group: str
    clean: Value
    kinds: dict[str, Value]
    curves: dict[str, tuple[float, ...]]
    mean: Value
    rise: Value
    ratio: float | None
    worst: str
    relative: dict[str, float]
    below_floor: dict[str, int]
    trained_on_errors: bool

    @property
    def mean_relative(self) -> float | None:
        """Mean of :attr:`relative` over kinds (mCE), %; None without a reference."""
        return float(np.mean(list(self.relative.values()))) if self.relative else None


@dataclass(frozen=True)
class Summary:
    """The table of a metric.

    Attributes:
        protocol: id and version.
        metric, unit: what is shown.
        ranked: the metric is the one that methods are ranked by.
        kinds: columns.
        rows: best first.
        pairs: differences of mC between methods, where they are ranked.
        reference: the method that relative errors refer to; empty without one.
        incomplete: methods that are left out, with (conditions measured, conditions in all).
        without: methods that have no such metric: their scale is unknown.
    """

    protocol: str
    metric: str
    unit: str
    ranked: bool
    kinds: tuple[str, ...]
    rows: tuple[MethodRow, ...]
    pairs: tuple[Difference, ...]
    reference: str
    incomplete: dict[str, tuple[int, int]]
    without: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        from dataclasses import asdict

        content = asdict(self)
        for row, own in zip(content["rows"], self.rows, strict=True):
            row["mean_relative"] = own.mean_relative
        content["amounts"] = {kind: amounts(kind) for kind in self.kinds}
        return content


def summarise(study: Study, metric: str | None = None) -> Summary:
    """The table of a metric, by default of the one that methods are ranked by.

    Raises:
        PosebenchError: the protocol has no such metric, or no method is complete.
    """
    protocol = study.protocol
    units = {one.name: one.unit for one in (*protocol.metrics, *protocol.diagnostics)}
    primary = protocol.metrics[0].name
    metric = metric or primary
    require_metric(protocol, metric)
    incomplete = {
        method.name: (len(study.conditions) - len(missing), len(study.conditions))
        for method in study.methods.values()
        if (missing := study.missing(method))
    }
    if not study.complete:
        shown = ", ".join(f"{name}: {done} of {count} conditions" for name, (done, count) in incomplete.items()) or "no method"
        raise PosebenchError(f"{shown} under {protocol.id}", "a method of which all are measured", "repeat the command that wrote the file")
    methods = [method for method in study.complete if all(metric in sums for sums in method.sets.values())]
    methods = [method for method in methods if np.isfinite(_value(_means(method, metric, CLEAN)))]
    rows = [Row(take, take.partition("/")[0], take, "", "") for take in study.takes]
    averages = _Averages(rows, protocol.headline)
    means = {method.name: _corrupted(study, method, metric) for method in methods}
    letters: Mapping[str, str] = {}
    pairs: tuple[Difference, ...] = ()
    if metric == primary and len(methods) > 1:
        sums = {name: Sums(values[:, None], np.ones(len(values)), ()) for name, values in means.items()}
        comparison = paired(metric, units[metric], protocol.headline, rows, sums)
        letters, pairs = comparison.letters, tuple(comparison.pairs)
    floor = next((method for method in methods if method.name == FLOOR), None)
    table = [_row(study, method, metric, averages, means[method.name], letters.get(method.name, ""), floor) for method in methods]
    table.sort(key=lambda row: (-row.mean.value if higher_is_better(metric) else row.mean.value, row.name))
    return Summary(
        protocol=f"{protocol.id} {protocol.version}",
        metric=metric,
        unit=units[metric],
        ranked=metric == primary,
        kinds=protocol.conditions,
        rows=tuple(table),
        pairs=pairs,
        reference=protocol.reference[0] if protocol.reference and metric == primary else "",
        incomplete=incomplete,
        without=tuple(method.name for method in study.complete if method not in methods),
    )


def rises(study: Study, first: Method, second: Method) -> dict[str, Value]:
    """The ranked error of the second method minus that of the first, paired over takes, with intervals.

    Returns:
        :data:`posebench.data.corruption.conditions.CLEAN` and each kind of the protocol (mean over severities) to the difference.
    """
    metric = study.protocol.metrics[0].name
    averages = _Averages([Row(take, take.partition("/")[0], take, "", "") for take in study.takes], study.protocol.headline)

    def of(method: Method) -> dict[str, Array]:
        by_kind = {kind: _mean_of(columns) for kind, columns in _by_kind(study, method, metric).items()}
        return {CLEAN: _means(method, metric, CLEAN), **by_kind}

    mine, other = of(first), of(second)
    return {kind: averages.of(other[kind] - mine[kind]) for kind in mine}


def require_metric(protocol: Protocol, metric: str) -> None:
    """Refuse a metric that a protocol does not measure.

    Raises:
        PosebenchError: it does not.
    """
    names = [one.name for one in (*protocol.metrics, *protocol.diagnostics)]
    if metric not in names:
        raise PosebenchError(f"metric {metric} under {protocol.id}", f"one of {', '.join(names)}", "choose with --metric")


def _means(method: Method, metric: str, condition: str) -> Array:
    return method.sets[condition][metric].means


def _corrupted(study: Study, method: Method, metric: str) -> Array:
    """(takes,) mean over kinds and severities."""
    return _mean_of([values for columns in _by_kind(study, method, metric).values() for values in columns])


def _by_kind(study: Study, method: Method, metric: str) -> dict[str, list[Array]]:
    """Kind to the means (takes,) at each severity."""
    return {kind: [_means(method, metric, f"{kind}/{severity}") for severity in SEVERITIES] for kind in study.protocol.conditions}


def _mean_of(values: Sequence[Array]) -> Array:
    """(takes,) mean of several; a condition in which a take has no value is left out, NaN where none has."""
    table = np.stack(values)
    known = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        means: Array = np.where(known, table, 0.0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return means


def _value(means: Array) -> float:
    known = np.isfinite(means)
    return float(means[known].mean()) if known.any() else float("nan")


class _Averages:
    """Means over takes with intervals; the resamples are drawn once."""

    def __init__(self, rows: list[Row], headline: str) -> None:
        self._rows, self._headline = rows, headline
        self._draw = intervals.resample(rows, headline)

    def of(self, means: Array) -> Value:
        known = np.isfinite(means)
        total, count = np.where(known, means, 0.0), known.astype(np.float64)
        low, high = intervals.interval(self._rows, total, count, self._headline, self._draw) or (None, None)
        return Value(_value(means), low, high)


def _row(study: Study, method: Method, metric: str, averages: _Averages, mean: Array, group: str, floor: Method | None) -> MethodRow:
    clean, by_kind = _means(method, metric, CLEAN), _by_kind(study, method, metric)
    curves = {kind: tuple(_value(values) for values in columns) for kind, columns in by_kind.items()}
    values = {kind: averages.of(_mean_of(columns)) for kind, columns in by_kind.items()}
    higher = higher_is_better(metric)
    worst = (min if higher else max)(values, key=lambda kind: values[kind].value)
    if max(one.value for one in values.values()) - min(one.value for one in values.values()) < SAME:
        worst = ""
    reference = study.protocol.reference
    relative = {}
    if reference and metric == study.protocol.metrics[0].name:
        relative = {kind: 100.0 * sum(curves[kind]) / sum(reference[1][kind]) for kind in curves}
    at_rest = averages.of(clean)
    return MethodRow(
        name=method.name,
        group=group,
        clean=at_rest,
        kinds=values,
        curves=curves,
        mean=averages.of(mean),
        rise=averages.of(mean - clean),
        ratio=_value(mean) / at_rest.value if at_rest.value else None,
        worst=worst,
        relative=relative,
        below_floor={} if floor is None or floor is method else _below(curves, floor, metric, higher=higher),
        trained_on_errors=method.trained_on_errors,
    )


def _below(curves: Mapping[str, tuple[float, ...]], floor: Method, metric: str, *, higher: bool) -> dict[str, int]:
    """Kind to the least severity from which the floor is better at every severity on."""
    found = {}
    for kind, values in curves.items():
        for severity in reversed(SEVERITIES):
            limit = _value(_means(floor, metric, f"{kind}/{severity}"))
            if not (values[severity - 1] < limit if higher else values[severity - 1] > limit):
                break
            found[kind] = severity
    return found
