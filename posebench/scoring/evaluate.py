"""Scoring a prediction file: accumulate sums over its clips, average them, and put the result together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.metrics.thresholds import threshold_values
from posebench.predictions.formats.registry import Reading
from posebench.scoring import intervals
from posebench.scoring.checks import refuse
from posebench.scoring.checks.layout import layout_findings
from posebench.scoring.checks.poses import PoseSamples
from posebench.scoring.clip_sums import ClipSums
from posebench.scoring.measure import oracle_names, parts_of, scored_metrics
from posebench.scoring.protocol import Metric, Protocol
from posebench.scoring.result import Result
from posebench.scoring.result_parts import Coverage, Curve, Environment, InvalidPoses, MetricValue, ScoredFile, ScoredProtocol
from posebench.scoring.submission import Header, Scorable, Submission, loaded, open_submission
from posebench.scoring.sums import Row, Sums, average, group_means, label_means
from posebench.scoring.traversal import measured
from posebench.scoring.truth import TruthLocation


def score(
    predictions: Scorable,
    protocol: str | os.PathLike[str] | Protocol,
    *,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    allow_partial: bool = False,
    per_frame: bool = False,
    from_format: str | Reading | None = None,
    unit: str | None = None,
    skeleton: str | None = None,
    scale: str | None = None,
    method: str = "",
    keypoints: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Score a prediction file, or poses in memory, under a protocol.

    **Convention.** The predicted root is subtracted before scoring. Checks run on the way; an error among their findings refuses the
    file. The same input gives the same numbers, to the bit.

    Args:
        predictions: a file in posebench's format (``.npz`` or ``.h5``), or in one of
            :data:`posebench.predictions.formats.registry.FORMATS`; or poses in memory by clip id, as such a file holds them: (T, J, 3) or
            (H, T, J, 3), and ``<clip id>#frames`` for clips with only some frames. The numbers are the same.
        protocol: its id, a ``.toml`` file, or a loaded protocol.
        root: your folder of the protocol's dataset.
        truth: a truth file instead of a dataset; the leaderboard refuses such results.
        cameras: the file that holds the dataset's cameras, where the folder has none (Human3.6M).
        allow_partial: score a file in which clips or frames are missing, and mark the result as partial.
        per_frame: keep the value of every frame.
        from_format: the foreign format's id, or a :class:`posebench.predictions.formats.registry.Reading` with what else is known of the
            file; None to recognise the format from the file.
        unit: for poses in memory: ``mm`` or ``m``; may be left out only where ``scale`` is ``unknown``.
        skeleton: for poses in memory: their joint order, an id of :mod:`posebench.base.skeletons`.
        scale: for poses in memory: ``metric`` (the default), or ``unknown`` where the method cannot know it.
        method: for poses in memory: name of the method.
        keypoints: for poses in memory: keypoint source that the method was given.
        progress: called with (clips done, clips in all).

    Returns:
        A :class:`posebench.scoring.result.Result`; ``result.value("PA-MPJPE")`` is a number, ``result.save("r.json")`` writes it.

    Raises:
        PosebenchError: a file is missing, damaged or of another format, or a check found an error (exit code 1).

    Example:
        >>> import numpy as np, posebench, tempfile
        >>> truth = {"S1/Walk 1/c0": np.random.default_rng(0).normal(0, 300, (9, 17, 3))}
        >>> file = posebench.save_predictions(tempfile.mkdtemp() + "/truth.npz", truth, unit="mm", skeleton="h36m17")
        >>> poses = {clip: 1.1 * pose for clip, pose in truth.items()}
        >>> posebench.score(poses, "pair-17j", truth=file, unit="mm", skeleton="h36m17", method="mine")
        <Result 'mine' under pair-17j: 9 poses, MPJPE 52.97 mm>
    """
    started = time.perf_counter()
    protocol = loaded(protocol)
    header = Header(unit, skeleton, scale, method, keypoints)
    with (
        open_submission(predictions, protocol, TruthLocation(root, truth, cameras), from_format, header) as submission,
        ThreadPoolExecutor(2) as background,
    ):
        findings = layout_findings(submission, allow_partial=allow_partial)
        refuse(findings, submission)
        # Hashing releases the interpreter, so that it costs no time next to the measurements.
        sha256 = background.submit(submission.file.sha256)
        data = background.submit(submission.scope.source.describe)

        metrics = scored_metrics(protocol, metric_scale=submission.file.meta.metric_scale)
        accumulated = accumulate(submission, metrics, per_frame, progress)
        findings += accumulated.samples.findings()
        refuse(findings, submission)

        sums = sums_by_metric(submission, metrics, accumulated)
        values = _averages(submission, metrics, sums, accumulated)
        ranked = {metric.name for metric in protocol.metrics}
        return Result(
            protocol=ScoredProtocol(id=protocol.id, version=protocol.version, digest=protocol.digest, headline=protocol.headline),
            data=data.result(),
            predictions=scored_file(submission, sha256.result()),
            coverage=coverage_of(submission, accumulated.sums),
            invalid=invalid_poses_of(accumulated.sums),
            metrics={name: value for name, value in values.items() if name in ranked},
            diagnostics={name: value for name, value in values.items() if name not in ranked},
            findings=[finding.shortened() for finding in findings],
            environment=Environment.current(),
            wall_time_s=round(time.perf_counter() - started, 3),
            rows=accumulated.rows,
            sums=sums,
            frames=_frames(submission, metrics, accumulated) if per_frame else {},
        )


