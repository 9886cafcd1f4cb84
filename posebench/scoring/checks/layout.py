"""Findings from headers and frame numbers, before any pose is read: missing clips, wrong frame counts, another skeleton."""

from __future__ import annotations

import numpy as np

from posebench.base.errors import first_ten
from posebench.base.joint_matching import match_joints
from posebench.predictions.archive import PIXELS
from posebench.predictions.finding import Finding
from posebench.predictions.formats.foreign import clips_from_names
from posebench.scoring.submission import Submission


def layout_findings(submission: Submission, *, allow_partial: bool = False) -> list[Finding]:
    """How the file was read, and what its headers and frame numbers show.

    What is missing is an error, or a warning if ``allow_partial`` is set.
    """
    partial = "warning" if allow_partial else "error"
    misnamed = _clips_meant(submission)
    swapped, axis = _hypotheses_axis(submission)
    return [
        *submission.reading,
        *submission.file.notes,
        *_empty_file(submission),
        *_duplicated(submission),
        *_misnamed_clips(misnamed),
        *_missing_clips(submission, misnamed, partial),
        *_excluded_clips(submission),
        *_unused_clips(submission),
        *_extra_clips(submission, misnamed, partial),
        *_empty_clips(submission, partial),
        *axis,
        *_frame_count(submission, swapped),
        *_frame_index(submission),
        *_missing_frames(submission, partial),
        *_hypotheses(submission, swapped),
        *_skeleton(submission),
        *_oracle(submission),
        *_gaps_of_truth(submission),
    ]


def _about(clips: list[str], name: str, severity: str, message: str, fix: str) -> list[Finding]:
    """One finding about ``clips``, which the message lists; none where there are no clips."""
    return [Finding(name, severity, f"{message} ({first_ten(clips)})", fix, tuple(clips))] if clips else []


def _example(submission: Submission) -> str:
    """A clip id of the protocol."""
    return next(iter(submission.scope.clips))


def _empty_file(submission: Submission) -> list[Finding]:
    if submission.file.shapes:
        return []
    return [Finding("empty-file", "error", "the file holds no clip", f"write poses under clip ids such as {_example(submission)}")]


def _duplicated(submission: Submission) -> list[Finding]:
    twice = submission.file.duplicated
    return _about(twice, "duplicated-keys", "error", f"the file holds {len(twice)} clip ids more than once", "write each clip once")


def _clips_meant(submission: Submission) -> dict[str, str]:
    """Extra clips whose names give a clip of the protocol that the file lacks, and that clip."""
    scope, shapes = submission.scope, submission.file.shapes
    meant = clips_from_names([clip for clip in shapes if clip not in scope.clips], scope)
    return {name: clip for name, clip in meant.items() if clip in scope.clips and clip not in shapes}


def _misnamed_clips(misnamed: dict[str, str]) -> list[Finding]:
    examples = "; ".join(f"{name!r} for {clip!r}" for name, clip in list(misnamed.items())[:2])
    message = f"{len(misnamed)} clips of the protocol have names of another form, {examples}"
    return [Finding("clip-names", "error", message, "rename them to the clip ids", tuple(misnamed))] if misnamed else []


def _missing_clips(submission: Submission, misnamed: dict[str, str], severity: str) -> list[Finding]:
    scope = submission.scope
    present = {*submission.file.shapes, *misnamed.values()}
    missing = [clip for clip in scope.clips if clip not in present]
    if submission.file.shapes and not submission.clips:
        severity = "error"  # a file without any clip of the protocol is no partial file
    poses = sum(len(scope.frames(clip)) for clip in missing)
    message = f"{len(missing)} of {len(scope.clips)} clips are missing, {poses:,} of {scope.pose_count:,} poses"
    fix = "predict every clip of the protocol, or score the clips of the file with --allow-partial"
    return _about(missing, "missing-clips", severity, message, fix)


def _excluded(submission: Submission) -> list[str]:
    """Clips that the protocol excludes with a reason."""
    return [clip for clip in submission.file.shapes if submission.scope.protocol.excludes(clip)]


def _excluded_clips(submission: Submission) -> list[Finding]:
    clips, protocol = _excluded(submission), submission.scope.protocol
    whole = dict.fromkeys(take for clip in clips if (take := clip.rpartition("/")[0]) in protocol.excluded)
    reasons = {take: protocol.excluded[take] for take in whole}
    reasons |= {clip: protocol.excluded_clips[clip] for clip in clips if clip in protocol.excluded_clips}
    what = "clips of takes that the protocol excludes" if whole else "clips that the protocol excludes"
    message = f"{len(clips)} {what} are ignored: {'; '.join(f'{name}, {reason}' for name, reason in reasons.items())}"
    return [Finding("excluded-clips", "note", message, "none needed", tuple(clips))] if clips else []


