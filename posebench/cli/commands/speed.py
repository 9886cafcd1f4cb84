"""Time lifters, or compare two timing records."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.base.errors import PosebenchError, needs
from posebench.cli.options import add_json
from posebench.cli.printing import print_json


def configure(parser: ArgumentParser) -> None:
    """What is timed, how often, and where the record goes."""
    parser.epilog = "Example: posebench speed flat runs/martinez --batch 1,64 -o speed.json"
    parser.add_argument("lifters", metavar="LIFTER", nargs="*", help="as `posebench predict` takes them (default: flat mean-pose)")
    compare = "compare two timing records (B relative to A, with intervals) instead of timing"
    parser.add_argument("--compare", metavar=("A.json", "B.json"), nargs=2, help=compare)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="device of trained runs (default: %(default)s)")
    parser.add_argument("--threads", metavar="N", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--batch", metavar="N,N", default="1,64,1024", help="frames a call (default: %(default)s)")
    parser.add_argument("--rounds", metavar="N", type=int, default=15, help="how often each case is timed, in turn (default: %(default)s)")
    parser.add_argument("--seconds", metavar="S", type=float, default=2.0, help="seconds of timed calls a case (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the record as JSON")
    add_json(parser)


def run(args: Namespace) -> int:
    """Time or compare, and print."""
    return _compare(args) if args.compare else _time(args)


def _compare(args: Namespace) -> int:
    from posebench import load_record
    from posebench.board.pages.speed import changes_text
    from posebench.lifters.timing.comparison import changes

    if args.lifters or args.output:
        raise PosebenchError("--compare with lifters or -o", "two records and nothing to time", "leave the others out")
    first, second = map(load_record, args.compare)
    if args.json:
        print_json([{**one._asdict(), "verdict": one.verdict} for one in changes(first, second)])
    else:
        print(changes_text(first, second))
    return 0


def _time(args: Namespace) -> int:
    from dataclasses import asdict

    from posebench.base.progress import progress
    from posebench.board.pages.speed import record_text

    with needs("timing", extra="baselines"):
        from posebench import speed
    try:
        batches = [int(part) for part in args.batch.split(",")]
    except ValueError as error:
        raise PosebenchError(f"--batch {args.batch}", "whole numbers, with commas between", "--batch 1,64,1024") from error
    with progress("timing") as advance:
        record = speed(
            args.lifters or ["flat", "mean-pose"],
            batches=batches,
            device=args.device,
            threads=args.threads,
            rounds=args.rounds,
            seconds=args.seconds,
            progress=advance,
        )
    if args.output:
        record.save(args.output)
    if args.json:
        print_json(asdict(record))
    else:
        print(record_text(record))
    return 0
