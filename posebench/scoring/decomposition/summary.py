"""From the sums of both passes to the tables of a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from posebench.scoring import intervals
from posebench.scoring.decomposition.averages import Averages, Estimate
from posebench.scoring.decomposition.chunks import Setting, Unit
from posebench.scoring.decomposition.fixes import DISCRETE
from posebench.scoring.decomposition.names import ORACLES, PARTS, RUNG_TEXT, RUNGS, SCALED_START
from posebench.scoring.decomposition.record import (
    BoneError,
    Decomposition,
    DiagnosedFrame,
    DiscreteFix,
    JointError,
    Oracle,
    Part,
    Rung,
    Slice,
)
from posebench.scoring.decomposition.remaining_errors import Measured
from posebench.scoring.decomposition.shares import BANDS_HZ, SHORTEST_S, mean_squares, percent_of
from posebench.scoring.decomposition.slices import LABELS
from posebench.scoring.decomposition.survey import Survey
from posebench.scoring.sums import Row, Sums

Array = npt.NDArray[np.float64]

#: Units of what oracles fit.
_UNITS = {"elevation": "degrees", "azimuth": "degrees", "roll": "degrees"}
#: A slice counts among the worst with at least this share of the poses, %.
_LEAST_PERCENT = 1.0
_FRAMES = 10
#: Shown poses are chosen among so many.
_CANDIDATES = 50_000
#: Shown poses of one take are at least this many seconds apart (frames, where the frame rate is unknown).
_APART_S, _APART_FRAMES = 1.0, 25


@dataclass(frozen=True, eq=False)
class Labelled:
    """A unit's labels and frame numbers, without its poses."""

    row: Row
    frames: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]

    @classmethod
    def of(cls, unit: Unit) -> Labelled:
        """What is kept of a unit."""
        return cls(unit.row, unit.frames, unit.index)


@dataclass(frozen=True, eq=False)
class Found:
    """What both passes found.

    Attributes:
        units: labels of every unit.
        surveyed: the first pass.
        measured: the second pass.
        setting: what both had in common.
        headline: the average of all tables that are not frame-weighted.
    """

    units: Sequence[Labelled]
    surveyed: Sequence[Survey]
    measured: Sequence[Measured]
    setting: Setting
    headline: str

    @cached_property
    def rows(self) -> list[Row]:
        """Labels of the rows of :attr:`sums`."""
        return [unit.row for unit in self.units]

    @cached_property
    def averages(self) -> Averages:
        """Headline averages."""
        return Averages(self.rows, self.headline)

    @cached_property
    def sums(self) -> dict[str, Sums]:
        """Sums by row of everything that tables and differences are made of: ``fix NAME``, ``chance NAME`` and decompositions."""
        found = {name: self._sums(name) for name in dict.fromkeys(key for one in self.measured for key in one.total)}
        scored = list(self.setting.body.scored)
        poses = np.array([float(len(one.start)) for one in self.surveyed])
        found["pose"] = Sums(np.stack([one.pose_sum for one in self.surveyed]) / len(scored), poses, ())
        if any(one.body_count for one in self.surveyed):
            total = [np.concatenate([one.body[:, scored].ravel(), one.body_square[scored]]) for one in self.surveyed]
            found["body"] = Sums(np.stack(total), np.array([float(one.body_count) for one in self.surveyed]), ())
        return found

    def _sums(self, name: str) -> Sums:
        size = max(one.total[name].size for one in self.measured if name in one.total)
        total = np.stack([one.total.get(name, np.zeros(size)) for one in self.measured])
        return Sums(total, np.array([one.count.get(name, 0.0) for one in self.measured]), ())

    def estimate(self, name: str) -> Estimate | None:
        """Headline averages of one entry of :attr:`sums`; None where nothing is counted."""
        if name not in self._estimates:
            sums = self.sums.get(name)
            self._estimates[name] = None if sums is None or not sums.count.any() else self.averages.of(sums.total, sums.count)
        return self._estimates[name]

    @cached_property
    def _estimates(self) -> dict[str, Estimate | None]:
        return {}

    @cached_property
    def start(self) -> float:
        """Error of the file as it is."""
        estimate = self.estimate("fix start")
        assert estimate is not None
        return float(estimate.value[0])

    def chance(self, name: str) -> float | None:
        """Error of the chance line after a fix, scaled so that it starts where the file does."""
        after, before = self.estimate(f"chance {name}"), self.estimate("chance start")
        if after is None or before is None or not before.value[0] > 0.0:
            return None
        return float(after.value[0] / before.value[0]) * self.start

    def change(self, of: str, to: str) -> tuple[float | None, float | None, float | None]:
        """By how much the error falls from one fix to another, and the interval of that."""
        before, after = self.estimate(f"fix {of}"), self.estimate(f"fix {to}")
        if before is None or after is None:
            return None, None, None
        resampled = None if before.resampled is None or after.resampled is None else (before.resampled - after.resampled)[:, 0]
        return float((before.value - after.value)[0]), *self.averages.interval(resampled)

    def frames_of(self, values: Callable[[int], npt.NDArray[np.floating]]) -> Array:
        """A number of every pose, one unit after the other."""
        return np.concatenate([np.asarray(values(number), dtype=np.float64) for number in range(len(self.units))])


