"""Paired differences between results."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.cli.options import add_json
from posebench.cli.printing import print_json


def configure(parser: ArgumentParser) -> None:
    """The results and the metrics."""
    parser.epilog = "Example: posebench compare mine.json flat.json --metric PA-MPJPE"
    parser.add_argument("results", metavar="R.json", nargs="+", help="two or more results of one protocol")
    parser.add_argument("--metric", action="append", default=[], help="compare under this metric (may be given more than once)")
    add_json(parser)


def run(args: Namespace) -> int:
    """Compare and print."""
    from posebench import compare
    from posebench.display.text import comparison_text

    comparisons = compare(args.results, metrics=args.metric)
    if args.json:
        print_json([comparison.as_dict() for comparison in comparisons])
    else:
        print("\n\n".join(map(comparison_text, comparisons)))
    return 0
