"""What the study commands of the baselines share: options, the run and the split they look at, and how they report.

A study is ``python -m posebench.baselines.<id>.study.<name>``. It measures a finished run, and may look at the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.data import DATASETS, open_dataset
from posebench.data.clip import Dataset
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.run import Trained, open_run
from posebench.training.finish import hold_out


def study_parser(module: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of a study; ``doc`` is its module's docstring, whose first line is the description."""
    return argparse.ArgumentParser(prog=f"python -m {module}", description=(doc or "").split("\n")[0])


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Options ``--dataset`` and ``--root``."""
    parser.add_argument("--dataset", metavar="NAME", required=True)
    parser.add_argument("--root", metavar="DIR", help="folder of the dataset's files")


def add_split_options(parser: argparse.ArgumentParser) -> None:
    """Options of :func:`open_split` and :func:`some_clips`."""
    add_dataset_options(parser)
    parser.add_argument(
        "--tune", action="store_true", help="the tuning subject, held out by posebench train --tune, instead of the test split"
    )
    parser.add_argument("--clips", metavar="N", type=int, default=0, help="about so many clips of the split (default: all)")


def open_split(args: argparse.Namespace) -> Dataset:
    """The dataset, whose test split is the tuning subject with ``--tune``.

    Raises:
        PosebenchError: no such dataset.
    """
    dataset = open_dataset(args.dataset, args.root)
    return hold_out(dataset, DATASETS[args.dataset].tuning_subject) if args.tune else dataset


def some_clips(dataset: Dataset, split: str, count: int) -> Sequence[str]:
    """Ids of about ``count`` clips, evenly spaced over the split; of all clips if 0."""
    ids = dataset.clip_ids(split)
    return ids[:: max(1, len(ids) // count)] if count else ids


def open_trained(run: str | Path, changes: Sequence[str] = ()) -> tuple[Trained | FlipAveraged, Trained]:
    """The lifter of a finished run as it is scored, and the same without flip averaging; ``changes`` as of :func:`open_run`.

    Raises:
        PosebenchError: no finished run.
    """
    lifter = open_run(run, threads=0, changes=changes)  # a study sets the number of threads itself
    plain = lifter.inner if isinstance(lifter, FlipAveraged) else lifter
    assert isinstance(plain, Trained)
    return lifter, plain


def write_json(path: str | None, measured: Mapping[str, Any]) -> None:
    """Write what was measured, if a path is given."""
    if path:
        write_text(Path(path), json.dumps(measured, indent=1) + "\n")


def exit_code(command: Callable[[], None]) -> int:
    """Run a command: 0, or the exit code of its error, which is printed."""
    try:
        command()
    except PosebenchError as error:
        print(f"posebench: {error}", file=sys.stderr)
        return error.exit_code
    return 0