def _unused(submission: Submission) -> list[str]:
    """Clips of the data that the protocol does not score, by its choice of subjects, actions, cameras or trials."""
    scope, excluded = submission.scope, _excluded(submission)
    return [clip for clip in submission.file.shapes if clip in scope.source.infos and clip not in scope.clips and clip not in excluded]


def _unused_clips(submission: Submission) -> list[Finding]:
    clips = _unused(submission)
    message = f"{len(clips)} clips that the protocol does not score are ignored ({first_ten(clips)})"
    return [Finding("unused-clips", "note", message, "none needed", tuple(clips))] if clips else []


def _extra_clips(submission: Submission, misnamed: dict[str, str], severity: str) -> list[Finding]:
    ignored = {*misnamed, *_excluded(submission), *_unused(submission)}
    extra = [clip for clip in submission.file.shapes if clip not in submission.scope.clips and clip not in ignored]
    fix = f"leave them out (clip ids look like {_example(submission)}), or ignore them with --allow-partial"
    return _about(extra, "extra-clips", severity, f"{len(extra)} clips are not in the protocol", fix)


def _empty_clips(submission: Submission, severity: str) -> list[Finding]:
    empty = [clip for clip in submission.clips if submission.file.shapes[clip][-3] == 0]
    severity = "error" if len(empty) == len(submission.clips) else severity
    return _about(empty, "empty-clips", severity, f"{len(empty)} clips hold no pose", "predict every frame of these clips")


def _hypotheses_axis(submission: Submission) -> tuple[dict[str, int], list[Finding]]:
    """Clips stored as (T, H, J, 3) instead of (H, T, J, 3), with their H, and the finding that says so."""
    swapped = {}
    for clip in submission.clips:
        shape = submission.file.shapes[clip]
        if len(shape) != 4 or submission.file.frames(clip) is not None:
            continue
        wanted = (submission.scope.clips[clip].frames, len(submission.scope.frames(clip)))
        if shape[1] not in wanted and (shape[0] in wanted or (shape[0] > 1 and shape[1] == 1)):
            swapped[clip] = shape[1]
    if not swapped:
        return {}, []
    shape = submission.file.shapes[next(iter(swapped))]
    frames = f"{shape[1]} frame" + "s" * (shape[1] > 1)
    message = f"{len(swapped)} clips are read as (H, T, J, 3), the first, {shape}, as {shape[0]} hypotheses of {frames}"
    fix = (
        "squeeze the axis of 1, which is one hypothesis or the one frame that a network predicts: poses[:, 0]"
        if set(swapped.values()) == {1}
        else "put hypotheses before frames: poses.transpose(1, 0, 2, 3)"
    )
    return swapped, _about(list(swapped), "hypotheses-axis", "error", message, fix)


def _frame_count(submission: Submission, swapped: dict[str, int]) -> list[Finding]:
    wrong = [
        clip for clip in submission.clips if clip not in swapped and submission.file.shapes[clip][-3] and submission.numbers(clip) is None
    ]
    if not wrong:
        return []
    first = wrong[0]
    stored, full = submission.file.shapes[first][-3], submission.scope.clips[first].frames
    strided = len(submission.scope.frames(first))
    wanted = f"{full}" if strided == full else f"{full} (whole clip) or {strided} (the frames that the protocol scores)"
    message = f"{len(wrong)} clips have another number of frames than the truth, the first {stored} where {wanted} are wanted"
    excess = [submission.file.shapes[clip][-3] - submission.scope.clips[clip].frames for clip in wrong]
    low, high = min(excess), max(excess)
    if low > 0 or (high < 0 and low == high):
        count = f"{abs(low)}" if low == high else f"{low} to {high}"
        where = "in every clip" if len(wrong) == len(submission.clips) else "in each of them"
        message += f": {count} too {'many' if low > 0 else 'few'} {where}"
    return _about(wrong, "frame-count", "error", message, _frame_count_fix(low, high, full, submission.scope.spacing))


