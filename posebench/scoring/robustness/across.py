"""One method on the test splits of several datasets, with and without the offset between their skeletons.

**Convention.** PA-offset: predictions are aligned to the truth by a similarity (det = +1); the error of each joint is turned into the body
frame of the true pose (left, up, forward: :meth:`posebench.scoring.decomposition.body.Body.axes`), its mean over the frames of one half of
the takes (every second one) is subtracted from the errors of the other half, and the distances that remain are averaged as the protocol
averages. 3 J numbers are fitted for the whole set, on other takes than those that are scored.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.metrics.alignment import aligned
from posebench.metrics.position import root_relative_valid
from posebench.scoring.checks import refuse
from posebench.scoring.checks.layout import layout_findings
from posebench.scoring.decomposition.body import Body
from posebench.scoring.evaluate import accumulate, sums_by_metric
from posebench.scoring.measure import scored_metrics
from posebench.scoring.protocol import Protocol
from posebench.scoring.submission import Header, Scorable, open_submission
from posebench.scoring.sums import Row, average, codes
from posebench.scoring.truth import TruthLocation

FORMAT = 1
_WANTED = ("MPJPE", "PA-MPJPE")


@dataclass(frozen=True)
class Cell:
    """Headline averages in mm of one method on one dataset; MPJPE is None where the scale is unknown."""

    mpjpe: float | None
    pa: float
    pa_offset: float


@dataclass(frozen=True)
class AcrossRow:
    """One method.

    Attributes:
        method: its name.
        trained_on: dataset of its training; empty for none.
        cells: dataset to its numbers.
    """

    method: str
    trained_on: str
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Across:
    """The table.

    Attributes:
        keypoints: source, in training and test.
        datasets: columns.
        protocols: dataset to the id, version and digest of the protocol that scores it.
        fingerprints: dataset to its fingerprint.
        rows: by method and dataset of the training.
    """

    keypoints: str
    datasets: tuple[str, ...]
    protocols: dict[str, str]
    fingerprints: dict[str, str]
    rows: tuple[AcrossRow, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {"posebench_across": FORMAT, **asdict(self)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table as JSON, completely or not at all."""
        write_text(path, json.dumps(self.as_dict(), indent=1) + "\n")
        return Path(path)


def measure_cell(predictions: Scorable, protocol: Protocol, location: TruthLocation, header: Header | None = None) -> Cell:
    """The numbers of complete predictions on one dataset.

    Raises:
        PosebenchError: a file that cannot be used, a check found an error, or the protocol lacks MPJPE or PA-MPJPE, or a body frame.
    """
    body = Body.of(protocol)
    names = {metric.name for metric in protocol.metrics}
    if not body.has_frame or protocol.space != "camera" or not set(_WANTED) <= names:
        raise PosebenchError(f"protocol {protocol.id}", "MPJPE, PA-MPJPE, hips and a trunk, in the camera frame", "choose another dataset")
    with open_submission(predictions, protocol, location, header=header) as submission:
        refuse(layout_findings(submission), submission)
        metrics = [metric for metric in scored_metrics(protocol, metric_scale=submission.file.meta.metric_scale) if metric.name in _WANTED]
        found = accumulate(submission, metrics, False, None)
        refuse(found.samples.findings(), submission)
        values = {
            name: float(average(found.rows, sums.row_total, sums.count, protocol.headline))
            for name, sums in sums_by_metric(submission, metrics, found).items()
        }
        scope, scored = submission.scope, list(body.scored)
        errors: list[np.ndarray[Any, np.dtype[np.float32]]] = []
        rows: list[Row] = []
        for clip in submission.readable_clips():
            pred, whole, numbers = submission.pair(clip)
            truth = np.asarray(whole[numbers // scope.spacing], dtype=np.float64)
            single = np.asarray(pred if pred.ndim == 3 else pred.mean(axis=0), dtype=np.float64)
            relative, _ = root_relative_valid(single, protocol.root_indices)
            wanted = truth[:, scored]
            error = aligned(relative[:, scored], wanted, "similarity") - wanted
            axes = body.axes(truth.transpose(2, 1, 0))
            in_body = np.einsum("bcn,njc->njb", axes, error)
            info = scope.clips[clip]
            for action, part in scope.actions(clip, numbers):
                rows.append(Row(clip, info.subject, info.take, info.camera, action))
                errors.append(in_body[part].astype(np.float32))
    return Cell(values.get("MPJPE"), values["PA-MPJPE"], _without_offset(errors, rows, protocol.headline))


def _without_offset(errors: list[np.ndarray[Any, np.dtype[np.float32]]], rows: list[Row], headline: str) -> float:
    """The headline average of errors (n, J, 3) in the body frame, less the mean of the other half of the takes."""
    takes, take = codes([row.take for row in rows])
    if len(takes) < 2:
        raise PosebenchError(
            f"{len(takes)} take", "two or more, to fit the offset on one half and apply it to the other", "score more takes"
        )
    half = take % 2
    offset = [
        sum(error.sum(axis=0, dtype=np.float64) for error, its in zip(errors, half, strict=True) if its == one)
        / sum(len(error) for error, its in zip(errors, half, strict=True) if its == one)
        for one in (0, 1)
    ]
    left = [np.linalg.norm(error - offset[1 - its], axis=-1) for error, its in zip(errors, half, strict=True)]
    total = np.array([distance.mean(axis=1).sum() for distance in left])
    count = np.array([float(len(error)) for error in errors])
    return float(average(rows, total, count, headline))
