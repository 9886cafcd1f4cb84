"""The board as HTML: the numbers of the markdown byte for byte, links that lead somewhere, a folder that is written whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import html
import json
import posixpath
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.entry_files import add
from posebench.board.render import render
from posebench.board.site import write
from posebench.board.site.convert import interval_bars, page_of
from posebench.board.site.write import html_name, write_site
from tests.board.conftest import scored
from tests.board.site.conftest import BOARD


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A board of one untrained row."""
    folder = tmp_path_factory.mktemp("small")
    result = scored(folder, "flat", 60)
    add(folder / "board", [result], ["r.json"])
    render(folder / "board")
    return folder / "board"


class Cells(HTMLParser):
    """The text of every cell of every table of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self.inside = False

    def handle_starttag(self, tag, _attributes):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.tables[-1][-1][-1] += data


def cells_of_markdown(text):
    """The text of every cell of every table, read with regular expressions, so by other means than the site's own reader."""
    tables, rows = [], []
    for line in [*text.split("\n"), ""]:
        if line.startswith("|"):
            rows.append([plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            tables.append([rows[0], *rows[2:]])
            rows = []
    return tables


def plain(cell):
    cell = re.sub(r"\[((?:[^\]\\]|\\.)*)\]\([^)]*\)", r"\1", cell.strip())
    cell = re.sub(r"`([^`]*)`", r"\1", cell).replace("**", "").replace("*", "") if "\\*" not in cell else re.sub(r"`([^`]*)`", r"\1", cell)
    return html.unescape(re.sub(r"\\([^\w\s])", r"\1", cell))


@pytest.mark.parametrize("name", ["README.md", "published.md", "speed.md", "tables/cmu/gt.md", "entries/cmu/martinez+tuned-gt-quick.md"])
def test_every_cell_is_that_of_the_markdown(site, name):
    reader = Cells()
    reader.feed((site / html_name(name)).read_text(encoding="utf-8"))
    wanted = cells_of_markdown((BOARD / name).read_text(encoding="utf-8"))
    assert len(wanted) > 0
    assert reader.tables == wanted


def test_every_row_of_the_board_has_a_page_and_every_generated_page_is_there(site):
    for path in BOARD.rglob("*.md"):
        assert (site / html_name(path.relative_to(BOARD).as_posix())).is_file(), path
    for path in (BOARD / "tables").rglob("*.csv"):
        assert (site / path.relative_to(BOARD)).read_bytes() == path.read_bytes()
        assert (site / path.relative_to(BOARD)).with_suffix(".tex").is_file()


def test_links_and_pictures_lead_to_files_of_the_site_and_anchors_exist(site):
    ids = {path: set(re.findall(r' id="([^"]+)"', path.read_text(encoding="utf-8"))) for path in site.rglob("*.html")}
    seen = 0
    for path in ids:
        for goal in map(html.unescape, re.findall(r'(?:href|src)="([^"]+)"', path.read_text(encoding="utf-8"))):
            if goal.startswith(("https://", "http://")):
                continue
            file, _, mark = goal.partition("#")
            there = Path(posixpath.normpath(path.parent / file)) if file else path
            assert there.is_file(), f"{path}: {goal}"
            own = path.is_relative_to(site / "entries") or path.parent == site
            assert not mark or not own or there.suffix != ".html" or mark in ids[there], f"{path}: {goal}"
            seen += 1
    assert seen > 1000


def test_ids_are_unique_on_each_page(site):
    for path in site.rglob("*.html"):
        ids = re.findall(r' id="([^"]+)"', path.read_text(encoding="utf-8"))
        assert len(ids) == len(set(ids)), path


def test_the_rows_of_the_board_have_anchors(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    for path in (BOARD / "entries" / "cmu").glob("*-gt-quick.json"):
        assert f'id="row-{path.stem}"' in page, path.stem


def test_pages_name_no_other_host_but_in_links_and_are_small(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(?:https?:)?//', text), path
        assert "default-src 'none'" in text
    assert (site / "index.html").stat().st_size <= 150_000
    assert len((Path(write.__file__).parent / "site.js").read_bytes()) <= 12_000


def test_the_list_of_files_has_their_digests(site):
    listed = json.loads((site / "site.json").read_text())["files"]
    assert {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()} == {*listed, "site.json"}
    for name, digest in listed.items():
        assert hashlib.sha256((site / name).read_bytes()).hexdigest() == digest, name


def test_a_site_replaces_an_earlier_one_and_the_same_board_gives_the_same_bytes(small, tmp_path):
    made = write_site(small, tmp_path / "site")
    first = (tmp_path / "site" / "site.json").read_bytes()
    (tmp_path / "site" / "index.html").write_text("edited")
    assert write_site(small, tmp_path / "site") == made
    assert (tmp_path / "site" / "site.json").read_bytes() == first
    assert (tmp_path / "site" / "index.html").read_text() != "edited"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_with_other_files_is_left_alone(small, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("years of work")
    with pytest.raises(PosebenchError, match=r"thesis\.tex"):
        write_site(small, tmp_path / "site")
    assert [path.name for path in tmp_path.rglob("*")] == ["site", "thesis.tex"]
    write_site(small, tmp_path / "other")
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(PosebenchError, match=r"notes\.txt"):
        write_site(small, tmp_path / "other")


def test_a_file_the_boards_folder_or_a_folder_around_it_is_refused(small, tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", small, small.parent, small / "site", tmp_path / "file" / "site"):
        with pytest.raises(PosebenchError):
            write_site(small, folder)
    assert (small / "README.md").is_file()


def test_a_board_without_entries_is_refused(tmp_path):
    (tmp_path / "board").mkdir()
    with pytest.raises(PosebenchError, match="no entries"):
        write_site(tmp_path / "board", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_plot_of_earlier_entries_is_refused(small, tmp_path):
    board = tmp_path / "board"
    shutil.copytree(small, board)
    plot = next(iter(sorted(board.rglob("*.svg"))))
    drawn = plot.read_text()
    for text in (drawn.replace("flat", "other"), None):
        plot.unlink() if text is None else plot.write_text(text.replace("data", "atad", 1))
        with pytest.raises(PosebenchError, match="board render"):
            write_site(board, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_nothing_is_left_where_writing_fails(small, tmp_path, monkeypatch):
    write_site(small, tmp_path / "site")
    before = (tmp_path / "site" / "site.json").read_bytes()
    monkeypatch.setattr(write, "_put_in_place", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(PosebenchError, match="full"):
        write_site(small, tmp_path / "site")
    assert (tmp_path / "site" / "site.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_names_from_entries_are_text(small, tmp_path):
    board = tmp_path / "board"
    shutil.copytree(small, board)
    (path,) = board.glob("entries/synthetic/*.json")
    content = json.loads(path.read_text())
    hostile = '<img src=x onerror=alert(1)>[x](javascript:alert(1)) $x^{$`|"'
    content["seeds"][0]["environment"]["platform"] = hostile
    content["takes"] = [[take, subject, f"{action} {hostile}"] for take, subject, action in content["takes"]]
    path.write_text(json.dumps(content))
    render(board)
    write_site(board, tmp_path / "site")
    page = (tmp_path / "site" / path.relative_to(board).with_suffix(".html")).read_text(encoding="utf-8")
    assert "onerror=alert(1)" in html.unescape(page)
    assert not re.search(r"<img src=x", page)
    assert "javascript:" not in "".join(re.findall(r'href="([^"]*)"', page))


def test_markup_in_markdown_is_text_and_unknown_addresses_are_no_links():
    page = page_of(
        "# T\n\n<script>alert(1)</script>\n\n[a](javascript:alert(1)) [b](https://x.org) ![c](https://x.org/i.png)\n", lambda _: None
    )
    joined = "".join(page.body)
    assert "<script" not in joined
    assert "<a" not in joined
    assert "<img" not in joined
    assert "alert(1)" in joined


def test_intervals_are_drawn_on_one_axis_from_zero():
    cells, seeds = ["50 [40, 60]", "100 [80, 110]", ""], ["3: 45.0 to 55.0", "1", "1"]
    first, second, none = interval_bars(cells, seeds)
    assert [float(x) for x in re.findall(r'cx="([\d.]+)"', first)] == [45.0, 55.0, 50.0]
    assert re.findall(r'x1="([\d.]+)" x2="([\d.]+)"', second)[0] == ("80.0", "110.0")
    assert none == ""


def test_the_tables_of_a_page_are_a_file(site):
    rows = list(csv.reader((site / "published.tables.csv").open(encoding="utf-8")))
    assert rows[0][0] == "protocol, or a similar one"
    assert len(rows) > 200
    assert "published.tables.csv" in (site / "published.html").read_text(encoding="utf-8")


def test_numbers_are_aligned_and_sorted_by_their_value_and_words_are_not():
    rows = "| x | 29 [26, 32] | 897 k | 3: 1 to 2 |\n| y | 1,200 | 4.29 M | 1 |\n| z | | | 1 |\n"
    text = f"# T\n\n| a | mm | size | seeds |\n|---|---|---|---|\n{rows}"
    made = "".join(page_of(text, lambda _: None).body)
    assert re.findall(r'class="n" data-value="([^"]+)"', made) == ["29", "897000", "1200", "4.29e+06"]
    assert ">3: 1 to 2</td>" in made
