"""The training loop against a plain loop over a DataLoader, of the same network on the same frames, in alternating runs.

``pytest tests/bench/bench_train.py -s``; POSEBENCH_BENCH_STEPS sets the steps of one run. No time is asserted: a machine's load is not
ours. What is asserted is that both loops learn, and from the same number of samples. The goals of docs/performance.md for training are the
ratios of wall times printed here; on a machine with other work, that of CPU times on one thread (``OMP_NUM_THREADS=1``) says more.
"""

import os
import statistics
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from posebench.base.cameras import Camera
from posebench.base.skeletons import skeleton
from posebench.networks.recipe import load_baseline
from posebench.networks.samples import TrainingData
from posebench.training.loop import fit

STEPS = int(os.environ.get("POSEBENCH_BENCH_STEPS", "60"))
REPEATS = 5


@pytest.fixture(scope="module")
def frames():
    """Keypoints and poses of made-up people, as many as the largest batch needs."""
    random = np.random.default_rng(0)
    body = random.normal(0.0, 250.0, (17, 3))
    poses = body + random.normal(0.0, 60.0, (STEPS * 256, 17, 3)) + [0.0, 0.0, 4500.0]
    return tuple(torch.from_numpy(array).float() for array in (poses[..., :2] / poses[..., 2:], poses))


def data_of(keypoints, poses):
    number = torch.arange(len(poses))
    lens = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))
    return TrainingData(skeleton("h36m17"), keypoints, poses, number, number, number, 30.0, lens)


def network(batch):
    """Martinez' network in the paper's form, without the limit on weights; its statistics are still to be taken."""
    baseline = load_baseline("martinez")
    torch.manual_seed(0)
    return baseline.build(baseline.Settings(epochs=1, batch=batch, learning_rate=1e-3, dropout=0.5), "h36m17")


def ours(method, data, folder):
    """One epoch of the project's loop, one checkpoint at its end, as in every training: its seconds, wall and CPU, and the mean loss."""
    progress = fit(method, data, method.settings, folder)
    return (progress.seconds, progress.cpu_seconds), progress.sums["lifter/squared error"] / progress.steps


def plain(method, data, batch):
    """One epoch of the loop that one writes first: a shuffling DataLoader, Adam as it comes; the same."""
    lifter, total = method.lifter.train(), 0.0
    optimiser = torch.optim.Adam(lifter.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(data.keypoints, data.poses), batch_size=batch, shuffle=True)
    start = time.monotonic(), time.process_time()
    for keypoints, poses in loader:
        error = lifter.standardised(keypoints) - lifter.pose(lifter.relative(poses))
        loss = error.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item()
    return (time.monotonic() - start[0], time.process_time() - start[1]), total / len(loader)


@pytest.mark.parametrize("batch", [64, 256])
def test_the_training_loop_against_a_plain_dataloader_loop(benchmark, frames, tmp_path, batch):
    data = data_of(*(part[: STEPS * batch] for part in frames))
    seconds, losses = {"ours": [], "plain": []}, {}

    def prepared():
        method = network(batch)
        method.prepare(data)
        return method

    def other_loop_first():
        spent, losses["plain"] = plain(prepared(), data, batch)
        seconds["plain"].append(spent)
        return (prepared(),), {}

    def this_loop(method):
        spent, losses["ours"] = ours(method, data, tmp_path)
        seconds["ours"].append(spent)

    benchmark.pedantic(this_loop, setup=other_loop_first, rounds=REPEATS, warmup_rounds=1)
    threads = torch.get_num_threads()
    print(f"\nbatch {batch}, {STEPS} steps, {threads} threads, medians of {REPEATS} alternating runs")
    for kind, clock in enumerate(("wall", "CPU")):
        one, other = ([spent[kind] for spent in seconds[name][1:]] for name in ("ours", "plain"))
        ratios = sorted(b / a for a, b in zip(one, other, strict=True))
        rates = [STEPS * batch / statistics.median(spent) for spent in (one, other)]
        benchmark.extra_info.update({f"ratio_{clock}": statistics.median(ratios)}, batch=batch, steps=STEPS, threads=threads)
        print(
            f"  {clock} time: the loop {rates[0]:,.0f} poses/s, DataLoader {rates[1]:,.0f} poses/s, "
            f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )

    assert len(seconds["ours"]) == len(seconds["plain"]) == REPEATS + 1
    # Standardised poses have mean square 1: both loops are on their way down from a freshly drawn network, and alike.
    assert losses["ours"] == pytest.approx(losses["plain"], rel=0.2)
