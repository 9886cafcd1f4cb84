"""The demo: the main job from end to end on the embedded dataset, in a minute, written into one folder."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import install_command
from posebench.base.progress import progress
from posebench.board.entry_files import add
from posebench.board.render import render
from posebench.data import open_dataset
from posebench.data.clip import Dataset
from posebench.display.gallery import draw
from posebench.display.text import comparison_text, findings_text, report
from posebench.lifters import predict, simple_lifters
from posebench.metrics.position import root_relative
from posebench.predictions.archive import save_predictions
from posebench.scoring.checks import check
from posebench.scoring.comparison import compare
from posebench.scoring.evaluate import score
from posebench.scoring.result import Result

PROTOCOL = "synthetic"
#: Baselines that are trained: a supervised one, and one that sees no 3D.
TRAINED = ("martinez", "chen2019")
#: Seed of the choice of poses in the picture.
POSES = 0
#: mm; a camera sees depth worse than the image plane.
NOISE = np.array([15.0, 15.0, 45.0])


def run_demo(folder: Path) -> None:
    """Predict with simple and trained lifters, check, score, compare, render a board, draw a picture; all is written below ``folder``.

    Run twice, it gives the same numbers.
    """
    started = time.perf_counter()
    dataset = open_dataset(PROTOCOL)
    poses = sum(info.frames for info in dataset.infos.values())
    print(f"The embedded dataset `{dataset.name}`: {len(dataset.infos)} clips, {poses:,} poses, made from a seed; it is not real data.\n")
    files = _write_predictions(dataset, folder)
    results = {}
    for name, (path, result) in _train(folder).items():
        files[name], results[name] = path, result
    for name, path in files.items():
        if name in results:
            continue
        print(f"--- posebench check {path} --protocol {PROTOCOL}\n{findings_text(check(path, PROTOCOL))}\n", flush=True)
        with progress(f"scoring {name}") as advance:
            results[name] = score(path, PROTOCOL, progress=advance)
        results[name].save(folder / f"{name}.json")
    print(f"--- posebench score {files['noisy-truth']} --protocol {PROTOCOL}\n{report(results['noisy-truth'])}\n")
    _compare_and_rank(results, folder)
    picture = folder / "poses.png"
    draw(files, dataset, picture, count=3, seed=POSES)
    print(f"\nA picture of true and predicted skeletons: {picture}")
    print(f"Everything is in {folder}/; {time.perf_counter() - started:.0f} s.")
    print("Next: score your own file as docs/files.md shows, or real motion capture: posebench data fetch cmu", flush=True)


def _compare_and_rank(results: dict[str, Result], folder: Path) -> None:
    print("--- posebench compare " + " ".join(f"{folder}/{name}.json" for name in results))
    print("\n\n".join(str(comparison_text(one)) for one in compare(list(results.values()), list(results))))
    board = folder / "board"
    # Without seconds and machine, so that the output is the same on every run.
    add(board, [replace(result, training={}) for result in results.values()], list(results))
    print(f"\n--- posebench board render --board {board}\n\n{render(board).read_text(encoding='utf-8')}")


def _write_predictions(dataset: Dataset, folder: Path) -> dict[str, Path]:
    files = {}
    for name, make in simple_lifters().items():
        lifter = make(dataset)
        files[name] = folder / f"{name}.npz"
        with progress(f"predicting {name}") as advance:
            save_predictions(
                files[name],
                predict(lifter, dataset, progress=advance),
                skeleton=lifter.info.skeleton,
                unit=lifter.info.unit,
                scale=lifter.info.scale,
                method=name,
                keypoints="gt",
                supervision=lifter.info.supervision,
            )
    files["noisy-truth"] = folder / "noisy-truth.npz"
    save_predictions(
        files["noisy-truth"], _noisy_truth(dataset), skeleton=dataset.skeleton, unit="mm", method="noisy-truth", keypoints="gt"
    )
    return files


def _train(folder: Path) -> dict[str, tuple[Path, Result]]:
    """Predictions and result of each trained baseline at its smallest budget; none where PyTorch is not installed."""
    trained = {}
    for method in TRAINED:
        run = folder / method
        print(f"--- posebench train {method} --dataset {PROTOCOL} --preset smoke --threads 1 -o {run}", flush=True)
        if find_spec("torch") is None:
            print(f"left out: training needs PyTorch. Next: {install_command('baselines')}\n")
            continue
        from posebench.training.folder import PREDICTIONS
        from posebench.training.run import train

        shutil.rmtree(run, ignore_errors=True)  # of an earlier demo
        with progress(f"training {method}") as advance:
            result = train(method, PROTOCOL, preset="smoke", output=run, threads=1, progress=advance, log=_print_epochs)
        print()
        trained[method] = run / PREDICTIONS, result
    return trained


def _print_epochs(line: str) -> None:
    """Print an epoch's line without its seconds, which differ from run to run."""
    if line.startswith("epoch"):
        print(re.sub(r", \d+ s:", ":", line), flush=True)


def _noisy_truth(dataset: Dataset) -> Iterator[tuple[str, Array]]:
    """The truth with noise, in place of a method's predictions."""
    for clip in dataset.clips("test"):
        words = np.frombuffer(hashlib.sha256(clip.id.encode()).digest(), dtype="<u4")
        noise = np.random.RandomState(words).normal(size=clip.pose.shape) * NOISE
        yield clip.id, root_relative(clip.pose + noise)
