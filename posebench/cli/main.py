"""The command line: what can be asked for, and how an error leaves. What each command does is in :mod:`posebench.cli.commands`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.cli.commands import board, datasets, lifting, protocols, scoring, training
from posebench.data.registry import DATASETS, layout_names


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 1 for a failed check, 2 for a wrong call or an unusable file; bad input gives no traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(words, argparse.Namespace(words=words))
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
        description="Score and compare monocular 3D human pose lifters under exactly stated protocols.",
        epilog="Start with: posebench demo",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="score, compare and draw on generated data; writes only under ./posebench-demo")
    demo.set_defaults(run=datasets.run_demo)

    data = commands.add_parser("data", help="list, look at, fetch and prepare datasets").add_subparsers(metavar="VERB", required=True)
    listed = data.add_parser("list", help="datasets, their licences and how to get them")
    _add_json(listed).set_defaults(run=datasets.run_data_list)
    info = data.add_parser("info", help="subjects, takes, frames, cameras, keypoint sources, and whether the copy is official")
    info.add_argument("name", metavar="NAME")
    _add_root(_add_json(info)).set_defaults(run=datasets.run_data_info)
    prepare = data.add_parser("prepare", help="read the owner's files once and keep them mapped in the cache")
    prepare.add_argument("name", metavar="NAME")
    _add_root(prepare).set_defaults(run=datasets.run_data_prepare)
    export = data.add_parser("export", help="write a dataset in the layout of another copy, to rehearse with")
    export.add_argument("name", metavar="NAME")
    export.add_argument("--layout", metavar="LAYOUT", required=True, help=" ".join(layout_names()))
    export.add_argument("-o", "--output", metavar="DIR", required=True, help="an empty or new folder")
    _add_root(export).set_defaults(run=datasets.run_data_export)
    fetch = data.add_parser("fetch", help="download a free dataset")
    fetch.add_argument("name", metavar="NAME", choices=[name for name, spec in DATASETS.items() if spec.fetch])
    fetch.add_argument("-o", "--output", metavar="DIR", default="cmu-mocap", help="folder to make (default: %(default)s)")
    fetch.set_defaults(run=datasets.run_data_fetch)

    protocol = commands.add_parser("protocol", help="list, show and find protocols").add_subparsers(metavar="VERB", required=True)
    _add_json(protocol.add_parser("list", help="every protocol that comes with posebench")).set_defaults(run=protocols.run_protocol_list)
    show = protocol.add_parser("show", help="everything a protocol states")
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=protocols.run_protocol_show)
    find = protocol.add_parser("find", help="which protocols papers have meant by a label")
    find.add_argument("label", metavar="LABEL", help="for example 'Protocol #2'")
    _add_json(find).set_defaults(run=protocols.run_protocol_find)

    files = ".npz or .h5 (docs/files.md), or another project's format (docs/formats.md)"
    check = commands.add_parser("check", help="is a prediction file sound, and complete under a protocol?")
    check.add_argument("predictions", metavar="PREDS", help=files)
    _add_scope(check).set_defaults(run=scoring.run_check)

    score = commands.add_parser("score", help="score prediction files under a protocol")
    score.add_argument("predictions", metavar="PREDS", nargs="+", help=files + "; several are scored one after the other")
    _add_scope(score)
    output = "write the result, and its sums beside it as R.sums.npz; of several files a folder for all"
    score.add_argument("-o", "--output", metavar="R.json", help=output)
    score.add_argument("--csv", metavar="FILE", help="write every number in a long table")
    score.add_argument("--per-frame", action="store_true", help="keep the value of every frame in R.sums.npz")
    score.set_defaults(run=scoring.run_score)

    convert = commands.add_parser("convert", help="write a file of another project in posebench's own format")
    convert.add_argument("source", metavar="IN", help="file or folder, see docs/formats.md")
    convert.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")
    convert.add_argument("--method", default="", help="what made the poses (a board needs it)")
    convert.add_argument("--keypoints", default="", metavar="SOURCE", help="the 2D source it was given (a board needs it)")
    convert.add_argument("--supervision", default="unstated", help="none, unpaired 3D or paired 3D (default: %(default)s)")
    _add_reading(convert).set_defaults(run=scoring.run_convert)

    compare = commands.add_parser("compare", help="paired differences between results, with intervals and a verdict")
    compare.add_argument("results", metavar="R.json", nargs="+", help="two or more results of one protocol")
    compare.add_argument("--metric", action="append", default=[], help="compare under this metric (may be given more than once)")
    _add_json(compare).set_defaults(run=scoring.run_compare)

    boards = commands.add_parser("board", help="a leaderboard in which only comparable rows meet").add_subparsers(
        metavar="VERB", required=True
    )
    add = boards.add_parser("add", help="make entries from results; several seeds of one method become one entry")
    add.add_argument("results", metavar="R.json", nargs="+")
    _add_board(add).set_defaults(run=board.run_board_add)
    _add_board(boards.add_parser("render", help="write pages, tables and plots from the entries")).set_defaults(run=board.run_board_render)
    _add_board(boards.add_parser("check", help="valid entries, fresh pages?")).set_defaults(run=board.run_board_check)

    train = commands.add_parser("train", help="train a baseline, predict the test split and score it; leaves a run folder")
    train.add_argument("method", metavar="METHOD", help="a folder of baselines/, such as martinez")
    train.add_argument("--dataset", metavar="NAME", required=True)
    _add_root(train)
    train.add_argument("--keypoints", metavar="SOURCE", default="gt", help="2D source of training and test (default: %(default)s)")
    train.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    train.add_argument("--preset", choices=["smoke", "quick", "full"], default="quick", help="the budget (default: %(default)s)")
    train.add_argument("--recipe", metavar="NAME", default="default", help="a variant that the method's recipe.toml names")
    train.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="change one setting (may be given more than once)")
    train.add_argument("--teacher", metavar="RUN", help="the run that teaches a method which wants one (default: one is trained first)")
    train.add_argument("--tune", action="store_true", help="hold out and predict the tuning subject instead of the test split")
    train.add_argument("-o", "--output", metavar="RUN", help="the run's folder (default: a name below runs/)")
    train.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    train.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(default: %(default)s)")
    train.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads (default: PyTorch's choice)")
    train.add_argument("--save-every", type=float, default=60.0, metavar="S", help="seconds between checkpoints (default: %(default)s)")
    _add_json(train).set_defaults(run=training.run_train)

    again = commands.add_parser("regenerate", help="train what the board lacks or what is stale, and put it there: docs/regenerate.md")
    again.add_argument("grid", metavar="GRID", type=Path, nargs="?", default=Path("leaderboard/grid.toml"), help="(default: %(default)s)")
    again.add_argument("--cell", metavar="NAME", action="append", default=[], help="only this cell (may be given more than once)")
    again.add_argument("--dataset", metavar="NAME", help="only the cells of this dataset")
    again.add_argument("--list", action="store_true", help="print each cell and how it stands, and run nothing")
    again.add_argument("--root", metavar="NAME=DIR", action="append", default=[], help="a dataset's folder, such as cmu=DIR")
    again.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"), help="where run folders are (default: %(default)s)")
    again.add_argument("--adopt", action="store_true", help="take finished runs of `posebench train` for runs of the present code")
    where = again.add_mutually_exclusive_group()
    where.add_argument("--jobs", metavar="N", type=int, default=1, help="processes on this machine (default: %(default)s)")
    where.add_argument("--dask", metavar="ADDRESS", help="a dask scheduler, such as tcp://HOST:8786; all machines must share the files")
    again.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(default: %(default)s)")
    again.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads of each cell (default: PyTorch's choice)")
    _add_json(again).set_defaults(run=training.run_regenerate)

    draw = commands.add_parser("draw", help="draw random poses of a split, true and predicted, from two views")
    draw.add_argument("predictions", metavar="PREDS", nargs="+", help="prediction files; a row each")
    draw.add_argument("--dataset", metavar="NAME", required=True)
    _add_root(draw)
    draw.add_argument("--split", default="test", help="(default: %(default)s)")
    draw.add_argument("--count", type=int, default=4, help="poses (default: %(default)s)")
    draw.add_argument("--seed", type=int, default=0, help="of the choice of frames (default: %(default)s)")
    draw.add_argument("-o", "--output", metavar="FILE", required=True, help=".png, .pdf or .svg")
    draw.set_defaults(run=lifting.run_draw)

    predict = commands.add_parser("predict", help="run a lifter over a dataset and write a prediction file")
    predict.add_argument("lifter", metavar="LIFTER", help="flat, mean-pose, RUN (a folder), model.onnx, module:function: docs/lifters.md")
    predict.add_argument("--dataset", metavar="NAME", required=True)
    _add_root(predict)
    predict.add_argument("--keypoints", metavar="SOURCE", default="gt", help="2D source (default: %(default)s)")
    predict.add_argument("--split", default="test", help="subjects to predict (default: %(default)s)")
    predict.add_argument("--threads", metavar="N", type=int, default=0, help="threads for an ONNX model (default: as many as cores)")
    lifted_with = "of a run: lift with another setting that no weight depends on (may be given more than once)"
    predict.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help=lifted_with)
    predict.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")
    predict.set_defaults(run=lifting.run_predict)

    speed = commands.add_parser("speed", help="time lifters beside each other, or compare two records of that: docs/speed.md")
    speed.add_argument("lifters", metavar="LIFTER", nargs="*", help="as `posebench predict` takes them (default: flat mean-pose)")
    speed.add_argument("--compare", metavar=("A.json", "B.json"), nargs=2, help="time nothing: B's times over A's, with intervals")
    speed.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of training runs (default: %(default)s)")
    speed.add_argument("--threads", metavar="N", type=int, default=1, help="CPU threads (default: %(default)s)")
    speed.add_argument("--batch", metavar="N,N", default="1,64,1024", help="frames a call (default: %(default)s)")
    speed.add_argument("--rounds", metavar="N", type=int, default=15, help="turns of each case (default: %(default)s)")
    speed.add_argument("--seconds", metavar="S", type=float, default=2.0, help="of timed calls a case (default: %(default)s)")
    speed.add_argument("-o", "--output", metavar="FILE", help="write the record as JSON")
    _add_json(speed).set_defaults(run=lifting.run_speed)

    export = commands.add_parser("export", help="write the lifter of a training run as an ONNX file, with its TOML beside it")
    export.add_argument("run_folder", metavar="RUN", help="the folder of a finished run")
    export.add_argument("-o", "--output", metavar="MODEL", required=True, help="model.onnx; model.toml is written beside it")
    export.set_defaults(run=training.run_export)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    takers = ", ".join(name for name, spec in DATASETS.items() if "cameras" in spec.options)
    parser.add_argument("--root", metavar="DIR", help="the dataset's folder")
    parser.add_argument("--cameras", metavar="FILE", help=f"the file that holds its cameras, where the folder has none ({takers})")
    return parser


def _add_board(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--board", metavar="DIR", type=Path, default=Path("leaderboard"), help="the board's folder (default: %(default)s)")
    return parser


def _add_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print machine-readable output")
    return parser


def _add_scope(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
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
