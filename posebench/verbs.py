"""What each command does: call the library and print. Every function takes the parsed arguments and returns the exit code.

Imports stand in the functions, so that a command loads what it needs and no more.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posebench.errors import PosebenchError

if TYPE_CHECKING:
    from posebench.formats import Reading


def _reading(args: Namespace) -> Reading:
    from posebench.formats import Reading

    return Reading(args.from_format, args.clip, args.ids, args.unit)


def _scope(args: Namespace) -> dict[str, Any]:
    """What `check` and `score` take alike."""
    given = {name: getattr(args, name) for name in ("root", "truth", "cameras", "allow_partial")}
    return {**given, "from_format": _reading(args)}


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=1))


def _print_table(rows: list[list[object]], heads: list[str]) -> None:
    from tabulate import tabulate

    print(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


def run_demo(args: Namespace) -> int:  # noqa: ARG001 - every command takes the parsed arguments
    """The whole job on embedded data."""
    from posebench.demo import run_demo

    run_demo(Path("posebench-demo"))
    return 0


def run_data_list(args: Namespace) -> int:
    """Datasets, their licences, how to get them."""
    from dataclasses import asdict

    from posebench.data import DATASETS

    if args.json:
        _print_json({name: asdict(about) for name, about in DATASETS.items()})
    else:
        rows = [[name, *asdict(about).values()] for name, about in DATASETS.items()]
        _print_table(rows, ["name", "what it is", "licence", "to get it"])
    return 0


def run_data_info(args: Namespace) -> int:
    """What a copy holds."""
    from posebench.data import facts, open_dataset

    about = facts(open_dataset(args.name, args.root, cameras=args.cameras))
    if args.json:
        _print_json(about)
    else:
        _print_table([[key, value] for key, value in about.items()], ["", args.name])
    return 0


def run_data_prepare(args: Namespace) -> int:
    """Read the files once into the cache."""
    from posebench.data import open_dataset
    from posebench.progress import progress

    started = time.perf_counter()
    with progress(f"preparing {args.name}") as tell:
        dataset = open_dataset(args.name, args.root, cameras=args.cameras, progress=tell)
    official = "the official copy" if dataset.official else f"not the official copy: {dataset.note}"
    print(
        f"{dataset.name} {dataset.version}: {len(dataset.infos)} clips, {sum(info.frames for info in dataset.infos.values()):,} poses,"
        f" {official}; fingerprint {dataset.fingerprint[:16]}; {time.perf_counter() - started:.1f} s"
    )
    return 0


def run_data_export(args: Namespace) -> int:
    """Write a dataset in another layout."""
    from posebench.data import export_layouts, open_dataset

    layouts = export_layouts()
    if args.layout not in layouts:
        raise PosebenchError(f"layout {args.layout!r}", "one of " + ", ".join(layouts), "correct --layout")
    layouts[args.layout](open_dataset(args.name, args.root, cameras=args.cameras), Path(args.output))
    print(f"{args.output}: {args.name} in the layout {args.layout}")
    return 0


def run_data_fetch(args: Namespace) -> int:
    """Download the free dataset."""
    from posebench.data.fetch import ACKNOWLEDGEMENT, fetch_cmu

    folder = fetch_cmu(args.output)
    print(f"{folder}\n\nCMU asks for this acknowledgment:\n{ACKNOWLEDGEMENT}\n\nNext: posebench data prepare cmu --root {folder}")
    return 0


def run_protocol_list(args: Namespace) -> int:
    """Every protocol."""
    from posebench.protocol import load_protocol, protocol_ids

    protocols = [load_protocol(id) for id in protocol_ids()]
    if args.json:
        _print_json([{"id": p.id, "version": p.version, "digest": p.digest, "dataset": p.dataset, "title": p.title} for p in protocols])
    else:
        _print_table([[p.id, p.version, p.digest, p.dataset, p.title] for p in protocols], ["id", "version", "digest", "dataset", "title"])
    return 0


def run_protocol_show(args: Namespace) -> int:
    """One protocol, as resolved."""
    from posebench.protocol import load_protocol

    print(load_protocol(args.id).describe())
    return 0


def run_protocol_find(args: Namespace) -> int:
    """Protocols that a label has meant; exit 1 if none."""
    from posebench.protocol import find_protocols

    found = find_protocols(args.label)
    if args.json:
        _print_json([{"id": protocol.id, "label": label, "title": protocol.title} for protocol, label in found])
    elif found:
        _print_table([[protocol.id, label, protocol.title] for protocol, label in found], ["id", "matched", "title"])
    if not found:
        raise PosebenchError(
            f"no protocol cited as {args.label!r}", "a label that a protocol's aliases hold", "posebench protocol list", exit_code=1
        )
    return 0


def run_check(args: Namespace) -> int:
    """Findings about a file; exit 1 if one is an error."""
    from posebench.checks import check
    from posebench.progress import progress
    from posebench.tables import findings_table

    with progress("checking") as tell:
        findings = check(args.predictions, args.protocol, **_scope(args), progress=tell)
    if args.json:
        _print_json([finding.as_dict() for finding in findings])
    else:
        print(findings_table(findings))
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def run_score(args: Namespace) -> int:
    """Score files one after the other, print and write the results."""
    from posebench.evaluate import score
    from posebench.files import write_text
    from posebench.progress import progress
    from posebench.tables import long_table, report

    outputs = _results_of(args.predictions, args.output)
    if len(outputs) > 1 and args.csv:
        raise PosebenchError(f"--csv for {len(outputs)} files", "one file with --csv", "score the files one by one, or leave it out")
    printed = []
    for number, (predictions, output) in enumerate(outputs):
        with progress(f"scoring {predictions}" if len(outputs) > 1 else "scoring") as tell:
            result = score(predictions, args.protocol, **_scope(args), per_frame=args.per_frame, progress=tell)
        if output:
            result.save(output)
        if args.csv:
            write_text(args.csv, long_table(result))
        if args.json:
            printed.append(result.as_dict())
        else:
            print(("\n\n" if number else "") + report(result))
    if args.json:
        _print_json(printed if len(outputs) > 1 else printed[0])
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
    names = [_label(path) for path in predictions]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise PosebenchError(f"two files called {min(twice)}", "files of different names", "score them one by one, each with its own -o")
    return [(path, Path(output) / f"{name}.json") for path, name in zip(predictions, names, strict=True)]


def _label(path: str) -> str:
    """What a prediction file is called: its stem, or the folder's name where it is the one that a training leaves."""
    return Path(path).stem if Path(path).stem != "predictions" else Path(path).absolute().parent.name


