"""Writing the site: a folder of HTML pages, plots and tables that works from a disk and on any host.

``index.html`` is the board's README; every other generated page of the board has its own name and place, with ``.html`` for ``.md``. Pages
of methods and of the documentation that they lead to come with it, where the board lies in a checkout. Tables are there as CSV, JSON and
LaTeX, entries as JSON. ``site.json`` lists all files with their digests; a folder that holds anything else is not replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from posebench.base.errors import PosebenchError
from posebench.board.entry_files import load_entries
from posebench.board.render import contents
from posebench.board.site.convert import goals
from posebench.board.site.folder import MANIFEST, refuse_foreign, write_whole
from posebench.board.site.page import html_name, make_page, resolved, site_name, tables_name

SCHEMA = 1
#: Folders beside a board whose pages are taken along, and the largest of their files, bytes.
BESIDE = ("baselines", "docs", "protocols")
LARGEST = 4_000_000
#: Folders of a board whose files of numbers come along.
_DATA = ("entries/**", "speed", "robustness")
_PICTURES = (".svg", ".png", ".jpg")


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
    refuse_foreign(folder, board)
    files = _files(board, progress)
    try:
        write_whole(files, folder)
    except OSError as error:
        found = f"output {folder}: {error.strerror or error}"
        raise PosebenchError(found, "a folder that can be written", "choose another folder with -o") from error
    pages = sum(name.endswith(".html") for name in files)
    return Site(folder / "index.html", pages, sum(map(len, files.values())))


def _files(board: Path, progress: Callable[[int, int], None] | None) -> dict[str, bytes]:
    """Every file of the site, by its path in it."""
    entries = load_entries(board)
    if not entries and not (board / "README.md").exists():
        raise PosebenchError(f"{board}: no entries", "a board with at least one entry", f"posebench board add R.json --board {board}")
    made = contents(board, entries, underline=False)
    if stale := made.stale_plots:
        found = f"{stale[0]}, which is missing or not what the entries give"
        raise PosebenchError(found, "fresh plots", f"posebench board render --board {board}", exit_code=1)
    texts = {path.relative_to(board).as_posix(): text for path, text in made.texts.items()}
    pages = {name: text for name, text in texts.items() if name.endswith(".md")}
    files = {name: text.encode() for name, text in texts.items() if name not in pages}
    for path in [*(path for path, _, _ in made.plots), *(path for folder in _DATA for path in board.glob(f"{folder}/*.json"))]:
        files[path.relative_to(board).as_posix()] = path.read_bytes()
    pages |= _beside(board, pages, files)
    for number, (name, text) in enumerate(pages.items()):
        if progress is not None:
            progress(number, len(pages))
        page = make_page(name, text, pages, files)
        files[html_name(name)] = page.html.encode()
        if page.tables:
            files[tables_name(name)] = page.tables.encode()
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    files[MANIFEST] = (json.dumps({"posebench_site": SCHEMA, "files": listed}, indent=1) + "\n").encode()
    return files


def _beside(board: Path, pages: Mapping[str, str], files: dict[str, bytes]) -> dict[str, str]:
    """Pages that the board's pages lead to outside the board, by their name; their pictures join ``files``."""
    found: dict[str, str] = {}
    checkout = board.resolve().parent
    waiting = list(pages.items())
    while waiting:
        name, text = waiting.pop()
        for place in filter(None, (resolved(name, goal) for goal in goals(text))):
            if not place.startswith("../") or place in found or site_name(place).split("/")[0] not in BESIDE:
                continue
            path = (checkout / site_name(place)).resolve()
            if not path.is_relative_to(checkout) or not path.is_file() or path.stat().st_size > LARGEST:
                continue
            if path.suffix == ".md":
                found[place] = path.read_text(encoding="utf-8")
                waiting.append((place, found[place]))
            elif path.suffix in _PICTURES:
                files[site_name(place)] = path.read_bytes()
    return found
