"""Many readings of one prediction file: the files are read once, and a second time for factors that belong to the whole set.

Memory does not grow with the file but for eight bytes a frame of every quantity whose frames are weighted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from posebench.predictions.finding import Finding
from posebench.scoring.checks.poses import PoseSamples
from posebench.scoring.clip_sums import ClipSums
from posebench.scoring.conventions import row_choice
from posebench.scoring.conventions.frame_weights import FrameTable, phases, row_sums
from posebench.scoring.conventions.joint_errors import CannotError, ClipErrors, WholeSet, of_whole_clip
from posebench.scoring.conventions.plan import KeyedMetric, Plan
from posebench.scoring.conventions.reading import Placement, Quantity, Reading
from posebench.scoring.conventions.statistics import over_time, values
from posebench.scoring.measure import measure_clip
from posebench.scoring.protocol import Metric, Protocol
from posebench.scoring.submission import Submission
from posebench.scoring.sums import Row
from posebench.scoring.traversal import MAX_THREADS, MeasuredClip, measured, usable_cores

#: Frames of a block: what is made of them stays in the processor's cache.
_BLOCK = 4096
Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
Part = slice | npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RowSums:
    """Total and count (rows,) of a reading; ``phases``: (k, rows) of both, where every k-th frame counts."""

    total: Array
    count: Array
    phases: tuple[Array, Array] | None = None


@dataclass
class ClipNumbers:
    """What one clip gives.

    Attributes:
        sums: of each quantity, by action: sum of its values, number of values, number of frames.
        frames: values (n,) of single frames, of the quantities whose frames are weighted.
        ends: (J, 3) first and last difference of prediction and truth, of quantities over time.
        cannot: quantities without meaning for the clip's poses, and why.
    """

    sums: dict[Quantity, list[tuple[float, float, float]]] = field(default_factory=dict)
    frames: dict[Quantity, Array] = field(default_factory=dict)
    ends: dict[Quantity, tuple[Array, Array]] = field(default_factory=dict)
    cannot: dict[Quantity, str] = field(default_factory=dict)

    def add(self, more: ClipNumbers) -> None:
        """Add other quantities of the clip, or the same ones of its next frames."""
        for quantity, sums in more.sums.items():
            mine = self.sums.get(quantity)
            self.sums[quantity] = [(a + d, b + e, c + f) for (a, b, c), (d, e, f) in zip(mine, sums, strict=True)] if mine else sums
        for quantity, values_ in more.frames.items():
            self.frames[quantity] = np.concatenate([self.frames[quantity], values_]) if quantity in self.frames else values_
        self.ends.update(more.ends)
        self.cannot.update(more.cannot)


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
        self.rows: list[Row] = self._labels()
        self.findings: list[Finding] = []
        self._numbers: list[ClipNumbers] = []

    def poses_of(self, clips: Iterable[str]) -> int:
        """How many scored poses the file holds of some clips."""
        return sum(len(self._frames(clip)) for clip in clips)

    def _labels(self) -> list[Row]:
        """A row for each clip and action."""
        scope, found = self._submission.scope, []
        for clip in self._submission.clips:
            info = scope.clips[clip]
            found += [Row(clip, info.subject, info.take, info.camera, action) for action, _ in scope.actions(clip, self._frames(clip))]
        return found

    def evaluate(self, readings: Iterable[Reading]) -> dict[Reading, RowSums | str]:
        """The sums of each reading, or the reason why it has no meaning for these poses."""
        readings = list(dict.fromkeys(readings))
        rules: dict[Quantity, set[str]] = {}
        for reading in readings:
            rules.setdefault(reading.quantity, set()).add(reading.frames)
        plan = Plan(rules, self._submission.scope.protocol)
        self._first(plan)
        if plan.views(whole=True) or plan.unmeasured(whole=True):
            self._second(plan)
        return self._readings(readings)

    def _first(self, plan: Plan) -> None:
        """All that needs one clip at a time; and the checks of a score."""
        submission, scope = self._submission, self._submission.scope
        samples = PoseSamples(scope.protocol, submission.file.meta, len(submission.clips))
        stated = list(plan.metrics.get(plan.stated, []))
        wanted: list[Metric] = [*stated] or [scope.protocol.metrics[0]]
        views = [*plan.metrics, *(quantity.placement.view for quantity in plan.others)]
        collected = list(dict.fromkeys(view._replace(prepared="") for view in views if of_whole_clip(view.prepared)))
        extra = _Extra(submission, plan, self._whole, collected, later=False)

        def both(clip: MeasuredClip, frames: Frames) -> ClipNumbers:
            numbers = from_measured(plan, plan.stated, clip.by_action, frames, self._parts(clip.id, frames), scope.protocol.stride)
            numbers.add(extra.numbers(clip, frames, self._parts(clip.id, frames)))
            return numbers

        def each(clip: MeasuredClip) -> None:
            samples.add(clip, scope.camera(clip.id))

        clips = measured(submission, wanted, submission.clips, per_frame=any(map(plan.keeps_frames, plan.measured)))
        self._numbers = self._over(clips, both, each)
        self.findings = samples.findings()

    def _second(self, plan: Plan) -> None:
        """What needs a factor of the whole set."""
        extra = _Extra(self._submission, plan, self._whole, [], later=True)
        clips = measured(self._submission, [self._submission.scope.protocol.metrics[0]], self._submission.clips)
        again = self._over(clips, lambda clip, frames: extra.numbers(clip, frames, self._parts(clip.id, frames)))
        for one, more in zip(self._numbers, again, strict=True):
            one.add(more)

    def _over(
        self,
        clips: Iterable[MeasuredClip],
        numbers: Callable[[MeasuredClip, Frames], ClipNumbers],
        each: Callable[[MeasuredClip], None] | None = None,
    ) -> list[ClipNumbers]:
        """The numbers of every clip, a few clips at a time, in their order."""
        threads = min(MAX_THREADS, usable_cores())
        done: list[ClipNumbers] = []
        with ThreadPoolExecutor(threads) as pool:
            pending: deque[Future[ClipNumbers]] = deque()
            for place, clip in enumerate(clips, start=1):
                pending.append(pool.submit(numbers, clip, self._frames(clip.id)))
                if each is not None:
                    each(clip)
                if len(pending) > threads:
                    done.append(pending.popleft().result())
                if self._progress and each is not None:
                    self._progress(place, len(self._submission.clips))
            done += [one.result() for one in pending]
        return done

    def _frames(self, clip: str) -> Frames:
        """Numbers of the clip's scored frames that the file holds."""
        numbers = self._submission.numbers(clip)
        assert numbers is not None  # the checks refuse the file otherwise
        return numbers[np.isin(numbers, self._submission.scope.frames(clip))]

    def _parts(self, clip: str, frames: Frames) -> list[Part]:
        return [part for _, part in self._submission.scope.actions(clip, frames)]

    def _table(self) -> FrameTable:
        actions = {action: number for number, action in enumerate(dict.fromkeys(row.action for row in self.rows))}
        of_row = np.array([actions[row.action] for row in self.rows], dtype=np.int64)
        rows, clips, numbers, first = [], [], [], 0
        for place, clip in enumerate(self._submission.clips):
            frames = self._frames(clip)
            row = np.empty(len(frames), dtype=np.int64)
            parts = self._parts(clip, frames)
            for index, part in enumerate(parts):
                row[part] = first + index
            first += len(parts)
            rows.append(row)
            clips.append(np.full(len(frames), place))
            numbers.append(frames)
        row, clip_of, number = (np.concatenate(each) for each in (rows, clips, numbers))
        return FrameTable(row, clip_of, number, of_row[row])

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
        keep = row_choice.chosen(conditions, self.rows, self._submission.scope.protocol.excluded)
        if frames != "all" and not over_time(quantity.statistic):
            every = np.concatenate([one.frames[quantity] for one in self._numbers])
            if not keep.all():
                of_kept = keep[table.row]
                every, table = every[of_kept], table.select(of_kept)
            total, count = row_sums(frames, table, every, len(self.rows))
            word, _, number = frames.partition(" ")
            return RowSums(total, count, phases(int(number), table, every, len(self.rows)) if word == "stride" else None)
        found = np.array([sums for one in self._numbers for sums in one.sums[quantity]]).reshape(-1, 3) * keep[:, None]
        if frames == "concatenated":
            return self._concatenated(quantity, found, keep)
        return RowSums(*_weighted_differences(quantity, frames, found))

    def _concatenated(self, quantity: Quantity, found: Array, keep: npt.NDArray[np.bool_]) -> RowSums:
        """Differences with those from the last frame of a clip to the first of the next, counted with the next clip's first row."""
        total, count = found[:, 0].copy(), found[:, 1].copy()
        last: Array | None = None
        first = 0
        for one in self._numbers:
            if quantity in one.ends and keep[first]:
                begin, end = one.ends[quantity]
                if last is not None:
                    total[first] += float(np.linalg.norm(begin - last, axis=-1).mean())
                    count[first] += 1.0
                last = end
            first += len(one.sums[quantity])
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


