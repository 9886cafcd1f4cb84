"""Findings about a prediction file; exit 1 if one is an error, with ``--strict`` also if one is a warning."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli import choices
from posebench.cli.options import add_json, add_truth, reading
from posebench.cli.parser import Parser
from posebench.cli.printing import print_json, show


def configure(parser: Parser) -> None:
    """The file, and what it is held against."""
    parser.example = "posebench check preds.npz --protocol synthetic\nposebench check preds.npz --protocol h36m/s9s11 --root DIR"
    parser.listed = lambda: {"protocols (--protocol)": choices.protocols()}
    parser.add_argument("predictions", metavar="PREDS", help=".npz or .h5 (docs/files.md), or another project's format (docs/formats.md)")
    add_truth(parser)
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings too, not for errors only")
    add_json(parser)


def run(args: Namespace) -> int:
    """Check and print."""
    from posebench import check
    from posebench.base.progress import progress
    from posebench.display.text import findings_text

    with progress("checking") as advance:
        findings = check(
            args.predictions,
            args.protocol,
            root=args.root,
            truth=args.truth,
            cameras=args.cameras,
            allow_partial=args.allow_partial,
            from_format=reading(args),
            progress=advance,
        )
    if args.json:
        print_json([finding.as_dict() for finding in findings])
    else:
        show(findings_text(findings), markdown=args.markdown)
    refused = ("error", "warning") if args.strict else ("error",)
    return 1 if any(finding.severity in refused for finding in findings) else 0
