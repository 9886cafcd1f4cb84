"""Sums by clip and action, and every average that follows from them.

**Convention.** A *row* is one clip (and, where a dataset labels frames, one action within it). Results keep, for each metric, the
numerator a row and joint and the count a row; averages, groups, intervals and comparisons are ratios of sums of these.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_Label = TypeVar("_Label", bound=Hashable)


class Row(NamedTuple):
    """The labels of one row; ``take`` is ``subject/take``."""

    clip: str
    subject: str
    take: str
    camera: str
    action: str


@dataclass(frozen=True, eq=False)
class Sums:
    """One metric's sums.

    Attributes:
        total: (rows, K) sums over frames, for K joints, bones or pairs of bones; K = 1 for a statistic of the whole pose.
        count: (rows,) number of frames in each sum.
        parts: the K names of the columns (joints, bones, ...); empty for a statistic of the whole pose.
    """

    total: Array
    count: Array
    parts: tuple[str, ...]

    @property
    def row_total(self) -> Array:
        """(rows,) sums over frames of the mean over the columns."""
        out: Array = self.total.mean(axis=1)
        return out


def codes(labels: Sequence[_Label]) -> tuple[list[_Label], npt.NDArray[np.intp]]:
    """The different labels in order of appearance, and the index of each row's label."""
    names = list(dict.fromkeys(labels))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[label] for label in labels], dtype=np.intp)


def cells(rows: Sequence[Row], total: Array, count: Array) -> tuple[Array, Array, list[str], list[str]]:
    """Totals (takes, actions, ...) and counts (takes, actions), and the names of takes and actions. Every average follows from them."""
    takes, take = codes([row.take for row in rows])
    actions, action = codes([row.action for row in rows])
    table = np.zeros((len(takes), len(actions), *total.shape[1:]))
    counts = np.zeros((len(takes), len(actions)))
    np.add.at(table, (take, action), total)
    np.add.at(counts, (take, action), count)
    return table, counts, takes, actions


def relabelled(rows: Sequence[Row], kind: str) -> tuple[Sequence[Row], str]:
    """Rows and average for :func:`cells` and :func:`weighted_average`: of ``subject x action`` each subject's action is one of its own."""
    if kind != "subject x action":
        return rows, kind
    return [row._replace(action=f"{row.subject}/{row.action}") for row in rows], "action"


def average(rows: Sequence[Row], total: Array, count: Array, kind: str) -> Array:
    """An average of row totals (rows, ...).

    ``kind`` is ``frame``, ``take`` (mean of take means), ``action`` (mean of action means) or ``subject x action`` (mean over the actions
    of each subject, as HumanEva-I's tables).

    Takes and actions without a count are left out; NaN where nothing is counted.
    """
    rows, kind = relabelled(rows, kind)
    table, counts, _, _ = cells(rows, total, count)
    values: Array = weighted_average(np.ones((1, len(counts))), table, counts, kind)[0]
    return values


def weighted_average(weights: Array, table: Array, counts: Array, kind: str) -> Array:
    """An average with weighted takes; see :func:`average` for ``kind``.

    Args:
        weights: (B, takes). Of a bootstrap resample: how often each take was drawn.
        table: (takes, actions, ...) totals of :func:`cells`.
        counts: (takes, actions) counts of :func:`cells`.
        kind: ``frame``, ``take`` or ``action``; :func:`relabelled` makes it of ``subject x action``.

    Returns:
        (B, ...); NaN where nothing is counted.
    """
    if kind == "take":
        take_counts = counts.sum(axis=1)
        take_means = np.nan_to_num(_ratio(table.sum(axis=1), take_counts))
        counted = (take_counts > 0).astype(np.float64)
        return _ratio(np.tensordot(weights, take_means, (1, 0)), weights @ counted)
    action_totals, action_counts = np.tensordot(weights, table, (1, 0)), weights @ counts
    if kind == "frame":
        return _ratio(action_totals.sum(axis=1), action_counts.sum(axis=1))
    action_means = _ratio(action_totals, action_counts)
    return _ratio(np.nansum(action_means, axis=1), (action_counts > 0).sum(axis=1).astype(np.float64))


def _ratio(total: Array, count: Array) -> Array:
    """``total / count``, NaN where nothing is counted; trailing axes of ``total`` share a count."""
    count = count.reshape(count.shape + (1,) * (total.ndim - count.ndim))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def group_means(rows: Sequence[Row], sums: Sums, key: str) -> dict[str, float]:
    """Frame-weighted mean of each group of rows: by ``action``, ``subject``, ``camera`` or ``take``."""
    return label_means([getattr(row, key) for row in rows], sums)


def label_means(labels: Sequence[str], sums: Sums) -> dict[str, float]:
    """Frame-weighted mean of the rows of each label; labels without a count are left out."""
    names, code = codes(labels)
    total, count = np.zeros(len(names)), np.zeros(len(names))
    np.add.at(total, code, sums.row_total)
    np.add.at(count, code, sums.count)
    means = zip(names, _ratio(total, count), strict=True)
    return {name: float(mean) for name, mean in means if not np.isnan(mean)}
