"""Readings that the sums of a result allow: other averages, rows and joints, and areas that follow from a stored one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from posebench.scoring.conventions import row_choice
from posebench.scoring.conventions.one_pass import RowSums
from posebench.scoring.conventions.reading import Quantity, Reading
from posebench.scoring.result import Result

Array = npt.NDArray[np.float64]

#: Statistics that are means over the joints, so that the mean of some columns is the score on some joints.
_BY_JOINT = ("mean", "pck", "auc")
_NEEDS_POSES = "needs the poses, and a result keeps sums: give the prediction file with --protocol and the data"
_NEEDS_FRAMES = "needs single frames, and a result keeps sums: give the prediction file with --protocol and the data"


class FromSums:
    """The evaluation of readings on the sums of a result.

    Args:
        result: loaded with its sums.
        stated: the quantity of each metric that it has sums of.
    """

    def __init__(self, result: Result, stated: Mapping[str, Quantity]) -> None:
        self.rows = list(result.rows)
        self._sums = result.sums
        self._stated = {name: quantity for name, quantity in stated.items() if name in result.sums}

    def evaluate(self, readings: Iterable[Reading]) -> dict[Reading, RowSums | str]:
        """The sums of each reading, or the reason why the result does not hold them."""
        return {reading: self._one(reading) for reading in readings}

    def _one(self, reading: Reading) -> RowSums | str:
        if reading.frames != "all":
            return _NEEDS_FRAMES
        found = self._row_totals(reading.quantity)
        if found is None:
            return _NEEDS_POSES
        keep = row_choice.chosen(reading.rows, self.rows, ())
        return RowSums(found[0] * keep, found[1] * keep)

    def _row_totals(self, wanted: Quantity) -> tuple[Array, Array] | None:
        for name, quantity in self._stated.items():
            if quantity.placement != wanted.placement or quantity.statistic != wanted.statistic:
                continue
            sums = self._sums[name]
            if not sums.count.any():
                continue
            if quantity.scored == wanted.scored:
                return sums.row_total, sums.count
            columns = [sums.parts.index(joint) for joint in wanted.scored if joint in sums.parts]
            if len(columns) == len(wanted.scored) and wanted.statistic.split()[0] in _BY_JOINT:
                return sums.total[:, columns].mean(axis=1), sums.count
        return self._areas(wanted)

    def _areas(self, wanted: Quantity) -> tuple[Array, Array] | None:
        """Areas from the mean of PCK at 0, 5, ..., 150 mm, of which the first is zero, and PCK at 150 mm."""
        if wanted.statistic not in ("auc 5 150 5", "trapezoid 150 5"):
            return None
        area = self._row_totals(wanted._replace(statistic="auc 0 150 5"))
        if area is None:
            return None
        if wanted.statistic == "auc 5 150 5":
            return area[0] * 31.0 / 30.0, area[1]
        last = self._row_totals(wanted._replace(statistic="pck < 150"))
        return None if last is None else ((31.0 * area[0] - 0.5 * last[0]) / 30.0, area[1])
