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
from posebench.scoring.protocol import Protocol, load_protocol
from posebench.scoring.submission import Submission, open_submission
from posebench.scoring.traversal import measured
from posebench.scoring.truth import TruthLocation


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
    """All findings about a prediction file, errors first; an empty list means that nothing was found. Arguments as :func:`posebench.score`.

    Raises:
        PosebenchError: a file is missing, damaged or of another format, or its skeleton lacks joints of the protocol.
    """
    protocol = load_protocol(protocol) if isinstance(protocol, str) else protocol
    with open_submission(predictions, protocol, TruthLocation(root, truth, cameras), from_format) as submission:
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
            f"posebench check {submission.file.path} --protocol {submission.scope.protocol.id} (and the same --root or --truth)"
            " lists all findings",
            exit_code=1,
        )
