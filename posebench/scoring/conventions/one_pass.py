"""Many readings of one prediction file: the files are read once, and a second time for factors that belong to the whole set.

Memory does not grow with the file but for eight bytes a frame of every quantity whose frames are weighted.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posebench.metrics.alignment import ALIGNMENTS
from posebench.predictions.finding import Finding
from posebench.scoring.checks.poses import PoseSamples
from posebench.scoring.conventions import row_choice
from posebench.scoring.conventions.frame_weights import FrameTable, phases, row_sums
from posebench.scoring.conventions.joint_errors import CannotError, ClipErrors, WholeSet, of_whole_set
from posebench.scoring.conventions.reading import Placement, Quantity, Reading
from posebench.scoring.conventions.statistics import differences, over_time, values
from posebench.scoring.submission import Submission
from posebench.scoring.sums import Row
from posebench.scoring.traversal import MAX_THREADS, MeasuredClip, measured, usable_cores

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowSums:
    """Total and count (rows,) of a reading; ``phases``: (k, rows) of both, where every k-th frame counts."""

    total: Array
    count: Array
    phases: tuple[Array, Array] | None = None


@dataclass
class _ClipNumbers:
    """What one clip gives: sums of its actions, and values of single frames where they are asked for."""

    sums: dict[Quantity, list[tuple[float, float, float]]] = field(default_factory=dict)
    frames: dict[Quantity, Array] = field(default_factory=dict)
    ends: dict[Quantity, tuple[Array, Array]] = field(default_factory=dict)
    cannot: dict[Quantity, str] = field(default_factory=dict)


class OnePass:
    """The evaluation of readings on an open submission.

    Args:
        submission: an open prediction file; its layout has been checked.
        progress: called with (clips done, clips in all).
    """

    def __init__(self, submission: Submission, progress: Callable[[int, int], None] | None = None) -> None:
        self._submission = submission
        self._progress = progress
        self._whole = WholeSet(order=list(submission.clips))
        self.rows: list[Row] = []
        self.findings: list[Finding] = []
        self._numbers: list[_ClipNumbers] = []
        self._tables: list[tuple[npt.NDArray[np.int64], list[tuple[int, npt.NDArray[np.bool_] | slice]]]] = []

    @property
    def expected_rows(self) -> list[Row]:
        """The rows as they will be, from what is known without poses."""
        scope, found = self._submission.scope, []
        for clip in self._submission.clips:
            info = scope.clips[clip]
            numbers = self._submission.numbers(clip)
            assert numbers is not None
            kept = numbers[np.isin(numbers, scope.frames(clip))]
            found += [Row(clip, info.subject, info.take, info.camera, action) for action, _ in scope.actions(clip, kept)]
        return found

    def evaluate(self, readings: Iterable[Reading]) -> dict[Reading, RowSums | str]:
        """The sums of each reading, or the reason why it has no meaning for these poses."""
        readings = list(dict.fromkeys(readings))
        rules: dict[Quantity, set[str]] = defaultdict(set)
        for reading in readings:
            rules[reading.quantity].add(reading.frames)
        later = {quantity: of for quantity, of in rules.items() if of_whole_set(quantity.placement.alignment)}
        first = {quantity: of for quantity, of in rules.items() if quantity not in later}
        views = list(dict.fromkeys(view for quantity in later for view in _views(quantity.placement)))
        self._run(first, views, check=True)
        if later:
            self._run(later, [], check=False)
        return self._readings(readings)

    def _run(self, rules: dict[Quantity, set[str]], views: list[Placement], *, check: bool) -> None:
        submission, scope = self._submission, self._submission.scope
        wanted = _kernel_alignments(rules)
        needs_camera = any(quantity.placement.axes == "ray" for quantity in rules)
        samples = PoseSamples(scope.protocol, submission.file.meta, len(submission.clips))

        def numbers_of(clip: MeasuredClip, frames: npt.NDArray[np.int64], parts: list[slice | npt.NDArray[np.bool_]]) -> _ClipNumbers:
            errors = ClipErrors(
                clip.id,
                clip.pred * submission.file.meta.to_mm,
                clip.truth,
                scope.protocol.skeleton,
                scope.camera(clip.id) if needs_camera else None,
                wanted,
                self._whole,
                metric_scale=submission.file.meta.metric_scale,
            )
            errors.collect(views)
            return _numbers(errors, rules, frames, parts, scope.protocol.stride)

        threads = min(MAX_THREADS, usable_cores())
        done: list[_ClipNumbers] = []
        with ThreadPoolExecutor(threads) as pool:
            pending: deque[Future[_ClipNumbers]] = deque()
            for place, clip in enumerate(measured(submission, [], submission.clips), start=1):
                frames = self._frames(clip)
                if check:
                    self._label(clip, frames)
                    samples.add(clip, scope.camera(clip.id))
                parts = [part for _, part in self._tables[place - 1][1]]
                pending.append(pool.submit(numbers_of, clip, frames, parts))
                if len(pending) > threads:
                    done.append(pending.popleft().result())
                if self._progress and check:
                    self._progress(place, len(submission.clips))
            done += [one.result() for one in pending]
        if check:
            self._numbers, self.findings = done, samples.findings()
            return
        for one, more in zip(self._numbers, done, strict=True):
            for name in ("sums", "frames", "cannot"):
                getattr(one, name).update(getattr(more, name))

    def _frames(self, clip: MeasuredClip) -> npt.NDArray[np.int64]:
        numbers = self._submission.numbers(clip.id)
        assert numbers is not None
        return numbers[np.isin(numbers, self._submission.scope.frames(clip.id))]

    def _label(self, clip: MeasuredClip, frames: npt.NDArray[np.int64]) -> None:
        info = self._submission.scope.clips[clip.id]
        parts = []
        for action, part in self._submission.scope.actions(clip.id, frames):
            parts.append((len(self.rows), part))
            self.rows.append(Row(clip.id, info.subject, info.take, info.camera, action))
        self._tables.append((frames, parts))

    def _table(self) -> FrameTable:
        actions = {action: number for number, action in enumerate(dict.fromkeys(row.action for row in self.rows))}
        row, clip, action, number = [], [], [], []
        for place, (frames, parts) in enumerate(self._tables):
            of_row = np.empty(len(frames), dtype=np.int64)
            for index, part in parts:
                of_row[part] = index
            row.append(of_row)
            clip.append(np.full(len(frames), place))
            action.append(np.array([actions[one.action] for one in self.rows])[of_row])
            number.append(frames)
        return FrameTable(*(np.concatenate(each) if each else np.empty(0, dtype=np.int64) for each in (row, clip, number, action)))

    def _readings(self, readings: Sequence[Reading]) -> dict[Reading, RowSums | str]:
        found: dict[Reading, RowSums | str] = {}
        table = self._table()
        cache: dict[tuple[Quantity, str, str], RowSums] = {}
        for reading in readings:
            reasons = [one.cannot[reading.quantity] for one in self._numbers if reading.quantity in one.cannot]
            if reasons:
                found[reading] = reasons[0]
                continue
            key = reading.quantity, reading.frames, reading.rows
            if key not in cache:
                cache[key] = self._sums(*key, table)
            found[reading] = cache[key]
        return found

    def _sums(self, quantity: Quantity, frames: str, conditions: str, table: FrameTable) -> RowSums:
        keep = row_choice.chosen(conditions, self.rows)
        if quantity in self._numbers[0].frames and frames != "all":
            every = np.concatenate([one.frames[quantity] for one in self._numbers])
            if not keep.all():
                of_kept = keep[table.row]
                every, table = every[of_kept], table.select(of_kept)
            total, count = row_sums(frames, table, every, len(self.rows))
            word, _, number = frames.partition(" ")
            return RowSums(total, count, phases(int(number), table, every, len(self.rows)) if word == "stride" else None)
        if frames == "concatenated":
            return self._concatenated(quantity, keep)
        found = np.array([pair for one in self._numbers for pair in one.sums[quantity]]).reshape(-1, 3)
        return RowSums(*_weighted_differences(quantity, frames, found * keep[:, None]))

    def _concatenated(self, quantity: Quantity, keep: npt.NDArray[np.bool_]) -> RowSums:
        """Differences with those from the last frame of a clip to the first of the next, counted with the next clip's first row."""
        found = np.array([pair for one in self._numbers for pair in one.sums[quantity]]).reshape(-1, 3) * keep[:, None]
        total, count = found[:, 0].copy(), found[:, 1].copy()
        last: Array | None = None
        for one, (frames, parts) in zip(self._numbers, self._tables, strict=True):
            if not len(frames) or not keep[parts[0][0]]:
                continue
            begin, end = one.ends[quantity]
            if last is not None:
                total[parts[0][0]] += float(np.linalg.norm(begin - last, axis=-1).mean())
                count[parts[0][0]] += 1.0
            last = end
        return RowSums(total, count)


