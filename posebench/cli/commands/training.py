"""Trainings: one, or all that the board lacks; and the network of a finished one."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import PosebenchError, needs
from posebench.cli.printing import print_json, print_table


def run_train(args: Namespace) -> int:
    """Train a baseline; Ctrl-C saves."""
    import shlex
    import sys

    with needs("training", extra="baselines"):
        from posebench.training.loop import Interrupted
        from posebench.training.run import train
    from posebench.base.progress import progress
    from posebench.display.text import report

    given = {name: getattr(args, name) for name in ("root", "cameras", "keypoints", "seed", "preset", "recipe", "output", "resume")}
    given |= {name: getattr(args, name) for name in ("device", "threads", "tune", "teacher")}
    try:
        with progress(f"training {args.method}") as advance:
            result = train(
                args.method,
                args.dataset,
                **given,
                changes=args.set,
                save_every_s=args.save_every,
                progress=advance,
                log=lambda line: print(line, file=sys.stderr, flush=True),
            )
    except Interrupted as stop:
        words = [word for word in args.words if word != "--resume"]
        print(f"posebench: {stop}. Next: posebench {shlex.join([*words, '--resume'])}", file=sys.stderr)
        return 130
    if args.json:
        print_json(result.as_dict())
    else:
        print(report(result))
    return 0


def run_regenerate(args: Namespace) -> int:
    """Make what the board lacks; exit 1 if a cell failed."""
    import sys
    from dataclasses import asdict

    with needs("regeneration", extra="baselines,scale"):
        from posebench.board.regeneration.cells import Place
        from posebench.board.regeneration.grid import read_grid, select
        from posebench.board.regeneration.regenerate import overview, regenerate
        from posebench.training.loop import Interrupted
    from posebench.base.progress import progress

    roots = dict(_root_of(text) for text in args.root)
    place = Place(args.grid.parent, args.runs, roots, args.device, args.threads, args.adopt)
    if args.list:
        rows = overview(select(read_grid(args.grid), args.cell, args.dataset), place)
        if args.json:
            print_json([{"cell": cell.name, "state": state, "note": note} for cell, state, note in rows])
        else:
            width = max(len(cell.name) for cell, _, _ in rows)
            for cell, state, note in rows:
                print(f"{cell.name:{width}}  {state}" + (f": {note}" if note else ""))
        return 0
    said = ""

    def advance_cell(cell: str, done: int, total: int) -> None:
        nonlocal said
        if cell != said:
            print(f"{cell}: training", file=sys.stderr, flush=True)
            said = cell
        advance(done, total)

    try:
        with progress("steps") as advance:
            outcomes = regenerate(
                args.grid,
                cells=args.cell,
                dataset=args.dataset,
                place=place,
                jobs=args.jobs,
                dask=args.dask,
                progress=advance_cell,
                log=lambda line: print(line, file=sys.stderr, flush=True),
            )
    except Interrupted as stop:
        print(f"posebench: {stop}. Next: the same command again goes on", file=sys.stderr)
        return 130
    if args.json:
        print_json([asdict(outcome) for outcome in outcomes])
    else:
        rows_done: list[list[object]] = [[o.cell, o.status, f"{o.seconds:.0f} s", o.note] for o in outcomes]
        print_table(rows_done, ["cell", "outcome", "time", "note"])
        counts = {status: sum(o.status == status for o in outcomes) for status in ("done", "up to date", "failed")}
        print("\n" + ", ".join(f"{count} {status}" for status, count in counts.items()))
        if counts["done"]:
            print(f"Next: posebench board render --board {args.grid.parent}")
    return 1 if any(outcome.status == "failed" for outcome in outcomes) else 0


def _root_of(text: str) -> tuple[str, str]:
    from posebench.data import DATASETS

    name, _, root = text.partition("=")
    if name not in DATASETS or not DATASETS[name].needs_root or not root:
        names = ", ".join(name for name, spec in DATASETS.items() if spec.needs_root)
        raise PosebenchError(f"--root {text}", f"NAME=DIR, with NAME one of {names}", "correct it: --root cmu=DIR")
    return name, root


def run_export(args: Namespace) -> int:
    """A trained lifter as an ONNX file."""
    from importlib import import_module

    with needs("export", extra="baselines"):
        for package in ("onnx", "onnxruntime", "onnxscript"):  # of the exporter and the comparison; missing ones are found before any work
            import_module(package)
        from posebench.lifters.onnx.export import export_run
    done = export_run(args.run_folder, args.output)
    print(f"{done.network} and {done.card}: as {args.run_folder} to within {done.difference:.1e} of the largest coordinate")
    return 0
