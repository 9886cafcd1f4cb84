"""Numbers that papers report: a page of their own, and a short table on the board's first page that leads to it."""

from __future__ import annotations

import re

from posebench.board.pages.prose import wrapped
from posebench.board.published.tables import published_section
from posebench.board.published.types import Published, Row
from posebench.display.tables import markdown_table

_HEAD = """# Numbers that papers report

Made by `posebench board render` from `published.toml`; do not edit by hand.

Copied from papers and from what cites them. These numbers were not measured here and are never ranked with measured rows: a difference
between two of them, or to a measured row, need not be a difference between the methods. [reconciliation.md](reconciliation.md) gives every
source, and the numbers that are only recalled.

Each section has the numbers under one protocol or one that is similar to it. Rows are in order of error. *frames*: how many frames one
predicted pose is made from. *oracle*: what was taken from the true poses, besides the alignment that the metric's name states.
"""


def reported_page(published: Published) -> str:
    """The whole page, for the file ``published.md`` of a board."""
    ids = [id for id in published.protocols() if _verified(published, id)]
    return "\n".join([_HEAD, reported_contents(published, ""), "", *(published_section(published, id) for id in ids)])


def reported_contents(published: Published, page: str) -> str:
    """A table of the protocols that papers report numbers under, each with a link to its section of ``page``."""
    lines = []
    for id in published.protocols():
        if rows := _verified(published, id):
            years = [published.papers[row.paper].year for row in rows]
            link = f"[`{id}`]({page}#{_anchor(f'Published under {id} or a similar protocol')})"
            lines.append([link, len(rows), f"{min(years)} to {max(years)}" if min(years) < max(years) else min(years)])
    return markdown_table(lines, ["protocol, or a similar one", "rows", "years"], right=(1,))


def reported_summary(published: Published) -> list[str]:
    """The section of the board's first page."""
    about = """Copied from papers, never measured here and never ranked with measured rows. [reconciliation.md](reconciliation.md) says what
each number is, where it was read, and which ones are filed under a wrong label."""
    return ["## Published numbers\n", wrapped(about), "", reported_contents(published, "published.md"), ""]


def _verified(published: Published, protocol: str) -> list[Row]:
    return [row for row in published.rows if row.protocol == protocol and any(value.verified for value in row.values)]


def _anchor(heading: str) -> str:
    """The anchor that code hosts give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