def run_speed(args: Namespace) -> int:
    """Time lifters, or compare two records of timings."""
    from dataclasses import asdict

    from posebench.board.speed_page import changes_text, record_text
    from posebench.progress import progress
    from posebench.speeds import changes, load_record

    if args.compare:
        if args.lifters or args.output:
            raise PosebenchError("--compare with lifters or -o", "two records and nothing to time", "leave the others out")
        first, second = map(load_record, args.compare)
        if args.json:
            _print_json([{**one._asdict(), "verdict": one.verdict} for one in changes(first, second)])
        else:
            print(changes_text(first, second))
        return 0
    try:
        from posebench.timing.run import speed
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("posebench"):
            raise
        advice = 'pip install -c constraints.txt -e ".[baselines]"'
        raise PosebenchError(f"no module {error.name}", "what timing needs", advice) from error
    try:
        batches = [int(part) for part in args.batch.split(",")]
    except ValueError as error:
        raise PosebenchError(f"--batch {args.batch}", "whole numbers, with commas between", "--batch 1,64,1024") from error
    options = {name: getattr(args, name) for name in ("device", "threads", "rounds", "seconds")}
    with progress("timing") as tell:
        record = speed(args.lifters or ["flat", "mean-pose"], batches=batches, **options, progress=tell)
    if args.output:
        record.save(args.output)
    if args.json:
        _print_json(asdict(record))
    else:
        print(record_text(record))
    return 0


