"""One clip under a protocol: the sums of every metric over its frames, in one pass and in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from posebench import metrics
from posebench.metrics import hypotheses
from posebench.metrics.alignment import BLOCK, aligned, residuals
from posebench.metrics.buffers import Buffers, block_size
from posebench.metrics.peers import flip_candidates
from posebench.scoring.clip_sums import ClipSums
from posebench.scoring.fused import Run, fused_sums, is_fused
from posebench.scoring.protocol import ORACLE_ALIGNMENTS, Metric, Protocol

Array = npt.NDArray[np.float64]

#: Frames handled at a time: a long clip costs no more memory than this many poses, and what is made of them stays in the cache.
CHUNK = BLOCK
_HISTORY = 2  # the second difference looks two frames back


def parts_of(metric: Metric, protocol: Protocol) -> tuple[str, ...]:
    """Names of the columns of a metric's sums: joints, bones (by child) or pairs of bones; none for a statistic of the whole pose."""
    bones = protocol.skeleton
    if metric.statistic == "bone-length":
        return tuple(bones.joints[child] for _, child in bones.bones)
    if metric.statistic == "bone-symmetry":
        return tuple(bones.joints[bones.bones[left][1]].removeprefix("l_") for left, _ in bones.bone_pairs)
    return () if metric.statistic in ("cps", "flip-rate") else metric.joints


def scored_metrics(protocol: Protocol, *, metric_scale: bool) -> list[Metric]:
    """The metrics and diagnostics that are defined for a file: without metric scale, only those that need none."""
    return [metric for metric in (*protocol.metrics, *protocol.diagnostics) if metric_scale or not metric.absolute]


def oracle_names(wanted: Iterable[Metric]) -> list[str]:
    """Additional diagnostics of a file with several hypotheses: the truth picks the best hypothesis of each pose, or of each joint."""
    return [f"{metric.name} {kind}" for metric in wanted if metric.statistic == "mean" for kind in ("P-Best", "J-Best")]


def measure_clip(
    protocol: Protocol,
    wanted: list[Metric],
    pred: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    frames: npt.NDArray[np.int64],
    *,
    to_mm: float = 1.0,
    per_frame: bool = False,
    buffers: Buffers | None = None,
    run: Run = map,
) -> ClipSums:
    """Sums of the wanted metrics over one clip, computed in ``buffers``; ``run`` as in :func:`posebench.scoring.fused.fused_sums`.

    **Convention.** ``pred`` (n, J, 3) or (H, n, J, 3) times ``to_mm`` and ``truth`` (n, J, 3) mm belong to the clip's ``frames`` (n,),
    ascending. Several hypotheses are scored by their mean pose, and additionally by the oracles of :func:`oracle_names`. Differences
    over time are taken between neighbouring frames of the protocol only, and a clip's velocity is weighted by its number of frames,
    not of differences (as in VideoPose3D).
    """
    plain = [metric for metric in wanted if not metric.roots]
    fused = [metric for metric in plain if is_fused(metric)]
    rest = [metric for metric in plain if not is_fused(metric)]
    parts = []
    if fused:
        parts.append(fused_sums(protocol, fused, pred, truth, frames, to_mm=to_mm, per_frame=per_frame, run=run))
    if rest or not fused:
        parts.append(_numpy_sums(protocol, rest, pred, truth, frames, to_mm, buffers or Buffers(), per_frame=per_frame))
    parts += [
        _own_root_sums(protocol, metric, pred, truth, frames, to_mm, buffers or Buffers(), per_frame=per_frame)
        for metric in wanted
        if metric.roots
    ]
    sums = parts[0].joined(parts[1:])
    for metric in wanted:
        if metric.statistic == "velocity":
            _weight_by_frames(sums, metric.name, len(truth))
    return sums


