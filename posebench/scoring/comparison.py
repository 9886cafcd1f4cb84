"""Comparing results of one protocol: paired differences over takes, with intervals and a verdict in words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, TypeAlias, overload

from posebench.base.errors import PosebenchError
from posebench.scoring import intervals
from posebench.scoring.markup import html_table
from posebench.scoring.pairs import Difference, Pairs, same_pairs, unadjusted
from posebench.scoring.protocol import higher_is_better
from posebench.scoring.result import Result, distinct_names, load_result
from posebench.scoring.sums import Row, Sums, average, codes

RESAMPLES = 10_000
#: A result, or the path of its JSON file.
Scored: TypeAlias = Result | str | os.PathLike[str]
#: With more methods than this, intervals are computed where they are asked for, and texts leave out most pairs.
MANY = 20
#: Compared by default, of those that every result has: the metrics that papers rank by.
DEFAULT_METRICS = ("MPJPE", "PA-MPJPE", "N-MPJPE")


@dataclass(frozen=True, repr=False)
class Comparison:
    """All methods under one metric.

    Attributes:
        metric, unit: name and unit of the metric.
        values: headline average of each method, best first.
        letters: compact letter display: methods that share a letter are not separable.
        pairs: all pairs of methods; with more than :data:`MANY` methods, each is computed when it is asked for.
    """

    metric: str
    unit: str
    values: dict[str, float]
    letters: dict[str, str]
    pairs: Sequence[Difference]

    def __repr__(self) -> str:
        values = ", ".join(f"{name!r} {value:.2f}" for name, value in self.values.items())
        return f"<Comparison under {self.metric} [{self.unit}]: {values}>"

    @property
    def shown_pairs(self) -> list[Difference]:
        """The pairs that tables show: all, or with more than :data:`MANY` methods those of the best one with the :data:`MANY` next ones."""
        if not isinstance(self.pairs, Pairs):
            return list(self.pairs)
        best, *others = list(self.values)[: MANY + 1]
        return self.pairs.between(best, others)

    @property
    def left_out(self) -> str:
        """A sentence on the pairs that tables leave out; empty where they show all."""
        more = len(self.pairs) - len(self.shown_pairs)
        return f" {more:,} other pairs are not shown; posebench compare --json writes all." if more else ""

    def _repr_html_(self) -> str:
        """For notebooks: the methods, best first, and the pairs with their verdicts."""
        methods = [[name, f"{value:.2f}", self.letters[name]] for name, value in self.values.items()]
        pairs = [[f"{pair.a} - {pair.b}", f"{pair.value:.2f}", pair.verdict] for pair in self.shown_pairs]
        return "\n".join(
            [
                html_table(methods, ["method", f"{self.metric} [{self.unit}]", "group"], "Methods that share a letter are not separable."),
                html_table(pairs, ["pair", f"difference [{self.unit}]", "verdict"], f"Paired over takes.{self.left_out}"),
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            **asdict(replace(self, pairs=())),
            "pairs": [{**asdict(pair), "separable": pair.separable, "verdict": pair.verdict} for pair in self.pairs],
        }


@overload
def compare(results: Scored, /, *more: Scored, names: Sequence[str] | None = None, metrics: Sequence[str] = ()) -> list[Comparison]: ...


@overload
def compare(results: Sequence[Scored], names: Sequence[str] | None = None, metrics: Sequence[str] = ()) -> list[Comparison]: ...


def compare(
    results: Scored | Sequence[Scored], *more: Any, names: Sequence[str] | None = None, metrics: Sequence[str] = ()
) -> list[Comparison]:
    """Compare two or more results of one protocol on one copy of the data, for each metric.

    **Convention.** Differences of the headline average, paired by take: a resample draws the same takes for all. The verdict of a pair
    is Holm-adjusted over the pairs of its metric; the interval is the pair's own, not adjusted. Both hold for these subjects and these
    trained models; they do not cover other seeds.

    Args:
        results: the first result, or a list of all of them: each loaded with its sums, or the path of its JSON file.
        more: the other results; after a list, its names and the metrics.
        names: a name for each, all different; by default the results' methods, or their files' names where methods are alike.
        metrics: metric names; by default those of :data:`DEFAULT_METRICS` that all results have values for.

    Raises:
        PosebenchError: fewer than two, names alike, or results that must not be compared: protocol digest, data, keypoint source or
            coverage differ (the field is named), or a metric is missing or empty in one of them.

    Example:
        >>> import numpy as np, posebench, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> truth = {f"S1/Walk {take}/c0": np.random.default_rng(take).normal(0, 300, (9, 17, 3)) for take in range(6)}
        >>> file = posebench.save_predictions(folder + "/truth.npz", truth, unit="mm", skeleton="h36m17")
        >>> for method in ("one", "two"):
        ...     poses = {clip: pose + (method == "two") * 20 * np.sin(pose) for clip, pose in truth.items()}
        ...     result = posebench.score(poses, "pair-17j", truth=file, unit="mm", skeleton="h36m17", method=method)
        ...     path = result.save(f"{folder}/{method}.json")
        >>> comparison = posebench.compare(folder + "/one.json", folder + "/two.json")[0]
        >>> comparison.metric, list(comparison.values)
        ('MPJPE', ['one', 'two'])
    """
    given, names, metrics = _arguments(results, more, names, metrics)
    loaded = [result if isinstance(result, Result) else load_result(result) for result in given]
    if names is None:
        labels = [result.predictions.method or result.predictions.file if isinstance(result, Result) else result for result in given]
        names = distinct_names(loaded, labels)
        if not any(isinstance(result, str | os.PathLike) for result in given):
            names = _numbered(names)
    return _compare(loaded, names, metrics)


def _arguments(
    results: Scored | Sequence[Scored], more: Sequence[Any], names: Sequence[str] | None, metrics: Sequence[str]
) -> tuple[list[Scored], Sequence[str] | None, Sequence[str]]:
    """The results one after the other, names and metrics, from either form of the call."""
    if isinstance(results, Result | str | os.PathLike) or not isinstance(results, Iterable):
        listed, given = False, [results, *more]
    else:
        listed, given = True, list(results)
        names = more[0] if more else names
        metrics = more[1] if len(more) > 1 else metrics
    wrong = [f"a {type(one).__name__} among the results" for one in given if not isinstance(one, Result | str | os.PathLike)]
    if listed and len(more) > 2:
        wrong.append(f"{1 + len(more)} arguments after each other")
    if isinstance(names, str):
        wrong.append("one text as the names")
    if wrong:
        raise PosebenchError(
            wrong[0],
            "results, or paths of their JSON files",
            "call compare(a, b), or compare([a, b], names=['one', 'two'], metrics=['MPJPE'])",
        )
    return given, names, [metrics] if isinstance(metrics, str) else metrics


def _numbered(names: Sequence[str]) -> list[str]:
    """Names that occur twice with a number each."""
    return [f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name for place, name in enumerate(names)]


def _compare(results: Sequence[Result], names: Sequence[str], metrics: Sequence[str]) -> list[Comparison]:
    refuse_incomparable(results, names)
    wanted = list(metrics) or [name for name in DEFAULT_METRICS if all(_has_value(result, name) for result in results)]
    for metric in wanted:
        for result, name in zip(results, names, strict=True):
            if result.value(metric) is None:
                raise PosebenchError(
                    f"{name} has no value for {metric} (its scale is unknown)", "a metric that all have", "choose with --metric"
                )
    comparisons = []
    for metric in wanted:
        sums = {name: _sums(result, name, metric) for result, name in zip(results, names, strict=True)}
        first = results[0]
        comparisons.append(paired(metric, first.tables[metric].unit, first.protocol.headline, first.rows, sums))
    return comparisons


def _has_value(result: Result, metric: str) -> bool:
    return metric in result.metrics and result.metrics[metric].value is not None


def _sums(result: Result, name: str, metric: str) -> Sums:
    if metric not in result.sums:
        raise PosebenchError(f"{name} without sums of {metric}", "the .sums.npz that posebench score wrote with it", "score it again")
    return result.sums[metric]


def refuse_incomparable(results: Sequence[Result], names: Sequence[str]) -> None:
    """Raise :class:`PosebenchError` unless the results can be compared; the message names what differs."""
    if len(results) < 2:
        raise PosebenchError(
            f"{len(results)} result ({', '.join(names)})" if names else "no result",
            "two or more results to compare",
            "add another result file",
        )
    if len(names) != len(results):
        raise PosebenchError(f"{len(names)} names for {len(results)} results", "a name for each result", "give as many names")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if list(names).count(name) > 1})
        raise PosebenchError(f"several results named {', '.join(twice)}", "different names", "rename the files, or compare each once")
    first = results[0]
    for result, name in zip(results, names, strict=True):
        for field, mine, other in (
            ("protocol digest", first.protocol.digest, result.protocol.digest),
            ("data fingerprint", first.data.fingerprint, result.data.fingerprint),
            ("keypoint source", first.predictions.keypoints, result.predictions.keypoints),
            ("scored clips", [row.clip for row in first.rows], [row.clip for row in result.rows]),
        ):
            if mine != other:
                shown = f"{mine} and {other}" if isinstance(mine, str) else f"{len(mine)} and {len(other)} clips"
                raise PosebenchError(f"{names[0]} and {name} differ in {field}: {shown}", f"results of one {field}", "score both alike")
        if result.coverage.partial:
            raise PosebenchError(f"{name} is partial", "results that cover every pose", "predict what is missing and score again")


def paired(metric: str, unit: str, headline: str, rows: Sequence[Row], sums: Mapping[str, Sums]) -> Comparison:
    """All pairs of methods under one metric.

    Args:
        metric: name of the metric.
        unit: its unit.
        headline: the average that is compared.
        rows: labels of the rows that all sums have in common.
        sums: sums of each method, by its name.
    """
    names = list(sums)
    resampling = intervals.resample(rows, headline, RESAMPLES)
    takes = len(codes([row.take for row in rows])[0])
    values = {name: float(average(rows, one.row_total, one.count, headline)) for name, one in sums.items()}
    resampled = {name: intervals.resampled(rows, one.row_total, one.count, headline, resampling) for name, one in sums.items()}
    same = same_pairs(values, sums)
    p_values = [
        None if pair in same else p for pair, p in zip(combinations(names, 2), unadjusted(names, resampling, resampled), strict=True)
    ]
    # A pair without a p-value still counts among the comparisons.
    adjusted = intervals.holm([1.0 if p is None else p for p in p_values])
    p_values = [None if p is None else corrected for p, corrected in zip(p_values, adjusted, strict=True)]
    pairs = Pairs((metric, unit, takes), values, same, p_values, resampling, resampled)
    best_first = sorted(names, key=lambda name: values[name], reverse=higher_is_better(metric))
    level = 1.0 - intervals.LEVEL
    separable = {frozenset(pair) for pair, p in zip(combinations(names, 2), p_values, strict=True) if p is not None and p < level}
    letters = intervals.compact_letter_display(best_first, separable)
    return Comparison(metric, unit, {name: values[name] for name in best_first}, letters, pairs if len(names) > MANY else tuple(pairs))
