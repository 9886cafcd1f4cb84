"""Findings about a prediction file: is it complete, and are its poses plausible?

Imports the rest of ``scoring`` and what that may import. :func:`check` lists the findings; :func:`refuse` raises if one is an error.
Start with ``layout.py`` (headers and frame numbers) and ``poses.py`` (a sample of the poses).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from posebench.base.errors import PosebenchError
from posebench.predictions.finding import SEVERITIES, Finding
from posebench.predictions.formats.registry import Reading
from posebench.scoring.checks.layout import layout_findings
from posebench.scoring.checks.poses import PoseSamples
from posebench.scoring.protocol import Protocol
from posebench.scoring.submission import Header, Scorable, Submission, loaded, open_submission
from posebench.scoring.traversal import measured
from posebench.scoring.truth import TruthLocation


def check(
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
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """All findings about a prediction file or poses in memory, errors first; an empty list means that nothing was found.

    Arguments are those of :func:`posebench.score`.

    Raises:
        PosebenchError: a file is missing, damaged or of another format, or its skeleton lacks joints of the protocol.

    Example:
        >>> import numpy as np, posebench, tempfile
        >>> truth = {"S1/Walk 1/c0": np.random.default_rng(0).normal(0, 300, (9, 17, 3))}
        >>> file = posebench.save_predictions(tempfile.mkdtemp() + "/truth.npz", truth, unit="mm", skeleton="h36m17")
        >>> for finding in posebench.check({}, "pair-17j", truth=file, unit="mm", skeleton="h36m17"):
        ...     print(finding.severity, finding.name)
        error empty-file
        error missing-clips
    """
    protocol = loaded(protocol)
    header = Header(unit, skeleton, scale, method, keypoints)
    with open_submission(predictions, protocol, TruthLocation(root, truth, cameras), from_format, header) as submission:
        findings = layout_findings(submission, allow_partial=allow_partial)
        samples = PoseSamples(protocol, submission.file.meta, len(submission.clips))
        readable = submission.readable_clips()
        for done, clip in enumerate(measured(submission, [], readable), start=1):
            samples.add(clip, submission.scope.camera(clip.id))
            if progress:
                progress(done, len(readable))
        findings += samples.findings()
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def refuse(findings: list[Finding], submission: Submission) -> None:
    """Raise :class:`PosebenchError` with exit code 1 if one of the findings is an error."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise PosebenchError(
            f"{submission.file.path}: " + "; ".join(f"{finding.name}: {finding.message}" for finding in errors),
            "; ".join(dict.fromkeys(finding.fix for finding in errors)),
            submission.how_to_check,
            exit_code=1,
        )
