"""How methods fail under errors of keypoints and other cameras; a kit for methods that posebench cannot run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from posebench.cli import choices
from posebench.cli.options import add_json, add_protocol, add_threads, completed
from posebench.cli.parser import Parser, add_verbs
from posebench.cli.printing import log, print_json, remark, show

if TYPE_CHECKING:
    from posebench.scoring.robustness.record import Robustness

#: The verb that is meant where none is given.
_RUN = "run"
_ROOT = "the dataset's folder"


def configure(parser: Parser) -> None:
    """Its verbs. Without one, the words are lifters to run."""
    parser.example = (
        "posebench robustness flat mean-pose runs/martinez --root DIR -o r.json\n"
        "posebench robustness show r.json --plot curves.svg\n"
        "posebench robustness export --protocol cmu/noise --root DIR -o kit"
    )
    verbs = add_verbs(parser)
    _configure_run(verbs.add(_RUN, "lift and score every condition; `run` itself may be left out", run_lifters))
    shown = verbs.add("show", "print the tables of one or more files, and draw the curves", run_show)
    shown.example = "posebench robustness show r.json mine.json --metric MPJPE"
    shown.add_argument("files", metavar="R.json", nargs="+", help="files of `posebench robustness`; their methods share the tables")
    own = "the file of your own protocol, where a result is of one (may be given more than once)"
    shown.add_argument("--protocol", metavar="FILE.toml", dest="protocols", action="append", default=[], help=own)
    _add_shown(shown)
    export = verbs.add("export", "write the keypoints of every condition as files, for a method that runs elsewhere", run_export)
    export.example = "posebench robustness export --protocol cmu/noise --root DIR -o kit"
    _add_data(export, several=False)
    export.add_argument("-o", "--output", metavar="KIT", required=True, help="a folder; of cmu/noise some 220 MB")
    score = verbs.add("score", "score a folder of predictions made from a kit", run_score)
    score.example = "posebench robustness score my-predictions --protocol cmu/noise --root DIR -o mine.json"
    score.add_argument("predictions", metavar="DIR", help="prediction files named as those of the kit")
    _add_data(score, several=False)
    score.add_argument("--name", metavar="NAME", default="", help="of the method in tables (default: as its files state)")
    score.add_argument("-o", "--output", metavar="R.json", help="write the sums, for `posebench robustness show`")
    _add_shown(score)
    across = verbs.add(
        "across", "lifters trained on one dataset, tested on others, with and without the offset of their skeletons", run_across
    )
    across.example = "posebench robustness across flat mean-pose runs/martinez --on cmu=DIR --on synthetic -o across.json"
    lifters = "as above; mean-pose is fitted to the training split of each dataset in turn"
    completed(across.add_argument("lifters", metavar="LIFTER", nargs="+", help=lifters), lambda _: choices.LIFTERS, or_path=True)
    on = "a dataset to test on, with its folder where it needs one: cmu=DIR, synthetic (give several)"
    across.add_argument("--on", metavar="NAME[=DIR]", action="append", required=True, help=on)
    across.add_argument("--keypoints", metavar="SOURCE", default="gt", help="2D source, of training and test (default: %(default)s)")
    add_threads(across, "of each lifter; 0 for the choice of PyTorch or ONNX Runtime")
    across.add_argument("-o", "--output", metavar="X.json", help="write the table as JSON")
    add_json(across)
    _run_is_default(parser)


def _configure_run(parser: Parser) -> None:
    parser.example = "posebench robustness run flat mean-pose runs/martinez --root DIR -o r.json"
    lifters = "flat, mean-pose, RUN (a folder), model.onnx, module:function: docs/lifters.md"
    completed(parser.add_argument("lifters", metavar="LIFTER", nargs="+", help=lifters), lambda _: choices.LIFTERS, or_path=True)
    _add_data(parser, several=True)
    parser.add_argument("--name", metavar="NAME", action="append", default=[], help="of each lifter in tables, in their order")
    kept = "the file to write; what it holds of the same lifters is not measured again, so the same command continues one that was stopped"
    parser.add_argument("-o", "--output", metavar="R.json", help=kept)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", metavar="N", type=int, default=1, help="processes on this machine (default: %(default)s)")
    where.add_argument("--dask", metavar="ADDRESS", help="a dask scheduler, such as tcp://HOST:8786; all machines must share the files")
    add_threads(parser, "of each lifter; 0 for the choice of PyTorch or ONNX Runtime")
    _add_shown(parser)


def _add_data(parser: Parser, *, several: bool) -> None:
    """``--protocol`` and ``--root``."""
    if several:
        which = "cmu/noise, cmu/camera, or your own with conditions; may be given more than once (default: both)"
        protocol = parser.add_argument("--protocol", metavar="ID", dest="protocols", action="append", default=[], help=which)
        completed(protocol, lambda _: choices.protocols(), or_path=True)
    else:
        add_protocol(parser, "cmu/noise, cmu/camera, or your own with conditions", required=True)
    parser.add_argument("--root", metavar="DIR", help=_ROOT)


def _add_shown(parser: Parser) -> None:
    parser.add_argument("--metric", metavar="NAME", help="show another metric than the one that methods are ranked by")
    parser.add_argument("--all", action="store_true", help="print each severity, and the differences between methods")
    curves = "draw error against severity (.svg, .png, .pdf); of several protocols one file each"
    parser.add_argument("--plot", metavar="FILE", help=curves)
    add_json(parser)


def _run_is_default(parser: Parser) -> None:
    """Let the words after ``robustness`` be lifters where the first is no verb: the parser puts ``run`` before them."""
    verbs = [verb for action in parser._actions if action.dest != "help" for verb in action.choices or ()]
    parse = parser.parse_known_args

    def with_verb(args: Any = None, namespace: Any = None) -> Any:
        words: Sequence[str] = list(args or ())
        first = next((word for word in words if word not in ("-q", "--quiet", "-v", "--verbose")), None)
        named = first is None or first in verbs or first in ("-h", "--help") or _misspelt(first, verbs)
        return parse(words if named else [_RUN, *words], namespace)

    parser.parse_known_args = with_verb  # type: ignore[method-assign]


def _misspelt(word: str, verbs: Collection[str]) -> bool:
    """Whether a word is meant to be a verb: it is near to one, and no lifter and no path."""
    from pathlib import Path

    from posebench.base.errors import nearest

    return word not in choices.LIFTERS and ":" not in word and bool(nearest(word, verbs)) and not Path(word).exists()


def run_lifters(args: Namespace) -> int:
    """Lift, score, write, print."""
    from posebench.base.progress import progress
    from posebench.lifters.robustness.run import DEFAULT_PROTOCOLS, measure_robustness

    protocols = args.protocols or DEFAULT_PROTOCOLS
    _refuse_output(args, protocols)
    with progress("measuring robustness") as advance:
        found = measure_robustness(
            args.lifters,
            protocols=protocols,
            root=args.root,
            output=args.output,
            names=args.name,
            jobs=args.jobs,
            dask=args.dask,
            threads=args.threads,
            progress=advance,
            log=log,
        )
    return _print(found, args)


def run_show(args: Namespace) -> int:
    """Tables and curves of files."""
    from posebench import load_protocol
    from posebench.scoring.robustness.record import merged

    _refuse_output(args, [])
    own = [load_protocol(protocol) for protocol in args.protocols]
    return _print(merged(args.files, {protocol.id: protocol for protocol in own}), args)


def run_export(args: Namespace) -> int:
    """Write the kit."""
    from posebench import load_protocol
    from posebench.base.progress import progress
    from posebench.scoring.robustness.kit import export_kit

    with progress(f"writing {args.output}") as advance:
        written = export_kit(load_protocol(args.protocol), args.output, root=args.root, progress=advance)
    remark(f"{args.output}: {len(written)} files. Next: docs/robustness.md#a-method-that-runs-elsewhere")
    return 0


def run_score(args: Namespace) -> int:
    """Score predictions made from a kit."""
    from posebench import load_protocol
    from posebench.base.files import refuse_other_kind
    from posebench.base.progress import progress
    from posebench.scoring.robustness.kit import score_kit

    _refuse_output(args, [args.protocol])
    if args.output:
        refuse_other_kind(args.output, "robustness")
    with progress(f"scoring {args.predictions}") as advance:
        found = score_kit(args.predictions, load_protocol(args.protocol), root=args.root, name=args.name, progress=advance)
    if args.output:
        found.save(args.output)
    return _print(found, args)


def run_across(args: Namespace) -> int:
    """The table of training and test datasets."""
    from posebench.base.files import refuse_other_kind
    from posebench.base.progress import progress
    from posebench.display.robustness import across_text
    from posebench.lifters.robustness.across import measure_across

    if args.output:
        refuse_other_kind(args.output, "across")
    roots = {name: root or None for name, _, root in (text.partition("=") for text in args.on)}
    with progress("lifting across datasets") as advance:
        found = measure_across(args.lifters, roots, keypoints=args.keypoints, threads=args.threads, progress=advance)
    if args.output:
        found.save(args.output)
    if args.json:
        print_json(found.as_dict())
    else:
        show(across_text(found), markdown=args.markdown)
    return 0


def _refuse_output(args: Namespace, protocols: Sequence[str]) -> None:
    """A picture that cannot be drawn, and a metric that is not measured, are refused before the work."""
    if args.metric:
        from posebench import load_protocol
        from posebench.scoring.robustness.summary import require_metric

        for protocol in protocols:
            require_metric(load_protocol(protocol), args.metric)
    if args.plot:
        from posebench.display.robustness import picture_path

        picture_path(args.plot)


def _print(found: Robustness, args: Namespace) -> int:
    from pathlib import Path

    from posebench.base.errors import PosebenchError
    from posebench.display.robustness import plot_curves, robustness_text
    from posebench.scoring.robustness.summary import summarise

    studies = list(found.studies.values())
    # A study of another run in the same file may be incomplete: those that can be shown are.
    shown = [study for study in studies if study.complete]
    if not shown and studies:
        summarise(studies[0])
    if not shown:
        raise PosebenchError("no method", "a file with methods", "posebench robustness LIFTER ... -o FILE")
    if args.json:
        print_json([summarise(study, args.metric).as_dict() for study in shown])
    else:
        for number, study in enumerate(shown):
            print("\n" if number else "", end="")
            show(robustness_text(study, metric=args.metric, everything=args.all), markdown=args.markdown)
    if args.plot:
        for study in shown:
            path = Path(args.plot)
            if len(shown) > 1:
                path = path.with_stem(f"{path.stem}-{study.protocol.id.rpartition('/')[2]}")
            plot_curves(summarise(study, args.metric), path)
            if not args.json:
                remark(str(path))
    return 0
