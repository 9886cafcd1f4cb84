"""A picture of random poses, true and predicted."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli.options import add_dataset, add_split, add_threads
from posebench.cli.parser import Parser
from posebench.cli.printing import label, remark


def configure(parser: Parser) -> None:
    """The files, the data, and the choice of poses."""
    parser.example = "posebench draw preds.npz --dataset synthetic -o poses.png"
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help="prediction files; a row each")
    add_dataset(parser)
    add_split(parser, "subjects to draw")
    parser.add_argument("--count", metavar="N", type=int, default=4, help="number of poses (default: %(default)s)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the choice of frames (default: %(default)s)")
    add_threads(parser, "as of the other commands; drawing runs no network and takes one in any case")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help=".png, .pdf or .svg")


def run(args: Namespace) -> int:
    """Draw."""
    from posebench import draw, open_dataset
    from posebench.base.errors import PosebenchError
    from posebench.base.progress import progress

    if args.threads < 0:
        raise PosebenchError(f"{args.threads} threads", "a whole number from 0", "correct --threads")
    files = {label(path): path for path in args.predictions}
    with progress("drawing"):
        dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
        draw(files, dataset, args.output, split=args.split, count=args.count, seed=args.seed)
    poses, shown = (f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in ((args.count, "pose"), (len(files), "file")))
    remark(f"{args.output}: {poses} of {dataset.name} {args.split}, seed {args.seed}, predicted in {shown}")
    return 0
