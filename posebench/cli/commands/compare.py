"""Paired differences between results."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli.options import add_json
from posebench.cli.parser import Parser
from posebench.cli.printing import print_json, show


def configure(parser: Parser) -> None:
    """The results and the metrics."""
    parser.example = "posebench compare mine.json flat.json --metric PA-MPJPE"
    parser.add_argument("results", metavar="R.json", nargs="+", help="two or more results of one protocol")
    metrics = "compare under this metric, such as PA-MPJPE; may be given more than once (default: those that papers rank by)"
    parser.add_argument("--metric", metavar="NAME", action="append", default=[], help=metrics)
    add_json(parser)


def run(args: Namespace) -> int:
    """Compare and print."""
    from posebench import compare
    from posebench.display.document import joined
    from posebench.display.text import comparison_text

    comparisons = compare(args.results, metrics=args.metric)
    if args.json:
        print_json([comparison.as_dict() for comparison in comparisons])
    else:
        show(joined(map(comparison_text, comparisons)), markdown=args.markdown)
    return 0
