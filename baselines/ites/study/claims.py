"""What a finished run's poses are worth by honest and by the original's figures, and what rules and statistics change; looks at the truth.

    python -m posebench.baselines.ites.study.claims RUN --dataset cmu --root DIR [--tune] -o claims.json
    python -m posebench.baselines.ites.study.claims truth --dataset cmu --root DIR

**What is measured**, over every ``--step``-th frame of the split's clips (lifted whole), by frame:

* a row for each rule that chooses between a pose and its depth flip (:mod:`posebench.networks.depth_flip`), alone and with votes;
* a row with the scale taken from the split that is lifted instead of the training split: the original's habit;
* PA-MPJPE (det = +1), PA with reflection, flip rate, N-MPJPE; and the original's own figures, which choose between pose and flip by the
  truth: MPJPE, PA, PCK and AUC of :func:`posebench.metrics.peers.ites_best_of_flip`.

``truth`` in place of a run measures the rules alone: of the true poses of the training split, the share that each rule keeps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.skeletons import skeleton
from posebench.data import DATASETS, open_dataset
from posebench.data.clip import Dataset
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.run import Trained, open_run
from posebench.metrics import auc, flipped, n_mpjpe, pck, residuals, thresholds_passed
from posebench.metrics.peers import ites_best_of_flip
from posebench.networks.depth_flip import DepthFlip
from posebench.networks.depth_lifter import DepthLifter
from posebench.networks.root_camera import RootCamera
from posebench.networks.samples import image_coordinates
from posebench.training.finish import hold_out

VOTES = (31, 301)
Row = dict[str, Any]


def rules(joints: str, tilt: float) -> dict[str, DepthFlip]:
    """Every rule, alone and with votes."""
    kind = skeleton(joints)
    table = {"none": DepthFlip(kind)}
    for rule, angle in (("tilt", tilt), ("bends", 0.0)):
        table[rule] = DepthFlip(kind, rule, angle)
        table |= {f"{rule}, {votes} votes": DepthFlip(kind, rule, angle, votes) for votes in VOTES}
    return table


def of_truth(dataset: Dataset, tilt: float, step: int) -> list[Row]:
    """The share of the training split's true poses that each rule keeps, in %; with votes, told in signs that are right or all wrong."""
    kind = skeleton(dataset.skeleton)
    kept: dict[str, list[Array]] = {}
    for id in dataset.clip_ids("train"):
        clip = dataset.load(id)
        pose = torch.from_numpy(clip.pose)
        keypoints = pose[..., :2] / pose[..., 2:]
        camera = RootCamera(kind, distance=8.4, tilt=tilt, level=True).double()
        seen = camera(keypoints)
        turned = camera.turned(seen, pose)
        root = turned[:, camera.root : camera.root + 1, 2]
        depth = camera.distance * (turned[..., 2] / root - 1.0)
        for name, rule in rules(dataset.skeleton, tilt).items():
            if name != "none":
                kept.setdefault(name, []).append((rule.signs(keypoints, seen.image, depth, camera)[::step, 0] > 0).numpy())
    return [
        {"rule": name, "frames": sum(map(len, parts)), "kept [%]": 100.0 * float(np.concatenate(parts).mean())}
        for name, parts in kept.items()
    ]


def of_run(run: str | Path, dataset: Dataset, keypoints: str, tilt: float, step: int) -> list[Row]:
    """A row for each rule, and one with the lifted split's own scale.

    Raises:
        PosebenchError: no finished run, or one of a method that tells no depths along rays.
    """
    lifter = open_run(run)
    trained = lifter.inner if isinstance(lifter, FlipAveraged) else lifter
    assert isinstance(trained, Trained)
    network = trained.method.lifter
    if not isinstance(network, DepthLifter):
        raise PosebenchError(f"{run}: a run of {trained.id}", "one of ites or ites_teacher", "name another run")
    rows = []
    for name, rule in rules(trained.skeleton, tilt).items():
        network.flip = rule
        rows.append({"rule": name, "scale": "training", **_scores(lifter, dataset, keypoints, step)})
    network.flip = DepthFlip(skeleton(trained.skeleton))
    seen = []
    for id in dataset.clip_ids("test"):
        clip = dataset.load(id)
        seen.append(image_coordinates(clip.keypoints(keypoints), clip.camera or trained.about.nominal).astype(np.float32))
    network.camera.fit(torch.from_numpy(np.concatenate(seen)))
    return [*rows, {"rule": "none", "scale": "this split", **_scores(lifter, dataset, keypoints, step)}]


def _scores(lifter: Trained | FlipAveraged, dataset: Dataset, keypoints: str, step: int) -> Row:
    told, true = [], []
    for id in dataset.clip_ids("test"):
        clip = dataset.load(id)
        told.append(lifter.lift(clip.keypoints(keypoints), clip.camera)[::step])
        true.append(clip.pose[::step])
    root = list(skeleton(dataset.skeleton).root_indices)
    pose, truth = (poses - poses[:, root].mean(axis=1, keepdims=True) for poses in (np.concatenate(told), np.concatenate(true)))
    errors = residuals(pose, truth, ["similarity", "similarity+reflection"]).errors
    best = ites_best_of_flip(pose, truth)
    return {
        "frames": len(pose),
        "PA": float(errors["similarity"].mean()),
        "PA, reflection": float(errors["similarity+reflection"].mean()),
        "flip rate [%]": 100.0 * float(flipped(pose, truth).mean()),
        "N-MPJPE": float(n_mpjpe(pose, truth).mean()),
        "best-of-flip MPJPE": float(best.mpjpe.mean()),
        "best-of-flip PA": float(best.pa_mpjpe.mean()),
        "best-of-flip PCK": float(pck(best.joint_errors).mean()),
        "best-of-flip AUC": float(auc(thresholds_passed(best.joint_errors)).mean()),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m posebench.baselines.ites.study.claims", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run_folder", metavar="RUN", help="of ites or ites_teacher; or truth")
    parser.add_argument("--dataset", metavar="NAME", required=True)
    parser.add_argument("--root", metavar="DIR")
    parser.add_argument("--keypoints", metavar="SOURCE", default="gt", help="(default: %(default)s)")
    parser.add_argument("--tilt", metavar="DEGREES", type=float, default=6.2, help="by which cameras look down (default: %(default)s)")
    parser.add_argument("--step", metavar="N", type=int, default=5, help="every N-th frame is scored (default: %(default)s)")
    parser.add_argument("--tune", action="store_true", help="the tuning subject instead of the test split")
    parser.add_argument("-o", "--output", metavar="JSON")
    args = parser.parse_args(words)
    try:
        dataset = open_dataset(args.dataset, args.root)
        if args.tune:
            dataset = hold_out(dataset, DATASETS[args.dataset].tuning_subject)
        measured: dict[str, Any] = {"dataset": dataset.fingerprint, "keypoints": args.keypoints, "step": args.step}
        if args.run_folder == "truth":
            measured["rows"] = of_truth(dataset, args.tilt, args.step)
        else:
            measured["run"] = asdict(open_run(args.run_folder).provenance)
            measured["rows"] = of_run(args.run_folder, dataset, args.keypoints, args.tilt, args.step)
        print(tabulate(measured["rows"], headers="keys", tablefmt="github", floatfmt=".1f"))
        if args.output:
            write_text(Path(args.output), json.dumps(measured, indent=1) + "\n")
    except PosebenchError as error:
        print(f"posebench: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
