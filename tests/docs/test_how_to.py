"""Every command of the how-tos is run as written, in order, in an empty folder."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from posebench.base.skeletons import skeleton
from posebench.cli.main import main

PAGES = sorted((Path(__file__).parents[2] / "docs" / "how-to").glob("*.md"))
#: What a page promises to leave behind.
LEFT = {
    "score": ["flat.json", "flat.html"],
    "compare-with-a-paper": ["flat.json"],
    "run-your-lifter": ["my-board/README.md", "my-board/entries/synthetic/lift+own-gt-none.md"],
    "train": ["my-board/README.md", "my-site/index.html", "my-site/entries/synthetic/martinez+tuned-gt-smoke.html"],
    "time": ["speed.json", "after.json"],
    "lift-a-video": ["lifted.npz", "lifted.html", "lifted.gif"],
}
#: Words in what the last command of a page prints.
SAID = {
    "score": "flat",
    "compare-with-a-paper": "MPJPE",
    "run-your-lifter": "my-board/README.md",
    "train": "my-site/index.html",
    "time": "flat",
    "lift-a-video": "lifted.gif",
}


def commands(page):
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True)[1:] for block in blocks for line in block.splitlines() if line.strip()]


def detected(clip, frames=20):
    """A clip's keypoints as a list of COCO's results."""
    ours, order = skeleton(clip.skeleton).joints, skeleton("coco17").joints
    places = [ours.index(name) if name in ours else ours.index("neck_nose") for name in order]
    points = clip.keypoints("gt")[:frames, places]
    scored = np.concatenate([points, np.full_like(points[..., :1], 0.9)], axis=-1)
    return [{"image_id": frame, "category_id": 1, "keypoints": one.ravel().tolist()} for frame, one in enumerate(scored)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run_in_order(page, tmp_path, monkeypatch, capsys, synthetic):
    if page.stem in ("train", "time", "lift-a-video"):
        pytest.importorskip("torch", reason="the page needs the extra [baselines]")
    monkeypatch.chdir(tmp_path)
    if page.stem == "lift-a-video":
        (tmp_path / "keypoints.json").write_text(json.dumps(detected(synthetic.load("S9/Walking 1/c0"))))
    for code in re.findall(
        r"^Write `(\w+)\.py`:\n\n```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    ):
        (tmp_path / f"{code[0]}.py").write_text(code[1], encoding="utf-8")
    try:
        for words in commands(page):
            capsys.readouterr()
            assert main(words) == 0, words
    finally:
        sys.modules.pop("mine", None)
    printed = capsys.readouterr()
    assert SAID[page.stem] in printed.out + printed.err
    for name in LEFT[page.stem]:
        assert (tmp_path / name).stat().st_size > 100, name


def test_the_pages_are_these_and_fit_one_screen():
    assert {page.stem for page in PAGES} == set(LEFT)
    for page in PAGES:
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 55, page


def test_the_readme_fits_two_screens_and_shows_a_picture_and_a_table_first():
    lines = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 110
    before = lines[: lines.index("## Install")]
    assert any(line.startswith("![") for line in before)
    assert any(line.startswith("|---") for line in before)
