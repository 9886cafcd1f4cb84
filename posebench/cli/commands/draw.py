"""A picture of random poses, true and predicted; or poses in motion, without a dataset."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli.options import add_dataset, add_split, add_threads
from posebench.cli.parser import Parser
from posebench.cli.printing import label, remark


def configure(parser: Parser) -> None:
    """The files, the data, and the choice of poses."""
    parser.example = "posebench draw preds.npz --dataset synthetic -o poses.png\nposebench draw lifted.npz -o lifted.gif"
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help="prediction files; a row each")
    add_dataset(parser, required=False)
    add_split(parser, "subjects to draw")
    parser.add_argument("--count", metavar="N", type=int, default=4, help="number of poses (default: %(default)s)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the choice of frames (default: %(default)s)")
    add_threads(parser, "as of the other commands; drawing runs no network and takes one in any case")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help=".png, .pdf or .svg; without --dataset .gif or .html")
    motion = parser.add_argument_group("poses in motion", "for .gif and .html, which need no dataset")
    motion.add_argument(
        "--clip", metavar="ID", action="append", default=[], help="clip to draw (may be given more than once; default: all)"
    )
    motion.add_argument("--fps", metavar="N", type=float, default=30.0, help="frames a second of the poses (default: %(default)g)")


def run(args: Namespace) -> int:
    """Draw."""
    from posebench import draw, open_dataset
    from posebench.base.errors import PosebenchError
    from posebench.base.progress import progress

    if args.dataset is None:
        return _motion(args)
    if args.clip:
        raise PosebenchError("--clip with --dataset", "random poses of the split", "leave one of them out")
    if args.threads < 0:
        raise PosebenchError(f"{args.threads} threads", "a whole number from 0", "correct --threads")
    files = {label(path): path for path in args.predictions}
    with progress("drawing"):
        dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
        draw(files, dataset, args.output, split=args.split, count=args.count, seed=args.seed)
    poses, shown = (f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in ((args.count, "pose"), (len(files), "file")))
    remark(f"{args.output}: {poses} of {dataset.name} {args.split}, seed {args.seed}, predicted in {shown}")
    return 0


def _motion(args: Namespace) -> int:
    """Draw one file in motion."""
    from posebench.base.errors import PosebenchError
    from posebench.base.progress import progress
    from posebench.display.motion import SUFFIXES, draw_motion

    if len(args.predictions) > 1 or not args.output.lower().endswith(SUFFIXES):
        found = f"{len(args.predictions)} files" if len(args.predictions) > 1 else f"{args.output} without --dataset"
        wanted = "one file and a .gif or .html; or a dataset, for poses beside the true ones"
        raise PosebenchError(found, wanted, "add --dataset NAME, or choose another output")
    with progress("drawing"):
        notes = draw_motion(args.predictions[0], args.output, clips=args.clip, fps=args.fps)
    remark("; ".join([f"{args.output}: {label(args.predictions[0])} in motion", *notes]))
    return 0
