"""One table as text: for the terminal, for a markdown page, or as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from typing import Literal

Form = Literal["terminal", "markdown", "grid", "csv"]


def table(
    rows: Sequence[Sequence[object]],
    heads: Sequence[str],
    *,
    right: Collection[int] = (),
    form: Form = "terminal",
    widths: Sequence[int | None] | None = None,
) -> str:
    r"""A table with one line of headings.

    **Convention.** Cells are printed as they are; text that looks like a number is not reformatted. None gives an empty cell.

    Args:
        rows: cells of each row.
        heads: headings.
        right: numbers of the columns that are aligned to the right.
        form: ``terminal`` and ``markdown`` differ in that the latter escapes ``|``; ``grid`` has lines between rows and may wrap cells.
        widths: with ``grid``: most characters of a line in each column, None for no limit.

    Example:
        >>> print(table([["a|b", 1.50]], ["name", "value"], right=[1], form="markdown"))
        | name   |   value |
        |--------|---------|
        | a\|b   |     1.5 |
    """
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([heads, *rows])
        return text.getvalue()
    from tabulate import tabulate

    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if form == "markdown":
        cells = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    return tabulate(
        cells,
        heads,
        tablefmt="grid" if form == "grid" else "github",
        disable_numparse=True,
        colalign=["right" if column in right else "left" for column in range(len(heads))] if rows else None,
        maxcolwidths=widths,
    )
