"""Writing the site: a folder of HTML pages, plots and tables that works from a disk and on any host.

``index.html`` is the board's README; every other generated page of the board has its own name and place, with ``.html`` for ``.md``. Pages
of methods and of the documentation that they lead to come with it, where the board lies in a checkout. Tables are there as CSV, JSON and
LaTeX, entries as JSON. ``site.json`` lists all files with their digests; a folder that holds anything else is not replaced.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.escape import csv_text
from posebench.board.entry_files import load_entries
from posebench.board.pages.latex import as_latex
from posebench.board.rank import file_stems, rankings
from posebench.board.render import board_texts, fresh_plots
from posebench.board.site.convert import Page, page_of
from posebench.display.html.elements import Markup, element, paragraph
from posebench.display.html.frame import asset, framed

MANIFEST = "site.json"
SCHEMA = 1
#: Folders beside a board whose pages are taken along, and the largest of their files, bytes.
BESIDE = ("baselines", "docs", "protocols")
LARGEST = 4_000_000
#: The end of the file with the tables of a page.
_ALL_TABLES = ".tables.csv"
_PICTURES = (".svg", ".png", ".jpg")
_DATA = (".csv", ".json", ".tex")
_TOP = (("README.md", "Board"), ("published.md", "Published numbers"), ("reconciliation.md", "What they mean"), ("speed.md", "Speed"))
_READING = ("how-to-read.md", "How to read")


class Site(NamedTuple):
    """What was written.

    Attributes:
        start: the first page.
        pages: how many there are.
        size: of all files, bytes.
    """

    start: Path
    pages: int
    size: int


def write_site(board: Path, folder: Path, *, progress: Callable[[int, int], None] | None = None) -> Site:
    """Write the site of a board; an earlier site in the folder is replaced, as a whole or not at all.

    Args:
        board: the board's folder. Pages and tables are made from its entries; its plots must be fresh.
        folder: to write; it is made.
        progress: called with (pages done, pages in all).

    Raises:
        PosebenchError: no board, an entry or ``published.toml`` that is invalid, a plot that is stale or missing; or the folder holds
            other files than a site's, or cannot be written.
    """
    _refuse_foreign(folder, board)
    files = _contents(board, progress)
    try:
        _write_whole(files, folder)
    except OSError as error:
        found = f"output {folder}: {error.strerror or error}"
        raise PosebenchError(found, "a folder that can be written", "choose another folder with -o") from error
    pages = sum(name.endswith(".html") for name in files)
    return Site(folder / "index.html", pages, sum(map(len, files.values())))


def _write_whole(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder beside the target, and put it in the target's place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        made.chmod(0o755)
        _put_in_place(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _contents(board: Path, progress: Callable[[int, int], None] | None) -> dict[str, bytes]:
    """Every file of the site, by its path in it."""
    entries = load_entries(board)
    if not entries and not (board / "README.md").exists():
        raise PosebenchError(f"{board}: no entries", "a board with at least one entry", f"posebench board add R.json --board {board}")
    texts = {path.relative_to(board).as_posix(): text for path, text in board_texts(board, entries).items()}
    files = {name: text.encode() for name, text in texts.items() if name.endswith(_DATA)}
    for key, stem in file_stems(ranked := rankings(entries)).items():
        files[f"tables/{stem}.tex"] = as_latex(ranked[key]).encode()
    files |= {path.relative_to(board).as_posix(): text.encode() for path, text in fresh_plots(board, entries).items()}
    for path in [*board.glob("entries/**/*.json"), *board.glob("speed/*.json")]:
        files[path.relative_to(board).as_posix()] = path.read_bytes()
    sources = {name: text for name, text in texts.items() if name.endswith(".md")}
    sources |= _beside(board, sources, files)
    for number, (name, text) in enumerate(sources.items()):
        if progress is not None:
            progress(number, len(sources))
        page, whole = _page(name, text, sources, files)
        files[html_name(name)] = whole.encode()
        if page.tables and not name.startswith("../"):
            files[name.removesuffix(".md") + _ALL_TABLES] = _as_csv(page).encode()
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    files[MANIFEST] = (json.dumps({"posebench_site": SCHEMA, "files": listed}, indent=1) + "\n").encode()
    return files


def _beside(board: Path, sources: Mapping[str, str], files: dict[str, bytes]) -> dict[str, str]:
    """Pages that the board's pages lead to outside the board, by their path as seen from it; their pictures join ``files``."""
    found: dict[str, str] = {}
    checkout = board.resolve().parent
    waiting = [(name, text) for name, text in sources.items()]
    while waiting:
        name, text = waiting.pop()
        for goal in _goals(text):
            place = _resolved(name, goal)
            if place is None or not place.startswith("../") or place in found or place.removeprefix("../").split("/")[0] not in BESIDE:
                continue
            path = (checkout / place.removeprefix("../")).resolve()
            if not path.is_relative_to(checkout) or not path.is_file() or path.stat().st_size > LARGEST:
                continue
            if path.suffix == ".md":
                found[place] = path.read_text(encoding="utf-8")
                waiting.append((place, found[place]))
            elif path.suffix in _PICTURES:
                files[_site_name(place)] = path.read_bytes()
    return found