def from_measured(
    plan: Plan,
    view: Placement,
    by_action: Sequence[tuple[str, ClipSums]],
    frames: Frames,
    parts: Sequence[Part],
    stride: int,
) -> ClipNumbers:
    """The quantities that the scorer has measured in one view of a clip."""
    found = ClipNumbers()
    for quantity, (of, key, columns) in plan.measured.items():
        if of != view:
            continue
        found.sums[quantity] = [
            _of_metric(quantity, key, columns, sums, frames[part], stride) for (_, sums), part in zip(by_action, parts, strict=True)
        ]
        if plan.keeps_frames(quantity) and not over_time(quantity.statistic):
            out = np.empty(len(frames))
            for (_, sums), part in zip(by_action, parts, strict=True):
                out[part] = np.concatenate(sums.frames[key]) if sums.frames else 0.0
            found.frames[quantity] = out
    return found


def _of_metric(
    quantity: Quantity, key: str, columns: tuple[int, ...], sums: ClipSums, frames: Frames, stride: int
) -> tuple[float, float, float]:
    """Sum, number of values and number of frames of a metric; of some columns, where not all joints count."""
    length = float(len(frames))
    if key not in sums.total:
        return 0.0, 0.0, length
    total, count = sums.total[key], sums.count[key]
    value = float(total.mean()) if len(columns) in (0, len(total)) or len(total) == 1 else float(total[list(columns)].mean())
    if over_time(quantity.statistic):
        step = np.diff(frames) == stride
        differences = float(step.sum() if quantity.statistic == "velocity" else (step[1:] & step[:-1]).sum())
        # The scorer weights a clip's velocities by its frames.
        return (value * differences / count if count else 0.0), differences, length
    return value, count, length


