"""Scoring: one pass over a prediction file, in which the checks see what the metrics see."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.metrics.buffers import Buffers
from posebench.metrics.thresholds import threshold_values
from posebench.predictions.archive import Predictions
from posebench.predictions.finding import Finding
from posebench.predictions.formats.registry import Reading
from posebench.scoring import intervals as stats
from posebench.scoring.checks.poses import Evidence
from posebench.scoring.measure import ClipSums, measure_clip, oracle_names, parts_of, scored, together
from posebench.scoring.protocol import Metric, Protocol, load_protocol
from posebench.scoring.result import Result, environment
from posebench.scoring.scope import Scope
from posebench.scoring.submission import Submission, layout_findings, open_submission, refuse
from posebench.scoring.sums import Row, Sums, average, group_means, label_means

#: Threads that measure clips, at most: numpy leaves the interpreter to them, but each holds a clip.
MOST_THREADS = 4

Poses = npt.NDArray[np.floating]


def score(
    predictions: str | os.PathLike[str],
    protocol: str | Protocol,
    *,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    allow_partial: bool = False,
    per_frame: bool = False,
    from_format: str | Reading | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Score a prediction file under a protocol.

    **Convention.** The predicted root is subtracted before scoring. Checks run on the way; an error among their findings refuses the
    file. The same input gives the same numbers, to the bit.

    Args:
        predictions: a file in posebench's format (``.npz`` or ``.h5``), or in one of
            :data:`posebench.predictions.formats.registry.FORMATS`.
        protocol: its id, a ``.toml`` file, or a loaded protocol.
        root: the owner's folder of the protocol's dataset.
        truth: a truth file instead of a dataset; such results never enter the board.
        cameras: the file that holds the dataset's cameras, where the folder has none (Human3.6M).
        allow_partial: score what is there and stamp the result, where clips or frames are missing.
        per_frame: keep the value of every frame.
        from_format: the foreign format's id, or a :class:`posebench.predictions.formats.registry.Reading` with what else is known of the
            file; None where the file shall tell.
        progress: called with (clips done, clips in all).

    Returns:
        A :class:`posebench.scoring.result.Result`; ``result.value("PA-MPJPE")`` is a number, ``result.save("r.json")`` writes it.

    Raises:
        PosebenchError: a file is missing, damaged or of another format, or a check found an error (exit code 1).
    """
    started = time.perf_counter()
    protocol = load_protocol(protocol) if isinstance(protocol, str) else protocol
    with (
        open_submission(predictions, protocol, root=root, truth=truth, cameras=cameras, from_format=from_format) as submission,
        ThreadPoolExecutor(2) as background,
    ):
        findings = layout_findings(submission, allow_partial=allow_partial)
        refuse(findings, submission)
        # Hashing leaves the interpreter to the pass.
        digest = background.submit(submission.file.sha256)
        truth_file = submission.scope.truth_file
        fingerprint = background.submit(truth_file.sha256) if truth_file else None
        wanted = scored(protocol, metric_scale=submission.file.meta.metric_scale)
        rows, clips, evidence = _pass(submission, wanted, per_frame, progress)
        findings += evidence.findings()
        refuse(findings, submission)
        data = submission.scope.data | ({"fingerprint": fingerprint.result()} if fingerprint else {})
        return _result(submission, data, digest.result(), wanted, rows, clips, findings, time.perf_counter() - started)


def _pass(
    submission: Submission, wanted: list[Metric], per_frame: bool, progress: Callable[[int, int], None] | None
) -> tuple[list[Row], list[ClipSums], Evidence]:
    """Clips are read here, one after the other, and measured by threads, a few at a time; the order of all sums is that of the clips."""
    rows: list[Row] = []
    sums: list[ClipSums] = []
    scope, meta = submission.scope, submission.file.meta
    evidence = Evidence(scope.protocol, meta, len(submission.clips))
    own = threading.local()
    done = 0

    def measure(clip: str, pred: Poses, truth: Poses, frames: npt.NDArray[np.int64]) -> list[tuple[str, ClipSums]]:
        if not hasattr(own, "buffers"):
            own.buffers = Buffers()
        options: dict[str, Any] = {"to_mm": meta.to_mm, "per_frame": per_frame, "buffers": own.buffers}
        return [
            (action, measure_clip(scope.protocol, wanted, pred[..., part, :, :], truth[part], frames[part], **options))
            for action, part in scope.actions(clip, frames)
        ]

    def take(clip: str, pred: Poses, truth: Poses, measured: Future[list[tuple[str, ClipSums]]]) -> None:
        nonlocal done
        info = scope.clips[clip]
        rows.extend(Row(clip, info.subject, info.take, info.camera, action) for action, _ in measured.result())
        parts = [part for _, part in measured.result()]
        evidence.add(clip, pred, truth, together(parts), scope.camera(clip))
        sums.extend(parts)
        done += 1
        if progress:
            progress(done, len(submission.clips))

    threads = min(MOST_THREADS, usable_cores())
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[tuple[str, Poses, Poses, Future[list[tuple[str, ClipSums]]]]] = deque()
        for clip in submission.clips:
            pred, truth, frames = submission.pair(clip)
            under_way.append((clip, pred, truth, pool.submit(measure, clip, pred, truth, frames)))
            if len(under_way) > threads:
                take(*under_way.popleft())
        while under_way:
            take(*under_way.popleft())
    return rows, sums, evidence


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _result(
    submission: Submission,
    data: dict[str, Any],
    digest: str,
    wanted: list[Metric],
    rows: list[Row],
    clips: list[ClipSums],
    findings: list[Finding],
    seconds: float,
) -> Result:
    scope, file = submission.scope, submission.file
    protocol = scope.protocol
    names = [metric.name for metric in wanted]
    parts = {metric.name: parts_of(metric, protocol) for metric in wanted}
    oracles = oracle_names(wanted) if submission.hypotheses > 1 else []
    parts |= {name: parts[name.rsplit(" ", 1)[0]] for name in oracles}
    sums = {name: _stack(name, clips, part) for name, part in parts.items()}
    draw = stats.resample(rows, protocol.headline)
    tables = {
        metric.name: _table(metric.unit, protocol, rows, sums.get(metric.name), draw)
        for metric in (*protocol.metrics, *protocol.diagnostics)
    }
    for metric in wanted:
        if metric.statistic == "auc" and sums[metric.name].count.any():
            tables[metric.name]["curve"] = _curve(metric, protocol, rows, clips, sums[metric.name].count)
    ranked = {metric.name for metric in protocol.metrics}
    diagnostics = {name: table for name, table in tables.items() if name not in ranked}
    diagnostics |= {name: _table("mm", protocol, rows, sums[name], draw) for name in oracles}
    return Result(
        protocol={"id": protocol.id, "version": protocol.version, "digest": protocol.digest, "headline": protocol.headline},
        data=data,
        predictions=_described(file, digest, submission),
        coverage=_coverage(scope, clips, len(submission.clips)),
        invalid={
            "poses": sum(one.invalid for one in clips),
            "non-finite": sum(one.nonfinite for one in clips),
            "non-positive N-scale": sum(one.nonpositive_scale for one in clips),
        },
        metrics={name: table for name, table in tables.items() if name in ranked},
        diagnostics=diagnostics,
        findings=[finding.as_dict() for finding in findings],
        environment=environment(),
        wall_time_s=round(seconds, 3),
        rows=rows,
        sums=sums,
        frames=_frames(submission, rows, clips, names),
    )


