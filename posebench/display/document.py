"""What a command prints: paragraphs and tables, for a terminal of any width, for a pipe, or as markdown.

On a terminal no line is wider than the terminal: text is wrapped, and a table whose numbers do not fit side by side becomes several
tables that repeat the first column. In a pipe each row is one line. Characters that do not print, which names from files may hold, are
escaped in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from posebench.base.errors import printable
from posebench.display.tables import GAP, Rows, columns_of, markdown_table, plain_table

if TYPE_CHECKING:
    from rich.console import Console

#: A word longer than this share of the width is broken.
_LONGEST_WORD = 3
#: A column of text is not made narrower than this; it moves to a further table.
_NARROWEST = 16
_STYLES = {"error": "bold red", "warning": "yellow"}


class Table(NamedTuple):
    """A table.

    Attributes:
        heads: one for each column.
        rows: cells, printed by ``str``.
        right: numbers of the columns that are aligned to the right; their cells are never broken.
    """

    heads: Sequence[str]
    rows: Rows
    right: Sequence[int] = ()


class Paragraph(NamedTuple):
    """Text of one or more lines.

    Attributes:
        text: the text.
        lead: words before it that stand out.
        hanging: blanks before the second and later lines of a wrapped line.
    """

    text: str
    lead: str = ""
    hanging: int = 0


class Document(tuple[Paragraph | Table, ...]):
    """Paragraphs and tables in the order of reading. ``str`` gives the text of a pipe.

    Example:
        >>> print(Document.of("Two methods:", Table(["method", "mm"], [["flat", "100.47"], ["mean", "9.10"]], right=[1])))
        Two methods:
        <BLANKLINE>
        method      mm
        ------  ------
        flat    100.47
        mean      9.10
    """

    __slots__ = ()

    @classmethod
    def of(cls, *parts: str | Paragraph | Table) -> Document:
        """A document of these parts; a plain text is a paragraph, and an empty one is left out."""
        return cls(Paragraph(part) if isinstance(part, str) else part for part in parts if part != "")

    def __str__(self) -> str:
        return "\n\n".join(map(_plain, self))

    def markdown(self) -> str:
        """The text with tables of markdown."""
        return "\n\n".join(map(_markdown, self))

    def show(self, console: Console) -> None:
        """Print on a terminal, within its width; with colours and bold heads if the console has them."""
        for number, part in enumerate(self):
            if number:
                console.print()
            if isinstance(part, Paragraph):
                _show_paragraph(part, console)
                continue
            table = _printable(part)
            for place, (columns, widths) in enumerate(fitted(table, console.width)):
                if place:
                    console.print()
                _show_columns(table, columns, widths, console)


def joined(documents: Iterable[Document]) -> Document:
    """Several documents as one."""
    return Document(part for document in documents for part in document)


def _text(part: Paragraph) -> str:
    return "\n".join(printable(line, len(line) + 1) for line in f"{part.lead}{part.text}".split("\n"))


def _plain(part: Paragraph | Table) -> str:
    if isinstance(part, Paragraph):
        return _text(part)
    table = _printable(part)
    return plain_table(table.rows, table.heads, table.right)


def _markdown(part: Paragraph | Table) -> str:
    """Markdown in which names from files are text: no HTML, and no link."""
    if isinstance(part, Paragraph):
        lead = f"**{_as_text(part.lead)}**" if part.lead else ""
        return _text(part._replace(text=_as_text(part.text), lead=lead))
    table = _printable(part)
    heads, *rows = ([_as_text(text) for text in map(str, row)] for row in (table.heads, *table.rows))
    return markdown_table(rows, heads, table.right)


def _as_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("](", "]\\(")


def _printable(table: Table) -> Table:
    heads, *rows = ([printable(text, len(text) + 1) for text in map(str, row)] for row in (table.heads, *table.rows))
    return Table(heads, rows, table.right)


def fitted(table: Table, width: int) -> Iterator[tuple[list[int], list[int]]]:
    """The columns of a table, and their widths, for each of the tables that show it within ``width``.

    Columns that fit side by side are one table. Otherwise the first column is repeated before the next ones.

    Args:
        table: the table.
        width: the terminal's.

    Example:
        >>> table = Table(["method", "MPJPE", "verdict"], [["flat", "100.47", "better by 3 mm"]], right=[1])
        >>> list(fitted(table, 40)), list(fitted(table, 24)), list(fitted(table, 15))
        ([([0, 1, 2], [6, 6, 14])], [([0, 1, 2], [6, 6, 8])], [([0, 1], [6, 6]), ([0, 2], [6, 7])])
    """
    columns = [[head, *(str(row[number]) for row in table.rows)] for number, head in enumerate(table.heads)]
    natural = [max(map(columns_of, column)) for column in columns]
    least = [
        _narrowest(column, most, width, number in table.right) for number, (column, most) in enumerate(zip(columns, natural, strict=True))
    ]
    chosen = [0]
    for number in range(1, len(columns)):
        if len(chosen) > 1 and sum(least[k] + GAP for k in [*chosen, number]) - GAP > width:
            yield chosen, _widths([least[k] for k in chosen], [natural[k] for k in chosen], width)
            chosen = [0]
        chosen = [*chosen, number]
    yield chosen, _widths([least[k] for k in chosen], [natural[k] for k in chosen], width)


def _narrowest(column: list[str], natural: int, width: int, right: bool) -> int:
    """Width below which a column, its head first, is not made narrower: whole cells of numbers, and whole words unless they are long."""
    longest = max(width // _LONGEST_WORD, 1)
    head, *cells = column
    words = " ".join([head] if right else column).split()
    whole = max(map(columns_of, cells), default=0) if right else min(natural, _NARROWEST, longest)
    return max(1, whole, *(min(columns_of(word), longest) for word in words))


def _widths(least: list[int], natural: list[int], width: int) -> list[int]:
    """Widths between the least and the natural ones, as even as they allow, that fit together."""
    widths = list(least)
    room = width - GAP * (len(widths) - 1) - sum(widths)
    while room > 0 and any(now < most for now, most in zip(widths, natural, strict=True)):
        growing = [k for k in range(len(widths)) if widths[k] < natural[k]]
        smallest = min(growing, key=lambda k: widths[k])
        widths[smallest] += 1
        room -= 1
    while room < 0 and max(widths) > 1:  # a terminal of a few columns
        widths[widths.index(max(widths))] -= 1
        room += 1
    return widths


def _show_paragraph(part: Paragraph, console: Console) -> None:
    from rich.text import Text

    lead = printable(part.lead, len(part.lead) + 1)
    for number, line in enumerate(_text(part).split("\n")):
        text = Text(line)
        if number == 0 and lead:
            text.stylize(_STYLES.get(lead.rstrip(":"), "bold"), 0, len(lead))
        indent = len(line) - len(line.lstrip(" ")) + part.hanging
        indent = indent if indent < console.width // 2 else 0
        first, body = text.divide([indent]) if 0 < indent < len(line) else (Text(), text)
        for place, wrapped in enumerate(body.wrap(console, console.width - indent) or [Text()]):
            console.print((Text(" " * indent) if place else first) + wrapped, soft_wrap=True)


def _show_columns(table: Table, columns: list[int], widths: list[int], console: Console) -> None:
    from rich.box import Box
    from rich.table import Table as Grid
    from rich.text import Text

    rows = [[str(row[number]) for number in columns] for row in table.rows]
    # An empty line separates rows of several lines.
    wrapped = any(columns_of(cell) > width for row in rows for cell, width in zip(row, widths, strict=True))
    # A rule below the heads and nothing else; an edge of one blank and a padding of one are the gap.
    box = Box("    \n    \n -  \n    \n    \n    \n    \n    \n", ascii=True)
    grid = Grid(box=box, show_edge=False, padding=(0, GAP - 1, 0, 0), pad_edge=False, header_style="bold", leading=int(wrapped))
    for number, width in zip(columns, widths, strict=True):
        grid.add_column(Text(str(table.heads[number])), width=width, justify="right" if number in table.right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(grid)
