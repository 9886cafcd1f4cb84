"""Do methods memorise their training poses? Errors on training and on test poses, by the number of training takes.

    python -m posebench.baselines.repnet.study.memorisation --dataset cmu --root DIR --runs runs/memorisation -o memorisation.json

**What is measured.** Each method of ``--methods`` is trained on sets of takes of several sizes, spread evenly over the training split, with
the same number of steps: an epoch holds as many poses as the smallest set has, and there are as many epochs as the recipe's work needs.
PA-MPJPE and N-MPJPE, mean over every ``--step``-th frame, of clips that keypoints were learnt from (``train``) and of the test split
(``test``). ``gap`` is the difference in PA-MPJPE. Training poses are of other people than test poses, so that the gap of the whole split
is not zero for a method that memorises nothing; compare methods, and sizes.

Runs are kept in ``--runs``; a second call goes on where the first one ended.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tabulate import tabulate

from posebench.base.errors import PosebenchError
from posebench.data.clip import Dataset
from posebench.lifters import Lifter, predict
from posebench.lifters.run import open_run
from posebench.metrics import n_mpjpe, pa_mpjpe
from posebench.networks.machine import torch_threads
from posebench.networks.recipe import PRESETS, Recipe, load_baseline, read_method, resolve
from posebench.networks.settings import Settings
from posebench.networks.weights import ABOUT
from posebench.training.folder import claim
from posebench.training.gather import split_takes
from posebench.training.job import Job
from posebench.training.run import learn

from ...studies import add_split_options, exit_code, open_split, some_clips, study_parser, write_json

Row = dict[str, Any]


class Plan(NamedTuple):
    """What to train: a method's id, its recipe, and its settings before they are fitted to the size of the set."""

    method: str
    recipe: str
    supervision: str
    settings: Settings

    @property
    def name(self) -> str:
        """``method+recipe``, or ``method`` with its default recipe."""
        return self.method if self.recipe == "default" else f"{self.method}+{self.recipe}"


