"""Comparing results: paired differences over takes, with intervals and a plain verdict. Only what is comparable is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from posebench.base.errors import PosebenchError
from posebench.scoring import intervals as stats
from posebench.scoring.protocol import higher_is_better
from posebench.scoring.result import Result
from posebench.scoring.sums import Row, Sums, average, codes

RESAMPLES = 10_000
#: Compared unless told otherwise: the metrics that papers rank by, as far as every result has them.
DEFAULT_METRICS = ("MPJPE", "PA-MPJPE", "N-MPJPE")


@dataclass(frozen=True)
class Difference:
    """One pair under one metric: ``value`` is A - B, ``p`` is Holm-adjusted over all pairs of the metric."""

    metric: str
    a: str
    b: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    unit: str
    takes: int

    @property
    def separable(self) -> bool:
        """The difference is not one of chance, at the level of the intervals."""
        return self.p is not None and self.p < 1.0 - stats.LEVEL

    @property
    def verdict(self) -> str:
        """In words: who is better, by how much, with the interval; or that these takes cannot tell."""
        if not self.separable or self.low is None or self.high is None:
            return f"not separable on {self.takes} takes"
        better = self.a if (self.value > 0) == higher_is_better(self.metric) else self.b
        low, high = sorted((abs(self.low), abs(self.high)))
        return f"{better} is better by {abs(self.value):.1f} {self.unit} [{low:.1f}, {high:.1f}]"


@dataclass(frozen=True)
class Comparison:
    """Methods best first under one metric, their values, the letters of groups that are not separable, and all pairs."""

    metric: str
    unit: str
    values: dict[str, float]
    letters: dict[str, str]
    pairs: tuple[Difference, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {**asdict(self), "pairs": [{**asdict(pair), "separable": pair.separable, "verdict": pair.verdict} for pair in self.pairs]}


def compare(results: Sequence[Result], names: Sequence[str], metrics: Sequence[str] = ()) -> list[Comparison]:
    """Compare two or more results of one protocol on one copy of the data, for each metric.

    **Convention.** Differences of the headline average, paired by take: a resample draws the same takes for all. The verdict of a pair
    is Holm-adjusted over the pairs of its metric; the interval is the pair's own, not adjusted. It speaks of these subjects and these
    trained models.

    Args:
        results: loaded with their sums.
        names: what to call each; all different.
        metrics: metric names; by default :data:`DEFAULT_METRICS` as far as all results have values for them.

    Raises:
        PosebenchError: fewer than two, names alike, or results that must not be compared: protocol digest, data, keypoint source or
            coverage differ (the field is named), or a metric is missing or empty in one of them.
    """
    refuse_incomparable(results, names)
    wanted = list(metrics) or [
        name for name in DEFAULT_METRICS if all(result.metrics.get(name, {}).get("value") is not None for result in results)
    ]
    for metric in wanted:
        for result, name in zip(results, names, strict=True):
            if result.value(metric) is None:
                raise PosebenchError(
                    f"{name} has no value for {metric} (its scale is unknown)", "a metric that all have", "choose with --metric"
                )
    headline = results[0].protocol["headline"]
    return [
        paired(
            metric, _unit(results[0], metric), headline, results[0].rows, dict(zip(names, _all_sums(results, names, metric), strict=True))
        )
        for metric in wanted
    ]


def refuse_incomparable(results: Sequence[Result], names: Sequence[str]) -> None:
    """Raise :class:`PosebenchError` unless the results may stand beside each other; the message names the field that differs."""
    if len(results) < 2 or len(set(names)) != len(names):
        raise PosebenchError(
            f"{len(results)} results named {', '.join(names)}", "two or more results with different names", "rename the files"
        )
    first = results[0]
    for result, name in zip(results, names, strict=True):
        for field, mine, other in (
            ("protocol digest", first.protocol["digest"], result.protocol["digest"]),
            ("data fingerprint", first.data["fingerprint"], result.data["fingerprint"]),
            ("keypoint source", first.predictions["keypoints"], result.predictions["keypoints"]),
            ("scored clips", [row.clip for row in first.rows], [row.clip for row in result.rows]),
        ):
            if mine != other:
                shown = f"{mine} and {other}" if isinstance(mine, str) else f"{len(mine)} and {len(other)} clips"
                raise PosebenchError(f"{names[0]} and {name} differ in {field}: {shown}", f"results of one {field}", "score both alike")
        if result.coverage["partial"]:
            raise PosebenchError(f"{name} is partial", "results that cover every pose", "predict what is missing and score again")


def paired(metric: str, unit: str, headline: str, rows: Sequence[Row], sums: Mapping[str, Sums]) -> Comparison:
    """All pairs of methods under one metric, from their sums over the same rows."""
    names = list(sums)
    draw = stats.resample(rows, headline, RESAMPLES)
    takes = len(codes([row.take for row in rows])[0])
    values = [float(average(rows, one.row_total, one.count, headline)) for one in sums.values()]
    spread = [stats.resampled(rows, one.row_total, one.count, headline, draw) for one in sums.values()]
    pairs, p_values = [], []
    for i, j in combinations(range(len(names)), 2):
        x, y = spread[i], spread[j]
        low, high, p = None, None, None
        if draw is not None and x is not None and y is not None:
            low, high = draw.interval(x - y)
            # Equal in every resample: the same predictions, or a metric that does not tell them apart.
            p = draw.p_value(x - y) if (x != y).any() else 1.0
        p_values.append(1.0 if p is None else p)
        pairs.append(Difference(metric, names[i], names[j], values[i] - values[j], low, high, p, unit, takes))
    adjusted = stats.holm(p_values)
    pairs = [replace(pair, p=None if pair.p is None else p) for pair, p in zip(pairs, adjusted, strict=True)]
    order = sorted(range(len(names)), key=lambda i: values[i], reverse=higher_is_better(metric))
    letters = stats.compact_letter_display([names[i] for i in order], {frozenset((pair.a, pair.b)) for pair in pairs if pair.separable})
    return Comparison(metric, unit, {names[i]: values[i] for i in order}, letters, tuple(pairs))


def _unit(result: Result, metric: str) -> str:
    return str({**result.metrics, **result.diagnostics}[metric]["unit"])


def _all_sums(results: Sequence[Result], names: Sequence[str], metric: str) -> list[Sums]:
    for result, name in zip(results, names, strict=True):
        if metric not in result.sums:
            raise PosebenchError(f"{name} without sums of {metric}", "the .sums.npz that posebench score wrote beside it", "score it again")
    return [result.sums[metric] for result in results]