@dataclass(frozen=True, eq=False)
class Accumulated:
    """What one pass over the clips collects: a row of labels for each clip and action, its sums, and a sample of poses."""

    rows: list[Row]
    sums: list[ClipSums]
    samples: PoseSamples


def accumulate(submission: Submission, metrics: list[Metric], per_frame: bool, progress: Callable[[int, int], None] | None) -> Accumulated:
    """Measure every readable clip of a submission."""
    scope, clips = submission.scope, submission.clips
    found = Accumulated([], [], PoseSamples(scope.protocol, submission.file.meta, len(clips)))
    for done, clip in enumerate(measured(submission, metrics, clips, per_frame=per_frame), start=1):
        info = scope.clips[clip.id]
        for action, sums in clip.by_action:
            found.rows.append(Row(clip.id, info.subject, info.take, info.camera, action))
            found.sums.append(sums)
        found.samples.add(clip, scope.camera(clip.id))
        if progress:
            progress(done, len(clips))
    return found


def sums_by_metric(submission: Submission, metrics: list[Metric], accumulated: Accumulated) -> dict[str, Sums]:
    """The sums of each metric over all rows; of a file with several hypotheses also of the oracles."""
    parts = {metric.name: parts_of(metric, submission.scope.protocol) for metric in metrics}
    if submission.hypotheses > 1:
        # An oracle has the joints of its metric: "PA-MPJPE P-Best" those of PA-MPJPE.
        parts |= {name: parts[name.rsplit(" ", 1)[0]] for name in oracle_names(metrics)}
    return {name: _stacked(name, accumulated.sums, columns) for name, columns in parts.items()}


def _stacked(name: str, clips: list[ClipSums], parts: tuple[str, ...]) -> Sums:
    empty = np.zeros(max(1, len(parts)))
    total = np.stack([clip.total.get(name, empty) for clip in clips])
    return Sums(total, np.array([clip.count.get(name, 0.0) for clip in clips]), parts)


def _averages(submission: Submission, metrics: list[Metric], sums: dict[str, Sums], accumulated: Accumulated) -> dict[str, MetricValue]:
    """Averages, interval and groups of every metric and diagnostic of the protocol, and of the oracles."""
    protocol, rows = submission.scope.protocol, accumulated.rows
    resampling = intervals.resample(rows, protocol.headline)
    curves = {
        metric.name: _curve(metric, protocol, accumulated, sums[metric.name].count)
        for metric in metrics
        if metric.statistic == "auc" and sums[metric.name].count.any()
    }
    units = {metric.name: metric.unit for metric in (*protocol.metrics, *protocol.diagnostics)}
    units |= {name: "mm" for name in sums if name not in units}  # the oracles
    return {name: _average(unit, protocol, rows, sums.get(name), resampling, curves.get(name)) for name, unit in units.items()}


