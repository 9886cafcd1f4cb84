"""What a page is about: results, each with its name and, where there is one, its diagnosis; and the metrics that tables show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posebench.scoring.decomposition.record import Diagnosis
from posebench.scoring.protocol import Protocol
from posebench.scoring.result import Result
from posebench.scoring.result_parts import MetricValue

#: Metrics that papers rank by; a page shows those that results have values for before all others.
MAIN = ("MPJPE", "PA-MPJPE", "N-MPJPE")
#: Further metrics of the tables by action and of the table that compares results.
FURTHER = ("PCK@150", "AUC", "N-PCK@150", "N-AUC", "PA-PCK@150", "PA-AUC")


@dataclass(frozen=True, eq=False)
class Case:
    """One result on a page.

    Attributes:
        name: what the page calls it; different for each.
        result: the result, loaded with its sums.
        diagnosis: where its error comes from; None where the page has none.
    """

    name: str
    result: Result
    diagnosis: Diagnosis | None = None

    def table(self, metric: str) -> MetricValue | None:
        """A metric of the result; None where it has no value."""
        found = self.result.tables.get(metric)
        return found if found is not None and found.value is not None else None


@dataclass(frozen=True, eq=False)
class Content:
    """Everything that a page is made of, but for the skeletons.

    Attributes:
        cases: one, or several that may be compared.
        protocol: the protocol with the results' digest; None where this posebench does not have it.
        missing: what the page lacks and how to get it, a sentence each.
    """

    cases: Sequence[Case]
    protocol: Protocol | None
    missing: Sequence[str] = ()

    @property
    def first(self) -> Result:
        """A result: what was scored against what is the same in all."""
        return self.cases[0].result

    @property
    def several(self) -> bool:
        """There is more than one result."""
        return len(self.cases) > 1

    def metrics(self, names: Sequence[str]) -> list[str]:
        """Those of ``names`` that a result has a value for."""
        return [name for name in names if any(case.table(name) for case in self.cases)]

    def unit(self, metric: str) -> str:
        """The unit of a metric."""
        return next(case.result.tables[metric].unit for case in self.cases if metric in case.result.tables)

    @property
    def leading(self) -> str:
        """The metric of heat maps and slices: MPJPE if all results have it, else N-MPJPE, else the first with a value."""
        for name in ("MPJPE", "N-MPJPE"):
            if all(case.table(name) for case in self.cases):
                return name
        return next((name for name in self.first.tables if all(case.table(name) for case in self.cases)), "")


def number(value: float | None, digits: int = 1) -> str:
    """A number for people; empty for None. What rounds to zero has no sign.

    Example:
        >>> number(-0.04), number(1234.56), number(None)
        ('0.0', '1,234.6', '')
    """
    return "" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}"


def bounds(low: float | None, high: float | None, digits: int = 1) -> str:
    """An interval; empty where there is none."""
    return "" if low is None or high is None else f"[{number(low, digits)}, {number(high, digits)}]"
