"""The board's page of robustness follows from its files and goes stale with them."""

from __future__ import annotations

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.entry_files import add
from posebench.board.pages.robustness import pairs
from posebench.board.render import check_board, render
from posebench.scoring.robustness.record import Robustness
from posebench.scoring.robustness.summary import rises
from tests.scoring.robustness.test_summary import constant, study_of


def better(_kind, severity, take):
    return 60.0 + take - severity


NOISY = {"facts": {"trained_keypoints": "detector"}}


@pytest.fixture
def board(tmp_path, results):
    """A board with a file of three methods; the second was trained on errors. Its clean error is 10 mm more, and falls with severity."""
    add(tmp_path, [results["good"], results["bad"]], ["a", "b"])
    study = study_of(("martinez", constant(50.0)), ("martinez (detector)", better, NOISY), ("flat", constant(99.0)))
    Robustness({study.protocol.id: study}).save(tmp_path / "robustness" / "mine.json")
    render(tmp_path)
    return tmp_path


def test_the_page_has_tables_curves_and_what_training_on_errors_changes(board):
    text = (board / "robustness.md").read_text(encoding="utf-8")
    assert "| [martinez](../baselines/martinez/README.md)            |" in text
    assert "plots/robustness/cmu-noise-curves.svg" in text
    row = next(line for line in text.splitlines() if "trained on detector" in line)
    assert [cell.strip() for cell in row.split("|")][2:4] == ["+10.0 ±0.0", "+7.0 ±0.0"]
    assert f"posebench robustness show {board.name}/robustness/mine.json --all" in text
    assert "(robustness.md)" in (board / "README.md").read_text(encoding="utf-8")
    for plot in ("curves", "training"):
        assert (board / "plots" / "robustness" / f"cmu-noise-{plot}.svg").exists()


def test_findings_stand_on_the_page_which_goes_stale_with_them(board):
    findings = board / "robustness" / "findings.txt"
    findings.write_text("## What was learnt\n\nErrors **grow**.\n", encoding="utf-8")
    with pytest.raises(PosebenchError, match=r"robustness\.md is not what"):
        check_board(board)
    render(board)
    assert "Errors **grow**." in (board / "robustness.md").read_text(encoding="utf-8")
    findings.write_bytes(b"\xff")
    with pytest.raises(PosebenchError, match=r"findings\.txt"):
        check_board(board)


def test_without_its_file_the_page_and_its_plots_are_left_over(board):
    (board / "robustness" / "mine.json").unlink()
    with pytest.raises(PosebenchError, match=r"cmu-noise-curves\.svg"):
        check_board(board)
    render(board)
    assert not (board / "robustness.md").exists()
    assert not list(board.glob("plots/robustness/*.svg"))


def test_a_pair_needs_the_name_of_its_source_and_a_training_on_exact_keypoints():
    study = study_of(
        ("a", constant(50.0)),
        ("a (gauss5)", better, NOISY),
        ("b", constant(50.0), NOISY),
        ("b (detector)", better, NOISY),
        ("a (detector)", better, NOISY),
    )
    (pair,) = pairs(study)
    assert (pair.exact.name, pair.noisy.name) == ("a", "a (detector)")
    assert rises(study, pair.exact, pair.noisy)["white"].value == pytest.approx(7.0)