def run_convert(args: Namespace) -> int:
    """Write a foreign file in posebench's format."""
    from posebench.formats import convert

    about = {"method": args.method, "keypoints": args.keypoints, "supervision": args.supervision}
    finding = convert(args.source, args.output, _reading(args), **about)
    print(f"{args.output}: {finding.message}")
    return 0


def run_compare(args: Namespace) -> int:
    """Paired differences between results."""
    from posebench.comparison import compare
    from posebench.result import distinct_names, load_result
    from posebench.tables import comparison_text

    results = [load_result(path) for path in args.results]
    comparisons = compare(results, distinct_names(results, args.results), args.metric)
    if args.json:
        _print_json([comparison.as_dict() for comparison in comparisons])
    else:
        print("\n\n".join(map(comparison_text, comparisons)))
    return 0


def run_board_add(args: Namespace) -> int:
    """Entries from results."""
    from posebench.board.entries import add
    from posebench.result import load_result

    for path in add(args.board, [load_result(path) for path in args.results], args.results):
        print(path)
    return 0


def run_board_render(args: Namespace) -> int:
    """Pages, tables and plots from the entries."""
    from posebench.board.render import render

    print(render(args.board))
    return 0


def run_board_check(args: Namespace) -> int:
    """Entries valid; pages, tables and plots fresh."""
    from posebench.board.render import check_board

    print(f"{args.board}: {check_board(args.board)} entries, all valid; pages, tables and plots are fresh")
    return 0


def run_train(args: Namespace) -> int:
    """Train a baseline; Ctrl-C saves."""
    import shlex
    import sys

    try:
        from posebench.training.loop import Interrupted
        from posebench.training.run import train
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("posebench"):
            raise
        raise PosebenchError(
            f"no module {error.name}", "what training needs", 'pip install -c constraints.txt -e ".[baselines]"'
        ) from error
    from posebench.progress import progress
    from posebench.tables import report

    given = {name: getattr(args, name) for name in ("root", "cameras", "keypoints", "seed", "preset", "recipe", "output", "resume")}
    given |= {name: getattr(args, name) for name in ("device", "threads", "tune", "teacher")}
    try:
        with progress(f"training {args.method}") as tell:
            result = train(
                args.method,
                args.dataset,
                **given,
                changes=args.set,
                save_every_s=args.save_every,
                tell=tell,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )
    except Interrupted as stop:
        words = [word for word in args.words if word != "--resume"]
        print(f"posebench: {stop}. Next: posebench {shlex.join([*words, '--resume'])}", file=sys.stderr)
        return 130
    if args.json:
        _print_json(result.as_dict())
    else:
        print(report(result))
    return 0


