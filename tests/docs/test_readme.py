"""README's own path is run as written: a lifter of one's own, next to one without training, scored, compared, and on a board."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from posebench.cli.main import main

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", README, flags=re.MULTILINE | re.DOTALL))


def blocks(title, language):
    return re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[title], flags=re.MULTILINE | re.DOTALL)


def commands(title):
    return [shlex.split(line, comments=True)[1:] for block in blocks(title, "bash") for line in block.splitlines() if line.strip()]


def test_a_lifter_of_ones_own_gets_on_a_board(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(blocks("Let posebench run your lifter", "python")[0], encoding="utf-8")
    flat = [words for words in commands("Score your method") if "flat.npz" in words]
    assert [words[0] for words in flat] == ["predict", "score"]
    try:
        for words in [*flat, *commands("Let posebench run your lifter")]:
            assert main(words) == 0, words
    finally:
        sys.modules.pop("mine", None)
    page = Path("my-board/README.md").read_text(encoding="utf-8")
    assert page.index("flat") > 0
    assert "[lift+own](entries/synthetic/lift+own-gt-none.md)" in page
