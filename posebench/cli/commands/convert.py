"""A file of another project in posebench's own format."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.cli.options import add_reading, reading


def configure(parser: ArgumentParser) -> None:
    """The file, and what it does not say about itself."""
    parser.epilog = "Example: posebench convert results.json --from mmpose-json --ids annotations.npz -o preds.npz"
    parser.add_argument("source", metavar="IN", help="file or folder, see docs/formats.md")
    parser.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")
    parser.add_argument("--method", default="", help="the method that predicted the poses (a leaderboard needs it)")
    parser.add_argument("--keypoints", default="", metavar="SOURCE", help="the 2D source it was given (a leaderboard needs it)")
    parser.add_argument("--supervision", default="unstated", help="none, unpaired 3D or paired 3D (default: %(default)s)")
    add_reading(parser)


def run(args: Namespace) -> int:
    """Convert, and print what was read."""
    from posebench import convert

    finding = convert(args.source, args.output, reading(args), method=args.method, keypoints=args.keypoints, supervision=args.supervision)
    print(f"{args.output}: {finding.message}")
    return 0
