"""Where the error of a prediction file comes from; with two files also how they differ."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import PosebenchError
from posebench.cli import choices
from posebench.cli.options import add_json, add_truth, reading
from posebench.cli.parser import Parser
from posebench.cli.printing import print_json, show


def configure(parser: Parser) -> None:
    """The files, what they are held against, and what is written."""
    parser.example = (
        "posebench diagnose preds.npz --protocol synthetic -o d.json\nposebench diagnose a.npz b.npz --protocol pair-17j --truth truth.npz"
    )
    parser.listed = lambda: {"protocols (--protocol)": choices.protocols()}
    files = "a prediction file (docs/files.md, docs/formats.md); of two files the paired differences are printed as well"
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help=files)
    add_truth(parser)
    parser.add_argument("-o", "--output", metavar="D.json", help="write the diagnosis; for two files a folder for both")
    parser.add_argument("--fps", metavar="N", type=float, help="frames a second of the clips, where the data do not state it (--truth)")
    parser.add_argument("--all", action="store_true", help="print every table: all oracles, bones, slices and single frames too")
    add_json(parser)


def run(args: Namespace) -> int:
    """Diagnose, print, write; 1 where a check of the poses found an error."""
    from posebench import diagnose
    from posebench.base.files import refuse_other_kind
    from posebench.base.progress import progress
    from posebench.cli.commands.score import result_paths
    from posebench.display.diagnosis import diagnosis_text, differences_text

    if len(args.predictions) > 2:
        raise PosebenchError(f"{len(args.predictions)} files", "one, or two that are compared", "diagnose the files in pairs")
    found = []
    paths = result_paths(args.predictions, args.output)
    for _, output in paths:
        if output:
            refuse_other_kind(output, "diagnosis")
    for predictions, _ in paths:
        with progress(f"diagnosing {predictions}" if len(args.predictions) > 1 else "diagnosing") as advance:
            diagnosis = diagnose(
                predictions,
                args.protocol,
                root=args.root,
                truth=args.truth,
                cameras=args.cameras,
                allow_partial=args.allow_partial,
                from_format=reading(args),
                fps=args.fps,
                progress=advance,
            )
        found.append(diagnosis)
    differences = found[0].minus(found[1]) if len(found) == 2 else None
    for diagnosis, (_, output) in zip(found, paths, strict=True):
        if output:
            diagnosis.save(output)
    if args.json:
        contents = [one.as_dict() for one in found]
        print_json(contents[0] if differences is None else {"diagnoses": contents, "differences": differences.as_dict()})
    else:
        for number, one in enumerate(found):
            print("\n" if number else "", end="")
            show(diagnosis_text(one, everything=args.all), markdown=args.markdown)
        if differences is not None:
            print()
            show(differences_text(differences), markdown=args.markdown)
    return int(any(finding.severity == "error" for one in found for finding in one.findings))