def main(words: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = study_parser("posebench.baselines.repnet.study.memorisation", __doc__)
    add_split_options(parser)
    parser.add_argument("--methods", metavar="METHOD[+RECIPE]", nargs="+", default=["repnet+paper", "martinez"])
    parser.add_argument(
        "--takes", metavar="N", type=int, nargs="+", default=[2, 8, 32, 0], help="sizes of the training sets; 0 for all takes"
    )
    parser.add_argument("--keypoints", metavar="SOURCE", default="gt", help="2D source of training and test (default: gt)")
    parser.add_argument("--preset", choices=PRESETS, default="quick", help="the work of each training (default: quick)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], dest="changes", help="change a setting of every method")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step", metavar="N", type=int, default=8, help="every N-th frame is measured (default: 8)")
    parser.add_argument("--runs", metavar="DIR", required=True, help="folder of the runs")
    parser.add_argument("-o", "--output", metavar="JSON")
    args = parser.parse_args(words)
    return exit_code(lambda: _study(args))


def _study(args: argparse.Namespace) -> None:
    plans = [_plan(name, args.preset, args.changes) for name in args.methods]
    dataset = open_split(args)
    sizes = _sizes(dataset, args.takes)
    rows = []
    for row in _rows(args, dataset, sizes, plans):
        rows.append(row)
        print(tabulate([list(row.values())], list(row), tablefmt="github", floatfmt=".1f"), flush=True)
        write_json(args.output, {"dataset": dataset.fingerprint, "options": _options(args), "rows": rows})
    print("\n" + tabulate([list(row.values()) for row in rows], list(rows[0]), tablefmt="github", floatfmt=".1f"))


def _options(args: argparse.Namespace) -> Row:
    """The options that the numbers depend on."""
    left_out = ("root", "runs", "output")
    return {name: value for name, value in vars(args).items() if name not in left_out}


def _plan(name: str, preset: str, changes: Sequence[str]) -> Plan:
    """What ``method+recipe`` names.

    Raises:
        PosebenchError: no such method, recipe or setting; or a method that learns from a teacher.
    """
    method, _, recipe = name.partition("+")
    content, where = read_method(method)
    settings = resolve(content, load_baseline(method).Settings, where=where, recipe=recipe or "default", preset=preset, changes=changes)
    if settings.teacher_baseline:
        raise PosebenchError(f"{name}, which learns from a teacher", "a method that learns from the data alone", "choose another method")
    return Plan(method, recipe or "default", content["supervision"], settings)


def _sizes(dataset: Dataset, wanted: Sequence[int]) -> list[int]:
    """Numbers of takes, ascending, each once.

    Raises:
        PosebenchError: fewer than two takes, or more than the training split has.
    """
    available = len(training_takes(dataset))
    sizes = sorted({size or available for size in wanted})
    if sizes[0] < 2 or sizes[-1] > available:
        found = f"--takes {' '.join(map(str, wanted))}"
        raise PosebenchError(found, f"numbers from 2 to {available}, the takes of {dataset.name}'s training split, or 0", "correct --takes")
    return sizes


def training_takes(dataset: Dataset) -> list[str]:
    """Names of the takes of the training split, in dataset order."""
    return list(dict.fromkeys(dataset.infos[id].take for id in dataset.clip_ids("train")))


def with_takes(dataset: Dataset, count: int) -> Dataset:
    """The dataset with ``count`` takes of its training split, spread evenly; its other splits are whole."""
    takes = training_takes(dataset)
    kept = {takes[k * len(takes) // count] for k in range(count)}
    trained = set(dataset.clip_ids("train"))
    return replace(dataset, infos={id: info for id, info in dataset.infos.items() if id not in trained or info.take in kept})


def fitted(settings: Settings, available: int, poses: int) -> Settings:
    """Settings of equal work whose epochs hold ``poses`` samples: epochs and schedule are scaled by what an epoch held before.

    Args:
        settings: of the recipe.
        available: poses of the whole training set, an epoch where ``samples`` is 0.
        poses: samples of an epoch.
    """
    ratio = min(settings.samples or available, available) / poses
    return replace(
        settings,
        samples=poses,
        epochs=max(1, round(settings.epochs * ratio)),
        decay_at=tuple(round(at * ratio) for at in settings.decay_at),
        decay_every=settings.decay_every * ratio,
    )


def _keypoint_clips(dataset: Dataset, plan: Plan) -> list[str]:
    """The clips whose keypoints a method learns from."""
    clips = dataset.clip_ids("train")
    return split_takes(dataset, clips, plan.settings.pools)[0] if plan.supervision == "unpaired 3D" else clips


def _poses(dataset: Dataset, clips: Sequence[str]) -> int:
    """Frames of clips that samples may be drawn from."""
    return sum(len(dataset.valid[id]) if id in dataset.valid else dataset.infos[id].frames for id in clips)


def _rows(args: argparse.Namespace, dataset: Dataset, sizes: Sequence[int], plans: Sequence[Plan]) -> Iterator[Row]:
    """A row for each method and size of the training set."""
    for plan in plans:
        counts = [_poses(part, _keypoint_clips(part, plan)) for part in (with_takes(dataset, size) for size in sizes)]
        for size, count in zip(sizes, counts, strict=True):
            part = with_takes(dataset, size)
            clips = _keypoint_clips(part, plan)
            settings = fitted(plan.settings, _poses(dataset, _keypoint_clips(dataset, plan)), min(counts))
            folder = Path(args.runs) / f"{plan.name}-{size}-s{args.seed}"
            lifter = _trained(args, plan, settings, part, size, folder)
            train = _errors(lifter, part, "train", clips[:: max(1, len(clips) // args.clips)] if args.clips else clips, args)
            test = _errors(lifter, part, "test", some_clips(part, "test", args.clips), args)
            yield {
                "method": plan.name,
                "takes": size,
                "poses": count,
                "PA train": train["PA"],
                "PA test": test["PA"],
                "gap": test["PA"] - train["PA"],
                "N train": train["N"],
                "N test": test["N"],
            }


def _trained(args: argparse.Namespace, plan: Plan, settings: Settings, part: Dataset, size: int, folder: Path) -> Lifter:
    """The lifter of a run on a part of the training split; it is trained, or its training is resumed, unless it is finished."""
    subjects = {part.infos[id].subject for id in part.clip_ids("train")}
    recipe = Recipe(
        method=plan.method,
        recipe=", ".join([plan.recipe, *args.changes, f"{size} takes"]),
        preset=args.preset,
        seed=args.seed,
        dataset={"name": part.name, "version": part.version, "fingerprint": part.fingerprint},
        subjects=tuple(subject for subject in part.splits["train"] if subject in subjects),
        keypoints=args.keypoints,
        skeleton=part.skeleton,
        settings=asdict(settings),
    )
    resume = folder.exists() and any(folder.iterdir())
    job = Job(
        recipe, settings, plan.supervision, part, folder, resume=resume, threads=args.threads, log=lambda line: print(line, flush=True)
    )
    with torch_threads(args.threads):
        claim(folder, recipe, resume=resume)
        if not (folder / ABOUT).is_file():
            learn(job)
    return open_run(folder, threads=args.threads)


def _say(line: str) -> None:
    print(line, flush=True)


def _errors(lifter: Lifter, dataset: Dataset, split: str, clips: Sequence[str], args: argparse.Namespace) -> dict[str, float]:
    """Mean PA-MPJPE and N-MPJPE [mm] over every ``--step``-th frame of clips of a split."""
    part = replace(dataset, infos={id: dataset.infos[id] for id in clips})
    lifted, true = [], []
    for id, poses in predict(lifter, part, keypoints=args.keypoints, split=split, log=_say):
        frames = dataset.valid.get(id, np.arange(len(poses)))[:: args.step]
        lifted.append(poses[frames])
        true.append(dataset.load(id).pose[frames])
    pose, truth = np.concatenate(lifted), np.concatenate(true)
    return {"PA": float(pa_mpjpe(pose, truth).mean()), "N": float(n_mpjpe(pose, truth).mean())}


if __name__ == "__main__":
    sys.exit(main())
