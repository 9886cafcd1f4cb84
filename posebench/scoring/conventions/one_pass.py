"""Many readings of one prediction file: the files are read once, and a second time for factors that belong to the whole set.

Memory does not grow with the file but for eight bytes a frame of every quantity whose frames are weighted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.predictions.finding import Finding
from posebench.scoring.checks.poses import PoseSamples
from posebench.scoring.conventions import row_choice
from posebench.scoring.conventions.clip_numbers import Array, ClipNumbers, Extra, Frames, Part, from_measured
from posebench.scoring.conventions.frame_weights import FrameTable, phases, row_sums
from posebench.scoring.conventions.plan import Plan
from posebench.scoring.conventions.reading import Quantity, Reading
from posebench.scoring.conventions.statistics import over_time
from posebench.scoring.conventions.whole_set import WholeSet, of_whole_clip
from posebench.scoring.protocol import Metric
from posebench.scoring.submission import Submission
from posebench.scoring.sums import Row
from posebench.scoring.traversal import MAX_THREADS, MeasuredClip, measured, usable_cores


@dataclass(frozen=True, eq=False)
class RowSums:
    """Total and count (rows,) of a reading; ``phases``: (k, rows) of both, where every k-th frame counts."""

    total: Array
    count: Array
    phases: tuple[Array, Array] | None = None


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
        extra = Extra(submission, plan, self._whole, collected, later=False)

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
        extra = Extra(self._submission, plan, self._whole, [], later=True)
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