def _average(
    unit: str,
    protocol: Protocol,
    rows: list[Row],
    sums: Sums | None,
    resampling: intervals.Draw | None,
    curve: Curve | None,
) -> MetricValue:
    """One metric from its sums; empty where there are none, since the file's scale is unknown."""
    if sums is None or not sums.count.any():
        return MetricValue(value=None, unit=unit, low=None, high=None, by=dict.fromkeys(protocol.averages), groups={})
    by: dict[str, float | None] = {kind: float(average(rows, sums.row_total, sums.count, kind)) for kind in protocol.averages}
    low, high = intervals.interval(rows, sums.row_total, sums.count, protocol.headline, resampling) or (None, None)
    return MetricValue(value=by[protocol.headline], unit=unit, low=low, high=high, by=by, groups=_groups(protocol, rows, sums), curve=curve)


def _groups(protocol: Protocol, rows: list[Row], sums: Sums) -> dict[str, dict[str, float]]:
    """Frame-weighted means by label, also of the protocol's own groups of subjects; and the headline average by joint."""
    groups = {key: group_means(rows, sums, key) for key in ("action", "subject", "camera", "take")}
    for name, members in protocol.groups.items():
        label_of = {subject: label for label, subjects in members.items() for subject in subjects}
        groups[name] = label_means([label_of.get(row.subject, "other") for row in rows], sums)
    if sums.parts:
        values = average(rows, sums.total, sums.count, protocol.headline)
        groups["joint"] = {part: float(value) for part, value in zip(sums.parts, values, strict=True)}
    return groups


def _curve(metric: Metric, protocol: Protocol, accumulated: Accumulated, count: npt.NDArray[np.float64]) -> Curve:
    """The PCK curve under an AUC: its headline average at every threshold."""
    assert metric.thresholds is not None
    thresholds = threshold_values(metric.thresholds)
    total = np.stack([sums.curve.get(metric.name, np.zeros(len(thresholds))) for sums in accumulated.sums])
    percent = average(accumulated.rows, total, count, protocol.headline)
    return Curve(thresholds=thresholds, percent=[float(value) for value in percent])


def _frames(submission: Submission, metrics: list[Metric], accumulated: Accumulated) -> dict[str, npt.NDArray[np.float64]]:
    """The value of every scored frame by ``<clip id>/<metric>``, in the order of the clip's frames."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    for row, sums in zip(accumulated.rows, accumulated.sums, strict=True):
        if not sums.frames:  # a clip without frames
            continue
        numbers = submission.numbers(row.clip)
        assert numbers is not None
        numbers = numbers[np.isin(numbers, submission.scope.frames(row.clip))]
        of_action = dict(submission.scope.actions(row.clip, numbers))[row.action]
        for metric in metrics:
            values = found.setdefault(f"{row.clip}/{metric.name}", np.full(len(numbers), np.nan))
            values[of_action] = np.concatenate(sums.frames[metric.name])
    return found


def scored_file(submission: Submission, sha256: str) -> ScoredFile:
    """What a result states of the prediction file."""
    meta = submission.file.meta
    return ScoredFile(
        file=Path(submission.file.path).name,
        sha256=sha256,
        method=meta.method,
        keypoints=meta.keypoints,
        supervision=meta.supervision,
        skeleton=meta.skeleton,
        scale=meta.scale,
        hypotheses=submission.hypotheses,
        provenance=meta.provenance.as_dict() if meta.provenance else None,
        scored_as="mean pose (P-Agg)" if submission.hypotheses > 1 else "given",
        joints=list(meta.joints),
    )


def coverage_of(submission: Submission, clips: Sequence[ClipSums]) -> Coverage:
    """How much of the protocol the clips hold, from their counts."""
    poses, wanted = sum(sums.poses for sums in clips), submission.scope.pose_count
    held, clips_wanted = len(submission.clips), len(submission.scope.clips)
    left_out = submission.scope.left_out
    return Coverage(
        poses=poses,
        poses_wanted=wanted,
        clips=held,
        clips_wanted=clips_wanted,
        partial=poses != wanted,
        left_out=left_out.frames,
        joints_missing=left_out.joints,
    )


def invalid_poses_of(clips: Sequence[ClipSums]) -> InvalidPoses:
    """The invalid poses of the clips, from their counts."""
    return InvalidPoses(
        poses=sum(sums.invalid for sums in clips),
        nonfinite=sum(sums.nonfinite for sums in clips),
        nonpositive_scale=sum(sums.nonpositive_scale for sums in clips),
    )
