"""Time lifters, or compare two timing records."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import PosebenchError, needs
from posebench.cli import choices
from posebench.cli.options import add_json, add_threads, completed
from posebench.cli.parser import Parser
from posebench.cli.printing import print_json, show


def configure(parser: Parser) -> None:
    """What is timed, how often, and where the record goes."""
    parser.example = "posebench speed flat runs/martinez --batch 1,64 -o speed.json\nposebench speed --compare before.json after.json\n"
    parser.example += "posebench speed --untrained repnet+paper repnet+tuned/quick"
    lifters = parser.add_argument(
        "lifters", metavar="LIFTER", nargs="*", help="as `posebench predict` takes them (default: flat mean-pose)"
    )
    completed(lifters, lambda _: choices.LIFTERS, or_path=True)
    compare = "compare two timing records (B relative to A, with intervals) instead of timing"
    parser.add_argument("--compare", metavar=("A.json", "B.json"), nargs=2, help=compare)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="device of trained runs (default: %(default)s)")
    add_threads(parser, "while timing")
    parser.add_argument("--batch", metavar="N,N", default="1,64,1024", help="frames a call (default: %(default)s)")
    parser.add_argument("--rounds", metavar="N", type=int, default=15, help="how often each case is timed, in turn (default: %(default)s)")
    parser.add_argument("--seconds", metavar="S", type=float, default=2.0, help="seconds of timed calls a case (default: %(default)s)")
    sized = "networks to time with drawn weights: METHOD[+RECIPE][/PRESET], such as repnet+paper (presets: smoke, quick, full)"
    parser.add_argument("--untrained", metavar="NETWORK", nargs="+", default=[], help=sized)
    override = "override a test-time setting of the runs (may be given more than once)"
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help=override)
    parser.add_argument("--track", action="store_true", help="time every lifter with tracking too: baselines/rigid_track")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the record as JSON")
    add_json(parser)


def run(args: Namespace) -> int:
    """Time or compare, and print."""
    return _compare(args) if args.compare else _time(args)


def _compare(args: Namespace) -> int:
    from posebench import load_record
    from posebench.board.pages.speed import changes_document
    from posebench.lifters.timing.comparison import changes

    if args.lifters or args.untrained or args.set or args.track or args.output:
        raise PosebenchError("--compare with lifters or with options of timing", "two records and nothing to time", "leave the others out")
    first, second = map(load_record, args.compare)
    if args.json:
        print_json([{**one._asdict(), "verdict": one.verdict} for one in changes(first, second)])
    else:
        show(changes_document(first, second), markdown=args.markdown)
    return 0


def _time(args: Namespace) -> int:
    from dataclasses import asdict

    from posebench.base.progress import progress
    from posebench.board.pages.speed import record_document

    try:
        batches = [int(part) for part in args.batch.split(",")]
    except ValueError as error:
        raise PosebenchError(f"--batch {args.batch}", "whole numbers, with commas between", "--batch 1,64,1024") from error
    with progress("timing", announced=True) as advance:
        with needs("timing", extra="baselines"):
            from posebench import speed
        record = speed(
            args.lifters or ([] if args.untrained else ["flat", "mean-pose"]),
            untrained=args.untrained,
            changes=args.set,
            track=args.track,
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
        show(record_document(record), markdown=args.markdown)
    return 0
