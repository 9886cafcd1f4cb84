"""The whole ``posebench explain`` process against ``posebench score`` on the same files, in alternating runs; and its memory.

``pytest tests/bench/bench_explain.py -s``; POSEBENCH_BENCH_POSES sets the number of poses (543,344 is H36M's test set at 50 fps).
No time is asserted. Where the machine has other work, the ratio of CPU times is the sounder one.
"""

import os
import statistics
import subprocess
import sys

import numpy as np
import pytest

import posebench

POSES = int(os.environ.get("POSEBENCH_BENCH_POSES", "543344"))
CLIPS = 236
REPEATS = 3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A truth and a prediction file of 236 clips, stored, float32."""
    folder = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    body = rng.normal(0, 250, (17, 3))
    sizes = [POSES // CLIPS + (i < POSES % CLIPS) for i in range(CLIPS)]
    truth, pred = {}, {}
    for i, size in enumerate(sizes):
        clip = f"S{9 + 2 * (i % 2)}/Action{i // 4 % 15} {i // 60 + 1}/c{i % 4}"
        truth[clip] = (body + rng.normal(0, 60, (size, 17, 3))).astype(np.float32)
        pred[clip] = (truth[clip] + rng.normal(0, 40, (size, 17, 3))).astype(np.float32)
    paths = folder / "pred.npz", folder / "truth.npz"
    for path, poses in zip(paths, (pred, truth), strict=True):
        posebench.save_predictions(path, poses, unit="mm", skeleton="h36m17")
    return paths


#: Runs a command and prints its seconds, its CPU seconds and its peak memory in KiB.
CHILD = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def child(verb, files):
    """Seconds, CPU seconds and peak KiB of a command in a process of its own."""
    command = [sys.executable, "-m", "posebench", "-q", verb, str(files[0]), "--protocol", "pair-17j", "--truth", str(files[1])]
    out = subprocess.run([sys.executable, "-c", CHILD, *command], check=True, capture_output=True, text=True).stdout
    seconds, used, peak = map(float, out.split())
    return seconds, used, peak / 2**10


def test_explain_process_against_score(benchmark, files):
    score, explain = [], []

    def score_first():
        score.append(child("score", files))
        return (), {}

    benchmark.pedantic(lambda: explain.append(child("explain", files)), setup=score_first, rounds=REPEATS)
    wall, used = (statistics.median(e[k] for e in explain) / statistics.median(s[k] for s in score) for k in (0, 1))
    more = max(e[2] for e in explain) - max(s[2] for s in score)
    benchmark.extra_info.update(poses=POSES, ratio=wall, ratio_cpu=used, more_mib=more)
    print(f"\n{POSES} poses, medians of {REPEATS} alternating runs: explain {wall:.1f} x score, CPU {used:.1f} x, {more:.0f} MiB more")
