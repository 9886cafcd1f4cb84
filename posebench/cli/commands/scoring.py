"""Prediction files: check, score, convert, compare."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posebench.base.errors import PosebenchError
from posebench.cli.printing import label, print_json

if TYPE_CHECKING:
    from posebench.predictions.formats.registry import Reading


def _reading(args: Namespace) -> Reading:
    from posebench.predictions.formats.registry import Reading

    return Reading(args.from_format, args.clip, args.ids, args.unit)


def _scope(args: Namespace) -> dict[str, Any]:
    """What `check` and `score` take alike."""
    given = {name: getattr(args, name) for name in ("root", "truth", "cameras", "allow_partial")}
    return {**given, "from_format": _reading(args)}


def run_check(args: Namespace) -> int:
    """Findings about a file; exit 1 if one is an error."""
    from posebench.base.progress import progress
    from posebench.display.text import findings_table
    from posebench.scoring.checks import check

    with progress("checking") as advance:
        findings = check(args.predictions, args.protocol, **_scope(args), progress=advance)
    if args.json:
        print_json([finding.as_dict() for finding in findings])
    else:
        print(findings_table(findings))
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def run_score(args: Namespace) -> int:
    """Score files one after the other, print and write the results."""
    from posebench.base.files import write_text
    from posebench.base.progress import progress
    from posebench.display.text import long_table, report
    from posebench.scoring.evaluate import score

    outputs = _results_of(args.predictions, args.output)
    if len(outputs) > 1 and args.csv:
        raise PosebenchError(f"--csv for {len(outputs)} files", "one file with --csv", "score the files one by one, or leave it out")
    printed = []
    for number, (predictions, output) in enumerate(outputs):
        with progress(f"scoring {predictions}" if len(outputs) > 1 else "scoring") as advance:
            result = score(predictions, args.protocol, **_scope(args), per_frame=args.per_frame, progress=advance)
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


def _results_of(predictions: list[str], output: str | None) -> list[tuple[str, Path | None]]:
    """Each prediction file and where its result goes: ``output`` itself, or of several files one named after each in that folder."""
    if len(predictions) == 1:
        if output and Path(output).suffix != ".json":
            raise PosebenchError(f"-o {output}", "a name that ends with .json", "rename the output file")
        return [(predictions[0], Path(output) if output else None)]
    if output is None:
        return [(path, None) for path in predictions]
    if Path(output).suffix == ".json":
        raise PosebenchError(
            f"-o {output} for {len(predictions)} files", "a folder, in which each has a result", "name a folder: -o results"
        )
    names = [label(path) for path in predictions]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise PosebenchError(f"two files called {min(twice)}", "files of different names", "score them one by one, each with its own -o")
    return [(path, Path(output) / f"{name}.json") for path, name in zip(predictions, names, strict=True)]


def run_convert(args: Namespace) -> int:
    """Write a foreign file in posebench's format."""
    from posebench.predictions.formats.registry import convert

    about = {"method": args.method, "keypoints": args.keypoints, "supervision": args.supervision}
    finding = convert(args.source, args.output, _reading(args), **about)
    print(f"{args.output}: {finding.message}")
    return 0


def run_compare(args: Namespace) -> int:
    """Paired differences between results."""
    from posebench.display.text import comparison_text
    from posebench.scoring.comparison import compare
    from posebench.scoring.result import distinct_names, load_result

    results = [load_result(path) for path in args.results]
    comparisons = compare(results, distinct_names(results, args.results), args.metric)
    if args.json:
        print_json([comparison.as_dict() for comparison in comparisons])
    else:
        print("\n\n".join(map(comparison_text, comparisons)))
    return 0