def ladder(found: Found) -> tuple[Rung, ...]:
    """The rungs, each on top of the ones before, and alone."""
    rungs, before = [], ""
    for name in RUNGS:
        estimate = found.estimate(f"fix {name}")
        if estimate is None:
            rungs.append(_no_rung(name))
            continue
        low, high = found.averages.interval(None if estimate.resampled is None else estimate.resampled[:, 0])
        gain = found.change(before, name) if before else (None, None, None)
        chance = found.chance(name)
        earlier, alone_chance = (found.chance(before), found.chance(f"alone:{name}")) if before else (None, None)
        rungs.append(
            Rung(
                name=name,
                fix=SCALED_START if name == "start" and not found.setting.metric_scale else RUNG_TEXT[name],
                error=float(estimate.value[0]),
                low=low,
                high=high,
                gain=gain[0],
                gain_low=gain[1],
                gain_high=gain[2],
                alone=found.change("start", f"alone:{name}")[0] if before else None,
                alone_chance=None if alone_chance is None else found.start - alone_chance,
                chance=chance,
                chance_gain=None if chance is None or earlier is None else earlier - chance,
            )
        )
        before = name
    return tuple(rungs)


def _no_rung(name: str) -> Rung:
    none = dict.fromkeys(("error", "low", "high", "gain", "gain_low", "gain_high", "alone", "alone_chance", "chance", "chance_gain"))
    return Rung(name=name, fix=RUNG_TEXT[name], cannot="the file's scale is unknown: every rung has the best factor for each pose", **none)


def discrete_fixes(found: Found) -> tuple[DiscreteFix, ...]:
    """How many poses need each discrete fix, and how often that changes in time."""
    poses = sum(len(one.codes) for one in found.surveyed)
    fixes = []
    for code, name in enumerate(DISCRETE[1:], start=1):
        taken = sum(int((one.codes == code).sum()) for one in found.surveyed)
        switches = sum(
            _switches(one.codes == code, unit.frames, found.setting.stride) for one, unit in zip(found.surveyed, found.units, strict=True)
        )
        fixes.append(DiscreteFix(name=name, poses=taken, percent=100.0 * taken / max(poses, 1), switches=switches))
    return tuple(fixes)


def _switches(taken: npt.NDArray[np.bool_], frames: npt.NDArray[np.int64], stride: int) -> int:
    return int(((taken[1:] != taken[:-1]) & (np.diff(frames) == stride)).sum())


def flip_rate(found: Found) -> float:
    """Share of the poses with the wrong handedness, %."""
    flipped, poses = sum((one.changed["flip-rate"] for one in found.measured if "flip-rate" in one.changed), np.zeros(2))
    return 100.0 * float(flipped) / max(float(poses), 1.0)


def decompositions(found: Found) -> tuple[Decomposition, ...]:
    """Every decomposition of the squared error."""
    return tuple(_decomposition(found, name) for name in PARTS)


_OF = {
    "pose": "distances of the joints: what each fit of a chain (place, size, rotation, reflection) takes away, and the rest",
    "ray": "distances of the joints along and across the line from the camera to the true root",
    "axes": "distances of the joints along the camera's axes",
    "bones": "differences of the bones' vectors: their lengths, and their directions in the image and in depth",
    "time": "distances of the joints over time: constant in the clip, below 1 Hz, 1 to 6 Hz, above 6 Hz",
    "body": "distances of the joints in the body's own axes: their mean over all poses, and the rest",
}