def _frames(submission: Submission, rows: list[Row], clips: list[ClipSums], names: list[str]) -> dict[str, npt.NDArray[np.float64]]:
    """The value of every scored frame by ``<clip id>/<metric>``, in the order of the clip's frames; empty if they were not kept."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    for row, one in zip(rows, clips, strict=True):
        if not one.frames:
            continue
        numbers = submission.numbers(row.clip)
        assert numbers is not None
        numbers = numbers[np.isin(numbers, submission.scope.frames(row.clip))]
        part = dict(submission.scope.actions(row.clip, numbers))[row.action]
        for name in names:
            values = found.setdefault(f"{row.clip}/{name}", np.full(len(numbers), np.nan))
            values[part] = np.concatenate(one.frames[name])
    return found


def _stack(name: str, clips: list[ClipSums], parts: tuple[str, ...]) -> Sums:
    empty = np.zeros(max(1, len(parts)))
    return Sums(
        total=np.stack([one.total.get(name, empty) for one in clips]),
        count=np.array([one.count.get(name, 0.0) for one in clips]),
        parts=parts,
    )


def _table(unit: str, protocol: Protocol, rows: list[Row], sums: Sums | None, draw: stats.Resampling | None) -> dict[str, Any]:
    """The result's entry for one metric; values are None where the file's scale leaves them empty."""
    if sums is None or not sums.count.any():
        return {"value": None, "unit": unit, "low": None, "high": None, "by": dict.fromkeys(protocol.averages), "groups": {}}
    by = {kind: float(average(rows, sums.row_total, sums.count, kind)) for kind in protocol.averages}
    bounds = stats.interval(rows, sums.row_total, sums.count, protocol.headline, draw)
    groups = {key: group_means(rows, sums, key) for key in ("action", "subject", "camera", "take")}
    for name, members in protocol.groups.items():
        label_of = {subject: label for label, subjects in members.items() for subject in subjects}
        groups[name] = label_means([label_of.get(row.subject, "other") for row in rows], sums)
    if sums.parts:
        values = average(rows, sums.total, sums.count, protocol.headline)
        groups["joint"] = {part: float(value) for part, value in zip(sums.parts, values, strict=True)}
    low, high = bounds or (None, None)
    return {"value": by[protocol.headline], "unit": unit, "low": low, "high": high, "by": by, "groups": groups}


def _curve(
    metric: Metric, protocol: Protocol, rows: list[Row], clips: list[ClipSums], count: npt.NDArray[np.float64]
) -> dict[str, list[float]]:
    """The PCK curve of which the area is taken: its headline average at every threshold."""
    assert metric.thresholds is not None
    thresholds = threshold_values(metric.thresholds)
    total = np.stack([one.curve.get(metric.name, np.zeros(len(thresholds))) for one in clips])
    return {"thresholds": thresholds, "percent": [float(value) for value in average(rows, total, count, protocol.headline)]}


def _described(file: Predictions, digest: str, submission: Submission) -> dict[str, Any]:
    meta = file.meta
    return {
        "file": Path(file.path).name,
        "sha256": digest,
        "method": meta.method,
        "keypoints": meta.keypoints,
        "supervision": meta.supervision,
        "skeleton": meta.skeleton,
        "scale": meta.scale,
        "hypotheses": submission.hypotheses,
        **({"provenance": meta.provenance.as_dict()} if meta.provenance else {}),
        "scored as": "mean pose (P-Agg)" if submission.hypotheses > 1 else "given",
    }


def _coverage(scope: Scope, clips: list[ClipSums], clip_count: int) -> dict[str, Any]:
    found = sum(one.poses for one in clips)
    return {
        "poses": found,
        "poses wanted": scope.poses,
        "clips": clip_count,
        "clips wanted": len(scope.clips),
        "partial": found != scope.poses,
    }
