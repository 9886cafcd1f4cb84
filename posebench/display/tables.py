"""Tables as text: for the terminal, for markdown pages, and as CSV. tabulate is imported when a table is made."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence

from posebench.base.errors import printable
from posebench.base.escape import csv_text

#: Longest cell of a table; the middle of a longer one is left out.
_LONGEST_CELL = 4000

Rows = Sequence[Sequence[object]]


def text_table(rows: Rows, heads: Sequence[str], right: Collection[int] = ()) -> str:
    """A table for the terminal; a cell that looks like a number keeps its digits.

    Args:
        rows: cells, printed by ``str``.
        heads: one for each column.
        right: numbers of the columns that are aligned to the right.
    """
    from tabulate import tabulate

    align = ["right" if column in right else "left" for column in range(len(heads))]
    printed = [[printable(str(cell), _LONGEST_CELL) for cell in row] for row in rows]
    return tabulate(printed, heads, tablefmt="github", disable_numparse=True, colalign=align if rows else None)


def markdown_table(rows: Rows, heads: Sequence[str], right: Collection[int] = ()) -> str:
    """A table for a markdown page: as :func:`text_table`, with the column marks in cells escaped.

    Cells may hold markdown; names and texts from other people's files in them must have gone through
    :func:`posebench.base.escape.markdown_text`.
    """
    escaped = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return text_table(escaped, heads, right)


def wrapped_table(rows: Rows, heads: Sequence[str], widths: Sequence[int | None]) -> str:
    """A table of sentences for the terminal, with a line around every cell; columns with a width are wrapped at it."""
    from tabulate import tabulate

    return tabulate(rows, heads, tablefmt="grid", maxcolwidths=list(widths))


def csv_table(rows: Iterable[Sequence[object]], heads: Sequence[str]) -> str:
    """A table as CSV with a line of headings; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([csv_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue()
