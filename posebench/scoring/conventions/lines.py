"""From conventions to lines: which readings are wanted, and what their sums give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.scoring.conventions.applying import applied, factor, kind_of, normalised
from posebench.scoring.conventions.averages import Array, Averages
from posebench.scoring.conventions.explanation import Line, by_size
from posebench.scoring.conventions.one_pass import RowSums
from posebench.scoring.conventions.presets import Preset
from posebench.scoring.conventions.reading import Reading, stated_reading
from posebench.scoring.conventions.sources import Source
from posebench.scoring.conventions.switches import CONVENTIONS, FOR_PRESETS, Convention, camera_switches
from posebench.scoring.conventions.whole_set import CannotError
from posebench.scoring.protocol import Metric

#: Explained by default, of those that the protocol has and the file's scale allows.
DEFAULT_METRICS = ("MPJPE", "PA-MPJPE", "N-MPJPE", "PCK@150", "AUC", "CPS", "MPJVE", "ACCEL")
_STATISTICS = ("mean", "pck", "auc", "cps", "velocity", "acceleration")
#: Rules under which frames are lost.
_LOSE_FRAMES = ("drop_last", "cut", "unpadded", "nonzero")


@dataclass(frozen=True)
class Wanted:
    """A line to be filled in: its reading, or why there is none."""

    line: Line
    reading: Reading | None


def explained_metrics(source: Source, names: Sequence[str]) -> list[Metric]:
    """The metrics to explain, by name; by default those of :data:`DEFAULT_METRICS`.

    Raises:
        PosebenchError: the protocol has no such metric, or it has no value or no conventions.
    """
    protocol = source.protocol
    listed = [metric for metric in (*protocol.metrics, *protocol.diagnostics) if metric.statistic in _STATISTICS]
    # Conventions are about poses relative to their root.
    known = {metric.name: metric for metric in listed if metric.alignment != "absolute" and not metric.roots}
    usable = {name: metric for name, metric in known.items() if source.facts.metric_scale or not metric.absolute}
    for name in names:
        if name in known and name not in usable:
            raise PosebenchError(
                f"no value for {name}, since the file's scale is unknown", "one of " + ", ".join(usable), "name another metric"
            )
        if name not in known:
            advice = did_you_mean(name, known, f"posebench protocol show {protocol.id}")
            raise PosebenchError(f"metric {name!r}", "one of " + ", ".join(known), advice)
    return [usable[name] for name in dict.fromkeys(names or [name for name in DEFAULT_METRICS if name in usable])]


def base_reading(metric: Metric, source: Source) -> Reading:
    """How the protocol reads a metric."""
    return normalised(stated_reading(metric, source.protocol), source.facts)


def conventions_of(source: Source) -> list[Convention]:
    """Every convention, with one for each camera where there are several."""
    cameras = list(dict.fromkeys(row.camera for row in source.facts.rows if row.camera))
    return [*CONVENTIONS, *(camera_switches(cameras) if 1 < len(cameras) <= 16 else ())]


def wanted_lines(metric: Metric, source: Source) -> list[Wanted]:
    """A line for each convention that concerns a metric and changes how the protocol reads it."""
    base, found, seen = base_reading(metric, source), [], set()
    for convention in conventions_of(source):
        if not set(convention.of) & set(kind_of(metric)):
            continue
        line = Line(
            metric=metric.name,
            convention=convention.id,
            text=convention.text,
            who=convention.who,
            unit=metric.unit,
            oracle=convention.oracle,
        )
        try:
            reading = applied(base, convention.change, source.facts)
        except CannotError as reason:
            found.append(Wanted(replace(line, cannot=str(reason)), None))
            continue
        if reading == base or reading in seen:
            continue
        seen.add(reading)
        found.append(Wanted(replace(line, unit=reading.unit), reading))
    return found


def wanted_preset(preset: Preset, metric: Metric, source: Source) -> Wanted | None:
    """The line of a preset for a metric; None where the project does not print the metric."""
    kinds = [kind for kind in kind_of(metric) if kind in preset.by]
    if not kinds:
        return None
    reading = base_reading(metric, source)
    known = {convention.id: convention for convention in (*conventions_of(source), *FOR_PRESETS)}
    done: list[Convention] = []
    already: list[Convention] = []
    left: list[str] = []
    for id in preset.by[kinds[0]]:
        convention = known.get(id)
        if convention is None:  # a camera that the data do not have
            left.append(f"{id.replace('-', ' ', 1)} alone (not in this data)")
            continue
        try:
            changed = applied(reading, convention.change, source.facts)
        except CannotError as reason:
            left.append(f"{convention.text} ({reason})")
            continue
        (already if changed == reading else done).append(convention)
        reading = changed
    parts = ["applied: " + ("; ".join(one.text for one in done) or "nothing")]
    if already:
        parts.append("already so: " + "; ".join(one.text for one in already))
    if left or preset.beyond:
        parts.append("not applied: " + "; ".join([*left, *preset.beyond]))
    line = Line(
        metric=metric.name,
        convention=preset.id,
        text=f"as {preset.who}",
        who=preset.who,
        unit=reading.unit,
        oracle=any(one.oracle for one in done),
        note=". ".join(parts),
        applied=tuple(one.id for one in done),
    )
    return Wanted(line, reading)


class Values:
    """Numbers of readings from their sums.

    Args:
        source: where the sums came from.
        sums: by reading.
    """

    def __init__(self, source: Source, sums: Mapping[Reading, RowSums | str]) -> None:
        self._facts = source.facts
        self._sums = sums
        self.averages = Averages(source.evaluator.rows, source.protocol.headline)

    def reason(self, reading: Reading) -> str:
        """Why a reading has no number; empty where it has one."""
        sums = self._sums[reading]
        if isinstance(sums, str):
            return sums
        value = self.value(reading)
        return "" if value == value else "no frame is left"

    def value(self, reading: Reading) -> float:
        """The number of a reading."""
        sums = self._of(reading)
        return self.averages.value(sums.total, sums.count, reading.average) * factor(reading, self._facts)

    def resampled(self, reading: Reading) -> Array | None:
        """The number in every resample of the takes."""
        sums = self._of(reading)
        values = self.averages.resampled(sums.total, sums.count, reading.average)
        return None if values is None else values * factor(reading, self._facts)

    def phases(self, reading: Reading) -> tuple[float, float] | None:
        """The smallest and the largest number over the phases of every k-th frame."""
        sums = self._of(reading)
        if sums.phases is None:
            return None
        found = [self.averages.value(total, count, reading.average) for total, count in zip(*sums.phases, strict=True)]
        found = [value for value in found if value == value]
        return min(found), max(found)

    def lost(self, reading: Reading) -> str:
        """How much of the data a loader leaves, where it loses some; empty for other rules."""
        whole = replace(reading, frames="all")
        if reading.frames.split()[0] not in _LOSE_FRAMES or isinstance(self._sums.get(whole, ""), str):
            return ""
        kept, all_ = self._of(reading).count, self._of(whole).count
        takes = self.averages.takes_counted(kept), self.averages.takes_counted(all_)
        share = f"keeps {100.0 * kept.sum() / all_.sum():.1f} % of the frames"
        return share if takes[0] == takes[1] else f"{share} and {takes[0]} of {takes[1]} takes"

    def _of(self, reading: Reading) -> RowSums:
        sums = self._sums[reading]
        assert not isinstance(sums, str)
        return sums


def valued(bases: Mapping[str, Reading], values: Values, asked: Sequence[str]) -> dict[str, Reading]:
    """The metrics that have a number under the protocol.

    Raises:
        PosebenchError: one that was asked for has none, or none has.
    """
    reasons = {name: reason for name, base in bases.items() if (reason := values.reason(base))}
    missing = [name for name in asked if name in reasons]
    if missing or len(reasons) == len(bases):
        name = missing[0] if missing else next(iter(bases), "any metric")
        found = f"no value for {name}: {reasons.get(name, 'the input has none')}"
        raise PosebenchError(found, "a metric with a value", "name another metric, or score the file to see its values")
    return {name: base for name, base in bases.items() if name not in reasons}


def filled(wanted: Iterable[Wanted], base: Reading, values: Values) -> list[Line]:
    """The lines with their numbers, by size of change."""
    stated, resampled, lines = values.value(base), values.resampled(base), []
    for one in wanted:
        reading = one.reading
        if reading is None:
            lines.append(one.line)
            continue
        if reason := values.reason(reading):
            lines.append(replace(one.line, cannot=reason))
            continue
        value = values.value(reading)
        notes = [one.line.note] if one.line.note else []
        if phases := values.phases(reading):
            notes.append(f"from other first frames {phases[0]:.2f} to {phases[1]:.2f}")
        if lost := values.lost(reading):
            notes.append(lost)
        line = replace(one.line, value=value, note=". ".join(notes))
        if reading.unit == base.unit:
            low, high = values.averages.change(values.resampled(reading), resampled) or (None, None)
            line = replace(line, change=value - stated, low=low, high=high)
        lines.append(line)
    return by_size(lines)
