"""Train a baseline; Ctrl-C saves."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.base.errors import needs
from posebench.cli.options import add_dataset, add_device, add_json, add_keypoints
from posebench.cli.printing import print_json


def configure(parser: ArgumentParser) -> None:
    """Method, data, recipe and budget."""
    parser.epilog = "Example: posebench train martinez --dataset synthetic --preset smoke -o runs/martinez"
    parser.add_argument("method", metavar="METHOD", help="a folder of baselines/, such as martinez")
    add_dataset(parser)
    add_keypoints(parser, "of training and test")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default: %(default)s)")
    parser.add_argument("--preset", choices=["smoke", "quick", "full"], default="quick", help="the budget (default: %(default)s)")
    parser.add_argument("--recipe", metavar="NAME", default="tuned", help="a recipe of the method's recipe.toml; tuned is its own")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="change one setting (may be given more than once)")
    parser.add_argument("--teacher", metavar="RUN", help="the teacher's run, for a method that needs one (default: one is trained first)")
    scored = "score under this protocol, an id or a .toml file (default: the dataset's usual one; the report names it)"
    parser.add_argument("--protocol", metavar="ID", help=scored)
    parser.add_argument("--tune", action="store_true", help="hold out and predict the tuning subject instead of the test split")
    parser.add_argument("-o", "--output", metavar="RUN", help="the run's folder (default: a name below runs/)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run from its checkpoint")
    add_device(parser)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads; 0 for PyTorch's choice (default: %(default)s)")
    parser.add_argument("--save-every", type=float, default=60.0, metavar="S", help="seconds between checkpoints (default: %(default)s)")
    add_json(parser)


def run(args: Namespace) -> int:
    """Train, predict, score, print."""
    import shlex
    import sys

    with needs("training", extra="baselines"):
        from posebench import train
        from posebench.training.loop import Interrupted
    from posebench.base.progress import progress
    from posebench.display.text import report

    try:
        with progress(f"training {args.method}") as advance:
            result = train(
                args.method,
                args.dataset,
                root=args.root,
                cameras=args.cameras,
                keypoints=args.keypoints,
                seed=args.seed,
                preset=args.preset,
                recipe=args.recipe,
                changes=args.set,
                teacher=args.teacher,
                tune=args.tune,
                protocol=args.protocol,
                output=args.output,
                resume=args.resume,
                device=args.device,
                threads=args.threads,
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