def run_regenerate(args: Namespace) -> int:
    """Make what the board lacks; exit 1 if a cell failed."""
    import sys
    from dataclasses import asdict

    try:
        from posebench.training.grid import read_grid, select
        from posebench.training.loop import Interrupted
        from posebench.training.making import Place
        from posebench.training.regeneration import overview, regenerate
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("posebench"):
            raise
        advice = 'pip install -c constraints.txt -e ".[baselines,scale]"'
        raise PosebenchError(f"no module {error.name}", "what regenerating needs", advice) from error
    from posebench.progress import progress

    roots = dict(_root_of(text) for text in args.root)
    place = Place(args.grid.parent, args.runs, roots, args.device, args.threads, args.adopt)
    if args.list:
        rows = overview(select(read_grid(args.grid), args.cell, args.dataset), place)
        if args.json:
            _print_json([{"cell": cell.name, "state": state, "note": note} for cell, state, note in rows])
        else:
            width = max(len(cell.name) for cell, _, _ in rows)
            for cell, state, note in rows:
                print(f"{cell.name:{width}}  {state}" + (f": {note}" if note else ""))
        return 0
    said = ""

    def tell_of(cell: str, done: int, total: int) -> None:
        nonlocal said
        if cell != said:
            print(f"{cell}: training", file=sys.stderr, flush=True)
            said = cell
        tell(done, total)

    try:
        with progress("steps") as tell:
            outcomes = regenerate(
                args.grid,
                cells=args.cell,
                dataset=args.dataset,
                place=place,
                jobs=args.jobs,
                dask=args.dask,
                tell=tell_of,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )
    except Interrupted as stop:
        print(f"posebench: {stop}. Next: the same command again goes on", file=sys.stderr)
        return 130
    if args.json:
        _print_json([asdict(outcome) for outcome in outcomes])
    else:
        rows_done: list[list[object]] = [[o.cell, o.status, f"{o.seconds:.0f} s", o.note] for o in outcomes]
        _print_table(rows_done, ["cell", "outcome", "time", "note"])
        counts = {status: sum(o.status == status for o in outcomes) for status in ("done", "up to date", "failed")}
        print("\n" + ", ".join(f"{count} {status}" for status, count in counts.items()))
        if counts["done"]:
            print(f"Next: posebench board render --board {args.grid.parent}")
    return 1 if any(outcome.status == "failed" for outcome in outcomes) else 0


def _root_of(text: str) -> tuple[str, str]:
    from posebench.data import DATASETS

    name, _, root = text.partition("=")
    if name not in DATASETS or name == "synthetic" or not root:
        names = ", ".join(name for name in DATASETS if name != "synthetic")
        raise PosebenchError(f"--root {text}", f"NAME=DIR, with NAME one of {names}", "correct it: --root cmu=DIR")
    return name, root


def run_export(args: Namespace) -> int:
    """A trained lifter as an ONNX file."""
    from importlib import import_module

    try:
        for package in ("onnx", "onnxruntime", "onnxscript"):  # what the exporter and the comparison need; told before they do work
            import_module(package)
        from posebench.lifters.export import export_run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("posebench"):
            raise
        raise PosebenchError(f"no module {error.name}", "what export needs", 'pip install -c constraints.txt -e ".[baselines]"') from error
    done = export_run(args.run_folder, args.output)
    print(f"{done.network} and {done.card}: as {args.run_folder} to within {done.difference:.1e} of the largest coordinate")
    return 0


def run_draw(args: Namespace) -> int:
    """A picture of random poses, true and predicted."""
    from posebench.data import open_dataset
    from posebench.gallery import draw

    files = {_label(path): path for path in args.predictions}
    dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
    draw(files, dataset, args.output, split=args.split, count=args.count, seed=args.seed)
    print(f"{args.output}: {args.count} poses of {dataset.name} {args.split}, drawn with seed {args.seed}, under {len(files)} files")
    return 0


def run_predict(args: Namespace) -> int:
    """Run a lifter over a dataset."""
    from posebench.data import open_dataset
    from posebench.lifters import predict
    from posebench.lifters.choose import lifter_maker
    from posebench.predictions import save_predictions
    from posebench.progress import progress

    # A wrong name or file is told before the dataset is read.
    make = lifter_maker(args.lifter, threads=args.threads, changes=args.set)
    dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
    lifter = make(dataset)
    with progress("predicting") as tell:
        poses = predict(lifter, dataset, keypoints=args.keypoints, split=args.split, progress=tell)
        save_predictions(
            args.output,
            poses,
            skeleton=lifter.skeleton,
            unit="mm" if lifter.scale == "metric" else None,
            scale=lifter.scale,
            method=lifter.id,
            keypoints=args.keypoints,
            supervision=lifter.supervision,
            provenance=getattr(lifter, "provenance", None),
        )
    print(f"{args.output}: {lifter.id} on {dataset.name} {args.split}, keypoints {args.keypoints}")
    return 0
