"""Options that several commands share."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posebench.cli import choices
from posebench.data.registry import DATASETS

if TYPE_CHECKING:
    from posebench.predictions.formats.registry import Reading

#: What may be typed next, given what stands on the command line so far.
Names = Callable[[Namespace], Sequence[str]]


def completed(action: Action, names: Names, *, or_path: bool = False) -> None:
    """Let a press of TAB offer ``names`` for the value of an argument, and paths if it takes one as well.

    Only completion reads them: the library checks such values, since they depend on files.
    """

    def complete(*, prefix: str, parsed_args: Namespace, **_: Any) -> Sequence[str]:
        found = [name for name in names(parsed_args) if name.startswith(prefix)]
        if or_path:
            from argcomplete.completers import FilesCompleter

            hidden = prefix.rpartition("/")[2].startswith(".")
            found += [path for path in FilesCompleter()(prefix) if hidden or not path.rstrip("/").rpartition("/")[2].startswith(".")]
        return found

    action.completer = complete  # type: ignore[attr-defined] # argcomplete looks for this attribute


def add_dataset(parser: ArgumentParser, *, required: bool = True) -> None:
    """``--dataset NAME`` with the options that say where its files are."""
    dataset = parser.add_argument("--dataset", metavar="NAME", required=required, help=f"one of {', '.join(DATASETS)}")
    completed(dataset, lambda _: tuple(DATASETS))
    add_root(parser)


def add_root(parser: ArgumentParser) -> None:
    """``--root DIR`` and ``--cameras FILE``."""
    takers = ", ".join(name for name, spec in DATASETS.items() if "cameras" in spec.options)
    parser.add_argument("--root", metavar="DIR", help="the dataset's folder")
    parser.add_argument("--cameras", metavar="FILE", help=f"the file that holds its cameras, where the folder has none ({takers})")


def add_keypoints(parser: ArgumentParser, purpose: str) -> None:
    """``--keypoints SOURCE``."""
    sources = f"{', '.join(choices.SIMULATED)}, or what a copy of h36m holds, such as {choices.DETECTED[0]}"
    source = parser.add_argument(
        "--keypoints", metavar="SOURCE", default="gt", help=f"2D source {purpose}: {sources} (default: %(default)s)"
    )
    completed(source, lambda args: choices.keypoint_sources(args.dataset, args.root))


def add_split(parser: ArgumentParser, purpose: str) -> None:
    """``--split NAME``."""
    split = parser.add_argument("--split", metavar="NAME", default="test", help=f"{purpose}: train or test (default: %(default)s)")
    completed(split, lambda _: choices.SPLITS)


def add_protocol(parser: ArgumentParser, help: str, *, required: bool = False) -> None:
    """``--protocol ID``."""
    completed(parser.add_argument("--protocol", metavar="ID", required=required, help=help), lambda _: choices.protocols(), or_path=True)


def add_board(parser: ArgumentParser) -> None:
    """``--board DIR``."""
    parser.add_argument("--board", metavar="DIR", type=Path, default=Path("leaderboard"), help="the board's folder (default: %(default)s)")


def add_json(parser: ArgumentParser, *, latex: bool = False) -> None:
    """``--json`` and ``--markdown``, of which one may be given; with ``latex`` also ``--latex``, and what belongs to it."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--json", action="store_true", help="print machine-readable output")
    one.add_argument("--markdown", action="store_true", help="print tables as markdown")
    if latex:
        one.add_argument("--latex", action="store_true", help="print tables for a paper (booktabs); of several rows the best value is bold")
        add_underline(parser)


def add_underline(parser: ArgumentParser) -> None:
    """``--underline-second``."""
    parser.add_argument("--underline-second", action="store_true", help="with --latex: underline the second best value of each column")


def underline(args: Namespace) -> bool:
    """The option of :func:`add_underline`.

    Raises:
        PosebenchError: it is given without ``--latex``.
    """
    if args.underline_second and not args.latex:
        from posebench.base.errors import PosebenchError

        raise PosebenchError("--underline-second without --latex", "both, or neither", "add --latex")
    return bool(args.underline_second)


def add_device(parser: ArgumentParser) -> None:
    """``--device``: auto, cpu or cuda."""
    where = "where to train; auto takes a GPU if there is one (default: %(default)s)"
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help=where)


def add_threads(parser: ArgumentParser, purpose: str) -> None:
    """``--threads N``, one unless given: the networks are small, and further threads wait for each other more than they compute."""
    parser.add_argument("--threads", metavar="N", type=int, default=1, help=f"CPU threads {purpose} (default: %(default)s)")


def add_truth(parser: ArgumentParser) -> None:
    """What a prediction file is held against: a protocol, and a dataset's folder or a truth file."""
    add_protocol(parser, "an id of `posebench protocol list`, or a .toml file", required=True)
    parser.add_argument("--truth", metavar="GT", help="true poses in a file of the same format, instead of --root")
    parser.add_argument("--allow-partial", action="store_true", help="accept missing clips and frames, and mark the result as partial")
    add_root(parser)
    add_reading(parser)


def add_reading(parser: ArgumentParser) -> None:
    """How a file of another project is to be read."""
    foreign = parser.add_argument_group("files of other projects", "needed where the file itself leaves it open; see docs/formats.md")
    form = f"the format, where several or none are recognised: {', '.join(choices.FORMATS)}"
    completed(foreign.add_argument("--from", dest="from_format", metavar="FORMAT", help=form), lambda _: choices.FORMATS)
    foreign.add_argument("--clip", metavar="ID", help="the clip that the file holds, such as 'S9/Greeting 1/54138969'")
    foreign.add_argument("--ids", metavar="FILE", help="the annotation file that gives clip and frame of each pose")
    foreign.add_argument("--unit", metavar="UNIT", choices=["mm", "m"], help="mm or m")


def reading(args: Namespace) -> Reading:
    """The options of :func:`add_reading` as one value."""
    from posebench.predictions.formats.registry import Reading

    return Reading(args.from_format, args.clip, args.ids, args.unit)
