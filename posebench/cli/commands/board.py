"""The board: add, render, check."""

from __future__ import annotations

from argparse import Namespace


def run_board_add(args: Namespace) -> int:
    """Entries from results."""
    from posebench.board.entry_files import add
    from posebench.scoring.result import load_result

    for path in add(args.board, [load_result(path) for path in args.results], args.results):
        print(path)
    return 0


def run_board_render(args: Namespace) -> int:
    """Pages, tables and plots from the entries."""
    from posebench.board.render import render

    print(render(args.board))
    return 0


def run_board_check(args: Namespace) -> int:
    """Entries valid; pages, tables and plots fresh."""
    from posebench.board.render import check_board

    print(f"{args.board}: {check_board(args.board)} entries, all valid; pages, tables and plots are fresh")
    return 0
