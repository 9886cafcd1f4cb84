"""Is a prediction file sound, and does it hold what the protocol asks for? Small named checks, each with a severity and a likely fix.

**Convention.** ``error`` refuses the file, ``warning`` is shown with the score, ``note`` says what the scorer does by itself. What can be
told from the headers is checked before any pose is read; what needs poses is in :mod:`posebench.scoring.checks.poses`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.skeletons import EQUATED, joint_map
from posebench.predictions.archive import Predictions, open_predictions
from posebench.predictions.finding import Finding
from posebench.predictions.formats.registry import Reading, foreign_format, read_foreign
from posebench.scoring.checks.poses import Evidence
from posebench.scoring.measure import measure_clip
from posebench.scoring.protocol import Protocol, load_protocol
from posebench.scoring.scope import Scope, open_scope


@dataclass(frozen=True, eq=False)
class Submission:
    """An open prediction file beside the scope it is scored in; ``clips`` are those that both have, ``hypotheses`` a pose's.

    ``reading`` says how a foreign file was read.
    """

    file: Predictions
    scope: Scope
    clips: list[str]
    joints: list[int]
    hypotheses: int
    reading: tuple[Finding, ...] = ()

    def numbers(self, clip: str) -> npt.NDArray[np.int64] | None:
        """Frame number of each stored pose; None where their count fits neither the clip nor the protocol's frames."""
        stored = self.file.shapes[clip][-3]
        frames = self.file.frames(clip)
        if frames is not None:
            return frames
        if stored in (0, self.scope.clips[clip].frames):
            return np.arange(stored) * self.scope.spacing
        wanted = self.scope.frames(clip)
        return wanted if stored == len(wanted) else None

    def pair(self, clip: str) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating], npt.NDArray[np.int64]]:
        """Predicted (n, J, 3) or (H, n, J, 3) as stored, true (n, J, 3) mm, frame numbers (n,): the protocol's frames that are there."""
        numbers = self.numbers(clip)
        assert numbers is not None  # layout_findings refuses the file otherwise
        pred, truth = self.file.poses(clip), self.scope.truth(clip)
        if self.joints != list(range(pred.shape[-2])):
            pred = pred[..., self.joints, :]
        keep = np.isin(numbers, self.scope.frames(clip))
        if not keep.all():
            pred, numbers = pred[..., keep, :, :], numbers[keep]
        return pred, truth if len(numbers) == len(truth) else truth[numbers // self.scope.spacing], numbers


@contextmanager
def open_submission(
    predictions: str | os.PathLike[str],
    protocol: Protocol,
    *,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    from_format: str | Reading | None = None,
) -> Iterator[Submission]:
    """Open a prediction file and the scope it is scored in; nothing is read but headers.

    Raises:
        PosebenchError: a file is missing, damaged or of another format, or its skeleton lacks joints of the protocol.
    """
    reading = from_format if isinstance(from_format, Reading) else Reading(from_format)
    format = foreign_format(predictions, reading)
    with ExitStack() as stack:
        findings: tuple[Finding, ...] = ()
        if format is None:
            file = stack.enter_context(open_predictions(predictions))
            scope = stack.enter_context(open_scope(protocol, root=root, truth=truth, cameras=cameras))
        else:
            scope = stack.enter_context(open_scope(protocol, root=root, truth=truth, cameras=cameras))
            file, finding = read_foreign(predictions, format, reading, scope)
            findings = (finding,)
        joints = list(joint_map(file.meta.skeleton, protocol.skeleton.id))
        clips = [clip for clip in scope.clips if clip in file.shapes]
        several = max((shape[0] for shape in file.shapes.values() if len(shape) == 4), default=1)
        yield Submission(file, scope, clips, joints, several, findings)


def check(
    predictions: str | os.PathLike[str],
    protocol: str | Protocol,
    *,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    allow_partial: bool = False,
    from_format: str | Reading | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """All findings about a prediction file, errors first; an empty list is a clean bill. Arguments as :func:`posebench.score`."""
    protocol = load_protocol(protocol) if isinstance(protocol, str) else protocol
    with open_submission(predictions, protocol, root=root, truth=truth, cameras=cameras, from_format=from_format) as submission:
        findings = layout_findings(submission, allow_partial=allow_partial)
        evidence = Evidence(protocol, submission.file.meta, len(submission.clips))
        readable = [clip for clip in submission.clips if submission.numbers(clip) is not None and not _bad_numbers(submission, clip)]
        for done, clip in enumerate(readable):
            pred, true, frames = submission.pair(clip)
            sums = measure_clip(protocol, [], pred, true, frames, to_mm=submission.file.meta.to_mm)
            evidence.add(clip, pred, true, sums, submission.scope.camera(clip))
            if progress:
                progress(done + 1, len(readable))
        findings += evidence.findings()
    order = ("error", "warning", "note")
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def refuse(findings: list[Finding], submission: Submission) -> None:
    """Raise if there is an error among the findings (exit code 1)."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise PosebenchError(
            f"{submission.file.path}: " + "; ".join(f"{finding.name}: {finding.message}" for finding in errors),
            "; ".join(dict.fromkeys(finding.fix for finding in errors)),
            f"posebench check {submission.file.path} --protocol {submission.scope.protocol.id} (and the same --root or --truth) tells all",
            exit_code=1,
        )


def layout_findings(submission: Submission, *, allow_partial: bool = False) -> list[Finding]:
    """How the file was read, and what the headers and frame numbers tell."""
    partial = "warning" if allow_partial else "error"
    return [*submission.reading] + [
        finding
        for found in (
            _empty_file(submission),
            _duplicated(submission),
            _missing_clips(submission, partial),
            _extra_clips(submission, partial),
            _empty_clips(submission, partial),
            _frame_count(submission),
            _frame_index(submission),
            _missing_frames(submission, partial),
            _hypotheses(submission),
            _skeleton(submission),
        )
        for finding in found
    ]


def _named(name: str, severity: str, clips: list[str], message: str, fix: str) -> list[Finding]:
    return [Finding(name, severity, f"{message} ({first_ten(clips)})", fix, tuple(clips))] if clips else []


def _empty_file(submission: Submission) -> list[Finding]:
    if submission.file.shapes:
        return []
    return [
        Finding("empty-file", "error", "the file holds no clip", "write poses under clip ids such as " + next(iter(submission.scope.clips)))
    ]


def _duplicated(submission: Submission) -> list[Finding]:
    twice = submission.file.duplicated
    return _named("duplicated-keys", "error", twice, f"{len(twice)} clip ids stand in the file more than once", "write each clip once")


def _missing_clips(submission: Submission, severity: str) -> list[Finding]:
    scope = submission.scope
    missing = [clip for clip in scope.clips if clip not in submission.file.shapes]
    if submission.file.shapes and not submission.clips:
        severity = "error"  # in part is one thing, not at all another
    poses = sum(len(scope.frames(clip)) for clip in missing)
    message = f"{len(missing)} of {len(scope.clips)} clips are missing, {poses:,} of {scope.poses:,} poses"
    return _named(
        "missing-clips", severity, missing, message, "predict every clip of the protocol, or score what is there with --allow-partial"
    )


def _extra_clips(submission: Submission, severity: str) -> list[Finding]:
    extra = [clip for clip in submission.file.shapes if clip not in submission.scope.clips]
    message = f"{len(extra)} clips are not in the protocol"
    ids = next(iter(submission.scope.clips))
    return _named(
        "extra-clips", severity, extra, message, f"leave them out (clip ids look like {ids}), or ignore them with --allow-partial"
    )


def _empty_clips(submission: Submission, severity: str) -> list[Finding]:
    empty = [clip for clip in submission.clips if submission.file.shapes[clip][-3] == 0]
    severity = "error" if len(empty) == len(submission.clips) else severity
    return _named("empty-clips", severity, empty, f"{len(empty)} clips hold no pose", "predict every frame of these clips")


def _frame_count(submission: Submission) -> list[Finding]:
    wrong = [clip for clip in submission.clips if submission.file.shapes[clip][-3] and submission.numbers(clip) is None]
    if not wrong:
        return []
    clip = wrong[0]
    stored, full = submission.file.shapes[clip][-3], submission.scope.clips[clip].frames
    strided = len(submission.scope.frames(clip))
    wanted = f"{full}" if strided == full else f"{full} (whole clip) or {strided} (the frames that the protocol scores)"
    message = f"{len(wrong)} clips have another number of frames than the truth, the first {stored} where {wanted} are wanted"
    return _named("frame-count", "error", wrong, message, "predict every frame, or store frame numbers under '<clip id>#frames'")


def _bad_numbers(submission: Submission, clip: str) -> str:
    numbers = submission.file.frames(clip)
    if numbers is None or not len(numbers):
        return ""
    last = (submission.scope.clips[clip].frames - 1) * submission.scope.spacing
    if numbers.min() < 0 or numbers.max() > last:
        return f"frame numbers reach from {numbers.min()} to {numbers.max()} where the clip has 0 to {last}"
    return "frame numbers do not rise" if (np.diff(numbers) <= 0).any() else ""


def _frame_index(submission: Submission) -> list[Finding]:
    bad = {clip: text for clip in submission.clips if (text := _bad_numbers(submission, clip))}
    message = f"in {len(bad)} clips {next(iter(bad.values()), '')}"
    return _named(
        "frame-index", "error", list(bad), message, "number frames from 0 in the clip as the dataset defines it, ascending, each once"
    )


def _missing_frames(submission: Submission, severity: str) -> list[Finding]:
    holes = {}
    for clip in submission.clips:
        numbers = submission.file.frames(clip)
        if numbers is not None and not _bad_numbers(submission, clip):
            missing = len(np.setdiff1d(submission.scope.frames(clip), numbers))
            if missing:
                holes[clip] = missing
    message = f"{sum(holes.values()):,} of {submission.scope.poses:,} poses are missing within {len(holes)} clips"
    return _named("missing-frames", severity, list(holes), message, "predict every frame of the protocol, or use --allow-partial")


def _hypotheses(submission: Submission) -> list[Finding]:
    odd = [
        clip
        for clip in submission.clips
        if (submission.file.shapes[clip][0] if len(submission.file.shapes[clip]) == 4 else 1) != submission.hypotheses
    ]
    message = f"{len(odd)} clips have another number of hypotheses than {submission.hypotheses}"
    return _named("hypotheses", "error", odd, message, "give every clip the same number of hypotheses")


def _skeleton(submission: Submission) -> list[Finding]:
    stored, wanted = submission.file.meta.skeleton, submission.scope.protocol.skeleton.id
    if stored == wanted:
        return []
    equated = EQUATED.get((stored, wanted), {})
    severity = "warning" if equated else "note"
    message = f"joints are taken by name from {stored} to {wanted}" + "".join(f"; {a} stands for {b}" for a, b in equated.items())
    return [Finding("skeleton", severity, message, "none needed, if that is what you meant")]