def _frame_count_fix(low: int, high: int, full: int, spacing: int) -> str:
    """What to do where clips have ``low`` to ``high`` frames too many (too few if negative); the first is of ``full`` frames."""
    if low > 0:
        return (
            f"cut each clip to the frames of the truth, e.g. poses[:{full}], as VideoPose3D cuts to the motion capture (videos and 2D"
            " detections go on after its end); or store frame numbers under '<clip id>#frames' if the first frame is another one"
        )
    if low == high and low % 2 == 0:
        pad = -low // 2
        return (
            f"if the network has a receptive field of {2 * pad + 1} frames and no padding, repeat the first and the last keypoints"
            f" {pad} times before predicting; or store frame numbers under '<clip id>#frames', here {pad * spacing} to"
            f" {(full - 1 - pad) * spacing}, and use --allow-partial"
        )
    return "predict every frame, or store frame numbers under '<clip id>#frames'"


def _frame_index(submission: Submission) -> list[Finding]:
    faults = {clip: fault for clip in submission.clips if (fault := submission.misnumbered(clip))}
    if not faults:
        return []
    first = next(iter(faults))
    message = f"in {len(faults)} clips {faults[first]}"
    fix = "number frames from 0 in the clip as the dataset defines it, ascending, each once"
    numbers, last = submission.file.frames(first), (submission.scope.clips[first].frames - 1) * submission.scope.spacing
    if numbers is not None and numbers[0] >= 0 and (np.diff(numbers) > 0).all():
        fix = (
            "number frames from 0, by subtracting 1"
            if numbers[0] == 1 and numbers[-1] == last + 1
            else f"leave out the frames after the last of the truth, here {last}, with their poses: the motion capture has ended there"
        )
    return _about(list(faults), "frame-index", "error", message, fix)


def _missing_frames(submission: Submission, severity: str) -> list[Finding]:
    missing = {}
    for clip in submission.clips:
        numbers = submission.file.frames(clip)
        if numbers is not None and not submission.misnumbered(clip):
            count = len(np.setdiff1d(submission.scope.frames(clip), numbers))
            if count:
                missing[clip] = count
    message = f"{sum(missing.values()):,} of {submission.scope.pose_count:,} poses are missing within {len(missing)} clips"
    return _about(list(missing), "missing-frames", severity, message, "predict every frame of the protocol, or use --allow-partial")


def _hypotheses(submission: Submission, swapped: dict[str, int]) -> list[Finding]:
    if swapped:
        return []
    shapes = submission.file.shapes
    counts = {clip: shapes[clip][0] if len(shapes[clip]) == 4 else 1 for clip in submission.clips}
    other = [clip for clip, count in counts.items() if count != submission.hypotheses]
    message = f"{len(other)} clips have another number of hypotheses than {submission.hypotheses}"
    return _about(other, "hypotheses", "error", message, "give every clip the same number of hypotheses")


def _skeleton(submission: Submission) -> list[Finding]:
    stored, wanted = submission.file.meta.skeleton, submission.scope.protocol.skeleton.id
    if stored == wanted:
        return []
    equated = [word.split(" = ") for word in match_joints(stored, wanted).words]
    severity = "warning" if equated else "note"
    message = f"joints are taken by name from {stored} to {wanted}" + "".join(f"; {theirs} stands for {ours}" for ours, theirs in equated)
    return [Finding("skeleton", severity, message, "none needed, if that is what you meant")]


def _gaps_of_truth(submission: Submission) -> list[Finding]:
    """That frames of the truth are not scored, where that is not part of the dataset's definition."""
    scope = submission.scope
    frames, joints = scope.left_out
    if not frames or scope.source.describe().official:
        return []
    most = sorted(joints.items(), key=lambda one: -one[1])
    why = "the truth lacks a joint there: " + ", ".join(f"{joint} in {count:,}" for joint, count in most[:4]) if most else ""
    why += f" and {len(most) - 4} more joints" if len(most) > 4 else ""
    message = f"{frames:,} of {frames + scope.pose_count:,} frames of the truth are not scored; {why or 'the data mark them as not valid'}"
    return [Finding("truth-gaps", "note", message, "none needed: a frame counts with all its joints, or not at all")]


def _oracle(submission: Submission) -> list[Finding]:
    """That a protocol in the image uses the true depth of the root."""
    protocol, meta = submission.scope.protocol, submission.file.meta
    if protocol.space == "camera":
        return []
    how = "are multiplied by" if meta.unit == PIXELS else "count as multiplied by" if meta.frame != "camera" else "are projected with"
    message = (
        f"poses {how} the true depth of the root in each frame, an oracle of scale: not to be compared with scores in the camera frame"
    )
    return [Finding("oracle", "warning", message, "none needed, if that is the table you compare with")]
