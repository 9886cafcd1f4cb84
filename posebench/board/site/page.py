"""One page of the site: its place, where its links lead, what is around its content, and its tables as CSV.

**Convention.** A page's name is the path of its markdown as seen from the board's folder: ``README.md``, ``../docs/metrics.md``.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Collection
from typing import NamedTuple

from posebench.base.escape import csv_text
from posebench.board.site.convert import Page, page_of
from posebench.display.html.elements import Markup, element, paragraph
from posebench.display.html.frame import asset, framed

_PACKAGE = "posebench.board.site"
#: Pages that every page leads to, with their words.
_TOP = {
    "README.md": "Board",
    "published.md": "Published numbers",
    "reconciliation.md": "What they mean",
    "speed.md": "Speed",
    "robustness.md": "Robustness",
    "how-to-read.md": "How to read",
}
#: Endings of the files that hold the numbers of a page, with their words.
_ENDINGS = {".csv": "CSV", ".json": "JSON", ".tex": "LaTeX (booktabs)"}


class Made(NamedTuple):
    """A page as it is written.

    Attributes:
        html: the file.
        tables: all its tables as CSV; empty where it has none, or where it is not of the board.
    """

    html: str
    tables: str


def resolved(name: str, goal: str) -> str | None:
    """The path, seen from the board, of what a page names; None for an address elsewhere or a place on the page itself."""
    path = goal.partition("#")[0]
    if not path or ":" in path or path.startswith("/"):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def site_name(name: str) -> str:
    """A file's path in the site: what lies beside the board stands in a folder of the site."""
    return name.removeprefix("../")


def html_name(name: str) -> str:
    """The path in the site of a page of markdown.

    Example:
        >>> html_name("README.md"), html_name("tables/cmu/gt.md"), html_name("../baselines/ites/README.md")
        ('index.html', 'tables/cmu/gt.html', 'baselines/ites/index.html')
    """
    made = site_name(name).removesuffix(".md")
    return posixpath.join(posixpath.dirname(made), "index.html") if posixpath.basename(made) == "README" else f"{made}.html"


def tables_name(name: str) -> str:
    """The path in the site of the tables of a page."""
    return name.removesuffix(".md") + ".tables.csv"


def make_page(name: str, text: str, pages: Collection[str], files: Collection[str]) -> Made:
    """A page of markdown as a file.

    Args:
        name: of the page.
        text: its markdown.
        pages: names of all pages of the site.
        files: paths in the site of its other files.
    """
    here = posixpath.dirname(html_name(name)) or "."

    def target(goal: str) -> str | None:
        if goal.startswith(("#", "https://", "http://")):
            return goal
        place = resolved(name, goal)
        if place is None:
            return None
        if place in pages:
            return posixpath.relpath(html_name(place), here) + goal.removeprefix(goal.partition("#")[0])
        return posixpath.relpath(site_name(place), here) if site_name(place) in files else None

    page = page_of(text, target)
    tables = "" if name.startswith("../") else _as_csv(page)
    body = [
        _header(name, page, pages),
        _contents_list(page),
        element("main", *page.body, *_files_of(name, files, tables=bool(tables)), id="main"),
        _footer(),
    ]
    title = page.title or "posebench"
    style = asset("style.css") + "\n" + asset("site.css", _PACKAGE)
    scripts = [asset("page.js"), asset("site.js", _PACKAGE)]
    return Made(framed(title if name == "README.md" else f"{title} - posebench", body, style, scripts, images=True), tables)


def _header(name: str, page: Page, pages: Collection[str]) -> Markup:
    up = posixpath.relpath(".", posixpath.dirname(html_name(name)) or ".")
    links = [
        element("li", element("a", words, href=posixpath.join(up, html_name(top)), aria_current="page" if top == name else None))
        for top, words in _TOP.items()
        if top in pages
    ]
    return element(
        "header",
        Markup('<a class="skip" href="#main">Skip to the content</a>'),
        paragraph("posebench leaderboard", class_="brand"),
        element("ul", *links, class_="top"),
        element("h1", page.title),
    )


def _contents_list(page: Page) -> Markup:
    """Links to the sections; empty for a page of one section."""
    shown = [heading for heading in page.headings if heading.level == 2]
    if len(shown) < 2:
        return Markup("")
    return element("nav", element("ul", *(element("li", element("a", h.text, href=f"#{h.anchor}")) for h in shown)), aria_label="Contents")


def _as_csv(page: Page) -> str:
    """Every table of a page as it stands there, with an empty line after each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for table in page.tables:
        writer.writerows([csv_text(cell) for cell in row] for row in table)
        writer.writerow([])
    return out.getvalue()


def _files_of(name: str, files: Collection[str], *, tables: bool) -> list[Markup]:
    """The files that hold the numbers of a page: an entry's JSON, a ranking's CSV, JSON and LaTeX, the tables of every page as CSV."""
    stem = name.removesuffix(".md")
    found = {stem + end: words for end, words in _ENDINGS.items() if stem + end in files}
    if tables:
        found[tables_name(name)] = "the tables of this page, CSV"
    links = [element("li", element("a", words, href=posixpath.basename(path), download=True)) for path, words in found.items()]
    return [element("h2", "Files", id="files"), element("ul", *links, class_="files")] if links else []


def _footer() -> Markup:
    return element(
        "footer",
        paragraph("Made by posebench board site from the files of the board. Nothing on these pages is loaded from another host."),
        paragraph("A row keeps sums of errors, not poses: posebench report draws the skeletons of a prediction file."),
    )