def _weighted_differences(quantity: Quantity, frames: str, found: Array) -> tuple[Array, Array]:
    """Totals and counts (rows,) from sums, numbers of values and numbers of frames (rows, 3)."""
    total, count, length = found.T
    if not over_time(quantity.statistic) or frames == "differences":
        return total, count
    if frames == "zero_ends":
        return total, length
    if quantity.statistic.startswith("velocity"):  # a clip's mean has the weight of its frames
        share = np.divide(length, count, out=np.zeros_like(count), where=count > 0)
        return total * share, np.where(count > 0, length, 0.0)
    return total, count


def _views(placement: Placement) -> Iterator[Placement]:
    yield placement.view
    if placement.oracle.startswith("flip"):
        yield placement.view._replace(mirrored=not placement.mirrored)


def _kernel_alignments(rules: Iterable[Quantity]) -> dict[Placement, set[str]]:
    """By view, the alignments of the kernel that the quantities ask for."""
    found: dict[Placement, set[str]] = defaultdict(set)
    for quantity in rules:
        for view in _views(quantity.placement):
            if quantity.placement.alignment in ALIGNMENTS and not over_time(quantity.statistic):
                found[view].add(quantity.placement.alignment)
    return found


def _numbers(
    clip: ClipErrors,
    rules: dict[Quantity, set[str]],
    frames: npt.NDArray[np.int64],
    parts: Sequence[slice | npt.NDArray[np.bool_]],
    stride: int,
) -> _ClipNumbers:
    found = _ClipNumbers()
    for quantity, of in rules.items():
        try:
            if over_time(quantity.statistic):
                found.sums[quantity] = _over_time(found, clip, quantity, frames, parts, stride, ends="concatenated" in of)
                continue
            numbers = values(clip, quantity)
        except CannotError as reason:
            found.cannot[quantity] = str(reason)
            continue
        if of != {"all"}:
            found.frames[quantity] = numbers
        found.sums[quantity] = [(float(numbers[part].sum()), float(len(numbers[part])), float(len(numbers[part]))) for part in parts]
    return found


def _over_time(
    found: _ClipNumbers,
    clip: ClipErrors,
    quantity: Quantity,
    frames: npt.NDArray[np.int64],
    parts: Sequence[slice | npt.NDArray[np.bool_]],
    stride: int,
    *,
    ends: bool,
) -> list[tuple[float, float, float]]:
    """Sum, number of values and number of frames of each part of a clip."""
    numbers = differences(clip, quantity, frames, stride)
    if ends and len(frames):
        moved = clip.difference(quantity.placement)
        scored = [quantity.placement.fitted.index(joint) for joint in quantity.scored]
        found.ends[quantity] = moved[0, scored], moved[-1, scored]
    rest = quantity.statistic.split()[1:]
    every = frames % int(rest[1]) == 0 if rest else np.ones(len(frames), dtype=bool)
    sums = []
    for part in parts:
        given = numbers[part]
        valued = ~np.isnan(given)
        sums.append((float(given[valued].sum()), float(valued.sum()), float(every[part].sum())))
    return sums
