"""Confidence intervals over whole takes, the Holm correction, and the letters of tie groups.

Whole takes are resampled, because frames and cameras of one take are not independent.

**Convention.** A resample draws takes with replacement (all cameras of a take together), within each action where the headline
average is over actions. The interval is the bootstrap percentile interval, widened for few takes as in Hesterberg (2015, section
5.4 of "What Teachers Should Know About the Bootstrap"): the percentile interval is too narrow by sqrt((n-1)/n) and by normal
instead of t quantiles. The random stream is ``numpy.random.RandomState``, whose numbers are guaranteed.

With few takes a percentile interval is too narrow however it is widened, because it cannot reach beyond the most extreme resample. Where
less than :data:`SMALLEST_TAIL` of the resamples would lie beyond a limit, the interval is therefore Student's t with the jackknife's
standard error over takes (Efron and Tibshirani 1993, chapter 11), which leaves out one take at a time. docs/coverage.md measures both.

An interval and the p-value of the same differences agree: p < 0.05 exactly where the 95 % interval excludes zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from string import ascii_lowercase

import numpy as np
import numpy.typing as npt

from posebench.scoring.sums import Row, cells, codes, relabelled, weighted_average
from posebench.scoring.tie_groups import tie_groups

Array = npt.NDArray[np.float64]

#: Bootstrap resamples of an interval.
RESAMPLES = 1000
#: Confidence level of all intervals.
LEVEL = 0.95
#: The bootstrap's interval is used where at least this share of the resamples lies beyond each limit: from 8 takes on, or from 15 actions
#: with 3 takes each.
SMALLEST_TAIL = 0.005
#: With fewer resamples than this beyond zero, their share is too coarse to be read as a p-value.
_MIN_BEYOND_ZERO = 20
#: Fixed: the same takes give the same resamples, and published intervals depend on it.
_SEED = 20190412


@dataclass(frozen=True, eq=False)
class Resampling:
    """Bootstrap resamples of takes, and the correction for few takes.

    Attributes:
        weights: (resamples, takes) how often each resample draws each take.
        widening: by what factor a percentile interval is too narrow for so few takes.
        freedom: degrees of freedom of the t distribution that replaces the normal one.
    """

    weights: Array
    widening: float
    freedom: int

    def interval(self, values: Array) -> tuple[float, float]:
        """Limits of the resampled ``values`` (resamples,) at :data:`LEVEL`."""
        tail = _tail(self.widening, self.freedom)
        low, high = np.quantile(values, [tail, 1.0 - tail])
        return float(low), float(high)

    def p_values(self, differences: Array) -> list[float]:
        """:meth:`p_value` of each row of ``differences`` (pairs, resamples); 1 where all resamples are zero.

        Whether an interval excludes zero follows from the numbers of resamples on either side, but for a few intervals that end near zero.
        """
        count = differences.shape[1]
        below, above = (differences < 0).sum(axis=1).tolist(), (differences > 0).sum(axis=1).tolist()
        # The limits are interpolated between the resamples of this rank, from either end, and its neighbours.
        rank = int(_tail(self.widening, self.freedom) * (count - 1))
        found = []
        for row, negative, positive in zip(differences, below, above, strict=True):
            fewest = count - max(negative, positive)  # not beyond zero on the side of most resamples
            if not negative and not positive:
                found.append(1.0)
            elif rank - 1 <= fewest <= rank + 3:
                found.append(self.p_value(row))
            else:
                found.append(self._p_value(row, (negative + 0.5 * (count - negative - positive)) / count, excluded=fewest < rank))
        return found

    def p_value(self, differences: Array) -> float:
        """Two-sided p-value of resampled ``differences`` (resamples,): the level at which :meth:`interval` would just touch zero."""
        # Differences of zero count half on either side.
        below = (float((differences < 0).sum()) + 0.5 * float((differences == 0).sum())) / len(differences)
        low, high = self.interval(differences)
        return self._p_value(differences, below, excluded=low > 0.0 or high < 0.0)

    def _p_value(self, differences: Array, below: float, *, excluded: bool) -> float:
        """From the share of resamples below zero, and whether the interval excludes zero."""
        beyond_zero = max(min(below, 1.0 - below), 0.5 / len(differences))
        if beyond_zero >= 0.5:
            return 1.0
        # Distance of zero in standard deviations of a normal distribution with this share beyond it.
        distance = -NormalDist().inv_cdf(beyond_zero)
        if excluded and beyond_zero * len(differences) < _MIN_BEYOND_ZERO:
            spread = float(differences.std())
            distance = max(distance, abs(float(differences.mean())) / spread) if spread > 0 else float("inf")
        p = 1.0 - t_inside(distance / self.widening, self.freedom)
        # Where zero lies at a limit, quantile and count may round to different sides: the interval decides.
        level = 1.0 - LEVEL
        return min(p, float(np.nextafter(level, 0.0))) if excluded else max(p, level)


@dataclass(frozen=True, eq=False)
class Jackknife:
    """The average of all takes, and the averages without each of them: replaces :class:`Resampling` where takes are few.

    Attributes:
        weights: (1 + takes, takes): a row of ones, then for each take a row without it.
        stratum: (takes,) number of the action that a take belongs to, where each action's takes vary by themselves; otherwise 0.
        freedom: degrees of freedom: takes less strata.
    """

    weights: Array
    stratum: npt.NDArray[np.intp]
    freedom: int

    def standard_error(self, values: Array) -> float:
        """Standard error of an average, from its ``values`` (1 + takes,) under ``weights``."""
        variance = 0.0
        for stratum in range(int(self.stratum.max()) + 1):
            without = values[1:][self.stratum == stratum]
            variance += (len(without) - 1) / len(without) * float(((without - without.mean()) ** 2).sum())
        return float(np.sqrt(variance))

    def interval(self, values: Array) -> tuple[float, float]:
        """Limits at :data:`LEVEL`, from the ``values`` (1 + takes,) of an average under ``weights``."""
        half = t_quantile(0.5 + LEVEL / 2, self.freedom) * self.standard_error(values)
        return float(values[0]) - half, float(values[0]) + half

    def p_values(self, differences: Array) -> list[float]:
        """:meth:`p_value` of each row of ``differences`` (pairs, 1 + takes); 1 where all are zero."""
        return [self.p_value(row) if (row != 0).any() else 1.0 for row in differences]

    def p_value(self, differences: Array) -> float:
        """Two-sided p-value of Student's t: the level at which :meth:`interval` would just touch zero."""
        error = self.standard_error(differences)
        if error == 0.0:
            return 1.0 if differences[0] == 0.0 else 0.0
        return 1.0 - t_inside(abs(float(differences[0])) / error, self.freedom)


