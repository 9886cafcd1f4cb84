"""One method under one condition: the sums of each metric by take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.scoring.checks import refuse
from posebench.scoring.checks.layout import layout_findings
from posebench.scoring.evaluate import accumulate, sums_by_metric
from posebench.scoring.measure import scored_metrics
from posebench.scoring.protocol import Protocol
from posebench.scoring.result_parts import ScoredData
from posebench.scoring.submission import Header, Scorable, open_submission
from posebench.scoring.sums import codes
from posebench.scoring.truth import TruthLocation

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TakeSums:
    """One metric under one condition.

    Attributes:
        total: (takes,) sums over the frames of all cameras of the mean over joints.
        count: (takes,) number of frames in each sum.
    """

    total: Array
    count: Array

    @property
    def means(self) -> Array:
        """(takes,) the mean of each take; NaN where nothing is counted."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 0, self.total / self.count, np.nan)


@dataclass(frozen=True, eq=False)
class Measured:
    """What scoring under a condition gives: takes in the dataset's order, sums by metric, and what is known of the data."""

    takes: tuple[str, ...]
    sums: dict[str, TakeSums]
    data: ScoredData


def measure(
    predictions: Scorable,
    protocol: Protocol,
    location: TruthLocation,
    header: Header | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Score predictions under the condition of ``location``.

    **Convention.** Clips and frames must be complete. The poses themselves are checked, as ``posebench score`` does, under ``clean``: what
    a wrong joint order or unit looks like there is what errors of keypoints may look like elsewhere.

    Args:
        predictions: a prediction file, or poses in memory by clip id.
        protocol: one with conditions.
        location: root of the dataset, and the condition.
        header: of poses in memory, what the header of a file would state.
        progress: called with (clips done, clips in all).

    Raises:
        PosebenchError: a file that cannot be used, or a check found an error (exit code 1).
    """
    with open_submission(predictions, protocol, location, header=header) as submission:
        refuse(layout_findings(submission), submission)
        metrics = scored_metrics(protocol, metric_scale=submission.file.meta.metric_scale)
        found = accumulate(submission, metrics, False, progress)
        if location.condition is None or location.condition.severity == 0:
            refuse(found.samples.findings(), submission)
        takes, take = codes([row.take for row in found.rows])
        sums = {}
        by_metric = sums_by_metric(submission, metrics, found)
        # Of several hypotheses the mean pose counts; oracles over them are left out.
        for name, values in ((metric.name, by_metric[metric.name]) for metric in metrics):
            total, count = np.zeros(len(takes)), np.zeros(len(takes))
            np.add.at(total, take, values.row_total)
            np.add.at(count, take, values.count)
            sums[name] = TakeSums(total, count)
        return Measured(tuple(takes), sums, submission.scope.source.describe())


def require_conditions(protocol: Protocol) -> Protocol:
    """The protocol, which must have conditions.

    Raises:
        PosebenchError: it has none.
    """
    if not protocol.conditions:
        raise PosebenchError(
            f"protocol {protocol.id}, which has no conditions",
            "one with corruptions or shifts, such as cmu/noise",
            "choose with --protocol",
        )
    return protocol
