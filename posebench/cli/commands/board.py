"""The leaderboard: add, render, check."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.cli.options import add_board
from posebench.cli.parser import add_verbs


def configure(parser: ArgumentParser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    add = verbs.add("add", "make entries from results; several seeds of one method become one entry", run_add)
    add.epilog = "Example: posebench board add runs/*/result.json --board my-board"
    add.add_argument("results", metavar="R.json", nargs="+", help="results of `posebench score` or of a training")
    add_board(add)
    add_board(verbs.add("render", "write pages, tables and plots from the entries", run_render))
    add_board(verbs.add("check", "are the entries valid and the pages fresh?", run_check))


def run_add(args: Namespace) -> int:
    """Entries from results."""
    from posebench import load_result
    from posebench.board.entry_files import add

    for path in add(args.board, [load_result(path) for path in args.results], args.results):
        print(path)
    return 0


def run_render(args: Namespace) -> int:
    """Pages, tables and plots from the entries."""
    from posebench.board.render import render

    print(render(args.board))
    return 0


def run_check(args: Namespace) -> int:
    """Entries valid; pages, tables and plots fresh."""
    from posebench.board.render import check_board

    print(f"{args.board}: {check_board(args.board)} entries, all valid; pages, tables and plots are fresh")
    return 0