#: What intervals and p-values are computed from: an average under weights of the takes.
Draw = Resampling | Jackknife


def resample(rows: Sequence[Row], headline: str, resamples: int = RESAMPLES) -> Draw | None:
    """Draw whole takes with replacement, ``resamples`` times; where takes are few, leave out one at a time instead.

    Returns:
        None where no interval can be given: there are fewer than two takes, or, for the headline average ``action``, an action has a
        single take, which every resample would draw as if it did not vary.
    """
    rows, headline = relabelled(rows, headline)
    takes, _ = codes([row.take for row in rows])
    action_of: dict[str, set[str]] = {}
    for row in rows:
        action_of.setdefault(row.take, set()).add(row.action)
    stratified = headline == "action" and all(len(actions) == 1 for actions in action_of.values())
    labels = [min(action_of[take]) if stratified else "" for take in takes]
    names, stratum = codes(labels)
    sizes = np.bincount(stratum, minlength=len(names))
    if sizes.min() < 2:
        return None
    # The bootstrap variance of n takes is (n-1)/n of the true one, and each stratum costs one degree of freedom.
    widening, freedom = float(np.sqrt(np.mean(sizes / (sizes - 1.0)))), len(takes) - len(names)
    if _tail(widening, freedom) < SMALLEST_TAIL:
        return Jackknife(np.vstack([np.ones(len(takes)), 1.0 - np.eye(len(takes))]), stratum, freedom)
    random = np.random.RandomState(_SEED)
    weights = np.zeros((resamples, len(takes)))
    for index, size in enumerate(sizes):
        members = np.flatnonzero(stratum == index)
        drawn = members[random.randint(0, size, (resamples, size))]
        np.add.at(weights, (np.arange(resamples)[:, None], drawn), 1.0)
    return Resampling(weights, widening, freedom)


