"""Two timing records compared: is a lifter faster or slower than before?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.lifters.timing.record import ADVICE, Record

_RESAMPLES = 1000
_SEED = 20190412


class Change(NamedTuple):
    """One case in two records: the time of the second over that of the first, and its 95 % interval."""

    lifter: str
    backend: str
    batch: int
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Whether the interval is above 1, below 1, or contains it."""
        return "slower" if self.low > 1.0 else "faster" if self.high < 1.0 else "no difference seen"


def changes(first: Record, second: Record) -> list[Change]:
    """The change of every case that both records hold, in the order of the first; a stream and a clip of one frame are two cases.

    Raises:
        PosebenchError: they have none in common.
    """
    in_second = {(one.name, case.backend, case.batch, case.given): case for one in second.lifters for case in one.cases}
    found = []
    for one in first.lifters:
        for case in one.cases:
            key = (one.name, case.backend, case.batch, case.given)
            if key in in_second:
                found.append(Change(*key[:3], *ratio_interval(in_second[key].rounds, case.rounds)))
    if not found:
        names = [", ".join(one.name for one in record.lifters) or "nothing" for record in (first, second)]
        raise PosebenchError(f"timings of {names[0]} and of {names[1]}", "two records of the same lifters", ADVICE)
    return found


def differing(first: Record, second: Record) -> list[str]:
    """In what the machines of two records differ, apart from the code; such records are not comparable."""
    keys = dict.fromkeys([*first.machine, *second.machine])
    facts = [(key, first.machine.get(key, "unknown"), second.machine.get(key, "unknown")) for key in keys if key != "code"]
    return [f"{key} {one} and {other}" for key, one, other in facts if one != other]


def ratio_interval(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Median of ``one`` over that of ``other``, and its 95 % bootstrap interval; the rounds of the two are resampled independently.

    Example:
        >>> ratio_interval([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
        (2.0, 2.0, 2.0)
    """
    low, high = np.quantile(_resampled_medians(one, _SEED) / _resampled_medians(other, _SEED + 1), [0.025, 0.975])
    return float(np.median(one) / np.median(other)), float(low), float(high)


def _resampled_medians(values: Sequence[float], seed: int) -> npt.NDArray[np.float64]:
    random = np.random.RandomState(seed)
    drawn = random.randint(0, len(values), (_RESAMPLES, len(values)))
    out: npt.NDArray[np.float64] = np.median(np.asarray(values)[drawn], axis=1)
    return out
