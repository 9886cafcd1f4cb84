"""Diagnosing a prediction file: two passes over its clips, then the tables."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.predictions.finding import Finding
from posebench.predictions.formats.registry import Reading
from posebench.scoring.checks import refuse
from posebench.scoring.checks.layout import layout_findings
from posebench.scoring.checks.poses import PoseSamples
from posebench.scoring.clip_sums import ClipSums
from posebench.scoring.decomposition import summary
from posebench.scoring.decomposition.body import Body
from posebench.scoring.decomposition.chunks import CHANCE_POSES, ORACLE_POSES, Setting, Unit
from posebench.scoring.decomposition.fixes import Fixer, Scales
from posebench.scoring.decomposition.record import Diagnosis
from posebench.scoring.decomposition.remaining_errors import Context, Measured, measure
from posebench.scoring.decomposition.sentence import largest_part
from posebench.scoring.decomposition.survey import Survey, survey
from posebench.scoring.evaluate import coverage_of, invalid_poses_of, scored_file
from posebench.scoring.measure import measure_clip
from posebench.scoring.protocol import Protocol
from posebench.scoring.result_parts import Environment, ScoredProtocol
from posebench.scoring.submission import Header, Scorable, Submission, loaded, open_submission
from posebench.scoring.sums import Row
from posebench.scoring.traversal import MAX_THREADS, MeasuredClip, usable_cores
from posebench.scoring.truth import TruthLocation

Array = npt.NDArray[np.float64]
_Done = TypeVar("_Done")

#: True roots nearer to the camera than this, mm, are at the origin: the poses have no place.
_NEAREST = 1.0
#: Frame rates that can be stated.
_RATES = (0.1, 1e5)


def diagnose(
    predictions: Scorable,
    protocol: str | os.PathLike[str] | Protocol,
    *,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    allow_partial: bool = False,
    from_format: str | Reading | None = None,
    unit: str | None = None,
    skeleton: str | None = None,
    scale: str | None = None,
    method: str = "",
    keypoints: str = "",
    fps: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Diagnosis:
    """Find where the error of a prediction file, or of poses in memory, comes from.

    **Convention.** As :func:`posebench.score`. A file in which a check of the poses finds an error is diagnosed, and the finding is part
    of the diagnosis; one with missing clips or wrong frames is refused. Several hypotheses count by their mean pose. No number here is a
    metric of the protocol.

    Args:
        predictions: a file, or poses in memory by clip id.
        protocol: its id, a ``.toml`` file, or a loaded protocol.
        root: your folder of the protocol's dataset.
        truth: a truth file instead of a dataset.
        cameras: the file that holds the dataset's cameras, where the folder has none (Human3.6M).
        allow_partial: accept missing clips and frames.
        from_format: the foreign format's id, or a :class:`posebench.predictions.formats.registry.Reading`; None to recognise it.
        unit: for poses in memory: ``mm`` or ``m``.
        skeleton: for poses in memory: their joint order, an id of :mod:`posebench.base.skeletons`.
        scale: for poses in memory: ``metric`` (the default) or ``unknown``.
        method: for poses in memory: name of the method.
        keypoints: for poses in memory: keypoint source that the method was given.
        fps: frames a second of the clips, where the data do not state it (truth files): for bands of time.
        progress: called with (clips done, clips in all); every clip counts twice.

    Returns:
        A :class:`posebench.scoring.decomposition.record.Diagnosis`; ``diagnosis.sentence`` names the largest avoidable part,
        ``diagnosis.frame`` is a table of every number, ``diagnosis.plot()`` draws it, ``diagnosis.save("d.json")`` writes it.

    Raises:
        PosebenchError: a file is missing, damaged or of another format; its layout does not fit the protocol (exit code 1).

    Example:
        >>> import numpy as np, posebench, tempfile
        >>> truth = {f"S1/Walk {k}/c0": np.random.default_rng(k).normal(0, 300, (9, 17, 3)) for k in range(3)}
        >>> file = posebench.save_predictions(tempfile.mkdtemp() + "/truth.npz", truth, unit="mm", skeleton="h36m17")
        >>> poses = {clip: 0.92 * pose for clip, pose in truth.items()}
        >>> posebench.diagnose(poses, "pair-17j", truth=file, unit="mm", skeleton="h36m17").largest
        'set-scale'
    """
    started = time.perf_counter()
    protocol = loaded(protocol)
    if fps is not None and not _RATES[0] <= fps <= _RATES[1]:
        raise PosebenchError(
            f"{fps} frames a second", f"{_RATES[0]:g} to {_RATES[1]:,.0f}", "state the frame rate of the clips, such as 50"
        )
    header = Header(unit, skeleton, scale, method, keypoints)
    with (
        open_submission(predictions, protocol, TruthLocation(root, truth, cameras), from_format, header) as submission,
        ThreadPoolExecutor(2) as background,
    ):
        findings = layout_findings(submission, allow_partial=allow_partial)
        refuse(findings, submission)
        sha256 = background.submit(submission.file.sha256)
        data = background.submit(submission.scope.source.describe)
        passes = _Passes(submission, fps, progress)
        found, pose_findings, counts = passes.run()
        findings += pose_findings
        metric = "MPJPE" if submission.file.meta.metric_scale else "N-MPJPE"
        ladder, discrete, oracles = summary.ladder(found), summary.discrete_fixes(found), summary.oracles(found)
        slices = summary.slice_errors(found)
        worst, median = summary.shown_frames(found)
        largest, sentence = largest_part(metric, found.start, ladder, discrete, oracles, findings)
        return Diagnosis(
            protocol=ScoredProtocol(id=protocol.id, version=protocol.version, digest=protocol.digest, headline=protocol.headline),
            data=data.result(),
            predictions=scored_file(submission, sha256.result()),
            coverage=coverage_of(submission, counts),
            invalid=invalid_poses_of(counts),
            findings=tuple(finding.shortened() for finding in findings),
            metric=metric,
            value=found.start,
            ladder=ladder,
            discrete=discrete,
            flip_rate=summary.flip_rate(found),
            decompositions=summary.decompositions(found),
            oracles=oracles,
            joints=summary.joint_errors(found),
            bones=summary.bone_errors(found),
            slices=slices,
            worst_slices=summary.worst_of(slices),
            worst=worst,
            median=median,
            largest=largest,
            sentence=sentence,
            notes=_notes(submission, found),
            environment=Environment.current(),
            wall_time_s=round(time.perf_counter() - started, 3),
            rows=found.rows,
            sums=summary.stored_sums(found.sums),
        )


def _notes(submission: Submission, found: summary.Found) -> tuple[str, ...]:
    notes = ["Shares are of squared errors, ladder and oracles are mean distances; a few outliers can own a share: see the medians."]
    if submission.hypotheses > 1:
        notes.append(f"{submission.hypotheses} hypotheses a pose: their mean pose is diagnosed.")
    if not submission.file.meta.metric_scale:
        notes.append("The file's scale is unknown: every number is that of poses scaled to their truth one by one, as N-MPJPE scales them.")
    if found.setting.every > 1:
        notes.append(f"The chance line is computed on one pose in {found.setting.every}.")
    if found.setting.oracle_every > 1:
        notes.append(f"Oracles are computed on one pose in {found.setting.oracle_every}; ladder, shares and slices on all.")
    return tuple(notes)


@dataclass(frozen=True, eq=False)
class _Clip:
    """A clip as it was read (see :class:`posebench.scoring.traversal.MeasuredClip`), and its units."""

    id: str
    pred: npt.NDArray[np.floating]
    truth: npt.NDArray[np.floating]
    whole: npt.NDArray[np.floating]
    at: npt.NDArray[np.int64]
    units: list[Unit]


class _Passes:
    """The two passes over the clips of a submission."""

    def __init__(self, submission: Submission, fps: float | None, progress: Callable[[int, int], None] | None) -> None:
        scope, meta = submission.scope, submission.file.meta
        stated = fps or scope.source.fps
        body = Body.of(scope.protocol)
        self._submission, self._progress = submission, progress
        self._fixer = Fixer(body)
        self._clips = submission.readable_clips()
        self._setting = Setting(
            body=body,
            metric_scale=meta.metric_scale,
            to_mm=meta.to_mm,
            stride=scope.protocol.stride,
            rate=stated / scope.protocol.stride if stated else None,
            every=max(1, scope.pose_count // CHANCE_POSES),
            oracle_every=max(1, scope.pose_count // ORACLE_POSES),
            placed=True,
        )
        self._done = 0

    def run(self) -> tuple[summary.Found, list[Finding], list[ClipSums]]:
        """What both passes find, what the checks of the poses find, and the counts of every clip."""
        scope = self._submission.scope
        samples = PoseSamples(scope.protocol, self._submission.file.meta, len(self._clips))
        units: list[summary.Labelled] = []
        surveyed: dict[str, list[Survey]] = {}
        counts: list[ClipSums] = []
        for clip, (of_units, by_action) in self._in_order(self._first):
            whole = MeasuredClip(clip.id, clip.pred, clip.truth, clip.whole, clip.at, by_action)
            samples.add(whole, scope.camera(clip.id))
            counts.append(whole.counts)
            units += [summary.Labelled.of(unit) for unit in clip.units]
            surveyed[clip.id] = of_units
        nearest = min((one.nearest for of_units in surveyed.values() for one in of_units), default=0.0)
        setting = replace(self._setting, placed=nearest >= _NEAREST)
        contexts = _Contexts(units, surveyed, setting)

        def second(clip: _Clip) -> list[Measured]:
            of_units = surveyed[clip.id]
            context = contexts.of(clip.id)
            return [measure(unit, setting, context, one, self._fixer) for unit, one in zip(clip.units, of_units, strict=True)]

        measured = [one for _, of_units in self._in_order(second) for one in of_units]
        flat = [one for of_units in surveyed.values() for one in of_units]
        return summary.Found(units, flat, measured, setting, scope.protocol.headline), samples.findings(), counts

    def _first(self, clip: _Clip) -> tuple[list[Survey], list[tuple[str, ClipSums]]]:
        """The survey of each unit of a clip, and the counts of its poses that the checks need, by action."""
        protocol, to_mm = self._submission.scope.protocol, self._setting.to_mm
        counts = [(unit.row.action, measure_clip(protocol, [], unit.pred, unit.truth, unit.frames, to_mm=to_mm)) for unit in clip.units]
        return [survey(unit, self._setting, self._fixer) for unit in clip.units], counts

    def _in_order(self, work: Callable[[_Clip], _Done]) -> Iterator[tuple[_Clip, _Done]]:
        """Every clip with what ``work`` makes of it, in order: read here one after the other, worked on by a few threads at a time."""
        threads = min(MAX_THREADS, usable_cores())
        with ThreadPoolExecutor(threads) as pool:
            # No more clips than threads wait here, so that memory does not grow with the file.
            pending: deque[tuple[_Clip, Future[_Done]]] = deque()
            for id in self._clips:
                clip = self._read(id)
                pending.append((clip, pool.submit(work, clip)))
                if len(pending) > threads:
                    yield self._finished(*pending.popleft())
            while pending:
                yield self._finished(*pending.popleft())

    def _finished(self, clip: _Clip, future: Future[_Done]) -> tuple[_Clip, _Done]:
        result = future.result()
        self._done += 1
        if self._progress:
            self._progress(self._done, 2 * len(self._clips))
        return clip, result

    def _read(self, id: str) -> _Clip:
        scope = self._submission.scope
        pred, whole, frames = self._submission.pair(id)
        at = frames // scope.spacing
        truth = whole if len(at) == len(whole) else whole[at]
        info, up = scope.clips[id], scope.source.up
        camera = None if up is None else scope.camera(id)
        upward = None if camera is None or up is None else camera.rotation @ np.asarray(up)
        units = []
        for action, part in scope.actions(id, frames):
            row = Row(id, info.subject, info.take, info.camera, action)
            units.append(Unit(row, pred[..., part, :, :], truth[part], frames[part], np.arange(len(frames))[part], upward))
        return _Clip(id, pred, truth, whole, at, units)


class _Contexts:
    """Factors of the set and of each clip, offsets of each half of the takes, lengths in each clip."""

    def __init__(self, units: Sequence[summary.Labelled], surveyed: Mapping[str, Sequence[Survey]], setting: Setting) -> None:
        self._setting, self._surveyed = setting, surveyed
        self._set = [_factor([getattr(one, name) for of_units in surveyed.values() for one in of_units]) for name in _PRODUCTS]
        takes = list(dict.fromkeys(unit.row.take for unit in units))
        self._take = {unit.row.clip: unit.row.take for unit in units}
        self._half = {take: number % 2 for number, take in enumerate(takes)}
        self._offsets = [self._offset(half) for half in (0, 1)] if len(takes) > 1 and setting.body.has_frame else None

    def of(self, clip_id: str) -> Context:
        """What the second pass over a clip needs."""
        of_units = self._surveyed[clip_id]
        clip = [_factor([getattr(one, name) for one in of_units]) for name in _PRODUCTS]
        frames = sum(len(one.start) for one in of_units)
        lengths = sum((one.lengths for one in of_units), np.zeros(len(self._setting.body.children))) / max(frames, 1)
        scales = (Scales(self._set[0], self._set[1], clip[0], clip[1]), Scales(self._set[2], self._set[3], clip[2], clip[3]))
        metric = self._setting.metric_scale
        offset = None if self._offsets is None else self._offsets[1 - self._half[self._take[clip_id]]]
        return Context(scales[0] if metric else None, scales[1] if metric else None, offset, lengths)

    def _offset(self, half: int) -> Array:
        """Mean error in the body frame over one half of the takes."""
        chosen = [one for clip, of_units in self._surveyed.items() if self._half[self._take[clip]] == half for one in of_units]
        count = sum(one.body_count for one in chosen)
        return sum((one.body for one in chosen), np.zeros((3, len(self._setting.body.skeleton)))) / max(count, 1)


_PRODUCTS = ("alone", "fixed", "chance_alone", "chance_fixed")


def _factor(products: Sequence[Array]) -> float:
    """The least-squares factor from sums of products; 0 where there is nothing to scale."""
    dot, size = sum(products, np.zeros(2)).tolist()
    return dot / size if size > 0.0 else 0.0