def _tail(widening: float, freedom: int) -> float:
    """Share of the resamples beyond each limit of a widened percentile interval."""
    return NormalDist().cdf(-widening * t_quantile(0.5 + LEVEL / 2, freedom))


def resampled(rows: Sequence[Row], total: Array, count: Array, kind: str, resampling: Draw | None) -> Array | None:
    """One average of row totals (rows,) in every resample; None where there are no resamples or one of them is empty."""
    if resampling is None:
        return None
    rows, kind = relabelled(rows, kind)
    table, counts, _, _ = cells(rows, total, count)
    values = weighted_average(resampling.weights, table, counts, kind)
    return values if np.isfinite(values).all() else None


def interval(rows: Sequence[Row], total: Array, count: Array, kind: str, resampling: Draw | None) -> tuple[float, float] | None:
    """The interval of one average of row totals (rows,); None where none can be given."""
    values = resampled(rows, total, count, kind, resampling)
    return None if values is None or resampling is None else resampling.interval(values)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values (Holm 1979, step-down): each can be compared with the level by itself.

    Example:
        >>> holm([0.01, 0.04])
        [0.02, 0.04]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def compact_letter_display(names: Sequence[str], separable: set[frozenset[str]]) -> dict[str, str]:
    """Compact letters: two names share a letter exactly when they are not separable (Piepho 2004).

    Being not separable is not transitive, so a name may carry several letters (:mod:`posebench.scoring.tie_groups`). Pass
    the names best first: letters then start with the best. Where there are more groups than letters, groups are numbers from 1, separated
    by blanks.

    Example:
        >>> compact_letter_display(["x", "y", "z"], {frozenset("xz")})
        {'x': 'a', 'y': 'ab', 'z': 'b'}
    """
    groups = tie_groups(names, separable)
    place = {name: number for number, name in enumerate(names)}
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    letters = len(groups) <= len(ascii_lowercase)
    labels = ascii_lowercase if letters else [str(1 + number) for number in range(len(groups))]
    between = "" if letters else " "
    return {name: between.join(label for label, group in zip(labels, groups, strict=False) if name in group) for name in names}


def read_tie_groups(letters: str) -> set[str]:
    """The tie groups in a text of :func:`compact_letter_display`.

    Example:
        >>> sorted(read_tie_groups("bcd")), sorted(read_tie_groups("9 27"))
        (['b', 'c', 'd'], ['27', '9'])
    """
    return set(letters.split()) if letters[:1].isdigit() else set(letters)


@cache
def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t, by bisection on its distribution function (closed form for whole degrees of freedom).

    Source: Abramowitz and Stegun 26.7.3-4. Kept here so that scoring need not import scipy.

    Example:
        >>> round(t_quantile(0.975, 10), 4)
        2.2281
    """
    low, high = 0.0, 1.0
    while t_inside(high, freedom) < 2 * probability - 1:
        high *= 2
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if t_inside(middle, freedom) < 2 * probability - 1 else (low, middle)
    return 0.5 * (low + high)


def t_inside(t: float, freedom: int) -> float:
    """P(|T| < t) for Student's t."""
    angle = np.arctan(t / np.sqrt(freedom))
    cos, sin = np.cos(angle), np.sin(angle)
    if freedom % 2:
        term, total = cos, cos if freedom > 1 else 0.0
        for k in range(3, freedom - 1, 2):
            term *= cos * cos * (k - 1) / k
            total += term
        return float(2 / np.pi * (angle + sin * total))
    term, total = 1.0, 1.0
    for k in range(2, freedom - 1, 2):
        term *= cos * cos * (k - 1) / k
        total += term
    return float(sin * total)
