"""Does the correction reduce the error, and does the projector absorb errors of the pose? Measured on a finished run.

    python -m posebench.baselines.pose_machine.study.claims RUN --dataset cmu --root DIR --keypoints gt gauss5 -o claims.json

**What is measured.** Each clip of the split is lifted whole, without flip averaging, and frames in its middle are corrected. *Hidden
joints*: a share of the joints, never the root, drawn for each frame by ``numpy.random.RandomState``, the same for all rows. The network
sees them at their mean position, and the correction's error leaves them out. Rows:

* ``none``: the lifting network's pose; ``copy, 0 steps``: the copy as trained; then each variant of the correction with each number of
  steps, without the stop and reject rule (``free``) and with it (``rule``).
* ``error undone``: how much of the 3D error the correction removes, -<change, error> / <error, error> over all joints; negative if it adds
  to the error.
* ``projection fit``: the share of the projection's error that the correction removes. ``absorbed``: the part of this that is due to the
  projector's change, and would be left with the projector as trained.
* ``pose moves`` in mm and ``view moves`` in hundredths of the person's box: mean movement of the joints in 3D and in the projection.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.networks.machine import machine

from ...studies import add_split_options, exit_code, open_split, some_clips, study_parser, write_json
from ..correction import correct
from ..method import PoseMachine
from ..settings import CORRECTIONS, Settings
from .sample import Sample, gather_sample, open_pose_machine

#: The projector alone does not move the pose.
VARIANTS = tuple(name for name in CORRECTIONS if name not in ("none", "projector"))
#: Changes of the settings that switch the stop and reject rule off.
NO_RULE = {"correction_stop": 0.0, "correction_reject": 0.0}
#: Frames that are timed at once, and one by one.
TIMED_BATCH, TIMED_SINGLE = 1024, 64
#: Key of a row to its column's title.
COLUMNS = {
    "correction": "correction",
    "steps": "steps",
    "rule": "rule",
    "MPJPE": "MPJPE",
    "PA-MPJPE": "PA-MPJPE",
    "MPJVE": "MPJVE",
    "ACCEL": "ACCEL",
    "taken": "steps taken",
    "rejected": "rejected [%]",
    "undone": "error undone [%]",
    "fit": "projection fit [%]",
    "absorbed": "absorbed [%]",
    "pose": "pose moves [mm]",
    "view": "view moves [%]",
}
COST_COLUMNS = {"correction": "correction", "steps": "steps", "batched": "batched [ms]", "one by one": "one by one [ms]", "ratio": "ratio"}
Row = dict[str, Any]


def correction_rows(method: PoseMachine, sample: Sample, steps: Sequence[int]) -> Iterator[Row]:
    """A row for no correction, for the copy, and for every variant and number of steps."""
    yield {"correction": "none", "steps": 0, "rule": "", **sample.errors(uncorrected(method, sample))}
    base = method.settings
    yield correction_row(method, sample, replace(base, correction="copy", correction_steps=0, **NO_RULE))
    for correction in VARIANTS:
        for count in steps:
            with_rule = replace(base, correction=correction, correction_steps=count)
            yield correction_row(method, sample, replace(with_rule, **NO_RULE))
            yield correction_row(method, sample, with_rule)


def uncorrected(method: PoseMachine, sample: Sample) -> Array:
    """The lifting network's poses (N, J, 3) mm of the sample."""
    lifter = method.lifter
    with torch.inference_mode():
        return as_array(lifter.with_root(lifter.in_mm(sample.poses.double())))


def correction_row(method: PoseMachine, sample: Sample, settings: Settings) -> Row:
    """The effect of one correction on the sample."""
    lifter = method.lifter
    corrected = correct(lifter, method.joints, sample.poses, sample.keypoints, settings)
    start, poses = uncorrected(method, sample), as_array(lifter.with_root(corrected.poses))
    error = start - sample.truth
    with np.errstate(over="ignore", invalid="ignore"):  # steps that are too long diverge, and the row shows it
        undone = float(((start - poses) * error).sum() / (error * error).sum())
        errors = sample.errors(poses)
    removed = float((corrected.error_before - corrected.error_after).sum())
    row = {
        "correction": settings.correction,
        "steps": settings.correction_steps,
        "rule": "rule" if settings.correction_stop or settings.correction_reject else "free",
        **errors,
        "taken": float(corrected.steps.double().mean()),
        "rejected": 100.0 * float(corrected.rejected.double().mean()),
        "undone": 100.0 * undone,
        "fit": 100.0 * removed / float(corrected.error_before.sum()),
        "pose": float((corrected.proposed - corrected.copied).norm(dim=-1).mean()),
        "view": 100.0 * float(corrected.view_change.mean()),
    }
    if settings.correction == "both" and removed > 0.0:
        row["absorbed"] = 100.0 * float((corrected.error_by_pose - corrected.error_after).sum()) / removed
    return row


