"""The sums of a clip's metrics in one pass of the compiled kernel. ``measure.py`` defines them, and computes the same in numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton
from posebench.metrics import kernel
from posebench.scoring.clip_sums import ClipSums
from posebench.scoring.protocol import ORACLE_ALIGNMENTS, Metric, Protocol

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]
#: Calls a function on each number, one after the other or several at a time, and yields what it returns in the numbers' order.
Run = Callable[[Callable[[int], "_Block"], Iterable[int]], Iterator["_Block"]]

#: Frames that are summed in one piece. A longer clip is cut here, whatever the number of threads, so that its sums have the same bits.
BLOCK = 16384
#: Numbers of statistics and alignments in ``pose_kernel.c``.
_STATISTICS = ("mean", "pck", "auc", "cps", "velocity", "acceleration", "bone-length", "bone-symmetry", "flip-rate")
_ALIGNMENTS = ("root", "scale", "rigid", "similarity", "similarity+reflection", "absolute")
_OF_ERRORS = _STATISTICS[:4]
_WITH_THRESHOLDS = ("auc", "cps")
#: The second difference looks two frames back.
_HISTORY = 2


def is_fused(metric: Metric) -> bool:
    """Whether the compiled kernel is there and measures this metric: it takes differences and bones of root-relative poses only."""
    if metric.alignment in ORACLE_ALIGNMENTS:
        return False
    return kernel.measure is not None and (metric.statistic in (*_OF_ERRORS, "flip-rate") or metric.alignment == "root")


def fused_sums(
    protocol: Protocol,
    wanted: Sequence[Metric],
    pred: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    frames: npt.NDArray[np.int64],
    *,
    to_mm: float,
    per_frame: bool,
    run: Run = map,
) -> ClipSums:
    """Sums over one clip of metrics for which :func:`is_fused` is true; arguments as :func:`posebench.scoring.measure.measure_clip`.

    The same input gives the same bits whatever the number of threads: a block of :data:`BLOCK` frames is summed frame by frame in one
    thread, and the blocks of a clip are added in their order.

    ``run`` computes the blocks of a long clip: ``map`` one after the other, that of an executor several at a time.

    Raises:
        ValueError: a true pose is not finite.
    """
    plan = _plan(protocol.skeleton, protocol.root_indices, tuple(wanted), pred.ndim == 4)
    numbers = np.require(frames, np.int64, ["C", "A"])
    values = {metric.name: np.empty(len(truth)) for metric in plan.metrics} if per_frame else {}

    def block(start: int) -> _Block:
        first, end = max(0, start - _HISTORY), start + BLOCK
        arrays = pred[..., first:end, :, :], truth[first:end], numbers[first:end]
        return plan.measured(*arrays, start - first, to_mm, protocol.stride, [value[start:end] for value in values.values()])

    blocks = run(block, range(0, len(truth), BLOCK))
    sums = ClipSums(poses=len(truth))
    summed = next(iter(blocks), None)
    if summed is None:
        return sums
    for other in blocks:
        summed.add(other)
    sums.nonfinite, sums.invalid, sums.nonpositive_scale = (int(number) for number in summed.counts)
    plan.store(sums, summed, values)
    return sums


@dataclass
class _Block:
    """What the kernel has written: sums of every metric, how many frames they are of, and the counts of poses."""

    totals: Array
    frames: list[int]
    counts: npt.NDArray[np.int64]

    def add(self, other: _Block) -> None:
        """Add the sums of later frames."""
        self.totals += other.totals
        self.frames = [one + more for one, more in zip(self.frames, other.frames, strict=True)]
        self.counts += other.counts


class _Plan:
    """How the kernel is called for some metrics of a protocol; the same for all clips. See ``measure`` of ``pose_kernel.c``.

    One array takes the sums of all metrics, and a metric is told its part of it.
    """

    def __init__(self, skeleton: Skeleton, root: tuple[int, ...], metrics: tuple[Metric, ...], oracles: bool) -> None:
        self.metrics = metrics
        groups = {joints: number for number, joints in enumerate(dict.fromkeys(_aligned_joints(metric, skeleton) for metric in metrics))}
        self._skeleton = (_numbers(root), _numbers(skeleton.bones), _numbers(skeleton.bone_pairs))
        self._groups = tuple(_numbers([skeleton.index(joint) for joint in joints]) for joints in groups)
        #: What is known before, and the parts of the sums: totals, AUC's passed thresholds, and the oracles P-Best and J-Best.
        self._known: list[tuple[object, ...]] = []
        self._parts: list[tuple[slice | None, ...]] = []
        self._names = [metric.name for metric in metrics]
        self._size = 0
        for metric in metrics:
            joints = _aligned_joints(metric, skeleton)
            columns = _columns(metric, skeleton)
            chosen = range(columns) if metric.statistic.startswith("bone-") else [joints.index(joint) for joint in metric.joints]
            alignment = metric.alignment if metric.statistic in _OF_ERRORS else "root"
            first, last, step = metric.thresholds or (metric.threshold or 0.0, 0.0, 0.0)
            thresholds = round((last - first) / step) + 1 if metric.statistic in _WITH_THRESHOLDS else 0
            kind = _STATISTICS.index(metric.statistic), _ALIGNMENTS.index(alignment), groups[joints], _numbers(chosen)
            self._known.append((*kind, first, step, thresholds, int(metric.inclusive)))
            passed = thresholds + 1 if metric.statistic == "auc" else 0
            best = columns if oracles and metric.statistic == "mean" else 0
            self._parts.append(tuple(self._part(size) for size in (columns, passed, best, best)))

    def _part(self, size: int) -> slice | None:
        if not size:
            return None
        self._size += size
        return slice(self._size - size, self._size)

    def measured(
        self,
        pred: npt.NDArray[np.floating],
        truth: npt.NDArray[np.floating],
        numbers: npt.NDArray[np.int64],
        history: int,
        to_mm: float,
        stride: int,
        frames: Sequence[Array],
    ) -> _Block:
        """The sums over all frames but the first ``history``, to which differences look back; values by frame in ``frames`` if given."""
        totals, counts = np.zeros(self._size), np.zeros(3, dtype=np.int64)
        metrics = []
        for n, (known, parts) in enumerate(zip(self._known, self._parts, strict=True)):
            total, passed, *best = (totals[part] if part else None for part in parts)
            metrics.append((*known, total, passed, frames[n] if frames else None, *best))
        assert kernel.measure is not None
        counted = kernel.measure(pred, truth, numbers, history, to_mm, stride, *self._skeleton, self._groups, tuple(metrics), counts)
        return _Block(totals, list(counted), counts)

    def store(self, sums: ClipSums, block: _Block, frames: dict[str, Array]) -> None:
        """Put what the kernel has written into the sums of the clip."""
        for name, count, (total, passed, *best) in zip(self._names, block.frames, self._parts, strict=True):
            assert total is not None
            sums.total[name], sums.count[name] = block.totals[total], float(count)
            if passed is not None:
                # An error that passes n thresholds passes the n largest, so threshold number i is passed where n >= count - i.
                columns = total.stop - total.start
                sums.curve[name] = np.cumsum(block.totals[passed][:0:-1]) * (100.0 / columns)
            if frames:
                sums.frames[name] = [frames[name]]
            for kind, part in zip(("P-Best", "J-Best"), best, strict=True):
                if part is not None:
                    sums.total[f"{name} {kind}"], sums.count[f"{name} {kind}"] = block.totals[part], float(sums.poses)


@lru_cache(maxsize=64)
def _plan(skeleton: Skeleton, root: tuple[int, ...], metrics: tuple[Metric, ...], oracles: bool) -> _Plan:
    return _Plan(skeleton, root, metrics, oracles)


def _aligned_joints(metric: Metric, skeleton: Skeleton) -> tuple[str, ...]:
    """Joints that are aligned together: the scored ones; for CPS, and for what needs no alignment, the whole skeleton."""
    return metric.joints if metric.statistic in ("mean", "pck", "auc", "flip-rate") else skeleton.joints


def _columns(metric: Metric, skeleton: Skeleton) -> int:
    """Number of columns of a metric's sums."""
    bones = {"bone-length": len(skeleton.bones), "bone-symmetry": len(skeleton.bone_pairs), "cps": 1, "flip-rate": 1}
    return bones.get(metric.statistic, len(metric.joints))


def _numbers(values: Iterable[object]) -> Numbers:
    return np.ascontiguousarray(np.array(list(values), dtype=np.int32).reshape(-1))
