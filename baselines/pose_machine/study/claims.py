"""Does the correction help or harm, and does the projector absorb errors that it should correct? Measured on a finished run.

    python -m posebench.baselines.pose_machine.study.claims RUN --dataset cmu --root DIR --keypoints gt gauss5 -o claims.json

**What is measured.** From each clip of the split (or some) a stretch of frames in its middle; the clip is lifted whole, without flip
averaging, and the stretch corrected. *Hidden joints*: a share of the joints, never the root, drawn anew for each frame by
``numpy.random.RandomState``, the same for all rows; the network sees them where they are on average, and the correction's error leaves
them out. Rows:

* ``none``: the transformer's pose; ``copy, 0 steps``: the copy as trained; then every variant with every count of steps, without the stop
  and reject rule (``free``) and with it (``rule``).
* ``error undone``: how far the change of the pose goes along its 3D error, in shares of that error: -<change, error> / <error, error>
  over all joints; below 0 the correction adds to the error.
* ``projection fit``: share of the projection's error that is gone. ``absorbed``: the part of that which is due to the projector's change:
  with the projector as it was trained it would still be there.
* ``pose moves`` in mm and ``view moves`` in hundredths of the person's box: mean change of the joints in 3D and in the projection.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.data import DATASETS, open_dataset
from posebench.data.clip import Dataset
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.run import Trained, open_run
from posebench.metrics import acceleration_error, mpjpe, pa_mpjpe, velocity_error
from posebench.networks.machine import machine
from posebench.networks.samples import image_coordinates
from posebench.training.finish import hold_out

from ..correction import Corrected, correct
from ..method import PoseMachine
from ..settings import CORRECTIONS, Settings
from ..views import Seen

VARIANTS = CORRECTIONS[1:]
HEADS = {
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
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Sample:
    """Stretches of clips, one after the other.

    Attributes:
        told: (N, 3 (J - 1)) the transformer's poses without unit.
        seen: their keypoints.
        truth: (N, J, 3) mm, root at the origin.
        lengths: frames of each stretch.
    """

    told: torch.Tensor
    seen: Seen
    truth: Array
    lengths: tuple[int, ...]

    def errors(self, poses: Array) -> Row:
        """Means over the frames of all stretches; differences over time stay inside a stretch."""
        cuts = np.cumsum(self.lengths)[:-1]
        pairs = list(zip(np.split(poses, cuts), np.split(self.truth, cuts), strict=True))
        row: Row = {"MPJPE": float(mpjpe(poses, self.truth).mean()), "PA-MPJPE": float(pa_mpjpe(poses, self.truth).mean())}
        for name, error in (("MPJVE", velocity_error), ("ACCEL", acceleration_error)):
            values = [error(*pair) for pair in pairs]
            row[name] = float(np.concatenate(values).mean()) if sum(map(len, values)) else None
        return row


def open_machine(run: str | Path, changes: Sequence[str] = ()) -> tuple[Trained, PoseMachine]:
    """A finished run of this method, without flip averaging; ``changes`` as of :func:`open_run`.

    Raises:
        PosebenchError: no such run, or one of another method.
    """
    lifter = open_run(run, changes=changes)
    plain = lifter.inner if isinstance(lifter, FlipAveraged) else lifter
    assert isinstance(plain, Trained)
    if not isinstance(plain.method, PoseMachine):
        raise PosebenchError(f"{run}: a run of {plain.id}", "a run of pose_machine", "posebench train pose_machine ... -o RUN")
    return plain, plain.method


def gather_sample(run: Trained, method: PoseMachine, dataset: Dataset, source: str, *, hide: float, clips: int, frames: int) -> Sample:
    """Lift some clips of the test split whole and keep the middle of each; all clips and frames where the counts are 0."""
    ids = dataset.clip_ids("test")
    ids = ids[:: max(1, len(ids) // clips)] if clips else ids
    root = method.lifter.root
    parts, truths = [], []
    for number, id in enumerate(ids):
        clip = dataset.load(id)
        points = image_coordinates(clip.keypoints(source), clip.camera or run.about.nominal).astype(np.float32)
        hidden = np.random.RandomState(number).uniform(size=points.shape[:2]) < hide
        hidden[:, root] = False
        points[hidden] = np.nan
        with torch.inference_mode():
            told, seen = method.told(torch.from_numpy(points))
        count = min(frames or len(points), len(points))
        middle = slice((len(points) - count) // 2, (len(points) - count) // 2 + count)
        parts.append((told[middle], *(values[middle] for values in seen)))
        truths.append((clip.pose - clip.pose[:, root : root + 1])[middle])
    told, *seen_parts = (torch.cat(values) for values in zip(*parts, strict=True))
    return Sample(told, Seen(*seen_parts), np.concatenate(truths).astype(np.float64), tuple(map(len, truths)))


def rows(method: PoseMachine, sample: Sample, steps: Sequence[int]) -> Iterator[Row]:
    """Every variant on one sample."""
    lifter, base = method.lifter, method.settings
    with torch.inference_mode():
        start = _numpy(lifter.whole(lifter.in_mm(sample.told.double())))
    yield {"correction": "none", "steps": 0, "rule": "", **sample.errors(start)}
    yield _row(method, sample, start, replace(base, correction="copy", steps=0, stop=0.0, reject=0.0))
    for correction in VARIANTS:
        for count in steps:
            free = replace(base, correction=correction, steps=count, stop=0.0, reject=0.0)
            yield _row(method, sample, start, free)
            yield _row(method, sample, start, replace(free, stop=base.stop, reject=base.reject))


def _row(method: PoseMachine, sample: Sample, start: Array, rule: Settings) -> Row:
    lifter = method.lifter
    done: Corrected = correct(lifter, method.joints, sample.told, sample.seen, rule)
    poses = _numpy(lifter.whole(done.poses))
    error = start - sample.truth
    gone = float((done.before - done.after).sum())
    with np.errstate(over="ignore", invalid="ignore"):  # steps that are too long: the row shows what they do
        undone = float(((start - poses) * error).sum() / (error * error).sum())
        errors = sample.errors(poses)
    row = {
        "correction": rule.correction,
        "steps": rule.steps,
        "rule": "rule" if rule.stop or rule.reject else "free",
        **errors,
        "taken": float(done.steps.double().mean()),
        "rejected": 100.0 * float(done.rejected.double().mean()),
        "undone": 100.0 * undone,
        "fit": 100.0 * gone / float(done.before.sum()),
        "pose": float((done.proposed - done.copied).norm(dim=-1).mean()),
        "view": 100.0 * float(done.view_change.mean()),
    }
    if rule.correction == "both" and gone > 0.0:
        row["absorbed"] = 100.0 * float((done.by_pose - done.after).sum()) / gone
    return row


def costs(method: PoseMachine, sample: Sample, steps: int) -> Iterator[Row]:
    """Milliseconds a frame of each variant, all frames of up to 1024 at once and one by one (the first 64)."""
    many, few = min(1024, len(sample.told)), min(64, len(sample.told))
    for correction in VARIANTS:
        rule = replace(method.settings, correction=correction, steps=steps, stop=0.0, reject=0.0)

        def take(first: int, last: int, rule: Settings = rule) -> None:
            some = slice(first, last)
            correct(method.lifter, method.joints, sample.told[some], Seen(*(values[some] for values in sample.seen)), rule)

        take(0, few)  # warm
        started = time.perf_counter()
        take(0, many)
        batched = (time.perf_counter() - started) / many
        started = time.perf_counter()
        for k in range(few):
            take(k, k + 1)
        single = (time.perf_counter() - started) / few
        yield {"correction": correction, "steps": steps, "batched": 1e3 * batched, "one by one": 1e3 * single, "ratio": single / batched}


def _numpy(values: torch.Tensor) -> Array:
    out: Array = values.cpu().numpy().astype(np.float64)
    return out


def _table(table: Sequence[Row], heads: dict[str, str]) -> str:
    def cell(value: Any) -> Any:
        if not isinstance(value, float):
            return "" if value is None else value
        return f"{value:.2f}" if abs(value) < 1e5 else f"{value:.1e}"

    body = [[cell(row.get(key)) for key in heads] for row in table]
    return tabulate(body, list(heads.values()), tablefmt="github", disable_numparse=True, colalign=["left", *["right"] * (len(heads) - 1)])


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="python -m posebench.baselines.pose_machine.study.claims", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("run_folder", metavar="RUN")
    parser.add_argument("--dataset", metavar="NAME", required=True)
    parser.add_argument("--root", metavar="DIR")
    parser.add_argument("--keypoints", metavar="SOURCE", nargs="+", default=["gt"], help="2D sources (default: gt)")
    parser.add_argument("--hide", metavar="SHARE", type=float, nargs="+", default=[0.0], help="shares of hidden joints (default: 0)")
    parser.add_argument("--steps", metavar="N", type=int, nargs="+", default=[1, 2, 5, 20], help="(default: 1 2 5 20)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="as of posebench predict: correction_rate=0.1")
    parser.add_argument(
        "--tune", action="store_true", help="the tuning subject, held out by posebench train --tune, instead of the test split"
    )
    parser.add_argument("--clips", metavar="N", type=int, default=0, help="about so many clips (default: all)")
    parser.add_argument("--frames", metavar="N", type=int, default=0, help="of the middle of each clip (default: all)")
    parser.add_argument("--threads", metavar="N", type=int, default=0, help="(default: PyTorch's choice)")
    parser.add_argument("-o", "--output", metavar="JSON")
    args = parser.parse_args(words)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        run, method = open_machine(args.run_folder, args.set)
        dataset = open_dataset(args.dataset, args.root)
        if args.tune:
            dataset = hold_out(dataset, DATASETS[args.dataset].tuning_subject)
        if not all(0.0 <= share < 1.0 for share in args.hide):
            raise PosebenchError(f"--hide {' '.join(map(str, args.hide))}", "shares from 0 to below 1", "correct --hide")
        measured = {
            "run": run.provenance.as_dict(),
            "settings": asdict(method.settings),
            "dataset": dataset.fingerprint,
            "machine": machine("cpu"),
            "conditions": [],
        }
        for source in args.keypoints:
            for hide in args.hide:
                sample = gather_sample(run, method, dataset, source, hide=hide, clips=args.clips, frames=args.frames)
                table = list(rows(method, sample, args.steps))
                counted = {"keypoints": source, "hidden": hide, "clips": len(sample.lengths), "frames": sum(sample.lengths)}
                measured["conditions"].append({**counted, "rows": table})
                print(f"\n{source}, {hide:.0%} of joints hidden: {counted['frames']:,} frames of {counted['clips']} clips\n")
                print(_table(table, HEADS))
        measured["cost"] = list(costs(method, sample, 2))
        heads = {"correction": "correction", "steps": "steps", "batched": "batched [ms]", "one by one": "one by one [ms]", "ratio": "ratio"}
        print(f"\nCost a frame, {measured['machine']['processor']}, {measured['machine']['threads']} threads\n")
        print(_table(measured["cost"], heads))
        if args.output:
            write_text(Path(args.output), json.dumps(measured, indent=1) + "\n")
    except PosebenchError as error:
        print(f"posebench: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
