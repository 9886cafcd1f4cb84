"""Markdown of the board's own pages as HTML: headings with anchors, paragraphs, lists, tables, code, images and links.

markdown-it-py reads the text; raw HTML in it is text. Elements are made by :mod:`posebench.display.html.elements`, which escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from posebench.display.html.elements import Markup, element, group, scrolled
from posebench.display.html.tables import Cell, table

#: A number, perhaps with a sign, commas, and k or M; an interval, a unit or letters in brackets may follow.
_NUMBER = re.compile(r"\s*([+-]?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?)(?: ?([kM]))?(?=$|\s*[\[(]|\s*%|\s*ms\b)")
#: Width of the drawing of an interval.
_BAR = 110.0
#: Columns that are words, even if they are digits.
_NO_NUMBERS = ("tie", "seeds", "year", "2D", "source")

#: What a link or image of a page leads to on the site; None where it leads nowhere, and its text stays.
Target = Callable[[str], str | None]


class Heading(NamedTuple):
    """A heading of a page.

    Attributes:
        level: 1 to 6.
        text: without markup.
        anchor: its id.
    """

    level: int
    text: str
    anchor: str


class Page(NamedTuple):
    """A page of the site without what is around it.

    Attributes:
        title: its first heading.
        headings: the others.
        body: everything below the title.
        tables: the words of every table, its heads first.
    """

    title: str
    headings: list[Heading]
    body: list[Markup]
    tables: list[list[list[str]]]


def page_of(text: str, target: Target) -> Page:
    """A page of markdown as HTML.

    Args:
        text: markdown.
        target: where its links and images lead to.
    """
    return _Reader(text, target).page()


def anchor(text: str, used: set[str]) -> str:
    """The id of a heading, as GitHub makes it; a number is added to one that is used.

    Example:
        >>> anchor("`cmu`: what each part does", set())
        'cmu-what-each-part-does'
    """
    plain = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") or "section"
    made, number = plain, 0
    while made in used:
        number += 1
        made = f"{plain}-{number}"
    used.add(made)
    return made


class _Reader:
    """Tokens of one page, read from the first to the last."""

    def __init__(self, text: str, target: Target) -> None:
        self.tokens: Sequence[Token] = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
        self.target = target
        self.at = 0
        self.used: set[str] = set()
        self.rows: set[str] = set()
        self.tables: list[list[list[str]]] = []
        self.headings: list[Heading] = []
        self.near = ""

    def page(self) -> Page:
        body = list(self._blocks(None))
        title = next((heading.text for heading in self.headings if heading.level == 1), "")
        return Page(title, [heading for heading in self.headings if heading.level > 1], body, self.tables)

    def _blocks(self, end: str | None) -> Iterator[Markup]:
        """The blocks up to the token of type ``end``, which is read too."""
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.type == end:
                return
            made = self._block(token)
            if made:
                yield made

    def _block(self, token: Token) -> Markup:
        if token.type == "heading_open":
            return self._heading(int(token.tag[1:]))
        if token.type == "paragraph_open":
            content = self._inline(self._next())
            self.at += 1
            self.near = ""
            return content if token.hidden else element("p", content)
        if token.type in ("bullet_list_open", "ordered_list_open"):
            kind = token.type.removesuffix("_open")
            start = token.attrGet("start")
            return element(token.tag, *self._blocks(f"{kind}_close"), start=None if start is None else str(start))
        if token.type == "list_item_open":
            return element("li", *self._blocks("list_item_close"))
        if token.type == "blockquote_open":
            return element("blockquote", *self._blocks("blockquote_close"))
        if token.type in ("fence", "code_block"):
            return element("pre", element("code", token.content), tabindex="0")
        if token.type == "table_open":
            return self._table()
        if token.type == "hr":
            return Markup("<hr>")
        return Markup("")

    def _next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def _heading(self, level: int) -> Markup:
        inline = self._next()
        self.at += 1
        words = plain_text(inline)
        self.near = words
        heading = Heading(level, words, anchor(words, self.used))
        self.headings.append(heading)
        if level == 1:
            return Markup("")  # it stands in the header
        return element(f"h{level}", self._inline(inline), id=heading.anchor)

    def _table(self) -> Markup:
        """A table; columns of numbers are aligned to the right and sorted as numbers."""
        rows: list[list[Token]] = []
        while (token := self._next()).type != "table_close":
            if token.type == "tr_open":
                rows.append([])
            elif token.type in ("th_open", "td_open"):
                rows[-1].append(self._next())
        heads, *lines = rows
        names = [plain_text(cell) for cell in heads]
        words = [[plain_text(cell) for cell in line] for line in lines]
        self.tables.append([names, *words])
        right = {k for k, name in enumerate(names) if k and name not in _NO_NUMBERS and _numbers([line[k] for line in words])}
        title = self.near or (self.headings[-1].text if self.headings else "Table")
        shown = [[_sorted(self._inline(cell), plain_text(cell), k in right) for k, cell in enumerate(line)] for line in lines]
        if names[0] == "tie" and (barred := next((k for k, name in enumerate(names) if k in right and "MPJPE" in name), None)) is not None:
            seeds = [line[names.index("seeds")] if "seeds" in names else "" for line in words]
            for row, bar in zip(shown, interval_bars([line[barred] for line in words], seeds), strict=True):
                row[barred] = row[barred]._replace(content=group([row[barred].content, bar]))
        return table(title, [self._inline(cell) for cell in heads], shown, right, class_="board tied" if names[0] == "tie" else "board")

    def _inline(self, token: Token) -> Markup:
        return self._run(iter(token.children or []), None)

    def _link(self, content: Markup, goal: str) -> Markup:
        """A link; the first one to an entry of the board is the anchor of its row."""
        entry = goal.rpartition("/")[2].removesuffix(".html") if "entries/" in goal else None
        named = entry if entry not in self.rows else None
        if named is not None:
            self.rows.add(named)
        return element(
            "a",
            content,
            href=goal,
            id=None if named is None else f"row-{named}",
            rel="noopener external" if goal.startswith("http") else None,
        )

    def _run(self, tokens: Iterator[Token], end: str | None) -> Markup:
        """Inline tokens up to the one of type ``end``."""
        parts: list[Markup | str] = []
        for token in tokens:
            if token.type == end:
                break
            if token.type == "text":
                parts.append(token.content)
            elif token.type == "code_inline":
                parts.append(element("code", token.content))
            elif token.type in ("softbreak", "hardbreak"):
                parts.append(" ")
            elif token.type in ("strong_open", "em_open"):
                kind = token.type.removesuffix("_open")
                parts.append(element(kind, self._run(tokens, f"{kind}_close")))
            elif token.type == "link_open":
                content, goal = self._run(tokens, "link_close"), self.target(str(token.attrGet("href") or ""))
                parts.append(content if goal is None else self._link(content, goal))
            elif token.type == "image":
                goal = self.target(str(token.attrGet("src") or ""))
                words = token.content
                picture = None if goal is None else element("img", src=goal, alt=words, loading="lazy")
                parts.append(words if picture is None else scrolled(picture, words))
        return group(parts)


def interval_bars(cells: Sequence[str], seeds: Sequence[str]) -> list[Markup]:
    """A drawing for each cell of a column on one axis from 0: the interval as a line, the value as a dot, the ends of the seeds as ticks.

    Args:
        cells: such as ``29 [26, 32]``; a drawing is empty where there is no interval.
        seeds: such as ``3: 28.3 to 28.8``.
    """
    found = [re.match(r"\s*([\d.,]+) \[([\d.,]+), ([\d.,]+)\]", cell) for cell in cells]
    numbers = [None if one is None else [float(text.replace(",", "")) for text in one.groups()] for one in found]
    most = max((one[2] for one in numbers if one is not None), default=1.0)
    made = []
    for one, told in zip(numbers, seeds, strict=True):
        if one is None:
            made.append(Markup(""))
            continue
        value, low, high = (f"{_BAR * number / most:.1f}" for number in one)
        ends = re.match(r"\d+: ([\d.]+) to ([\d.]+)", told)
        ticks = [f"{_BAR * float(end) / most:.1f}" for end in ends.groups()] if ends else []
        made.append(
            element(
                "svg",
                element("line", x1=low, x2=high, y1="6", y2="6", class_="line"),
                *(element("line", x1=at, x2=at, y1="2", y2="10", class_="line") for at in (low, high)),
                *(element("circle", cx=at, cy="6", r="1.4", class_="seed") for at in ticks),
                element("circle", cx=value, cy="6", r="2.2", class_="dot"),
                class_="bar c0",
                viewBox=f"0 0 {_BAR:g} 12",
                aria_hidden="true",
            )
        )
    return made


def _numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, each perhaps with an interval or a letter, and nothing else."""
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and all(_NUMBER.match(cell) for cell in filled)


def _sorted(content: Markup, words: str, number: bool) -> Cell:
    """A cell; of a number with an interval, the number is what it is sorted by."""
    found = _NUMBER.match(words) if number else None
    if found is None:
        return Cell(content)
    return Cell(content, float(found[1].replace(",", "")) * {"k": 1e3, "M": 1e6, None: 1.0}[found[2]])


def plain_text(token: Token) -> str:
    """The words of an inline token without markup."""
    return "".join(" " if child.type in ("softbreak", "hardbreak") else child.content for child in token.children or [])
