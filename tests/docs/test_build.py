"""The pages of the documentation's site: each in one section, every export in the reference, no dead link; its notebook runs."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
from pathlib import Path

import pytest

import posebench

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