def cost_rows(method: PoseMachine, sample: Sample, steps: int) -> Iterator[Row]:
    """Milliseconds a frame of each variant, frames at once and one by one."""
    batch, single = min(TIMED_BATCH, len(sample.poses)), min(TIMED_SINGLE, len(sample.poses))
    for correction in VARIANTS:
        settings = replace(method.settings, correction=correction, correction_steps=steps, **NO_RULE)
        _milliseconds(method, sample, settings, [(0, single)])  # warm up
        batched = _milliseconds(method, sample, settings, [(0, batch)]) / batch
        one_by_one = _milliseconds(method, sample, settings, [(k, k + 1) for k in range(single)]) / single
        yield {"correction": correction, "steps": steps, "batched": batched, "one by one": one_by_one, "ratio": one_by_one / batched}


def _milliseconds(method: PoseMachine, sample: Sample, settings: Settings, parts: Sequence[tuple[int, int]]) -> float:
    started = time.perf_counter()
    for first, last in parts:
        correct(method.lifter, method.joints, *sample.part(first, last), settings)
    return 1e3 * (time.perf_counter() - started)


def as_array(values: torch.Tensor) -> Array:
    """A tensor as a float64 array."""
    out: Array = values.cpu().numpy().astype(np.float64)
    return out


def table(rows: Sequence[Row], columns: dict[str, str]) -> str:
    """The rows as a Markdown table; a value that a row lacks is left empty."""

    def cell(value: Any) -> Any:
        if not isinstance(value, float):
            return "" if value is None else value
        return f"{value:.2f}" if abs(value) < 1e5 else f"{value:.1e}"

    body = [[cell(row.get(key)) for key in columns] for row in rows]
    align = ["left", *["right"] * (len(columns) - 1)]
    return tabulate(body, list(columns.values()), tablefmt="github", disable_numparse=True, colalign=align)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measure every condition, print its table, and return all of it.

    Raises:
        PosebenchError: no such dataset, no finished run of this method, or shares outside of [0, 1).
    """
    run, method = open_pose_machine(args.run_folder, args.set)
    dataset = open_split(args)
    if not all(0.0 <= share < 1.0 for share in args.hide):
        raise PosebenchError(f"--hide {' '.join(map(str, args.hide))}", "shares from 0 to below 1", "correct --hide")
    clips = some_clips(dataset, "test", args.clips)
    measured: dict[str, Any] = {
        "run": run.info.provenance.as_dict(),
        "settings": asdict(method.settings),
        "dataset": dataset.fingerprint,
        "machine": machine("cpu"),
        "conditions": [],
    }
    for keypoints in args.keypoints:
        for hide in args.hide:
            sample = gather_sample(run, dataset, clips, keypoints, hide=hide, frames=args.frames)
            rows = list(correction_rows(method, sample, args.steps))
            frames = sum(sample.lengths)
            measured["conditions"].append({"keypoints": keypoints, "hidden": hide, "clips": len(clips), "frames": frames, "rows": rows})
            print(f"\n{keypoints}, {hide:.0%} of joints hidden: {frames:,} frames of {len(clips)} clips\n")
            print(table(rows, COLUMNS))
    measured["cost"] = list(cost_rows(method, sample, 2))
    print(f"\nCost a frame, {measured['machine']['processor']}, {measured['machine']['threads']} threads\n")
    print(table(measured["cost"], COST_COLUMNS))
    return measured


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 for a wrong call."""
    parser = study_parser("posebench.baselines.pose_machine.study.claims", __doc__)
    parser.add_argument("run_folder", metavar="RUN")
    add_split_options(parser)
    parser.add_argument("--keypoints", metavar="SOURCE", nargs="+", default=["gt"], help="2D sources (default: gt)")
    parser.add_argument("--hide", metavar="SHARE", type=float, nargs="+", default=[0.0], help="shares of hidden joints (default: 0)")
    parser.add_argument("--steps", metavar="N", type=int, nargs="+", default=[1, 2, 5, 20], help="(default: 1 2 5 20)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="as of posebench predict: correction_rate=0.1")
    parser.add_argument("--frames", metavar="N", type=int, default=0, help="of the middle of each clip (default: all)")
    parser.add_argument("--threads", metavar="N", type=int, default=0, help="(default: PyTorch's choice)")
    parser.add_argument("-o", "--output", metavar="JSON")
    args = parser.parse_args(words)
    if args.threads:
        torch.set_num_threads(args.threads)
    return exit_code(lambda: write_json(args.output, measure(args)))


if __name__ == "__main__":
    sys.exit(main())
