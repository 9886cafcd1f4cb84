"""Train a baseline; Ctrl-C saves."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from posebench.base.errors import needs
from posebench.cli import choices
from posebench.cli.options import add_dataset, add_device, add_json, add_keypoints, add_protocol, add_threads, completed
from posebench.cli.parser import Parser
from posebench.cli.printing import log, print_json, show

if TYPE_CHECKING:
    from posebench.display.document import Document
    from posebench.training.forecast import Forecast
    from posebench.training.job import Job


def configure(parser: Parser) -> None:
    """Method, data, recipe and budget."""
    parser.example = "posebench train martinez --dataset synthetic --preset smoke -o runs/martinez"
    parser.listed = lambda: {"methods and their recipes (METHOD, --recipe)": choices.methods_with_recipes()}
    completed(parser.add_argument("method", metavar="METHOD", help="a baseline of the list below"), lambda _: choices.methods())
    add_dataset(parser)
    add_keypoints(parser, "of training and test")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of all random numbers (default: %(default)s)")
    budget = "how long to train: seconds, minutes on a CPU, or as the paper (default: %(default)s)"
    parser.add_argument("--preset", choices=["smoke", "quick", "full"], default="quick", help=budget)
    recipe = parser.add_argument("--recipe", metavar="NAME", default="tuned", help="a variant of the method (default: %(default)s)")
    completed(recipe, lambda args: choices.recipes(args.method or ""))
    change = "change one setting of the method's recipe.toml (may be given more than once)"
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help=change)
    parser.add_argument("--teacher", metavar="RUN", help="the teacher's run, for a method that needs one (default: one is trained first)")
    scored = "score under this protocol, an id or a .toml file (default: the dataset's usual one; the report names it)"
    add_protocol(parser, scored)
    parser.add_argument("--tune", action="store_true", help="hold out and predict the tuning subject instead of the test split")
    parser.add_argument("-o", "--output", metavar="RUN", help="the run's folder (default: a name below runs/)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run from its checkpoint")
    dry = "train nothing: print steps, poses, and the time that they will take here, from a few measured steps, and on a GPU"
    parser.add_argument("--dry-run", action="store_true", help=dry)
    add_device(parser)
    add_threads(parser, "of PyTorch; 0 for its own choice")
    parser.add_argument("--save-every", type=float, default=60.0, metavar="S", help="seconds between checkpoints (default: %(default)s)")
    add_json(parser)


def run(args: Namespace) -> int:
    """Train, predict, score, print."""
    import shlex
    import sys

    from posebench.base.progress import progress
    from posebench.display.text import report

    with progress(f"training {args.method}") as advance:
        with needs("training", extra="baselines"):
            from posebench import train
            from posebench.training.loop import Interrupted
            from posebench.training.run import plan
        try:
            if args.dry_run:
                return _dry_run(args, plan(args.method, args.dataset, **_options(args), progress=advance, log=log))
            result = train(args.method, args.dataset, **_options(args), progress=advance, log=log)
        except Interrupted as stop:
            words = [word for word in args.words if word != "--resume"]
            print(f"posebench: {stop}. Next: posebench {shlex.join([*words, '--resume'])}", file=sys.stderr)
            return 130
    if args.json:
        print_json(result.as_dict())
    else:
        show(report(result), markdown=args.markdown)
    return 0


def _options(args: Namespace) -> dict[str, Any]:
    return {
        "root": args.root,
        "cameras": args.cameras,
        "keypoints": args.keypoints,
        "seed": args.seed,
        "preset": args.preset,
        "recipe": args.recipe,
        "changes": args.set,
        "teacher": args.teacher,
        "tune": args.tune,
        "protocol": args.protocol,
        "output": args.output,
        "resume": args.resume,
        "device": args.device,
        "threads": args.threads,
        "save_every_s": args.save_every,
    }


def _dry_run(args: Namespace, job: Job) -> int:
    """Print what the training would take."""
    from posebench.board.targets.reader import load_targets
    from posebench.networks.machine import torch_threads
    from posebench.training.forecast import forecast

    with torch_threads(job.threads):
        found = forecast(job)
    gpu = None if found.device == "cuda" else load_targets().gpu_estimate(job.recipe.method, found.seconds)
    if args.json:
        print_json({**found.as_dict(), "gpu": gpu and {"seconds": gpu[0], "from": gpu[1]}})
        return 0
    show(_forecast_document(found, gpu), markdown=args.markdown)
    return 0


def _forecast_document(found: Forecast, gpu: tuple[float, str] | None) -> Document:
    from posebench.display.document import Document, Table

    trainings = [*([found.teacher] if found.teacher else []), found]
    rows = [
        [
            one.name,
            f"{one.frames:,}",
            f"{one.epochs:,} x {one.samples:,}",
            f"{one.batch:,}",
            f"{one.steps:,}",
            f"{one.poses:,}",
            f"{1000.0 * one.step_s:.2f} ms",
            _duration(one.own_seconds),
        ]
        for one in trainings
    ]
    heads = ["training", "frames", "epochs x samples", "batch", "steps", "poses seen", "a step", "time"]
    threads = f", {found.threads} thread" + ("" if found.threads == 1 else "s") if found.device == "cpu" else ""
    here = (
        f"On this machine ({found.device}{threads}): about {_duration(found.seconds)}, from {found.measured} measured steps of each"
        f" training{' (CPU time: longer where the core is shared)' if threads == ', 1 thread' else ''}. Prediction and scoring come on top."
    )
    if not found.official:
        here += f" This copy of {found.dataset} is not the official one; where a sample is a frame, the work is that of this copy."
    there = "" if found.device == "cuda" else "On a GPU: not known." if gpu is None else f"On a GPU: about {_duration(gpu[0])}, {gpu[1]}."
    return Document.of(Table(heads, rows, right=range(1, 8)), here, there, "Nothing was trained and nothing was written.")


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}" if seconds < 20 * size else f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"
