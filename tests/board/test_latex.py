"""The board's tables for papers: written on request, kept fresh, and nobody else's files are touched."""

from __future__ import annotations

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.entry_files import add
from posebench.board.render import check_board, render
from posebench.cli.main import main


@pytest.fixture
def board(tmp_path, results, monkeypatch):
    monkeypatch.setattr("posebench.board.render.draw", lambda *_: "<svg></svg>")
    monkeypatch.setattr("posebench.board.render.fresh", lambda *_: True)
    folder = tmp_path / "board"
    add(folder, [results[name] for name in ("good", "bad", "free")], ["a", "b", "c"])
    return folder


def test_tables_are_written_on_request_and_then_kept_fresh(board):
    render(board)
    assert not list(board.rglob("*.tex"))
    assert main(["-q", "board", "render", "--board", str(board), "--latex", "--underline-second"]) == 0
    (table,) = board.rglob("*.tex")
    text = table.read_text()
    assert r"\begin{tabular}{llrrrrr}" in text
    assert r"\textbf{" in text
    assert r"\underline{" in text
    assert "& Avg" in text
    assert check_board(board) == 3
    table.write_text(text.replace("textbf", "textit"))
    with pytest.raises(PosebenchError, match=r"\.tex"):
        check_board(board)
    render(board)
    assert table.read_text() == text, "with the choice that was made"
    render(board, latex=True)
    assert r"\underline" not in table.read_text()


def test_other_files_of_latex_are_left_alone(board):
    mine = board / "tables" / "mine.tex"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("% mine")
    render(board)
    check_board(board)
    assert mine.read_text() == "% mine"
    assert list(board.rglob("*.tex")) == [mine]


def test_a_table_of_an_earlier_entry_is_left_over(board):
    render(board, latex=True)
    (table,) = board.rglob("*.tex")
    old = table.with_name("gauss10.tex")
    old.write_text(table.read_text())
    with pytest.raises(PosebenchError, match=r"gauss10\.tex"):
        check_board(board)
    render(board)
    assert not old.exists()
