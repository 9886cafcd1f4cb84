"""Work that takes seconds reports how far it is: exports of a dataset, and the pages of a board."""

from __future__ import annotations

import pytest

from posebench.cli.main import main
from posebench.data.registry import export_layouts


@pytest.mark.parametrize("layout", export_layouts())
def test_an_export_counts_up_to_its_last_take(synthetic_part, tmp_path, layout):
    steps = []
    takes = [f"Walking {number}" for number in (1, 2)] + [f"{action} 1" for action in ("Sitting", "Boxing", "Running")]
    dataset = synthetic_part(subjects=("S1", "S9", "S11"), takes=takes)
    export_layouts()[layout](dataset, tmp_path / "copy", lambda done, total: steps.append((done, total)))
    done, totals = zip(*steps, strict=True)
    assert len(set(totals)) == 1
    assert list(done) == sorted(set(done))
    assert done[0] == 0
    assert done[-1] == totals[0] - 1


def test_an_export_is_announced_and_silent_with_quiet(tmp_path, monkeypatch, capsys):
    layouts = {"3dhp": lambda *_: None}
    monkeypatch.setattr("posebench.data.registry.export_layouts", lambda: layouts)
    words = ["data", "export", "synthetic", "--layout", "3dhp", "-o", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err == "exporting synthetic as 3dhp ...\n"
    assert said.out == f"{tmp_path}: synthetic in the layout 3dhp\n"
    assert main([*words, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_pages_of_a_board_are_announced(tmp_path, capsys):
    assert main(["predict", "mean-pose", "--dataset", "synthetic", "-o", str(tmp_path / "p.npz"), "-q"]) == 0
    assert main(["score", str(tmp_path / "p.npz"), "--protocol", "synthetic", "-o", str(tmp_path / "p.json"), "-q"]) == 0
    assert main(["board", "add", str(tmp_path / "p.json"), "--board", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["board", "render", "--board", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("rendering ")
    assert said.err.endswith(" ...\n")
    assert said.out == f"{tmp_path / 'README.md'}\n"