class _Extra:
    """What the scorer does not measure in the protocol's own view of the poses."""

    def __init__(
        self,
        submission: Submission,
        plan: Plan,
        whole: WholeSet,
        collected: Sequence[Placement],
        *,
        later: bool,
    ) -> None:
        self._submission = submission
        self._plan = plan
        self._whole = whole
        self._quantities = plan.unmeasured(whole=later)
        self._views = plan.views(whole=later)
        self._collected = collected
        self._protocols = {view: replace(submission.scope.protocol, root=view.root) for view in self._views}
        places = (*self._views, *(quantity.placement for quantity in self._quantities))
        self._needs_camera = any(place.axes == "ray" for place in places)

    def numbers(self, clip: MeasuredClip, frames: Frames, parts: Sequence[Part]) -> ClipNumbers:
        """Sums and frames of the quantities of one clip: block by block, but for what looks at several frames at once."""
        blocks = [slice(start, start + _BLOCK) for start in range(0, len(frames), _BLOCK)] or [slice(0, 0)]
        whole = self._errors(clip, slice(0, len(frames)))

        def of_block(block: slice) -> ClipErrors:
            # Of a short clip the one block is the clip, and what is computed of it is used throughout.
            return whole if len(blocks) == 1 else self._errors(clip, block)

        for view in self._collected:
            self._whole.collect(clip.id, view, (of_block(block).poses(view) for block in blocks))
        found = ClipNumbers()
        alone = [quantity for quantity in self._quantities if not _over_frames(quantity)]
        views = [view for view in self._views if view.prepared != "extent"]
        for block in blocks:
            within = [_within(part, block, len(frames)) for part in parts]
            found.add(self._numbers(of_block(block), alone, views, frames[block], within))
        together = [quantity for quantity in self._quantities if _over_frames(quantity)]
        rest = [view for view in self._views if view not in views]
        found.add(self._numbers(whole, together, rest, frames, parts))
        for quantity, rules in self._plan.rules.items():
            if "concatenated" in rules and len(frames):
                found.ends[quantity] = _ends(whole, quantity)
        return found

    def _errors(self, clip: MeasuredClip, block: slice) -> ClipErrors:
        """The joint errors of some frames of a clip."""
        scope, meta = self._submission.scope, self._submission.file.meta
        pred = clip.pred[..., block, :, :]
        return ClipErrors(
            clip.id,
            pred if meta.to_mm == 1.0 else pred * np.float64(meta.to_mm),
            clip.truth[block],
            scope.protocol.skeleton,
            scope.camera(clip.id) if self._needs_camera else None,
            self._whole,
            first=block.start,
            metric_scale=meta.metric_scale,
        )

    def _numbers(
        self, errors: ClipErrors, quantities: Sequence[Quantity], views: Sequence[Placement], frames: Frames, parts: Sequence[Part]
    ) -> ClipNumbers:
        found = ClipNumbers()
        for view in views:
            found.add(self._view(errors, view, frames, parts))
        for quantity in quantities:
            try:
                if over_time(quantity.statistic):
                    self._sparse(found, errors, quantity, frames, parts)
                    continue
                numbers = values(errors, quantity)
            except CannotError as reason:
                found.cannot[quantity] = str(reason)
                continue
            if self._plan.keeps_frames(quantity):
                found.frames[quantity] = numbers
            found.sums[quantity] = [(float(numbers[part].sum()), *(float(len(numbers[part])),) * 2) for part in parts]
        return found

    def _view(self, errors: ClipErrors, view: Placement, frames: Frames, parts: Sequence[Part]) -> ClipNumbers:
        """What the scorer measures in another view of the poses."""
        try:
            pred, truth = errors.raw(view)
        except CannotError as reason:
            return ClipNumbers(cannot={quantity: str(reason) for quantity, place in self._plan.measured.items() if place.view == view})
        protocol = self._protocols[view]
        by_action = _measured(protocol, self._plan.metrics[view], pred, truth, frames, parts)
        return from_measured(self._plan, view, by_action, frames, parts, protocol.stride)

    def _sparse(self, found: ClipNumbers, errors: ClipErrors, quantity: Quantity, frames: Frames, parts: Sequence[Part]) -> None:
        """Differences over time of every k-th frame."""
        word, _, every = quantity.statistic.split()
        kept = frames % int(every) == 0
        pred, truth = errors.poses(quantity.placement.view)
        protocol = replace(self._submission.scope.protocol, stride=int(every))
        metric = KeyedMetric(alignment="root", statistic=word, joint_set="", joints=quantity.scored, key=word)
        within = [kept & _mask(part, len(kept)) for part in parts]
        by_action = _measured(protocol, [metric], pred, truth, frames, within)
        plain = quantity._replace(statistic=word)
        found.sums[quantity] = [
            _of_metric(plain, word, (), sums, frames[part], int(every)) for (_, sums), part in zip(by_action, within, strict=True)
        ]


def _measured(
    protocol: Protocol,
    metrics: Sequence[Metric],
    pred: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    frames: Frames,
    parts: Sequence[Part],
) -> list[tuple[str, ClipSums]]:
    return [("", measure_clip(protocol, list(metrics), pred[part], truth[part], frames[part], per_frame=True)) for part in parts]


def _over_frames(quantity: Quantity) -> bool:
    """Whether a quantity's value in one frame depends on other frames."""
    place = quantity.placement
    grouped = place.alignment.split()[0] in ("window", "first") or place.oracle == "best clip" or place.prepared == "extent"
    return grouped or over_time(quantity.statistic)


def _within(part: Part, block: slice, length: int) -> Part:
    """A part of a clip's frames as a part of a block of them."""
    return slice(None) if isinstance(part, slice) else _mask(part, length)[block]


def _mask(part: Part, length: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(length, dtype=bool)
    mask[part] = True
    return mask


def _ends(errors: ClipErrors, quantity: Quantity) -> tuple[Array, Array]:
    """(J, 3) the first and the last difference of prediction and truth."""
    moved = errors.difference(quantity.placement)
    scored = [quantity.placement.fitted.index(joint) for joint in quantity.scored]
    return moved[0, scored], moved[-1, scored]