def _decomposition(found: Found, name: str) -> Decomposition:
    estimate = found.estimate(name)
    if estimate is None:
        return Decomposition(name=name, of=_OF[name], rms=None, parts=(), poses=0, cannot=_why_not(found, name))
    parts = mean_squares(name, estimate.value)
    resampled = None if estimate.resampled is None else mean_squares(name, estimate.resampled)
    percents, limits = percent_of(parts), None if resampled is None else percent_of(resampled)
    medians = _medians(found, name)
    made = [
        Part(
            name=part,
            percent=float(percents[number]),
            low=(limit := found.averages.interval(None if limits is None else limits[:, number]))[0],
            high=limit[1],
            rms=float(np.sqrt(max(parts[number], 0.0))),
            median=medians.get(part),
        )
        for number, part in enumerate(PARTS[name])
    ]
    poses = int(found.sums[name].count.sum())
    return Decomposition(
        name=name, of=_OF[name], rms=float(np.sqrt(max(parts.sum(), 0.0))), parts=tuple(made), poses=poses, note=_note(found, name)
    )


def _why_not(found: Found, name: str) -> str:
    if name == "ray":
        return "the true poses have no place before the camera (their roots are at the origin)"
    if name == "body":
        return f"the skeleton {found.setting.body.skeleton.id} has no hips or no trunk"
    if found.setting.rate is None:
        return "the frame rate is unknown: state it with --fps"
    return f"no run of frames without a gap is {SHORTEST_S:g} s long"


def _note(found: Found, name: str) -> str:
    if name != "time" or found.setting.rate is None:
        return ""
    highest = found.setting.rate / 2.0
    missing = [text for limit, text in zip(BANDS_HZ, ("motion and jitter", "jitter"), strict=True) if highest <= limit]
    seen = f"; they show no {missing[0]}" if missing else ""
    return f"frames at {found.setting.rate:g} Hz show frequencies up to {highest:g} Hz{seen}"


def _medians(found: Found, name: str) -> dict[str, float]:
    """Median over poses of the root mean square of each part; over runs of frames for ``time``; none for ``body``."""
    if name == "pose":
        values = np.concatenate([one.pose for one in found.surveyed])
        values = np.median(values, axis=0) if len(values) else np.zeros(5)
        return {part: float(np.sqrt(value / len(found.setting.body.scored))) for part, value in zip(PARTS["pose"], values, strict=True)}
    if name == "time":
        runs = [run for one in found.measured for run in one.clip_time]
        return dict(zip(PARTS["time"], map(float, np.median(runs, axis=0)), strict=True))
    if name == "body":
        return {}
    return {part: float(np.median(np.concatenate([one.by_pose[part] for one in found.measured]))) for part in PARTS[name]}


def oracles(found: Found) -> tuple[Oracle, ...]:
    """Every oracle, alone."""
    made = []
    for name, (kind, fix) in ORACLES.items():
        estimate = found.estimate(f"fix {name}")
        if estimate is None or (name == "jitter" and found.estimate("time") is None):
            cannot = _no_oracle(found, name)
            none = dict.fromkeys(("error", "gain", "gain_low", "gain_high", "chance", "percent", "amount", "spread"))
            if cannot:
                made.append(Oracle(name=name, kind=kind, fix=fix, unit="", cannot=cannot, **none))
            continue
        # The error above 6 Hz needs every frame; the others may be computed on some.
        gain, low, high = found.change("start" if name == "jitter" else "oracle-start", name)
        assert gain is not None
        chance = found.chance(name)
        counts = sum((one.changed[name] for one in found.measured if name in one.changed), np.zeros(2))
        amounts = [one.amounts[name] for one in found.measured if name in one.amounts]
        spread = [float(value) for value in np.quantile(np.concatenate(amounts), (0.16, 0.5, 0.84))] if amounts else None
        made.append(
            Oracle(
                name=name,
                kind=kind,
                fix=fix,
                error=found.start - gain,
                gain=gain,
                gain_low=low,
                gain_high=high,
                chance=None if chance is None else found.start - chance,
                percent=100.0 * float(counts[0] / counts[1]) if counts[1] else None,
                amount=None if spread is None else spread[1],
                spread=None if spread is None else 0.5 * (spread[2] - spread[0]),
                unit=_UNITS.get(name, ""),
            )
        )
    return tuple(made)