def _goals(text: str) -> list[str]:
    """What the links and images of a page name."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or []]
    return [str(token.attrGet("href") or token.attrGet("src")) for token in inline if token.type in ("link_open", "image")]


def _resolved(name: str, goal: str) -> str | None:
    """The path, seen from the board, of what a page names; None for an address elsewhere or a place on the page itself."""
    path = goal.partition("#")[0]
    if not path or ":" in path or path.startswith("/"):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _site_name(name: str) -> str:
    """A file's path in the site: what lies beside the board stands in a folder of the site."""
    return name.removeprefix("../")


def html_name(name: str) -> str:
    """The path in the site of a page of markdown.

    Example:
        >>> html_name("README.md"), html_name("tables/cmu/gt.md"), html_name("../baselines/ites/README.md")
        ('index.html', 'tables/cmu/gt.html', 'baselines/ites/index.html')
    """
    made = _site_name(name).removesuffix(".md")
    return posixpath.join(posixpath.dirname(made), "index.html") if posixpath.basename(made) == "README" else f"{made}.html"


def _page(name: str, text: str, sources: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[Page, str]:
    """One page, and its file with what is around it."""
    here = posixpath.dirname(html_name(name)) or "."

    def target(goal: str) -> str | None:
        if goal.startswith("#"):
            return goal
        if goal.startswith(("https://", "http://")):
            return goal
        place = _resolved(name, goal)
        if place is None:
            return None
        mark = goal.partition("#")[1] + goal.partition("#")[2]
        if place in sources:
            return posixpath.relpath(html_name(place), here) + mark
        return posixpath.relpath(_site_name(place), here) if _site_name(place) in files else None

    page = page_of(text, target)
    up = posixpath.relpath(".", here)
    title = page.title or "posebench"
    whole = title if name == "README.md" else f"{title} - posebench"
    body = [
        _header(name, page, sources, up),
        _contents_list(page),
        element("main", *page.body, *_files_of(name, page, files), id="main"),
        _footer(),
    ]
    style = asset("style.css") + "\n" + asset("site.css", "posebench.board.site")
    return page, framed(whole, body, style, [asset("page.js"), asset("site.js", "posebench.board.site")], images=True)


def _header(name: str, page: Page, sources: Mapping[str, str], up: str) -> Markup:
    tops = [top for top in (*_TOP, _READING) if top[0] in sources]
    links = [
        element(
            "li",
            element("a", words, href=posixpath.join(up, html_name(source)), aria_current="page" if source == name else None),
        )
        for source, words in tops
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
    """Every table of a page as it stands there, with an empty line between them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for table in page.tables:
        writer.writerows([csv_text(cell) for cell in row] for row in table)
        writer.writerow([])
    return out.getvalue()


def _files_of(name: str, page: Page, files: Mapping[str, bytes]) -> list[Markup]:
    """The files that hold the numbers of a page: of an entry its JSON, of a table CSV, JSON and LaTeX; of every page its tables as CSV."""
    stem = name.removesuffix(".md")
    ends = {".csv": "CSV", ".json": "JSON", ".tex": "LaTeX (booktabs)"}
    links = [
        element("li", element("a", words, href=posixpath.basename(stem) + end, download=True))
        for end, words in ends.items()
        if stem + end in files
    ]
    if page.tables and not name.startswith("../"):
        href = posixpath.basename(stem) + _ALL_TABLES
        links.append(element("li", element("a", "the tables of this page, CSV", href=href, download=True)))
    return [element("h2", "Files", id="files"), element("ul", *links, class_="files")] if links else []


def _footer() -> Markup:
    return element(
        "footer",
        paragraph("Made by posebench board site from the files of the board. Nothing on these pages is loaded from another host."),
        paragraph("A row keeps sums of errors, not poses: posebench report draws the skeletons of a prediction file."),
    )


def _refuse_foreign(folder: Path, board: Path) -> None:
    """Refuse a target that is no folder, that holds files which no site of ours listed, or that holds the board.

    Raises:
        PosebenchError: see above.
    """
    advice = "posebench board site -o NEW-FOLDER"
    if board.resolve().is_relative_to(folder.resolve()):
        raise PosebenchError(f"output {folder}, which holds the board", "a folder of its own", advice)
    if folder.resolve().is_relative_to(board.resolve()):
        raise PosebenchError(f"output {folder}, which lies in the board's folder", "a folder outside the board", advice)
    if not folder.exists():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise PosebenchError(f"output {folder}, which is no folder", "a new folder, or an earlier site's", advice)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8")) if there else {"files": {}}
        listed = set(content["files"]) | {MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        listed = set()
    if foreign := sorted(there - listed):
        found = f"{folder} holds {first_ten(foreign)}, which {'is' if len(foreign) == 1 else 'are'} not of a site"
        raise PosebenchError(found, "a new folder, an empty one, or an earlier site's", advice)


def _put_in_place(made: Path, folder: Path) -> None:
    """Put the new site where the earlier one was; if that fails, the earlier one stays."""
    if not folder.exists():
        made.replace(folder)
        return
    aside = folder.with_name(f".{folder.name}-old-{os.getpid()}")
    folder.replace(aside)
    try:
        made.replace(folder)
    except OSError:
        aside.replace(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