def _own_root_sums(
    protocol: Protocol,
    metric: Metric,
    pred: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    frames: npt.NDArray[np.int64],
    to_mm: float,
    buffers: Buffers,
    *,
    per_frame: bool,
) -> ClipSums:
    """Sums of a metric whose joints have roots of their own: distances of poses in which each joint is seen from its own root."""
    order = protocol.skeleton
    root_of = np.zeros((len(order), len(order)))
    root_of[:, list(protocol.root_indices)] = 1.0 / len(protocol.root_indices)
    for joints, root in metric.roots:
        rows = [order.index(joint) for joint in joints]
        root_of[rows] = 0.0
        root_of[np.ix_(rows, [order.index(joint) for joint in root])] = 1.0 / len(root)

    def seen(pose: npt.NDArray[np.floating]) -> Array:
        with np.errstate(invalid="ignore", over="ignore"):
            out: Array = pose - root_of @ pose.astype(np.float64)
        return out

    absolute = replace(metric, alignment="absolute")
    sums = _numpy_sums(protocol, [absolute], seen(pred), seen(truth), frames, to_mm, buffers, per_frame=per_frame)
    return sums.renamed(absolute.name, metric.name)


def _numpy_sums(
    protocol: Protocol,
    wanted: list[Metric],
    pred: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    frames: npt.NDArray[np.int64],
    to_mm: float,
    buffers: Buffers,
    *,
    per_frame: bool,
) -> ClipSums:
    """Sums over one clip, chunk by chunk in numpy."""
    sums = ClipSums(poses=len(truth))
    has_hypotheses = pred.ndim == 4
    size = block_size(len(truth), CHUNK)
    for start in range(0, len(truth), size):
        first = max(0, start - _HISTORY)
        part = slice(first, min(start + size, len(truth)))
        true = _component_first(truth[part], buffers, "true poses")
        pred_mm = _component_first(pred[..., part, :, :], buffers, "predicted poses")
        if to_mm != 1.0:
            pred_mm *= to_mm
        mean = hypotheses.mean_pose(pred_mm) if has_hypotheses else pred_mm
        chunk = _Chunk(protocol, mean, true, frames[part], start - first, buffers)
        _count(sums, chunk, mean)
        for metric, values in chunk.values(wanted):
            sums.add(metric.name, values)
            if metric.statistic == "auc":
                sums.curve[metric.name] = sums.curve.get(metric.name, 0.0) + chunk.curves[metric.name]
            if per_frame:
                sums.frames.setdefault(metric.name, []).append(chunk.by_frame(metric, values))
        if has_hypotheses:
            _oracles(sums, protocol, wanted, pred_mm[:, chunk.new], true[chunk.new])
    return sums


def _weight_by_frames(sums: ClipSums, name: str, frames: int) -> None:
    """Give the mean of a clip's differences the weight of all its frames."""
    differences = sums.count.get(name, 0.0)
    if differences:
        sums.total[name] = sums.total[name] * (frames / differences)
        sums.count[name] = float(frames)


def _component_first(pose: npt.NDArray[np.floating], buffers: Buffers, name: str) -> Array:
    """A float64 copy (..., n, J, 3) in which one coordinate of all frames is contiguous in memory, so that numpy runs along the frames."""
    turned = np.swapaxes(pose, -1, -3)
    copy = buffers.array(name, *turned.shape)
    copy[...] = turned
    return np.swapaxes(copy, -1, -3)


def _count(sums: ClipSums, chunk: _Chunk, mean: Array) -> None:
    """Add the pose counts of a chunk's new frames."""
    invalid = chunk.invalid[chunk.new]
    if invalid.any():  # every pose that is not finite is invalid
        sums.nonfinite += int((~np.isfinite(mean[chunk.new][invalid]).all(axis=(1, 2))).sum())
        sums.invalid += int(invalid.sum())
    dot = np.einsum("tjc,tjc->t", chunk.pred[chunk.new], chunk.truth[chunk.new])
    sums.nonpositive_scale += int(((dot <= 0.0) & ~invalid).sum())


