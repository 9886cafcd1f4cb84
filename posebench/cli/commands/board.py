"""The leaderboard: add, render, check."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from posebench.cli.options import add_board, add_underline, underline
from posebench.cli.parser import Parser, add_verbs
from posebench.cli.printing import remark


def configure(parser: Parser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    add = verbs.add("add", "make entries from results; several seeds of one method become one entry", run_add)
    add.example = "posebench board add runs/*/result.json --board my-board"
    add.add_argument("results", metavar="R.json", nargs="+", help="results of `posebench score` or of a training")
    add_board(add)
    rendered = verbs.add("render", "write pages, tables and plots from the entries", run_render)
    rendered.example = "posebench board render --board my-board\nposebench board render --board my-board --latex"
    kept = "write tables/*.tex for papers too (booktabs; the best value is bold); later calls keep them fresh"
    rendered.add_argument("--latex", action="store_true", help=kept)
    add_underline(rendered)
    add_board(rendered)
    site = verbs.add("site", "write the board as a folder of HTML pages", run_site)
    site.example = "posebench board site -o site\nposebench board site --board my-board -o my-site"
    site.add_argument("-o", "--output", metavar="DIR", required=True, type=Path, help="folder to write; an earlier site in it is replaced")
    add_board(site)
    checked = verbs.add("check", "are the entries valid and the pages fresh?", run_check)
    checked.example = "posebench board check --board my-board"
    add_board(checked)


def run_add(args: Namespace) -> int:
    """Entries from results."""
    from posebench import load_result
    from posebench.board.entry_files import add

    for path in add(args.board, [load_result(path) for path in args.results], args.results):
        remark(str(path))
    return 0


def run_render(args: Namespace) -> int:
    """Pages, tables and plots from the entries."""
    from posebench.base.progress import progress

    underlined = underline(args)
    with progress(f"rendering {args.board}", announced=True) as advance:
        from posebench.board.render import render

        page = render(args.board, latex=args.latex, underline=underlined, progress=advance)
    remark(str(page))
    return 0


def run_site(args: Namespace) -> int:
    """The board as a folder of HTML pages."""
    from posebench.base.progress import progress

    with progress(f"writing {args.output}", announced=True) as advance:
        from posebench.board.site.write import write_site

        site = write_site(args.board, args.output, progress=advance)
    remark(f"{site.start}: {site.pages} pages, {site.size / 1e6:.1f} MB")
    return 0


def run_check(args: Namespace) -> int:
    """Entries valid; pages, tables and plots fresh."""
    from posebench.base.progress import progress

    with progress(f"checking {args.board}"):
        from posebench.board.render import check_board

        entries = check_board(args.board)
    remark(f"{args.board}: {entries} {'entry' if entries == 1 else 'entries'}, all valid; pages, tables and plots are fresh")
    return 0
