"""A file of another project in posebench's own format."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli import choices
from posebench.cli.options import add_reading, completed, reading
from posebench.cli.parser import Parser
from posebench.cli.printing import remark


def configure(parser: Parser) -> None:
    """The file, and what it does not say about itself."""
    parser.example = "posebench convert results.json --from mmpose-result-json --ids annotations.npz -o preds.npz"
    parser.add_argument("source", metavar="IN", help="file or folder, see docs/formats.md")
    parser.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")
    parser.add_argument("--method", metavar="NAME", default="", help="the method that predicted the poses (a leaderboard needs it)")
    keypoints = f"the 2D source it was given, such as gt or {choices.DETECTED[0]} (a leaderboard needs it)"
    source = parser.add_argument("--keypoints", default="", metavar="SOURCE", help=keypoints)
    completed(source, lambda _: ("gt", *choices.DETECTED))
    seen = "the 3D poses that training saw: none, unpaired 3D or paired 3D (default: %(default)s)"
    completed(parser.add_argument("--supervision", metavar="KIND", default="unstated", help=seen), lambda _: choices.SUPERVISIONS)
    add_reading(parser)


def run(args: Namespace) -> int:
    """Convert, and print what was read."""
    from posebench import convert
    from posebench.base.progress import progress

    about = {"method": args.method, "keypoints": args.keypoints, "supervision": args.supervision}
    with progress(f"converting {args.source}"):
        finding = convert(args.source, args.output, reading(args), **about)
    remark(f"{args.output}: {finding.message}")
    return 0
