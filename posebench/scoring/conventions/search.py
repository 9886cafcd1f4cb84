"""Search for the conventions that turn one number into another, or that make the difference of two inputs smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posebench.base.errors import PosebenchError
from posebench.scoring.conventions.applying import applied
from posebench.scoring.conventions.difference import Difference, ranked, small_combinations
from posebench.scoring.conventions.lines import Values, Wanted, base_reading, conventions_of, explained_metrics
from posebench.scoring.conventions.reading import Reading
from posebench.scoring.conventions.sources import Source
from posebench.scoring.conventions.switches import Convention
from posebench.scoring.conventions.whole_set import CannotError
from posebench.scoring.protocol import Metric


class Search:
    """Combinations of conventions that concern one metric, and their readings of one input.

    Args:
        metric: the metric.
        source: the input.
        wanted: lines of the single conventions; those without a reading, or of another unit, take no part.
    """

    def __init__(self, metric: Metric, source: Source, wanted: Sequence[Wanted]) -> None:
        self.metric = metric
        self.base = base_reading(metric, source)
        usable = {one.line.convention for one in wanted if one.reading is not None and one.line.unit == metric.unit}
        conventions = [convention for convention in conventions_of(source) if convention.id in usable]
        self._of: dict[tuple[Convention, ...], Reading] = {}
        seen = {self.base}
        for combination in small_combinations(conventions):
            reading = _applied(self.base, combination, source)
            if reading is not None and reading not in seen:
                seen.add(reading)
                self._of[combination] = reading

    @property
    def readings(self) -> list[Reading]:
        """What has to be evaluated."""
        return [self.base, *self._of.values()]

    def to_number(self, values: Values, number: float) -> Difference:
        """Which combinations turn the input's number into this one."""
        found = {combination: (value, number) for combination, value in self._values(values).items()}
        return self._difference(found, values.value(self.base), number, ("this", "target"), both=False)

    def to_number_of(self, values: Values, number: float, names: tuple[str, str], declared: Mapping[str, list[str]]) -> Difference:
        """Which combinations turn the input's number into that of a second one, which was scored under another protocol."""
        found = {combination: (value, number) for combination, value in self._values(values).items()}
        return self._difference(found, values.value(self.base), number, names, both=False, declared=declared)

    def of_both(self, values: Values, other: Values, names: tuple[str, str], declared: Mapping[str, list[str]]) -> Difference:
        """Which combinations, applied to both inputs, make their difference smaller."""
        mine, theirs = self._values(values), self._values(other)
        found = {combination: (mine[combination], theirs[combination]) for combination in mine if combination in theirs}
        numbers = values.value(self.base), other.value(self.base)
        return self._difference(found, *numbers, names, both=True, declared=declared)

    def _values(self, values: Values) -> dict[tuple[Convention, ...], float]:
        return {combination: values.value(reading) for combination, reading in self._of.items() if not values.reason(reading)}

    def _difference(
        self,
        found: dict[tuple[Convention, ...], tuple[float, float]],
        value: float,
        other: float,
        names: tuple[str, str],
        *,
        both: bool,
        declared: Mapping[str, list[str]] | None = None,
    ) -> Difference:
        combinations, within = ranked(found, value - other)
        return Difference(
            metric=self.metric.name,
            unit=self.metric.unit,
            a=names[0],
            b=names[1],
            value=value,
            other=other,
            both=both,
            combinations=tuple(combinations),
            tried=len(found),
            within=within,
            declared=dict(declared or {}),
        )


def _applied(base: Reading, combination: Sequence[Convention], source: Source) -> Reading | None:
    reading = base
    try:
        for convention in combination:
            changed = applied(reading, convention.change, source.facts)
            if changed == reading:
                return None
            reading = changed
    except CannotError:
        return None
    return reading


def to_second(searches: Sequence[Search], values: Values, source: Source, second: Source) -> list[Difference]:
    """What explains the differences of two inputs, by metric.

    Raises:
        PosebenchError: the second one has no metric of the first.
    """
    known = {metric.name: metric for metric in explained_metrics(second, ())}
    shared = [search for search in searches if search.metric.name in known]
    if not shared:
        wanted = "a metric that both have: " + ", ".join(search.metric.name for search in searches)
        raise PosebenchError(f"{second.name} with {', '.join(known)}", wanted, "name another metric with --metric")
    alike = source.protocol.digest == second.protocol.digest
    rows = [[(row.clip, row.action) for row in one.facts.rows] for one in (source, second)]
    if alike and (rows[0] != rows[1] or source.partial != second.partial):
        unlike = f"{source.name} and {second.name} with {len(rows[0])} and {len(rows[1])} rows of clips"
        unlike += "".join(f"; {one.name} has {one.partial}" for one in (source, second) if one.partial)
        raise PosebenchError(unlike, "the same poses in both", "predict what is missing")
    readings = [base_reading(known[search.metric.name], second) for search in shared]
    if alike:
        readings = [reading for search in shared for reading in search.readings]
    others = Values(second, second.evaluator.evaluate(readings))
    second.checked()
    shared = [search for search in shared if not others.reason(base_reading(known[search.metric.name], second))]
    names = (source.name, second.name) if source.name != second.name else (f"{source.name} (1)", f"{second.name} (2)")
    declared = _declared(source, second)
    if alike:
        return [search.of_both(values, others, names, declared) for search in shared]
    found = []
    for search in shared:
        number = others.value(base_reading(known[search.metric.name], second))
        found.append(search.to_number_of(values, number, names, declared))
    return found


def _declared(source: Source, second: Source) -> dict[str, list[str]]:
    """What the two inputs declare differently, and the facts of their protocols that differ."""
    mine, theirs = _facts(source), _facts(second)
    names = dict.fromkeys([*mine, *theirs])
    return {
        name: [mine.get(name, "unstated"), theirs.get(name, "unstated")]
        for name in names
        if mine.get(name, "unstated") != theirs.get(name, "unstated")
    }


def _facts(source: Source) -> dict[str, str]:
    protocol = source.protocol
    return {
        "protocol": f"{protocol.id} v{protocol.version}",
        "average": protocol.headline,
        "frames": f"every {protocol.stride}" if protocol.stride > 1 else "all",
        "skeleton": protocol.skeleton.id,
        "root": ", ".join(protocol.root) + ("" if protocol.root_counted else ", not counted"),
        "subjects": ", ".join(protocol.subjects) or "all",
        "cameras": ", ".join(protocol.cameras) or "all",
        "takes left out": ", ".join(protocol.excluded) or "none",
        **({"data": source.data} if source.data else {}),
        **source.declared,
    }
