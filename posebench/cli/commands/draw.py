"""A picture of random poses, true and predicted."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.cli.options import add_dataset
from posebench.cli.printing import label


def configure(parser: ArgumentParser) -> None:
    """The files, the data, and the choice of poses."""
    parser.epilog = "Example: posebench draw preds.npz --dataset synthetic -o poses.png"
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help="prediction files; a row each")
    add_dataset(parser)
    parser.add_argument("--split", default="test", help="train or test (default: %(default)s)")
    parser.add_argument("--count", type=int, default=4, help="number of poses (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of frames (default: %(default)s)")
    threads = "as of the other commands; drawing runs no network and takes one thread in any case"
    parser.add_argument("--threads", metavar="N", type=int, default=1, help=threads)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help=".png, .pdf or .svg")


def run(args: Namespace) -> int:
    """Draw."""
    from posebench import draw, open_dataset
    from posebench.base.errors import PosebenchError

    if args.threads < 0:
        raise PosebenchError(f"{args.threads} threads", "a whole number from 0", "correct --threads")
    files = {label(path): path for path in args.predictions}
    dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
    draw(files, dataset, args.output, split=args.split, count=args.count, seed=args.seed)
    poses, shown = (f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in ((args.count, "pose"), (len(files), "file")))
    print(f"{args.output}: {poses} of {dataset.name} {args.split}, seed {args.seed}, predicted in {shown}")
    return 0
