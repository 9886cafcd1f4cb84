"""Score prediction files one after the other, print and write the results."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.cli.options import add_json, add_truth, reading
from posebench.cli.printing import label, print_json


def configure(parser: ArgumentParser) -> None:
    """The files, what they are held against, and what is written."""
    parser.epilog = "Example: posebench score preds.npz --protocol synthetic -o result.json"
    files = ".npz or .h5 (docs/files.md), or another project's format (docs/formats.md); several are scored one after the other"
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help=files)
    add_truth(parser)
    output = "write the result, and its sums next to it as R.sums.npz; for several files a folder for all"
    parser.add_argument("-o", "--output", metavar="R.json", help=output)
    parser.add_argument("--csv", metavar="FILE", help="write every number in a long table")
    parser.add_argument("--per-frame", action="store_true", help="keep the value of every frame in R.sums.npz")
    add_json(parser)


def run(args: Namespace) -> int:
    """Score, print, write."""
    from posebench import score
    from posebench.base.files import write_text
    from posebench.base.progress import progress
    from posebench.display.text import long_table, report

    outputs = _result_paths(args.predictions, args.output)
    if len(outputs) > 1 and args.csv:
        raise PosebenchError(f"--csv for {len(outputs)} files", "one file with --csv", "score the files one by one, or leave it out")
    printed = []
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
        if output:
            result.save(output)
        if args.csv:
            write_text(args.csv, long_table(result))
        if args.json:
            printed.append(result.as_dict())
        else:
            print(("\n\n" if number else "") + report(result))
    if args.json:
        print_json(printed if len(outputs) > 1 else printed[0])
    return 0


def _result_paths(predictions: list[str], output: str | None) -> list[tuple[str, Path | None]]:
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
