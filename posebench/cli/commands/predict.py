"""Run a lifter over a dataset."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import PosebenchError
from posebench.cli import choices
from posebench.cli.options import add_dataset, add_keypoints, add_split, add_threads, completed
from posebench.cli.parser import Parser
from posebench.cli.printing import log, remark


def configure(parser: Parser) -> None:
    """The lifter, the data, the output."""
    parser.example = (
        "posebench predict flat --dataset synthetic -o flat.npz\nposebench predict runs/martinez --dataset cmu --root DIR -o preds.npz"
    )
    lifters = "flat, mean-pose, RUN (a folder), model.onnx, module:function: docs/lifters.md"
    completed(parser.add_argument("lifter", metavar="LIFTER", help=lifters), lambda _: choices.LIFTERS, or_path=True)
    add_dataset(parser)
    add_keypoints(parser, "to lift")
    add_split(parser, "subjects to predict")
    add_threads(parser, "of a run or an ONNX model; 0 for the choice of PyTorch or ONNX Runtime")
    override = "override a test-time setting of a trained run (may be given more than once)"
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help=override)
    parser.add_argument("--track", action="store_true", help="make the poses of each clip those of one rigid body: baselines/rigid_track")
    lag = "with --track: as a stream, so many frames late, in place of whole clips"
    parser.add_argument("--lag", type=int, metavar="FRAMES", help=lag)
    parser.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")


def run(args: Namespace) -> int:
    """Predict and save."""
    from posebench import open_dataset, predict, save_predictions
    from posebench.base.progress import progress
    from posebench.lifters import joint_notes
    from posebench.lifters.choose import lifter_maker

    if args.lag is not None and not args.track:
        raise PosebenchError("--lag without --track", "both, or neither", "add --track to get poses of a rigid body as a stream")
    with progress(f"predicting with {args.lifter}") as advance:
        # A wrong name or file is reported before the dataset is read.
        make = lifter_maker(args.lifter, threads=args.threads, changes=args.set)
        dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
        lifter = make(dataset)
        if args.track:
            from posebench.lifters.rigid_track.lifter import Tracked
            from posebench.lifters.rigid_track.stream import TrackedStream

            lifter = Tracked(lifter) if args.lag is None else TrackedStream(lifter, args.lag)
        poses = predict(lifter, dataset, keypoints=args.keypoints, split=args.split, progress=advance, log=log)
        save_predictions(
            args.output,
            poses,
            skeleton=lifter.info.skeleton,
            unit=lifter.info.unit,
            scale=lifter.info.scale,
            method=lifter.info.id,
            keypoints=args.keypoints,
            supervision=lifter.info.supervision,
            provenance=lifter.info.provenance,
            joints=joint_notes(lifter.info, dataset, args.keypoints, split=args.split),
        )
    remark(f"{args.output}: {lifter.info.id} on {dataset.name} {args.split}, keypoints {args.keypoints}")
    return 0
