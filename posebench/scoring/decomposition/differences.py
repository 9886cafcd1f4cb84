"""Paired differences between the diagnoses of two files: of every rung, oracle and share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.scoring.decomposition.averages import Averages
from posebench.scoring.decomposition.shares import percent_of
from posebench.scoring.markup import html_table

if TYPE_CHECKING:
    import pandas as pd

    from posebench.scoring.decomposition.record import Diagnosis

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PartDifference:
    """One number of both files.

    Attributes:
        table: ``ladder``, ``oracle``, or a decomposition (``pose``, ``time``, ...).
        name: rung, oracle or part.
        unit: ``mm`` (of a part its root mean square), or ``%`` (of a part its share).
        a, b: the number of each file.
        value: a - b.
        low, high: 95 % interval of ``value``, paired over takes; None where none can be given. Not adjusted for the number of rows.
    """

    table: str
    name: str
    unit: str
    a: float
    b: float
    value: float
    low: float | None
    high: float | None

    @property
    def separable(self) -> bool:
        """The interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


@dataclass(frozen=True, repr=False)
class Differences:
    """What two files differ in.

    Attributes:
        a, b: names of the files.
        metric: what the ladder starts from.
        takes: number of takes that they are paired on.
        rows: one for each number.
    """

    a: str
    b: str
    metric: str
    takes: int
    rows: tuple[PartDifference, ...]

    def __repr__(self) -> str:
        start = self.rows[0]
        return f"<Differences {self.a!r} - {self.b!r}: {self.metric} {start.value:+.2f} mm on {self.takes} takes, {len(self.rows)} rows>"

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a pandas table."""
        import pandas as pd

        return pd.DataFrame([{**asdict(row), "separable": row.separable} for row in self.rows])

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {**asdict(self), "rows": [{**asdict(row), "separable": row.separable} for row in self.rows]}

    def _repr_html_(self) -> str:
        """For notebooks: the rows."""
        rows = [
            [row.table, row.name, row.unit, *(f"{value:.1f}" for value in (row.a, row.b)), f"{row.value:+.1f}", interval_text(row)]
            for row in self.rows
        ]
        return html_table(rows, ["table", "part", "unit", self.a, self.b, "difference", "95 % interval"], repr(self).strip("<>"))


def interval_text(row: PartDifference) -> str:
    """``[low, high]``, or empty."""
    return "" if row.low is None or row.high is None else f"[{row.low:+.1f}, {row.high:+.1f}]"


def differences(one: Diagnosis, other: Diagnosis) -> Differences:
    """See :meth:`posebench.scoring.decomposition.record.Diagnosis.minus`."""
    _refuse(one, other)
    names = [each.predictions.method or each.predictions.file for each in (one, other)]
    if names[0] == names[1]:
        names = [each.predictions.file for each in (one, other)]
    if names[0] == names[1]:
        names = [f"{names[0]} (first)", f"{names[1]} (second)"]
    averages = Averages(one.rows, one.protocol.headline)
    takes = len({row.take for row in one.rows})
    return Differences(names[0], names[1], one.metric, takes, tuple(_rows(one, other, averages)))


def _refuse(one: Diagnosis, other: Diagnosis) -> None:
    for field, mine, theirs in (
        ("protocol digest", one.protocol.digest, other.protocol.digest),
        ("data fingerprint", one.data.fingerprint, other.data.fingerprint),
        ("scale", one.predictions.scale, other.predictions.scale),
    ):
        if mine != theirs:
            advice = "compare files of one scale; write the other with scale='unknown'" if field == "scale" else "diagnose both alike"
            raise PosebenchError(f"two files that differ in {field}: {mine} and {theirs}", f"files of one {field}", advice)
    if not one.sums or not other.sums:
        raise PosebenchError(
            "a diagnosis without sums (its JSON file holds none)",
            "two diagnoses made in this session",
            "diagnose both files: posebench diagnose A B",
        )
    if one.rows != other.rows or not np.array_equal(one.sums["fix start"].count, other.sums["fix start"].count):
        raise PosebenchError(
            "two files of different clips or frames", "the same poses in both", "predict what is missing and diagnose again"
        )


def _rows(one: Diagnosis, other: Diagnosis, averages: Averages) -> Iterator[PartDifference]:
    fixes = [("ladder", rung.name) for rung in one.ladder] + [("oracle", oracle.name) for oracle in one.oracles if not oracle.cannot]
    for table, name in fixes:
        key = f"fix {name}"
        if key in one.sums and key in other.sums:
            pair = [averages.of(each.sums[key].total, each.sums[key].count) for each in (one, other)]
            yield _row(averages, (table, name, "mm"), [(each.value, each.resampled) for each in pair], 0)
    for decomposition in one.decompositions:
        name = decomposition.name
        if not decomposition.parts or not other.decomposition(name).parts:
            continue
        squares = [each.squares(name, averages) for each in (one, other)]
        for unit, form in (("%", percent_of), ("mm", np.sqrt)):
            shown = [(form(value), None if resampled is None else form(resampled)) for value, resampled in squares]
            for number, part in enumerate(decomposition.parts):
                yield _row(averages, (name, part.name, unit), shown, number)


def _row(averages: Averages, label: tuple[str, str, str], pair: list[tuple[Array, Array | None]], number: int) -> PartDifference:
    (a, a_resampled), (b, b_resampled) = pair
    resampled = None if a_resampled is None or b_resampled is None else (a_resampled - b_resampled)[:, number]
    low, high = averages.interval(resampled)
    first, second = float(a[number]), float(b[number])
    table, name, unit = label
    return PartDifference(table=table, name=name, unit=unit, a=first, b=second, value=first - second, low=low, high=high)
