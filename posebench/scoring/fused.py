"""The sums of a clip's metrics in one pass of the compiled kernel. ``measure.py`` defines them, and computes the same in numpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from posebench.metrics import kernel
from posebench.scoring.clip_sums import ClipSums
from posebench.scoring.protocol import ORACLE_ALIGNMENTS, Metric, Protocol

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]

#: Numbers of statistics and alignments in ``pose_kernel.c``.
_STATISTICS = ("mean", "pck", "auc", "cps", "velocity", "acceleration", "bone-length", "bone-symmetry", "flip-rate")
_ALIGNMENTS = ("root", "scale", "rigid", "similarity", "similarity+reflection", "absolute")
_WITH_THRESHOLDS = ("auc", "cps")


def is_fused(metric: Metric) -> bool:
    """Whether the compiled kernel is there and measures this metric: it takes differences and bones of root-relative poses only."""
    if metric.alignment in ORACLE_ALIGNMENTS:
        return False
    return kernel.measure is not None and (metric.statistic in (*_STATISTICS[:4], "flip-rate") or metric.alignment == "root")


def fused_sums(
    protocol: Protocol,
    wanted: Sequence[Metric],
    pred: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    frames: npt.NDArray[np.int64],
    *,
    to_mm: float,
    per_frame: bool,
) -> ClipSums:
    """Sums over one clip of metrics for which :func:`is_fused` is true; arguments as :func:`posebench.scoring.measure.measure_clip`.

    The same input gives the same bits whatever the number of threads: a clip is summed in one thread, frame by frame.

    Raises:
        ValueError: a true pose is not finite.
    """
    skeleton, count = protocol.skeleton, len(truth)
    groups = {joints: number for number, joints in enumerate(dict.fromkeys(_aligned_joints(metric, protocol) for metric in wanted))}
    outputs = [_Output(metric, protocol, count, per_frame=per_frame, oracles=pred.ndim == 4) for metric in wanted]
    metrics = []
    for metric, output in zip(wanted, outputs, strict=True):
        joints = _aligned_joints(metric, protocol)
        columns = output.parts if metric.statistic.startswith("bone-") else [joints.index(joint) for joint in metric.joints]
        metrics.append(output.as_kernel_takes_it(metric, groups[joints], _numbers(columns)))
    counts = np.zeros(3, dtype=np.int64)
    assert kernel.measure is not None
    counted = kernel.measure(
        pred,
        truth,
        np.ascontiguousarray(frames, dtype=np.int64),
        to_mm,
        protocol.stride,
        _numbers(protocol.root_indices),
        _numbers(skeleton.bones),
        _numbers(skeleton.bone_pairs),
        tuple(_numbers([skeleton.index(joint) for joint in joints]) for joints in groups),
        tuple(metrics),
        counts,
    )
    nonfinite, invalid, nonpositive = (int(number) for number in counts)
    sums = ClipSums(poses=count, nonfinite=nonfinite, invalid=invalid, nonpositive_scale=nonpositive)
    if not count:
        return sums
    for metric, output, frames_counted in zip(wanted, outputs, counted, strict=True):
        output.add_to(sums, metric, frames_counted)
    return sums


def _aligned_joints(metric: Metric, protocol: Protocol) -> tuple[str, ...]:
    """Joints that are aligned together: the scored ones; for CPS, and for what needs no alignment, the whole skeleton."""
    return metric.joints if metric.statistic in ("mean", "pck", "auc", "flip-rate") else protocol.skeleton.joints


class _Output:
    """The arrays that the kernel writes for one metric."""

    def __init__(self, metric: Metric, protocol: Protocol, frames: int, *, per_frame: bool, oracles: bool) -> None:
        skeleton = protocol.skeleton
        bones = {"bone-length": len(skeleton.bones), "bone-symmetry": len(skeleton.bone_pairs)}
        #: Numbers of the columns of the sums.
        self.parts = range(1 if metric.statistic in ("cps", "flip-rate") else bones.get(metric.statistic, len(metric.joints)))
        first, last, step = metric.thresholds or (metric.threshold or 0.0, 0.0, 0.0)
        self.first, self.step = first, step
        self.thresholds = round((last - first) / step) + 1 if metric.statistic in _WITH_THRESHOLDS else 0
        self.total = np.zeros(len(self.parts))
        self.passed = np.zeros(self.thresholds + 1) if metric.statistic == "auc" else None
        self.frames = np.empty(frames) if per_frame else None
        self.best = [np.zeros(len(self.parts)) if oracles and metric.statistic == "mean" else None for _ in range(2)]

    def as_kernel_takes_it(self, metric: Metric, group: int, columns: Numbers) -> tuple[object, ...]:
        """See ``measure`` of ``pose_kernel.c``."""
        alignment = metric.alignment if metric.statistic in _STATISTICS[:4] else "root"
        numbers = _STATISTICS.index(metric.statistic), _ALIGNMENTS.index(alignment), group, columns
        thresholds = self.first, self.step, self.thresholds, int(metric.inclusive)
        return (*numbers, *thresholds, self.total, self.passed, self.frames, *self.best)

    def add_to(self, sums: ClipSums, metric: Metric, frames_counted: int) -> None:
        """Put what the kernel has written into the sums of the clip."""
        sums.total[metric.name], sums.count[metric.name] = self.total, float(frames_counted)
        if self.passed is not None:
            # An error that passes n thresholds passes the n largest, so threshold number i is passed where n >= count - i.
            sums.curve[metric.name] = np.cumsum(self.passed[:0:-1]) * (100.0 / len(self.total))
        if self.frames is not None:
            sums.frames[metric.name] = [self.frames]
        for kind, best in zip(("P-Best", "J-Best"), self.best, strict=True):
            if best is not None:
                sums.total[f"{metric.name} {kind}"], sums.count[f"{metric.name} {kind}"] = best, float(sums.poses)


def _numbers(values: Iterable[object]) -> Numbers:
    return np.ascontiguousarray(np.array(list(values), dtype=np.int32).reshape(-1))
