"""The command line: parse, call, print. Formulas, files and figures live elsewhere; ``--help`` imports nothing heavy."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posebench.errors import PosebenchError

if TYPE_CHECKING:
    from posebench.formats import Reading

Args = argparse.Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 1 for a failed check, 2 for a wrong call or an unusable file; bad input gives no traceback."""
    args = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names in files may hold characters that the terminal lacks; stderr escapes them by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except PosebenchError as error:
        print(f"posebench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("posebench: interrupted; nothing was left half-written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="posebench",
        description="Score, train and compare monocular 3D human pose lifters under exactly stated protocols.",
        epilog="Start with: posebench demo",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="score, compare and draw on generated data; writes only under ./posebench-demo")
    demo.set_defaults(run=_demo)

    data = commands.add_parser("data", help="list, look at, fetch and prepare datasets").add_subparsers(metavar="VERB", required=True)
    listed = data.add_parser("list", help="datasets, their licences and how to get them")
    _add_json(listed).set_defaults(run=_data_list)
    info = data.add_parser("info", help="subjects, takes, frames, cameras, keypoint sources, and whether the copy is official")
    info.add_argument("name", metavar="NAME")
    _add_root(_add_json(info)).set_defaults(run=_data_info)
    prepare = data.add_parser("prepare", help="read the owner's files once and keep them mapped in the cache")
    prepare.add_argument("name", metavar="NAME")
    _add_root(prepare).set_defaults(run=_data_prepare)
    export = data.add_parser("export", help="write a dataset in the layout of another copy, to rehearse with")
    export.add_argument("name", metavar="NAME")
    export.add_argument("--layout", metavar="LAYOUT", required=True, help="videopose3d h36m-cdf mmpose martinez h36m-fetch 3dhp p-stmo")
    export.add_argument("-o", "--output", metavar="DIR", required=True, help="an empty or new folder")
    _add_root(export).set_defaults(run=_data_export)
    fetch = data.add_parser("fetch", help="download a free dataset")
    fetch.add_argument("name", metavar="NAME", choices=["cmu"])
    fetch.add_argument("-o", "--output", metavar="DIR", default="cmu-mocap", help="folder to make (default: %(default)s)")
    fetch.set_defaults(run=_data_fetch)

    protocol = commands.add_parser("protocol", help="list, show and find protocols").add_subparsers(metavar="VERB", required=True)
    _add_json(protocol.add_parser("list", help="every protocol that comes with posebench")).set_defaults(run=_protocol_list)
    show = protocol.add_parser("show", help="everything a protocol states")
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=_protocol_show)
    find = protocol.add_parser("find", help="which protocols papers have meant by a label")
    find.add_argument("label", metavar="LABEL", help="for example 'Protocol #2'")
    _add_json(find).set_defaults(run=_protocol_find)

    check = commands.add_parser("check", help="is a prediction file sound, and complete under a protocol?")
    _add_scope(check).set_defaults(run=_check)

    score = commands.add_parser("score", help="score a prediction file under a protocol")
    _add_scope(score)
    score.add_argument("-o", "--output", metavar="R.json", help="write the result, and its sums beside it as R.sums.npz")
    score.add_argument("--csv", metavar="FILE", help="write every number in a long table")
    score.add_argument("--per-frame", action="store_true", help="keep the value of every frame in R.sums.npz")
    score.set_defaults(run=_score)

    convert = commands.add_parser("convert", help="write a file of another project in posebench's own format")
    convert.add_argument("source", metavar="IN", help="file or folder, see docs/formats.md")
    convert.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")
    convert.add_argument("--method", default="", help="what made the poses (a board needs it)")
    convert.add_argument("--keypoints", default="", metavar="SOURCE", help="the 2D source it was given (a board needs it)")
    convert.add_argument("--supervision", default="unstated", help="none, unpaired 3D or paired 3D (default: %(default)s)")
    _add_reading(convert).set_defaults(run=_convert)

    compare = commands.add_parser("compare", help="paired differences between results, with intervals and a verdict")
    compare.add_argument("results", metavar="R.json", nargs="+", help="two or more results of one protocol")
    compare.add_argument("--metric", action="append", default=[], help="compare under this metric (may be given more than once)")
    _add_json(compare).set_defaults(run=_compare)

    board = commands.add_parser("board", help="a leaderboard in which only comparable rows meet").add_subparsers(
        metavar="VERB", required=True
    )
    add = board.add_parser("add", help="make entries from results; several seeds of one method become one entry")
    add.add_argument("results", metavar="R.json", nargs="+")
    _add_board(add).set_defaults(run=_board_add)
    _add_board(board.add_parser("render", help="write README.md from the entries")).set_defaults(run=_board_render)
    _add_board(board.add_parser("check", help="are the entries valid and the page fresh?")).set_defaults(run=_board_check)

    predict = commands.add_parser("predict", help="run a lifter over a dataset and write a prediction file")
    predict.add_argument("lifter", metavar="LIFTER", help="flat or mean-pose")
    predict.add_argument("--dataset", metavar="NAME", required=True)
    _add_root(predict)
    predict.add_argument("--keypoints", metavar="SOURCE", default="gt", help="2D source (default: %(default)s)")
    predict.add_argument("--split", default="test", help="subjects to predict (default: %(default)s)")
    predict.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")
    predict.set_defaults(run=_predict)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--root", metavar="DIR", help="the dataset's folder")
    parser.add_argument("--cameras", metavar="FILE", help="the file that holds its cameras, where the folder has none (h36m)")
    return parser


