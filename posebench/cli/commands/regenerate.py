"""Train what the leaderboard lacks; exit 1 if a cell failed."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posebench.base.errors import PosebenchError, needs
from posebench.cli.options import add_device, add_json, add_threads, completed
from posebench.cli.parser import Parser
from posebench.cli.printing import log, print_json, remark, show_table
from posebench.data.registry import DATASETS

if TYPE_CHECKING:
    from posebench.board.regeneration.cells import GridContext, Outcome


def configure(parser: Parser) -> None:
    """Which cells, where their data are, and on what machines."""
    parser.example = "posebench regenerate --root cmu=cmu-mocap --cell martinez-cmu-gt-quick-s0"
    grid = "the file that lists the trainings (default: %(default)s)"
    parser.add_argument("grid", metavar="GRID", type=Path, nargs="?", default=Path("leaderboard/grid.toml"), help=grid)
    parser.add_argument("--cell", metavar="NAME", action="append", default=[], help="only this cell (may be given more than once)")
    dataset = parser.add_argument("--dataset", metavar="NAME", help=f"only the cells of this dataset: {', '.join(DATASETS)}")
    completed(dataset, lambda _: tuple(DATASETS))
    parser.add_argument("--list", action="store_true", help="print each cell and its state, and run nothing")
    parser.add_argument("--root", metavar="NAME=DIR", action="append", default=[], help="a dataset's folder, such as cmu=DIR")
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"), help="where run folders are (default: %(default)s)")
    parser.add_argument("--adopt", action="store_true", help="take finished runs of `posebench train` for runs of the present code")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", metavar="N", type=int, default=1, help="processes on this machine (default: %(default)s)")
    where.add_argument("--dask", metavar="ADDRESS", help="a dask scheduler, such as tcp://HOST:8786; all machines must share the files")
    add_device(parser)
    add_threads(parser, "of each cell; 0 for PyTorch's choice")
    add_json(parser)


def run(args: Namespace) -> int:
    """List the cells, or make them."""
    return _list(args) if args.list else _make(args)


def _context(args: Namespace) -> GridContext:
    with needs("regeneration", extra="baselines,scale"):
        from posebench.board.regeneration.cells import GridContext
    return GridContext(args.grid.parent, args.runs, dict(map(_named_root, args.root)), args.device, args.threads, args.adopt)


def _make(args: Namespace) -> int:
    import sys

    from posebench.base.progress import progress

    shown = ""

    def advance_cell(cell: str, done: int, total: int) -> None:
        nonlocal shown
        if cell != shown:
            log(f"{cell}: training")
            shown = cell
        advance(done, total)

    with progress(f"regenerating {args.grid}", announced=True) as advance:
        context = _context(args)
        from posebench.board.regeneration.regenerate import regenerate
        from posebench.training.loop import Interrupted

        try:
            outcomes = regenerate(
                args.grid,
                cells=args.cell,
                dataset=args.dataset,
                context=context,
                jobs=args.jobs,
                dask=args.dask,
                progress=advance_cell,
                log=log,
            )
        except Interrupted as stop:
            print(f"posebench: {stop}. Next: the same command continues", file=sys.stderr)
            return 130
    _print_outcomes(args, outcomes)
    return 1 if any(outcome.status == "failed" for outcome in outcomes) else 0


def _list(args: Namespace) -> int:
    context = _context(args)
    from posebench.board.regeneration.grid import read_grid, select
    from posebench.board.regeneration.regenerate import overview

    rows = overview(select(read_grid(args.grid), args.cell, args.dataset), context)
    if args.json:
        print_json([{"cell": cell.name, "state": state, "note": note} for cell, state, note in rows])
        return 0
    width = max(len(cell.name) for cell, _, _ in rows)
    for cell, state, note in rows:
        print(f"{cell.name:{width}}  {state}" + (f": {note}" if note else ""))
    return 0


def _print_outcomes(args: Namespace, outcomes: Sequence[Outcome]) -> None:
    from dataclasses import asdict

    if args.json:
        print_json([asdict(outcome) for outcome in outcomes])
        return
    rows: list[list[object]] = [[o.cell, o.status, f"{o.seconds:.0f} s", o.note] for o in outcomes]
    show_table(rows, ["cell", "outcome", "time", "note"], markdown=args.markdown)
    counts = {status: sum(o.status == status for o in outcomes) for status in ("done", "up to date", "failed")}
    print("\n" + ", ".join(f"{count} {status}" for status, count in counts.items()))
    if counts["done"]:
        remark(f"Next: posebench board render --board {args.grid.parent}")


def _named_root(text: str) -> tuple[str, str]:
    """``NAME=DIR``."""
    name, _, root = text.partition("=")
    if name not in DATASETS or not DATASETS[name].needs_root or not root:
        names = ", ".join(name for name, spec in DATASETS.items() if spec.needs_root)
        raise PosebenchError(f"--root {text}", f"NAME=DIR, with NAME one of {names}", "correct it: --root cmu=DIR")
    return name, root
