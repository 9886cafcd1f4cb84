"""The pages of the documentation's site: each in one section, every export in the reference, no dead link; its notebook runs."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shutil
from pathlib import Path

import pytest

import posebench
from tests.display.html.browser import Browser, find_browser

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_one_section(build):
    listed = [name for names in build.pages().values() for name in names]
    assert len(listed) == len(set(listed))
    wanted = {path for folder in ("docs", "leaderboard") for path in (ROOT / folder).rglob("*.md")}
    wanted |= {*(ROOT / "baselines").glob("*/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "protocols" / "README.md"}
    assert {path.relative_to(ROOT).as_posix() for path in wanted} - set(listed) == set()


def test_the_reference_names_every_export_and_each_has_a_docstring(build):
    named = {line.rpartition(".")[2] for line in build.api_page().splitlines() if line.startswith("::: ")}
    assert named == set(posebench.__all__)
    for name in posebench.__all__:
        assert len(inspect.getdoc(getattr(posebench, name)) or "") > 20, name


def test_the_reference_lists_every_export_once_in_the_groups_of_the_docstring(build):
    groups = build.exports()
    assert list(groups) == ["Score", "Lift", "Train", "Look", "Files and data", "Types", "Errors"]
    assert sorted(name for names in groups.values() for name in names) == sorted(posebench.__all__)
    assert (
        "| [`score`][posebench.scoring.evaluate.score] | Score a prediction file, or poses in memory, under a protocol. |"
        in build.api_page()
    )


def test_the_notebook_is_a_page_with_its_outputs(build, tmp_path):
    build.copy_pages(tmp_path)
    page = (tmp_path / "docs" / "quickstart.md").read_text(encoding="utf-8")
    assert page.startswith("# Quickstart\n")
    assert "(quickstart.ipynb)" in page
    assert "```text\nerror: joint-order: " in page
    assert "<td>flat - mean pose</td>" in page
    assert "(docs/quickstart.md)" in (tmp_path / "index.md").read_text(encoding="utf-8")
    assert (tmp_path / "docs" / "quickstart.ipynb").is_file()


def test_the_board_is_part_of_the_site_and_linked(build, tmp_path, monkeypatch):
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard" / "README.md").write_text("# Leaderboard\n\nWords.\n", encoding="utf-8")
    monkeypatch.setattr(build, "write_site", lambda board, folder: (folder.mkdir(), (folder / "index.html").write_text(board.name)))
    build.add_board(tmp_path)
    assert (tmp_path / "board" / "index.html").read_text() == "leaderboard"
    page = (tmp_path / "leaderboard" / "README.md").read_text(encoding="utf-8")
    assert page == "# Leaderboard\n\n[Search, filter and sort these tables](../board/index.html)\n\nWords.\n"


def test_a_page_that_loads_from_another_host_is_named(build, tmp_path):
    (tmp_path / "fine.html").write_text('<a href="https://example.org/">a link</a><script src="../own.js"></script>')
    assert build.loaded_from_elsewhere(tmp_path) == []
    (tmp_path / "font.html").write_text(
        '<link rel="stylesheet" href="//example.org/a.css"><script async src=https://example.org/b.js></script>'
    )
    assert build.loaded_from_elsewhere(tmp_path) == ["font.html: //example.org/a.css", "font.html: https://example.org/b.js"]


def test_a_worker_answers_on_a_page_from_a_disk(tmp_path):
    """The search of the site needs one, and browsers refuse workers there."""
    if (path := find_browser()) is None:
        pytest.skip("no chromium is installed")
    shutil.copyfile(ROOT / "docs" / "iframe-worker.js", tmp_path / "iframe-worker.js")
    (tmp_path / "worker.js").write_text("self.onmessage = ({ data }) => self.postMessage({ sum: data.a + data.b });")
    (tmp_path / "page.html").write_text('<!doctype html><script src="iframe-worker.js"></script><body></body>')
    with Browser(path) as page:
        page.open(tmp_path / "page.html")
        ask = 'const w = new Worker("worker.js"); w.onmessage = e => done(e.data.sum); w.postMessage({ a: 2, b: 3 });'
        assert page.run(f"new Promise(done => {{ {ask} }})") == 5
        assert page.said == []


def test_pages_are_copied_with_what_they_link_to(build, tmp_path):
    sections = build.copy_pages(tmp_path)
    assert (tmp_path / "index.md").is_file()
    assert (tmp_path / "docs" / "demo.png").is_file()
    for names in sections.values():
        for name in names:
            page = tmp_path / ("index.md" if name == "README.md" else name)
            for goal in build.links(page.read_text(encoding="utf-8")):
                assert (page.parent / goal).exists(), f"{name}: {goal}"
    assert "Rows of the leaderboard" not in build.navigation(sections)


def test_a_dead_link_ends_the_build(build, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "api_page", lambda: "# API\n\n[gone](nowhere.md)\n")
    with pytest.raises(SystemExit, match=r"docs/api\.md: the link nowhere\.md leads to no file"):
        build.copy_pages(tmp_path)


def test_the_notebook_gives_what_it_shows(tmp_path):
    import nbclient
    import nbformat

    stored = nbformat.read(NOTEBOOK, as_version=4)
    made = nbformat.from_dict(json.loads(json.dumps(stored)))
    nbclient.NotebookClient(made, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for before, after in zip(stored.cells, made.cells, strict=True):
        if before.cell_type == "code":
            assert shown(after) == shown(before)
    assert re.search(r"joint-order", "".join(map(shown, made.cells)))


def shown(cell):
    """What a cell prints, without numbers, which may differ in the last digit."""
    parts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.get("outputs", []) if out.get("name") != "stderr"]
    return re.sub(r"[\d.,]+", "#", "".join(parts))
