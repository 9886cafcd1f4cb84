"""Headline averages of many sums at once, and the same averages in every resample of the takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.scoring import intervals
from posebench.scoring.sums import Row, cells, relabelled, weighted_average

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Averages (K,), and the same in every resample (B, K); None where there are no resamples."""

    value: Array
    resampled: Array | None


class Averages:
    """Averages of one kind over rows, with intervals over takes.

    Args:
        rows: labels of the rows.
        kind: the average: ``frame``, ``take``, ``action`` or ``subject x action``.
    """

    def __init__(self, rows: Sequence[Row], kind: str) -> None:
        self._rows, self._kind = relabelled(rows, kind)
        self.draw = intervals.resample(rows, kind)

    def of(self, total: Array, count: Array) -> Estimate:
        """Averages of sums (rows, K) with their counts (rows,)."""
        table, counts, takes, _ = cells(self._rows, total, count)
        value = weighted_average(np.ones((1, len(takes))), table, counts, self._kind)[0]
        resampled = None if self.draw is None else weighted_average(self.draw.weights, table, counts, self._kind)
        return Estimate(value, resampled)

    def interval(self, resampled: Array | None) -> tuple[float | None, float | None]:
        """Limits of one number from its values (B,) in the resamples; None where there are none, or one is not finite."""
        if resampled is None or self.draw is None or not np.isfinite(resampled).all():
            return None, None
        return self.draw.interval(resampled)