class _Chunk:
    """Consecutive frames of one clip, root-relative. Metrics share what is computed from them.

    The first ``old`` frames belong to the chunk before; they are needed for differences over time only.
    """

    def __init__(self, protocol: Protocol, pred: Array, truth: Array, frames: npt.NDArray[np.int64], old: int, buffers: Buffers) -> None:
        self.protocol = protocol
        self.frames = frames
        self.old = old
        self.new = slice(old, None)
        self._buffers = buffers
        root = protocol.root_indices
        self.pred, self.invalid = metrics.root_relative_valid(pred, root, self._array("pred", truth.shape))
        self.truth = metrics.root_relative(truth, root, self._array("truth", truth.shape))
        self._raw = pred, truth
        #: PCK at each threshold, summed over the new frames, of each AUC that was asked for.
        self.curves: dict[str, Array] = {}
        self._lengths: dict[str, Array] = {}
        self._moved: dict[tuple[str, int], Array] = {}

    def _array(self, name: str, shape: tuple[int, ...]) -> Array:
        """A buffer (n, ...) in which frames are contiguous."""
        return self._buffers.array(name, *shape[::-1]).T

    def values(self, wanted: list[Metric]) -> Iterator[tuple[Metric, Array]]:
        """(n, K) values of each metric. The next metric may overwrite them. Residuals are computed once a joint set."""
        plain = [metric for metric in wanted if metric.alignment not in ORACLE_ALIGNMENTS]
        for metric in wanted:
            if metric.alignment in ORACLE_ALIGNMENTS:
                yield metric, self._of_errors(metric, self._best_of_flip(metric))
        for joints in dict.fromkeys(self._fitted(metric) for metric in plain):
            group = [metric for metric in plain if self._fitted(metric) == joints]
            errors, flipped = self._residuals(joints, {metric.alignment for metric in group if metric.statistic in _OF_ERRORS})
            for metric in group:
                if metric.statistic == "flip-rate":
                    yield metric, np.where(flipped, 100.0, 0.0)[:, None]
                elif metric.statistic in _OF_ERRORS:
                    error = errors[metric.alignment]
                    yield metric, self._of_errors(metric, error if metric.joints == joints else error[:, self._index(metric.joints)])
                else:
                    yield metric, self._of_poses(metric)

    def _fitted(self, metric: Metric) -> tuple[str, ...]:
        """The joints that are aligned: the scored ones; for CPS the whole pose, as Wehrbein et al. drop the spine after the alignment."""
        return self.protocol.skeleton.joints if metric.statistic == "cps" else metric.joints

    def _index(self, joints: tuple[str, ...]) -> list[int]:
        return [self.protocol.skeleton.index(joint) for joint in joints]

    def _residuals(self, joints: tuple[str, ...], alignments: set[str]) -> tuple[dict[str, Array], npt.NDArray[np.bool_]]:
        index = self._index(joints)
        whole = index == list(range(len(self.protocol.skeleton)))
        pred, truth = (pose[self.new] if whole else pose[self.new][:, index] for pose in (self.pred, self.truth))
        errors, flipped = residuals(pred, truth, alignments - {"absolute"}, buffers=self._buffers)
        if "absolute" in alignments:
            errors["absolute"] = self._absolute(index)
        return errors, flipped

    def _best_of_flip(self, metric: Metric) -> Array:
        """Errors (n, K) of the better, by the truth, of the pose and its depth flip: chosen by pose for ``mean``, else by joint (ITES)."""
        errors = self._flipped[metric.alignment == "best-of-flip+similarity"]
        if metric.statistic == "mean":
            chosen = errors.mean(axis=-1).argmin(axis=0)
            best: Array = errors[chosen, np.arange(len(chosen))]
        else:
            best = errors.min(axis=0)
        return best[:, self._index(metric.joints)]

    @cached_property
    def _flipped(self) -> tuple[Array, Array]:
        return flip_candidates(self.pred[self.new], self.truth[self.new], root=self.protocol.root_indices)

    def _absolute(self, index: list[int]) -> Array:
        pred, truth = (pose[self.new] for pose in self._raw)
        root = truth[:, list(self.protocol.root_indices)].mean(axis=1, keepdims=True)
        pred = np.where(self.invalid[self.new][:, None, None], root, pred)
        out: Array = np.linalg.norm(pred[:, index] - truth[:, index], axis=-1)
        return out

    def _of_errors(self, metric: Metric, errors: Array) -> Array:
        if metric.statistic == "pck":
            assert metric.threshold is not None
            return metrics.pck(errors, metric.threshold, inclusive=metric.inclusive)
        if metric.statistic == "mean":
            return errors
        assert metric.thresholds is not None
        if metric.statistic == "cps":
            return metrics.cps(errors, metric.thresholds)[:, None]
        passed = metrics.thresholds_passed(errors, metric.thresholds, buffers=self._buffers)
        self.curves[metric.name] = metrics.pck_curve(passed, metric.thresholds)
        return metrics.auc(passed, metric.thresholds, out=passed)

    def _of_poses(self, metric: Metric) -> Array:
        bones = self.protocol.skeleton
        if metric.statistic == "bone-length":
            change = self._bones(metric.alignment)[self.new] - self._true_bones[self.new]
            return np.abs(change, out=change)
        if metric.statistic == "bone-symmetry":
            return metrics.left_right_difference(self._bones(metric.alignment)[self.new], bones)
        index = [bones.index(joint) for joint in metric.joints]
        order = _ORDER[metric.statistic]
        values, keep = self._differences(metric.alignment, order), self._neighbours(order)[order:]
        values = values if keep.all() else values[keep]
        return values if len(index) == len(bones) else values[:, index]

    def _placed(self, alignment: str) -> Array:
        return self.pred if alignment == "root" else aligned(self.pred, self.truth, alignment)

    def _bones(self, alignment: str) -> Array:
        if alignment not in self._lengths:
            placed = self._placed(alignment)
            self._lengths[alignment] = metrics.bone_lengths(
                placed, self.protocol.skeleton, buffers=self._buffers, name=f"bones {alignment}"
            )
        return self._lengths[alignment]

    @cached_property
    def _true_bones(self) -> Array:
        return metrics.bone_lengths(self.truth, self.protocol.skeleton, buffers=self._buffers, name="true bones")

    def _differences(self, alignment: str, order: int) -> Array:
        """Lengths (n - order, J) of the differences over time of predicted less true poses."""
        moved = self._difference(alignment, order).transpose(2, 1, 0)
        return metrics.norms(moved, self._buffers.array("difference", *moved.shape[1:]))

    def _difference(self, alignment: str, order: int) -> Array:
        """(n - order, J, 3); each order from the one before."""
        if (alignment, order) not in self._moved:
            last, first = (self._placed(alignment), self.truth) if order == 0 else self._ends(self._difference(alignment, order - 1))
            self._moved[alignment, order] = np.subtract(last, first, out=self._array(f"moved {alignment} {order}", last.shape))
        return self._moved[alignment, order]

    @staticmethod
    def _ends(values: Array) -> tuple[Array, Array]:
        return values[1:], values[:-1]

    def _neighbours(self, order: int) -> npt.NDArray[np.bool_]:
        """(n,) new frames that have ``order`` predecessors one protocol stride apart."""
        keep = np.zeros(len(self.frames), dtype=bool)
        step = np.diff(self.frames) == self.protocol.stride
        keep[order:] = step if order == 1 else step[1:] & step[:-1]
        keep[: self.old] = False
        return keep

    def by_frame(self, metric: Metric, values: Array) -> Array:
        """(new frames,) value of every frame: the mean over columns, NaN where a difference has no predecessor."""
        per_frame: Array = values.mean(axis=1)
        if metric.statistic not in _ORDER:
            return per_frame
        out = np.full(len(self.frames), np.nan)
        out[self._neighbours(_ORDER[metric.statistic])] = per_frame
        return out[self.new]


