"""Tables and heat maps as HTML: a caption, headings with their scope, numbers aligned, and values that the script sorts by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from posebench.display.document import Table
from posebench.display.html.elements import Child, Markup, element, scrolled

#: Shades of a heat map, from the lowest value to the highest.
SHADES = 9


class Cell(NamedTuple):
    """A cell that is more than its text.

    Attributes:
        content: what is shown.
        value: number to sort by, in place of the text.
        class_: of the style sheet.
        columns: how many columns it takes.
    """

    content: Child
    value: float | None = None
    class_: str | None = None
    columns: int = 1


Row: TypeAlias = Sequence[Cell | Child]


def table(
    caption: str,
    heads: Sequence[Child],
    rows: Sequence[Row],
    right: Collection[int] = (),
    *,
    last: bool = False,
    sortable: bool = True,
    class_: str = "",
) -> Markup:
    """A table; the first cell of a row is its heading.

    Args:
        caption: what the table shows.
        heads: one for each column.
        rows: cells.
        right: numbers of the columns that hold numbers.
        last: the last row is a total, which sorting leaves in its place.
        sortable: a script may offer to sort it.
        class_: further classes.
    """

    def line(row: Row) -> Markup:
        cells = [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
        return element("tr", *(_cell(cell, number, number in right) for number, cell in enumerate(cells)))

    head = element("tr", *(_head(name, right=k in right) for k, name in enumerate(heads)))
    body, foot = (rows[:-1], rows[-1:]) if last else (rows, ())
    parts = [_caption(caption), element("thead", head), element("tbody", *map(line, body))]
    parts += [element("tfoot", *map(line, foot))] if foot else []
    classes = " ".join(filter(None, ("sortable" if sortable and len(body) > 1 else "", class_))) or None
    return scrolled(element("table", *parts, class_=classes), caption)


def _head(name: Child, *, right: bool) -> Markup:
    """The heading of a column; a column without one has an empty cell, which is no heading."""
    return element("th", name, scope="col", class_="n" if right else None) if name else element("td")


def _caption(caption: str) -> Markup:
    """The caption; the span stays in view where the table scrolls."""
    return element("caption", element("span", caption))


def _cell(cell: Cell, number: int, right: bool) -> Markup:
    classes = " ".join(filter(None, ("n" if right else "", cell.class_))) or None
    if number == 0 and cell.content:
        return element("th", cell.content, scope="row", class_=classes, data_value=_exact(cell.value))
    span = cell.columns if cell.columns > 1 else None
    return element("td", cell.content, class_=classes, data_value=_exact(cell.value), colspan=span)


def _exact(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def from_document(caption: str, shown: Table, *, last: bool = False) -> Markup:
    """A table of :mod:`posebench.display.document` as HTML."""
    return table(caption, list(map(str, shown.heads)), [list(map(str, row)) for row in shown.rows], shown.right, last=last)


def heat_map(
    caption: str,
    corner: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[float | None]] | Mapping[str, list[float]],
    limits: tuple[float, float],
    *,
    total: bool = False,
) -> Markup:
    """A table whose cells are shaded by their value, which each of them shows too.

    Args:
        caption: what it shows, with the unit.
        corner: heading of the column of row names.
        columns: headings.
        rows: name to the value of each column; None is an empty cell.
        limits: values of the lightest and of the strongest shade.
        total: the last row is that of all others together.
    """
    head = element("tr", element("th", corner, scope="col"), *(element("th", element("span", name), scope="col") for name in columns))
    body = [
        element(
            "tr",
            element("th", name, scope="row"),
            *(element("td") if value is None else element("td", f"{value:.0f}", class_=f"s{shade(value, limits)}") for value in values),
        )
        for name, values in rows.items()
    ]
    parts = _caption(caption), element("thead", head), element("tbody", *body)
    return scrolled(element("table", *parts, class_="heat total" if total else "heat"), caption)


def shade(value: float, limits: tuple[float, float]) -> int:
    """Number of the shade of a value, 0 to :data:`SHADES` - 1.

    Example:
        >>> shade(10.0, (10.0, 20.0)), shade(15.0, (10.0, 20.0)), shade(99.0, (10.0, 20.0))
        (0, 4, 8)
    """
    low, high = limits
    if not low < value < high:  # also keeps the quotient below finite where the limits nearly meet
        return SHADES - 1 if value >= high > low else 0
    return min(SHADES - 1, int((value - low) / (high - low) * SHADES))