def _no_oracle(found: Found, name: str) -> str:
    """Why an oracle has no value; empty where the skeleton has no such limb."""
    if name == "ray":
        return _why_not(found, "ray")
    if name == "jitter":
        return _why_not(found, "time")
    if name == "offset":
        return _why_not(found, "body") if not found.setting.body.has_frame else "there is a single take: nothing to fit on"
    return ""


def joint_errors(found: Found) -> tuple[JointError, ...]:
    """Every scored joint."""
    body = found.setting.body
    scored = list(body.scored)

    def table(name: str, parts: int) -> Array:
        estimate = found.estimate(name)
        return np.full((parts, len(scored)), np.nan) if estimate is None else estimate.value.reshape(parts, len(scored))

    errors, ray, time = table("joint", 1)[0], table("ray", 2), table("time", 4)
    body_table = table("body", 4)
    bias = body_table[:3]
    spread = np.sqrt(np.maximum(body_table[3] - (bias**2).sum(axis=0), 0.0))
    length = np.sqrt((bias**2).sum(axis=0))

    def number(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    def root(value: float) -> float | None:
        return number(np.sqrt(max(value, 0.0)) if not np.isnan(value) else value)

    return tuple(
        JointError(
            name=body.skeleton.joints[joint],
            error=float(errors[k]),
            along=root(ray[0, k]),
            across=root(ray[1, k]),
            bias=number(length[k]),
            bias_left=number(bias[0, k]),
            bias_up=number(bias[1, k]),
            bias_forward=number(bias[2, k]),
            spread=number(spread[k]),
            **{band: root(time[row, k]) for row, band in enumerate(PARTS["time"])},
        )
        for k, joint in enumerate(scored)
    )


def bone_errors(found: Found) -> tuple[BoneError, ...]:
    """Every bone."""
    body = found.setting.body
    count = len(body.children)
    parts, lengths = found.estimate("bones"), found.estimate("bone length")
    assert parts is not None
    assert lengths is not None
    square = parts.value.reshape(3, count)
    predicted, true = lengths.value.reshape(2, count)
    wrong, clear = found.sums["bone sign"].total.sum(axis=0).reshape(2, count)
    of_bone = percent_of(square.T)
    of_all = percent_of(square.sum(axis=0))
    return tuple(
        BoneError(
            name=name,
            length=float(true[k]),
            length_bias=float(predicted[k] - true[k]),
            percent=float(of_all[k]),
            length_percent=float(of_bone[k, 0]),
            image_percent=float(of_bone[k, 1]),
            depth_percent=float(of_bone[k, 2]),
            wrong_depth_sign=100.0 * float(wrong[k] / clear[k]) if clear[k] else None,
        )
        for k, name in enumerate(body.bone_names)
    )


def slice_errors(found: Found) -> tuple[Slice, ...]:
    """The error by action, camera, and every dimension of :mod:`posebench.scoring.decomposition.slices`; empty slices are left out."""
    start = found.sums["fix start"]
    tables: dict[str, tuple[Sequence[str], Array, Array]] = {}
    for dimension in ("action", "camera"):
        labels = [getattr(row, dimension) for row in found.rows]
        names = list(dict.fromkeys(labels))
        of = np.array([[label == name for name in names] for label in labels], dtype=np.float64)
        tables[dimension] = names, of * start.total, of * start.count[:, None]
    for dimension, bins in LABELS.items():
        if f"slice {dimension}" in found.sums:
            tables[dimension] = bins, found.sums[f"slice {dimension}"].total, found.sums[f"slice count {dimension}"].total
    draw = intervals.resample(found.rows, "frame")
    return tuple(one for dimension, table in tables.items() for one in _slices(found.rows, dimension, *table, draw))


def _slices(rows: list[Row], dimension: str, names: Sequence[str], total: Array, count: Array, draw: intervals.Draw | None) -> list[Slice]:
    poses, error = count.sum(axis=0), total.sum(axis=0)
    whole = float(error.sum() / max(poses.sum(), 1.0))
    made = []
    for k in np.flatnonzero(poses).tolist():
        takes = {row.take for row, some in zip(rows, count[:, k], strict=True) if some}
        limits = intervals.interval(rows, total[:, k], count[:, k], "frame", draw) if len(takes) > 1 else None
        value = float(error[k] / poses[k])
        made.append(
            Slice(
                dimension=dimension,
                label=names[k],
                error=value,
                low=limits[0] if limits else None,
                high=limits[1] if limits else None,
                ratio=value / whole if whole > 0.0 else 1.0,
                percent=100.0 * float(poses[k] / poses.sum()),
                poses=int(poses[k]),
                takes=len(takes),
            )
        )
    return made


def worst_of(slices: Sequence[Slice], count: int = 3) -> tuple[Slice, ...]:
    """The slices of poses with the largest ratio, one of each dimension, of those with enough poses and takes."""
    usable = [
        one for one in slices if one.percent >= _LEAST_PERCENT and one.takes > 1 and one.ratio > 1.0 and one.dimension != "bone-depth"
    ]
    worst_first = sorted(usable, key=lambda one: -one.ratio)
    of_each = {one.dimension: one for one in reversed(worst_first)}
    return tuple(one for one in worst_first if of_each[one.dimension] is one)[:count]


def shown_frames(found: Found) -> tuple[tuple[DiagnosedFrame, ...], tuple[DiagnosedFrame, ...]]:
    """The worst poses, and poses around the median error; those of one take are at least a second apart."""
    values = found.frames_of(lambda k: found.surveyed[k].start)
    ends = np.cumsum([len(one.start) for one in found.surveyed])
    middle = np.abs(values - np.median(values))
    chosen = []
    for keys, one_a_take in ((-values, False), (middle, True)):
        places = _apart(found, _first_places(keys), ends, one_a_take=one_a_take)
        chosen.append(tuple(_frame(found, place, ends) for place in places))
    return chosen[0], chosen[1]


def _first_places(keys: Array) -> npt.NDArray[np.intp]:
    """Places of the smallest keys, in their order; enough of them to choose from."""
    if len(keys) <= _CANDIDATES:
        return np.argsort(keys, kind="stable")
    limit = np.partition(keys, _CANDIDATES)[_CANDIDATES]
    chosen = np.flatnonzero(keys <= limit)
    return chosen[np.argsort(keys[chosen], kind="stable")][:_CANDIDATES]


def _apart(found: Found, order: npt.NDArray[np.intp], ends: npt.NDArray[np.int64], *, one_a_take: bool) -> list[int]:
    """The first places in ``order`` of which those of one take are far enough from each other; other takes first, if asked for."""
    stride, rate = found.setting.stride, found.setting.rate
    apart = _APART_S * rate * stride if rate else _APART_FRAMES * stride
    used: dict[str, list[int]] = {}
    chosen: list[int] = []
    for most in (1, _FRAMES) if one_a_take else (_FRAMES,):
        for place in order.tolist():
            if len(chosen) == _FRAMES:
                return chosen
            number = int(np.searchsorted(ends, place, "right"))
            unit = found.units[number]
            frame = int(unit.frames[place - (ends[number] - len(unit.frames))])
            seen = used.setdefault(unit.row.take, [])
            if len(seen) < most and all(abs(frame - other) >= apart for other in seen):
                seen.append(frame)
                chosen.append(place)
    return chosen


def _frame(found: Found, place: int, ends: npt.NDArray[np.int64]) -> DiagnosedFrame:
    number = int(np.searchsorted(ends, place, "right"))
    unit, surveyed, measured = found.units[number], found.surveyed[number], found.measured[number]
    at = place - int(ends[number] - len(unit.frames))
    shares = percent_of(surveyed.pose[at].astype(np.float64))
    return DiagnosedFrame(
        clip=unit.row.clip,
        frame=int(unit.frames[at]),
        index=int(unit.index[at]),
        value=float(surveyed.start[at]),
        fix=DISCRETE[surveyed.codes[at]],
        fixed=float(measured.by_pose["discrete"][at]),
        aligned=float(measured.by_pose["rotation"][at]),
        shares=dict(zip(PARTS["pose"], map(float, shares), strict=True)),
    )


def stored_sums(sums: Mapping[str, Sums]) -> dict[str, Sums]:
    """The sums that differences between two files are made of."""
    return {name: one for name, one in sums.items() if not name.startswith(("slice ", "chance ", "bone "))}
