"""Run a lifter over a dataset."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.cli.options import add_dataset, add_keypoints


def configure(parser: ArgumentParser) -> None:
    """The lifter, the data, the output."""
    parser.epilog = "Example: posebench predict flat --dataset synthetic -o flat.npz"
    parser.add_argument("lifter", metavar="LIFTER", help="flat, mean-pose, RUN (a folder), model.onnx, module:function: docs/lifters.md")
    add_dataset(parser)
    add_keypoints(parser, "to lift")
    parser.add_argument("--split", default="test", help="subjects to predict: train or test (default: %(default)s)")
    threads = "CPU threads of a run or an ONNX model; 0 for the choice of PyTorch or ONNX Runtime (default: %(default)s)"
    parser.add_argument("--threads", metavar="N", type=int, default=1, help=threads)
    override = "override a test-time setting of a trained run (may be given more than once)"
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help=override)
    parser.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")


def run(args: Namespace) -> int:
    """Predict and save."""
    import sys

    from posebench import open_dataset, predict, save_predictions
    from posebench.base.progress import progress
    from posebench.lifters.choose import lifter_maker

    # A wrong name or file is reported before the dataset is read.
    make = lifter_maker(args.lifter, threads=args.threads, changes=args.set)
    dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
    lifter = make(dataset)

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with progress("predicting") as advance:
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
        )
    print(f"{args.output}: {lifter.info.id} on {dataset.name} {args.split}, keypoints {args.keypoints}")
    return 0