_OF_ERRORS = ("mean", "pck", "auc", "cps")
_ORDER = {"velocity": 1, "acceleration": 2}


def _oracles(sums: ClipSums, protocol: Protocol, wanted: list[Metric], pred_mm: Array, truth: Array) -> None:
    """Add the oracles of hypotheses ``pred_mm`` (H, n, J, 3)."""
    size = max(1, CHUNK // len(truth))
    for metric in wanted:
        if metric.statistic != "mean":
            continue
        every = np.concatenate([_errors(protocol, metric, pred_mm[start : start + size], truth) for start in range(0, len(pred_mm), size)])
        sums.add(f"{metric.name} P-Best", hypotheses.best_pose(every))
        sums.add(f"{metric.name} J-Best", hypotheses.best_joint(every))


def _errors(protocol: Protocol, metric: Metric, pred_mm: Array, truth: Array) -> Array:
    """Joint errors (H, n, K) of hypotheses (H, n, J, 3), measured as if they were frames."""
    count = len(pred_mm)
    poses = pred_mm.reshape(-1, *truth.shape[1:])
    chunk = _Chunk(protocol, poses, np.tile(truth, (count, 1, 1)), np.arange(len(poses)), 0, Buffers())
    values = dict(chunk.values([metric]))[metric]
    return values.reshape(count, len(truth), -1)
