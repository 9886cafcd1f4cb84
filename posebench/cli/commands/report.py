"""One HTML file that shows results."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli.options import add_protocol, add_reading, add_root, reading
from posebench.cli.parser import Parser
from posebench.cli.printing import remark


def configure(parser: Parser) -> None:
    """The results, and where predictions and true poses are."""
    parser.example = (
        "posebench report result.json -o report.html\n"
        "posebench report runs/martinez/result.json --root DIR -o report.html\n"
        "posebench report mine.json flat.json -o both.html"
    )
    parser.add_argument("results", metavar="R.json", nargs="+", help="a result, or up to eight of one protocol, side by side")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the page, .html")
    parser.add_argument("--title", metavar="TEXT", default="", help="title of the page (default: methods and protocol)")
    poses = parser.add_argument_group("skeletons, and where the error comes from", "need the true poses and the prediction files")
    poses.add_argument("--truth", metavar="GT", help="the truth file that the results were scored with, instead of --root")
    beside = "the prediction file of a result; once for each, in their order (default: found beside the result by its digest)"
    poses.add_argument("--predictions", metavar="PREDS", action="append", help=beside)
    poses.add_argument("--diagnosis", metavar="D.json", action="append", default=[], help="a finished diagnosis, which is not made again")
    poses.add_argument("--fps", metavar="N", type=float, help="frames a second of the clips, where the data do not state it (--truth)")
    add_protocol(parser, "id or .toml file of the results' protocol, where posebench does not come with it")
    add_root(parser)
    add_reading(parser)


def run(args: Namespace) -> int:
    """Make the page, write it, say what it lacks."""
    from posebench import report
    from posebench.base.errors import PosebenchError, printable
    from posebench.base.progress import progress
    from posebench.predictions.formats.registry import Reading

    if not args.output.endswith((".html", ".htm")):
        raise PosebenchError(f"-o {args.output}", "a name that ends with .html", "rename the output file")
    read = reading(args)
    with progress("making the page") as advance:
        made = report(
            args.results,
            predictions=args.predictions,
            root=args.root,
            truth=args.truth,
            cameras=args.cameras,
            protocol=args.protocol,
            diagnoses=args.diagnosis,
            title=args.title,
            from_format=read if read != Reading() else None,
            fps=args.fps,
            progress=advance,
        )
        path = made.save(args.output)
    remark(f"{path}: {', '.join(map(printable, made.results))}, {len(made.html.encode()) / 1000:,.0f} kB")
    for sentence in made.missing:
        remark(printable(sentence, 4000))
    return 0
