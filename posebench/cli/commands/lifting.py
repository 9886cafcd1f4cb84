"""Lifters: predict, draw, time."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import PosebenchError
from posebench.cli.printing import label, print_json


def run_predict(args: Namespace) -> int:
    """Run a lifter over a dataset."""
    from posebench.base.progress import progress
    from posebench.data import open_dataset
    from posebench.lifters import predict
    from posebench.lifters.choose import lifter_maker
    from posebench.predictions.archive import save_predictions

    # A wrong name or file is told before the dataset is read.
    make = lifter_maker(args.lifter, threads=args.threads, changes=args.set)
    dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
    lifter = make(dataset)
    with progress("predicting") as advance:
        poses = predict(lifter, dataset, keypoints=args.keypoints, split=args.split, progress=advance)
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


def run_draw(args: Namespace) -> int:
    """A picture of random poses, true and predicted."""
    from posebench.data import open_dataset
    from posebench.display.gallery import draw

    files = {label(path): path for path in args.predictions}
    dataset = open_dataset(args.dataset, args.root, cameras=args.cameras)
    draw(files, dataset, args.output, split=args.split, count=args.count, seed=args.seed)
    print(f"{args.output}: {args.count} poses of {dataset.name} {args.split}, drawn with seed {args.seed}, under {len(files)} files")
    return 0


def run_speed(args: Namespace) -> int:
    """Time lifters, or compare two records of timings."""
    from dataclasses import asdict

    from posebench.base.progress import progress
    from posebench.board.pages.speed import changes_text, record_text
    from posebench.lifters.timing.comparison import changes
    from posebench.lifters.timing.record import load_record

    if args.compare:
        if args.lifters or args.output:
            raise PosebenchError("--compare with lifters or -o", "two records and nothing to time", "leave the others out")
        first, second = map(load_record, args.compare)
        if args.json:
            print_json([{**one._asdict(), "verdict": one.verdict} for one in changes(first, second)])
        else:
            print(changes_text(first, second))
        return 0
    try:
        from posebench.lifters.timing.run import speed
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("posebench"):
            raise
        advice = 'pip install -c constraints.txt -e ".[baselines]"'
        raise PosebenchError(f"no module {error.name}", "what timing needs", advice) from error
    try:
        batches = [int(part) for part in args.batch.split(",")]
    except ValueError as error:
        raise PosebenchError(f"--batch {args.batch}", "whole numbers, with commas between", "--batch 1,64,1024") from error
    options = {name: getattr(args, name) for name in ("device", "threads", "rounds", "seconds")}
    with progress("timing") as advance:
        record = speed(args.lifters or ["flat", "mean-pose"], batches=batches, **options, progress=advance)
    if args.output:
        record.save(args.output)
    if args.json:
        print_json(asdict(record))
    else:
        print(record_text(record))
    return 0
