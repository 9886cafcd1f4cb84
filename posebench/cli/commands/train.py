"""Train a baseline; Ctrl-C saves."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import needs
from posebench.cli import choices
from posebench.cli.options import add_dataset, add_device, add_json, add_keypoints, add_protocol, add_threads, completed
from posebench.cli.parser import Parser
from posebench.cli.printing import log, print_json, show


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
        try:
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
                log=log,
            )
        except Interrupted as stop:
            words = [word for word in args.words if word != "--resume"]
            print(f"posebench: {stop}. Next: posebench {shlex.join([*words, '--resume'])}", file=sys.stderr)
            return 130
    if args.json:
        print_json(result.as_dict())
    else:
        show(report(result), markdown=args.markdown)
    return 0
