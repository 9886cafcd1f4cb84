"""Tables as text: plain, for markdown pages, and as CSV. tabulate is imported when a table of markdown is made."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from unicodedata import combining, east_asian_width

from posebench.base.errors import printable
from posebench.base.escape import csv_text

#: Longest cell of a table; the middle of a longer one is left out.
_LONGEST_CELL = 4000

Rows = Sequence[Sequence[object]]
#: Blanks between two columns of a plain table.
GAP = 2


def plain_table(rows: Rows, heads: Sequence[str], right: Collection[int] = ()) -> str:
    """A table of aligned columns, each row on one line.

    Args:
        rows: cells, printed by ``str``.
        heads: one for each column.
        right: numbers of the columns that are aligned to the right.

    Example:
        >>> print(plain_table([["flat", "100.47"], ["mean", "9.10"]], ["method", "mm"], right=[1]))
        method      mm
        ------  ------
        flat    100.47
        mean      9.10
    """
    texts = [list(heads), *([printable(str(cell), _LONGEST_CELL) for cell in row] for row in rows)]
    widths = [max(map(columns_of, column)) for column in zip(*texts, strict=True)]
    texts.insert(1, ["-" * width for width in widths])
    lines = []
    for cells in texts:
        blanks = [" " * (width - columns_of(cell)) for cell, width in zip(cells, widths, strict=True)]
        lines.append((" " * GAP).join(b + c if k in right else c + b for k, (b, c) in enumerate(zip(blanks, cells, strict=True))).rstrip())
    return "\n".join(lines)


def columns_of(text: str) -> int:
    """Columns of a terminal that a text takes: two for a wide letter of East Asia, none for a combining accent.

    Example:
        >>> columns_of("pose"), columns_of("\u59ff\u52e2"), columns_of("e\u0301")
        (4, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def markdown_table(rows: Rows, heads: Sequence[str], right: Collection[int] = ()) -> str:
    """A table for a markdown page, with the column marks in cells escaped; a cell that looks like a number keeps its digits.

    Cells may hold markdown; names and texts from other people's files in them must have gone through
    :func:`posebench.base.escape.markdown_text`.
    """
    from tabulate import tabulate

    escaped = [[printable(str(cell), _LONGEST_CELL).replace("|", "\\|") for cell in row] for row in rows]
    align = ["right" if column in right else "left" for column in range(len(heads))]
    return tabulate(escaped, heads, tablefmt="github", disable_numparse=True, colalign=align if rows else None)


def csv_table(rows: Iterable[Sequence[object]], heads: Sequence[str]) -> str:
    """A table as CSV with a line of headings; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([csv_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue()
