"""How the causes of two results' errors differ, paired over takes."""

from __future__ import annotations

from posebench.base.errors import PosebenchError
from posebench.display.html.case import Case, number
from posebench.display.html.elements import Markup, details, group, paragraph
from posebench.display.html.tables import Cell, Row, table


def differences_of(one: Case, other: Case) -> Markup | None:
    """Paired differences of every rung, oracle and share of two diagnoses.

    None where they cannot be paired: scale is unknown for one of them only, or a diagnosis was read from a file, which holds no sums.
    """
    if one.diagnosis is None or other.diagnosis is None:
        return None
    try:
        found = one.diagnosis.minus(other.diagnosis)
    except PosebenchError:
        return None
    rows: list[Row] = []
    for row in found.rows:
        low, high = ("" if bound is None else f"{round(bound, 1) + 0.0:+.1f}" for bound in (row.low, row.high))
        rows.append(
            [
                f"{row.table}: {row.name}",
                row.unit,
                Cell(number(row.a), row.a),
                Cell(number(row.b), row.b),
                Cell(f"{round(row.value, 1) + 0.0:+.1f}", row.value, "best" if row.separable else None),
                f"[{low}, {high}]" if low and high else "",
            ]
        )
    heads = ["part", "unit", one.name, other.name, "difference", "95 % interval"]
    about = (
        f"Differences are {one.name} minus {other.name}, paired over {found.takes} takes; bold ones have an interval without zero."
        " Intervals are not adjusted for the number of rows."
    )
    caption = "Paired differences of rungs, oracles and shares"
    return details(caption, group([paragraph(about), table(caption, heads, rows, range(2, 6))]))
