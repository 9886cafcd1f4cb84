"""Errors of a run by posebench's and by the paper's own metrics, under each depth flip rule; looks at the truth.

    python -m posebench.baselines.ites.study.claims RUN --dataset cmu --root DIR [--tune] -o claims.json
    python -m posebench.baselines.ites.study.claims truth --dataset cmu --root DIR

**What is measured**, over every ``--step``-th frame of the split's clips, which are lifted whole; means over frames:

* a row for each rule that chooses between a pose and its depth flip (:mod:`posebench.networks.depth_flip`), alone and with votes;
* a row with the scale statistic taken from the lifted split instead of the training split, as in the official code;
* PA-MPJPE (det = +1), PA with reflection, flip rate, N-MPJPE; and the official code's metrics, which choose between pose and flip by the
  truth: MPJPE, PA, PCK and AUC of :func:`posebench.metrics.peers.ites_best_of_flip`.

With ``truth`` instead of a run, the rules are measured alone: the share of the training split's true poses that each rule keeps.
"""

from __future__ import annotations

import argparse
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
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.run import Trained
from posebench.metrics import auc, flipped, n_mpjpe, pck, residuals, thresholds_passed
from posebench.metrics.peers import ites_best_of_flip
from posebench.networks.depth_flip import DepthFlip
from posebench.networks.depth_lifter import DepthLifter
from posebench.networks.root_camera import RootCamera
from posebench.networks.samples import image_coordinates

from ...studies import add_split_options, exit_code, open_split, open_trained, some_clips, study_parser, write_json

#: Frames whose evidence is summed, besides each frame alone.
VOTES = (31, 301)
Row = dict[str, Any]


def flip_rules(skeleton_id: str, tilt: float) -> dict[str, DepthFlip]:
    """Every rule, alone and with votes, by its name in the tables."""
    joints = skeleton(skeleton_id)
    table = {"none": DepthFlip(joints)}
    for rule, angle in (("tilt", tilt), ("bends", 0.0)):
        table[rule] = DepthFlip(joints, rule, angle)
        table |= {f"{rule}, {votes} votes": DepthFlip(joints, rule, angle, votes) for votes in VOTES}
    return table


def rules_on_truth(dataset: Dataset, clips: Sequence[str], tilt: float, step: int) -> list[Row]:
    """The share of true poses that each rule keeps, in %. With votes, all depths of a clip have the true sign, or all the opposite one."""
    joints = skeleton(dataset.skeleton)
    kept: dict[str, list[Array]] = {}
    for id in clips:
        pose = torch.from_numpy(dataset.load(id).pose)
        keypoints = pose[..., :2] / pose[..., 2:]
        camera = RootCamera(joints, distance=8.4, tilt=tilt, level=True).double()
        view = camera(keypoints)
        points = camera.turned(view, pose)
        root_depth = points[:, camera.root : camera.root + 1, 2]
        depth = camera.distance * (points[..., 2] / root_depth - 1.0)
        for name, rule in flip_rules(dataset.skeleton, tilt).items():
            if name != "none":
                signs = rule.signs(keypoints, view.image, depth, camera)[::step, 0]
                kept.setdefault(name, []).append((signs > 0).numpy())
    return [
        {"rule": name, "frames": sum(map(len, parts)), "kept [%]": 100.0 * float(np.concatenate(parts).mean())}
        for name, parts in kept.items()
    ]


def rules_on_run(
    lifter: Trained | FlipAveraged, plain: Trained, dataset: Dataset, clips: Sequence[str], args: argparse.Namespace
) -> list[Row]:
    """A row for each rule, and one with the lifted split's own scale.

    Args:
        lifter: as it is scored.
        plain: the same lifter without flip averaging.
        dataset: holds the clips.
        clips: ids.
        args: ``keypoints``, ``tilt`` and ``step`` of the command.

    Raises:
        PosebenchError: the lifter does not predict depths along rays.
    """
    network = plain.method.lifter
    if not isinstance(network, DepthLifter):
        raise PosebenchError(f"{args.run_folder}: a run of {plain.info.id}", "one of ites or ites_teacher", "name another run")
    rows = []
    for name, rule in flip_rules(plain.info.skeleton, args.tilt).items():
        network.flip = rule
        rows.append({"rule": name, "scale": "training", **_errors(lifter, dataset, clips, args.keypoints, args.step)})
    network.flip = DepthFlip(skeleton(plain.info.skeleton))
    images = []
    for id in clips:
        clip = dataset.load(id)
        images.append(image_coordinates(clip.keypoints(args.keypoints), clip.camera or plain.about.nominal).astype(np.float32))
    network.camera.fit(torch.from_numpy(np.concatenate(images)))
    return [*rows, {"rule": "none", "scale": "this split", **_errors(lifter, dataset, clips, args.keypoints, args.step)}]


def _errors(lifter: Trained | FlipAveraged, dataset: Dataset, clips: Sequence[str], keypoints: str, step: int) -> Row:
    """Means over every ``step``-th frame of the clips."""
    lifted, true = [], []
    for id in clips:
        clip = dataset.load(id)
        lifted.append(lifter.lift(clip.keypoints(keypoints), clip.camera)[::step])
        true.append(clip.pose[::step])
    root = list(skeleton(dataset.skeleton).root_indices)
    pose, truth = (poses - poses[:, root].mean(axis=1, keepdims=True) for poses in (np.concatenate(lifted), np.concatenate(true)))
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


def measure(run_folder: str | Path, args: argparse.Namespace) -> dict[str, Any]:
    """Everything that the command prints and writes.

    Raises:
        PosebenchError: no such dataset, or no finished run of either method.
    """
    dataset = open_split(args)
    measured: dict[str, Any] = {"dataset": dataset.fingerprint, "keypoints": args.keypoints, "step": args.step}
    if run_folder == "truth":
        measured["rows"] = rules_on_truth(dataset, some_clips(dataset, "train", args.clips), args.tilt, args.step)
    else:
        lifter, plain = open_trained(run_folder)
        measured["run"] = asdict(lifter.info.provenance)
        measured["rows"] = rules_on_run(lifter, plain, dataset, some_clips(dataset, "test", args.clips), args)
    return measured


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 for a wrong call."""
    parser = study_parser("posebench.baselines.ites.study.claims", __doc__)
    parser.add_argument("run_folder", metavar="RUN", help="of ites or ites_teacher; or truth")
    add_split_options(parser)
    parser.add_argument("--keypoints", metavar="SOURCE", default="gt", help="(default: %(default)s)")
    parser.add_argument("--tilt", metavar="DEGREES", type=float, default=6.2, help="by which cameras look down (default: %(default)s)")
    parser.add_argument("--step", metavar="N", type=int, default=5, help="every N-th frame is scored (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="JSON")
    args = parser.parse_args(words)

    def command() -> None:
        measured = measure(args.run_folder, args)
        print(tabulate(measured["rows"], headers="keys", tablefmt="github", floatfmt=".1f"))
        write_json(args.output, measured)

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