def _add_board(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--board", metavar="DIR", type=Path, default=Path("leaderboard"), help="the board's folder (default: %(default)s)")
    return parser


def _add_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print machine-readable output")
    return parser


def _add_scope(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("predictions", metavar="PREDS", help=".npz or .h5 (docs/files.md), or another project's format (docs/formats.md)")
    parser.add_argument("--protocol", metavar="ID", required=True, help="an id of `posebench protocol list`, or a .toml file")
    parser.add_argument("--truth", metavar="GT", help="true poses in a file of the same format, instead of --root")
    parser.add_argument("--allow-partial", action="store_true", help="accept missing clips and frames, and stamp the result")
    return _add_root(_add_json(_add_reading(parser)))


def _add_reading(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    foreign = parser.add_argument_group("files of other projects", "stated where the file does not tell; see docs/formats.md")
    foreign.add_argument("--from", dest="from_format", metavar="FORMAT", help="the format, where several or none are recognised")
    foreign.add_argument("--clip", metavar="ID", help="the clip that the file holds, such as 'S9/Greeting 1/54138969'")
    foreign.add_argument("--ids", metavar="FILE", help="the annotation file that gives clip and frame of each pose")
    foreign.add_argument("--unit", metavar="UNIT", choices=["mm", "m"], help="mm or m")
    return parser


def _reading(args: Args) -> Reading:
    from posebench.formats import Reading

    return Reading(args.from_format, args.clip, args.ids, args.unit)


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=1))


def _print_table(rows: list[list[object]], heads: list[str]) -> None:
    from tabulate import tabulate

    print(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


def _demo(args: Args) -> int:  # noqa: ARG001 - every command takes the parsed arguments
    from posebench.demo import run_demo

    run_demo(Path("posebench-demo"))
    return 0


def _data_list(args: Args) -> int:
    from dataclasses import asdict

    from posebench.data import DATASETS

    if args.json:
        _print_json({name: asdict(about) for name, about in DATASETS.items()})
    else:
        rows = [[name, *asdict(about).values()] for name, about in DATASETS.items()]
        _print_table(rows, ["name", "what it is", "licence", "to get it"])
    return 0


def _data_info(args: Args) -> int:
    from posebench.data import facts, open_dataset

    about = facts(open_dataset(args.name, args.root, cameras=args.cameras))
    if args.json:
        _print_json(about)
    else:
        _print_table([[key, value] for key, value in about.items()], ["", args.name])
    return 0


def _data_prepare(args: Args) -> int:
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


def _data_export(args: Args) -> int:
    from posebench.data import export_layouts, open_dataset

    layouts = export_layouts()
    if args.layout not in layouts:
        raise PosebenchError(f"layout {args.layout!r}", "one of " + ", ".join(layouts), "correct --layout")
    layouts[args.layout](open_dataset(args.name, args.root, cameras=args.cameras), Path(args.output))
    print(f"{args.output}: {args.name} in the layout {args.layout}")
    return 0


def _data_fetch(args: Args) -> int:
    from posebench.data.fetch import ACKNOWLEDGEMENT, fetch_cmu

    folder = fetch_cmu(args.output)
    print(f"{folder}\n\nCMU asks for this acknowledgment:\n{ACKNOWLEDGEMENT}\n\nNext: posebench data prepare cmu --root {folder}")
    return 0


def _protocol_list(args: Args) -> int:
    from posebench.protocol import load_protocol, protocol_ids

    protocols = [load_protocol(id) for id in protocol_ids()]
    if args.json:
        _print_json([{"id": p.id, "version": p.version, "digest": p.digest, "dataset": p.dataset, "title": p.title} for p in protocols])
    else:
        _print_table([[p.id, p.version, p.digest, p.dataset, p.title] for p in protocols], ["id", "version", "digest", "dataset", "title"])
    return 0


def _protocol_show(args: Args) -> int:
    from posebench.protocol import load_protocol

    print(load_protocol(args.id).describe())
    return 0


def _protocol_find(args: Args) -> int:
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


def _check(args: Args) -> int:
    from posebench.checks import check
    from posebench.progress import progress
    from posebench.tables import findings_table

    with progress("checking") as tell:
        findings = check(
            args.predictions,
            args.protocol,
            root=args.root,
            truth=args.truth,
            cameras=args.cameras,
            allow_partial=args.allow_partial,
            from_format=_reading(args),
            progress=tell,
        )
    if args.json:
        _print_json([finding.as_dict() for finding in findings])
    else:
        print(findings_table(findings))
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _score(args: Args) -> int:
    from posebench.evaluate import score
    from posebench.files import write_text
    from posebench.progress import progress
    from posebench.tables import long_table, report

    if args.output and Path(args.output).suffix != ".json":
        raise PosebenchError(f"-o {args.output}", "a name that ends with .json", "rename the output file")
    with progress("scoring") as tell:
        result = score(
            args.predictions,
            args.protocol,
            root=args.root,
            truth=args.truth,
            cameras=args.cameras,
            allow_partial=args.allow_partial,
            per_frame=args.per_frame,
            from_format=_reading(args),
            progress=tell,
        )
    if args.output:
        result.save(args.output)
    if args.csv:
        write_text(args.csv, long_table(result))
    if args.json:
        _print_json(result.as_dict())
    else:
        print(report(result))
    return 0


def _convert(args: Args) -> int:
    from posebench.formats import convert

    about = {"method": args.method, "keypoints": args.keypoints, "supervision": args.supervision}
    finding = convert(args.source, args.output, _reading(args), **about)
    print(f"{args.output}: {finding.message}")
    return 0


def _compare(args: Args) -> int:
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


def _board_add(args: Args) -> int:
    from posebench.board.entries import add
    from posebench.result import load_result

    for path in add(args.board, [load_result(path) for path in args.results], args.results):
        print(path)
    return 0


def _board_render(args: Args) -> int:
    from posebench.board.render import render

    print(render(args.board))
    return 0


def _board_check(args: Args) -> int:
    from posebench.board.render import check_board

    print(f"{args.board}: {check_board(args.board)} entries, all valid; the page is fresh")
    return 0


def _predict(args: Args) -> int:
    from posebench.data import open_dataset
    from posebench.lifters import predict, simple_lifters
    from posebench.predictions import save_predictions
    from posebench.progress import progress

    makers = simple_lifters()
    if args.lifter not in makers:
        raise PosebenchError(
            f"lifter {args.lifter!r}", "one of " + ", ".join(makers), "posebench predict flat --dataset cmu --root DIR -o p.npz"
        )
    dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
    lifter = makers[args.lifter](dataset)
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
        )
    print(f"{args.output}: {lifter.id} on {dataset.name} {args.split}, keypoints {args.keypoints}")
    return 0
