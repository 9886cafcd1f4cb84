"""Score prediction files one after the other, print and write the results."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from posebench.base.errors import PosebenchError
from posebench.cli import choices
from posebench.cli.options import add_json, add_truth, reading, underline
from posebench.cli.parser import Parser
from posebench.cli.printing import label, print_json, show

if TYPE_CHECKING:
    from posebench.scoring.result import Result


def configure(parser: Parser) -> None:
    """The files, what they are held against, and what is written."""
    parser.example = (
        "posebench score preds.npz --protocol synthetic -o result.json\nposebench score preds.npz --protocol pair-17j --truth truth.npz"
    )
    parser.listed = lambda: {"protocols (--protocol)": choices.protocols()}
    files = ".npz or .h5 (docs/files.md), or another project's format (docs/formats.md); several are scored one after the other"
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help=files)
    add_truth(parser)
    output = "write the result, and its sums next to it as R.sums.npz; for several files a folder for all"
    parser.add_argument("-o", "--output", metavar="R.json", help=output)
    parser.add_argument("--csv", metavar="FILE", help="write every number in a long table")
    parser.add_argument("--per-frame", action="store_true", help="keep the value of every frame in R.sums.npz")
    parser.add_argument("--strict", action="store_true", help="refuse a file with a warning too: exit 1, and write no result")
    add_json(parser, latex=True)


def run(args: Namespace) -> int:
    """Score, print, write."""
    from posebench import score
    from posebench.base.files import write_text
    from posebench.base.progress import progress
    from posebench.display.text import long_table, report

    underlined = underline(args)
    outputs = result_paths(args.predictions, args.output)
    if len(outputs) > 1 and args.csv:
        raise PosebenchError(f"--csv for {len(outputs)} files", "one file with --csv", "score the files one by one, or leave it out")
    printed: list[Result] = []
    for number, (predictions, output) in enumerate(outputs):
        with progress(f"scoring {predictions}" if len(outputs) > 1 else "scoring") as advance:
            result = score(
                predictions,
                args.protocol,
                root=args.root,
                truth=args.truth,
                cameras=args.cameras,
                allow_partial=args.allow_partial,
                per_frame=args.per_frame,
                from_format=reading(args),
                progress=advance,
            )
        if args.strict:
            _refuse_warnings(result, predictions)
        if output:
            result.save(output)
        if args.csv:
            write_text(args.csv, long_table(result))
        if args.json or args.latex:
            printed.append(result)
        else:
            print("\n" if number else "", end="")
            show(report(result), markdown=args.markdown)
    if args.json:
        print_json([result.as_dict() for result in printed] if len(outputs) > 1 else printed[0].as_dict())
    if args.latex:
        from posebench.scoring.latex import results_in_latex
        from posebench.scoring.result import distinct_names

        names = distinct_names(printed, args.predictions)
        print(results_in_latex(dict(zip(names, printed, strict=True)), underline=underlined))
    return 0


def _refuse_warnings(result: Result, predictions: str) -> None:
    warnings = [finding for finding in result.findings if finding.severity == "warning"]
    if warnings:
        found = "; ".join(f"{finding.name}: {finding.message}" for finding in warnings)
        wanted, advice = "no warnings, because of --strict", "mend the file as `posebench check` says, or leave --strict out"
        raise PosebenchError(f"{predictions}: {found}", wanted, advice, exit_code=1)


def result_paths(predictions: list[str], output: str | None) -> list[tuple[str, Path | None]]:
    """Each prediction file and where its result goes: ``output`` itself, or for several files one named after each in that folder."""
    if len(predictions) == 1:
        if output and Path(output).suffix != ".json":
            raise PosebenchError(f"-o {output}", "a name that ends with .json", "rename the output file")
        return [(predictions[0], Path(output) if output else None)]
    if output is None:
        return [(path, None) for path in predictions]
    if Path(output).suffix == ".json":
        raise PosebenchError(
            f"-o {output} for {len(predictions)} files", "a folder that takes a result for each", "name a folder: -o results"
        )
    names = [label(path) for path in predictions]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise PosebenchError(f"two files called {min(twice)}", "files of different names", "score them one by one, each with its own -o")
    return [(path, Path(output) / f"{name}.json") for path, name in zip(predictions, names, strict=True)]
