"""The numbers of one clip: quantities that the scorer measures as metrics, and those that are computed from joint errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from posebench.scoring.clip_sums import ClipSums
from posebench.scoring.conventions.joint_errors import ClipErrors
from posebench.scoring.conventions.plan import KeyedMetric, Plan
from posebench.scoring.conventions.reading import Placement, Quantity
from posebench.scoring.conventions.statistics import over_time, values
from posebench.scoring.conventions.whole_set import CannotError, WholeSet
from posebench.scoring.measure import measure_clip
from posebench.scoring.protocol import Metric, Protocol
from posebench.scoring.submission import Submission
from posebench.scoring.traversal import MeasuredClip

#: Frames of a block: what is made of them stays in the processor's cache.
_BLOCK = 4096
Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
Part = slice | npt.NDArray[np.bool_]


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


class Extra:
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
        views = [view for view in self._views if not self._spans_frames(view)]
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

    def _spans_frames(self, view: Placement) -> bool:
        return view.prepared == "extent" or any(over_time(metric.statistic) for metric in self._plan.metrics[view])

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
