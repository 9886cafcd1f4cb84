"""Every command of the how-tos is run as written, in order, in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from posebench.cli.main import main

PAGES = sorted((Path(__file__).parents[2] / "docs" / "how-to").glob("*.md"))
#: What a page promises to leave behind.
LEFT = {
    "score": ["flat.json", "flat.html"],
    "compare-with-a-paper": ["flat.json"],
    "train": ["my-board/README.md", "my-site/index.html", "my-site/entries/synthetic/martinez+tuned-gt-smoke.html"],
    "time": ["speed.json", "after.json"],
}
#: Words in what the last command of a page prints.
SAID = {
    "score": "flat",
    "compare-with-a-paper": "MPJPE",
    "train": "my-site/index.html",
    "time": "flat",
}


def commands(page):
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run_in_order(page, tmp_path, monkeypatch, capsys):
    if page.stem in ("train", "time"):
        pytest.importorskip("torch", reason="the page needs the extra [baselines]")
    monkeypatch.chdir(tmp_path)
    if page.stem == "train":  # enough to show that the commands fit together
        monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    for words in commands(page):
        capsys.readouterr()
        assert main(words) == 0, words
    printed = capsys.readouterr()
    assert SAID[page.stem] in printed.out + printed.err
    for name in LEFT[page.stem]:
        assert (tmp_path / name).stat().st_size > 100, name


def test_the_pages_are_these_and_fit_one_screen():
    assert {page.stem for page in PAGES} == set(LEFT)
    for page in PAGES:
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 55, page
