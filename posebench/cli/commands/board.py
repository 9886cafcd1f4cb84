"""The leaderboard: add, render, check."""

from __future__ import annotations

from argparse import Namespace
from contextlib import AbstractContextManager
from pathlib import Path

from posebench.cli.options import add_board, add_underline, underline
from posebench.cli.parser import Parser, add_verbs
from posebench.cli.printing import remark

#: Folder of a board that keeps protocols of one's own.
_PROTOCOLS = "protocols"


def configure(parser: Parser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    add = verbs.add("add", "make entries from results; several seeds of one method become one entry", run_add)
    add.example = "posebench board add runs/*/result.json --board my-board"
    add.add_argument("results", metavar="R.json", nargs="+", help="results of `posebench score` or of a training")
    own = "the file of a protocol of your own, which the board then keeps (may be given more than once)"
    add.add_argument("--protocol", dest="protocol_files", metavar="FILE", action="append", default=[], type=Path, help=own)
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


def _own_protocols(board: Path) -> AbstractContextManager[None]:
    from posebench.scoring.protocol.files import protocols_in

    return protocols_in(board / _PROTOCOLS)


def run_add(args: Namespace) -> int:
    """Entries from results."""
    from posebench import load_result
    from posebench.board.entry_files import add
    from posebench.scoring.protocol.files import keep_protocol, protocols_in

    results = [load_result(path) for path in args.results]
    with protocols_in(args.board / _PROTOCOLS):
        for file in args.protocol_files:
            keep_protocol(file, args.board / _PROTOCOLS)
        for path in add(args.board, results, args.results):
            remark(str(path))
    return 0


def run_render(args: Namespace) -> int:
    """Pages, tables and plots from the entries."""
    from posebench.base.progress import progress

    underlined = underline(args)
    with _own_protocols(args.board), progress(f"rendering {args.board}", announced=True) as advance:
        from posebench.board.render import render

        page = render(args.board, latex=args.latex, underline=underlined, progress=advance)
    remark(str(page))
    return 0


def run_site(args: Namespace) -> int:
    """The board as a folder of HTML pages."""
    from posebench.base.progress import progress

    with _own_protocols(args.board), progress(f"writing {args.output}", announced=True) as advance:
        from posebench.board.site.write import write_site

        site = write_site(args.board, args.output, progress=advance)
    remark(f"{site.start}: {site.pages} pages, {site.size / 1e6:.1f} MB")
    return 0


def run_check(args: Namespace) -> int:
    """Entries valid; pages, tables and plots fresh."""
    from posebench.base.progress import progress

    with _own_protocols(args.board), progress(f"checking {args.board}"):
        from posebench.board.render import check_board

        entries = check_board(args.board)
    remark(f"{args.board}: {entries} {'entry' if entries == 1 else 'entries'}, all valid; pages, tables and plots are fresh")
    return 0
