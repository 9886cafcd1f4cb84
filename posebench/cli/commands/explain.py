"""The score under neighbouring conventions, and what explains the difference of two."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import PosebenchError
from posebench.cli import choices
from posebench.cli.options import add_json, add_protocol, add_reading, add_root, completed, reading
from posebench.cli.parser import Parser
from posebench.cli.printing import print_json, show


def configure(parser: Parser) -> None:
    """The files, the truth, and what is asked."""
    parser.example = (
        "posebench explain preds.npz --protocol synthetic --as mmpose --as videopose3d\n"
        "posebench explain result.json --metric MPJPE\n"
        "posebench explain preds.npz --protocol synthetic --target MPJPE=47.3"
    )
    parser.listed = lambda: {"presets (--as)": choices.PRESETS, "protocols (--protocol)": choices.protocols()}
    inputs = "a prediction file with --protocol, or a result of score -o, whose sums allow less"
    parser.add_argument("input", metavar="INPUT", help=inputs)
    other = "a second one: which conventions explain the difference?"
    parser.add_argument("other", metavar="OTHER", nargs="?", help=other)
    add_protocol(parser, "an id of `posebench protocol list`, or a .toml file; a result states its own")
    parser.add_argument("--truth", metavar="GT", help="true poses in a file of the same format, instead of --root")
    parser.add_argument("--allow-partial", action="store_true", help="accept missing clips and frames")
    add_root(parser)
    shown = "also apply all conventions of a project; may be given more than once"
    preset = parser.add_argument("--as", dest="presets", metavar="PRESET", action="append", default=[], help=shown)
    completed(preset, lambda _: choices.PRESETS)
    metrics = "explain this metric, such as PA-MPJPE; may be given more than once (default: those that papers print)"
    parser.add_argument("--metric", metavar="NAME", action="append", default=[], help=metrics)
    target = "a number from elsewhere, such as MPJPE=47.3: which conventions give it?"
    parser.add_argument("--target", metavar="NAME=NUMBER", action="append", default=[], help=target)
    parser.add_argument("-o", "--output", metavar="E.json", help="write the explanation; it is no result, and a board refuses it")
    add_json(parser)
    add_reading(parser)


def run(args: Namespace) -> int:
    """Explain, print, write."""
    from posebench import explain
    from posebench.base.files import refuse_other_kind
    from posebench.base.progress import progress
    from posebench.display.conventions import explanation_text

    if args.output and not args.output.endswith(".json"):
        raise PosebenchError(f"-o {args.output}", "a name that ends with .json", "rename the output file")
    if args.output:
        refuse_other_kind(args.output, "explanation")
    with progress("explaining") as advance:
        found = explain(
            args.input,
            args.protocol,
            args.other,
            root=args.root,
            truth=args.truth,
            cameras=args.cameras,
            presets=args.presets,
            metrics=args.metric,
            target=dict(map(_target, args.target)),
            allow_partial=args.allow_partial,
            from_format=reading(args),
            progress=advance,
        )
    if args.output:
        found.save(args.output)
    if args.json:
        print_json(found.as_dict())
    else:
        show(explanation_text(found), markdown=args.markdown)
    return 0


def _target(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not name or not abs(value) < float("inf"):
        raise PosebenchError(f"--target {text}", "a metric and a number, such as MPJPE=47.3", "correct it")
    return name, value
