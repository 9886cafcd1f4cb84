"""The whole ``posebench score`` process against reading the same two files, in alternating runs; memory; the cost of a report; and
``posebench explain`` and ``posebench diagnose`` against ``posebench score``.

``pytest tests/bench/bench_score.py -s``; POSEBENCH_BENCH_POSES sets the number of poses (543,344 is H36M's test set at 50 fps).
No time is asserted. The goals of docs/performance.md for the report and for `posebench score` are the ratios printed here.
"""

import os
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest

import posebench
from posebench.metrics.alignment import residuals

POSES = int(os.environ.get("POSEBENCH_BENCH_POSES", "543344"))
CLIPS = 236
REPEATS = int(os.environ.get("POSEBENCH_BENCH_REPEATS", "5"))
READ = """
import sys, numpy
total = 0.0
for path in sys.argv[1:]:
    with numpy.load(path, allow_pickle=False) as file:
        total += sum(float(file[key].sum()) for key in file.files if key != "__meta__")
print(total)
"""
#: Runs a command and prints its seconds, its peak memory in KiB, and its seconds of CPU time.
CHILD = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - start, used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A truth and a prediction file of 236 clips, stored, float32."""
    folder = tmp_path_factory.mktemp("score")
    rng = np.random.default_rng(0)
    body = rng.normal(0, 250, (17, 3))
    sizes = [POSES // CLIPS + (i < POSES % CLIPS) for i in range(CLIPS)]
    truth, pred = {}, {}
    for i, size in enumerate(sizes):
        clip = f"S9/Action{i // 4 % 15} {i // 60 + 1}/c{i % 4}"
        truth[clip] = (body + rng.normal(0, 60, (size, 17, 3))).astype(np.float32)
        pred[clip] = (truth[clip] + rng.normal(0, 40, (size, 17, 3))).astype(np.float32)
    paths = folder / "pred.npz", folder / "truth.npz"
    for path, poses in zip(paths, (pred, truth), strict=True):
        posebench.save_predictions(path, poses, unit="mm", skeleton="h36m17")
    return paths


def child(*command):
    """Seconds, peak KiB and CPU seconds of a command in a process of its own."""
    out = subprocess.run([sys.executable, "-c", CHILD, *map(str, command)], check=True, capture_output=True, text=True).stdout
    seconds, peak, cpu = out.split()
    return float(seconds), int(peak), float(cpu)


def test_score_process_against_reading_the_files(benchmark, files, tmp_path):
    pred, truth = files
    read_s, score_s, peaks = [], [], []

    def read_first():
        read_s.append(child(sys.executable, "-c", READ, pred, truth)[0])
        return (), {}

    def score():
        command = [sys.executable, "-m", "posebench", "score", pred, "--protocol", "pair-17j", "--truth", truth, "-o", tmp_path / "r.json"]
        seconds, peak, _ = child(*command)
        score_s.append(seconds)
        peaks.append(peak)

    benchmark.pedantic(score, setup=read_first, rounds=REPEATS)
    ratio = statistics.median(score_s) / statistics.median(read_s)
    stored = sum(path.stat().st_size for path in files) / 2**20
    benchmark.extra_info.update(poses=POSES, ratio=ratio, peak_over_files_mib=max(peaks) / 2**10 - stored)
    print(
        f"\n{POSES} poses, medians of {REPEATS} alternating runs: read {statistics.median(read_s):.2f} s, "
        f"score {statistics.median(score_s):.2f} s, ratio {ratio:.1f}; peak {max(peaks) / 2**10:.0f} MiB for {stored:.0f} MiB of files"
    )
    assert max(peaks) / 2**10 <= stored + 128


def test_full_report_against_the_alignment_alone(benchmark, files):
    pred, truth = files
    align_s, report_s = [], []
    with posebench.open_predictions(pred) as a, posebench.open_predictions(truth) as b:
        pairs = [(a.poses(clip), b.poses(clip)) for clip in a.shapes]

    def align_first():
        start = time.perf_counter()
        for x, y in pairs:
            residuals(x, y, ["similarity"])
        align_s.append(time.perf_counter() - start)
        return (), {}

    def report():
        start = time.perf_counter()
        posebench.score(pred, "pair-17j", truth=truth)
        report_s.append(time.perf_counter() - start)

    benchmark.pedantic(report, setup=align_first, rounds=REPEATS)
    ratio = statistics.median(report_s) / statistics.median(align_s)
    benchmark.extra_info.update(poses=POSES, ratio=ratio)
    print(
        f"\n{POSES} poses: alignment {statistics.median(align_s):.2f} s, full report with 1000 resamples, files read included, "
        f"{statistics.median(report_s):.2f} s, ratio {ratio:.1f}"
    )


def test_explain_process_against_score(benchmark, files):
    """Where the machine has other work, the ratio of CPU times is the sounder one."""
    pred, truth = files
    found = {"score": [], "explain": []}

    def run(verb):
        command = [sys.executable, "-m", "posebench", "-q", verb, pred, "--protocol", "pair-17j", "--truth", truth]
        found[verb].append(child(*command))

    def score_first():
        run("score")
        return (), {}

    benchmark.pedantic(lambda: run("explain"), setup=score_first, rounds=REPEATS)
    wall, used = (statistics.median(e[k] for e in found["explain"]) / statistics.median(s[k] for s in found["score"]) for k in (0, 2))
    more = (max(e[1] for e in found["explain"]) - max(s[1] for s in found["score"])) / 2**10
    benchmark.extra_info.update(poses=POSES, ratio=wall, ratio_cpu=used, more_mib=more)
    print(f"\n{POSES} poses, medians of {REPEATS} alternating runs: explain {wall:.1f} x score, CPU {used:.1f} x, {more:.0f} MiB more")


def test_diagnose_process_against_the_score(benchmark, files, tmp_path):
    pred, truth = files
    against = [pred, "--protocol", "pair-17j", "--truth", truth]
    scored, diagnosed = [], []

    def score_first():
        scored.append(child(sys.executable, "-m", "posebench", "score", *against, "-o", tmp_path / "r.json"))
        return (), {}

    def diagnose():
        diagnosed.append(child(sys.executable, "-m", "posebench", "diagnose", *against, "--fps", "50", "-o", tmp_path / "d.json"))

    benchmark.pedantic(diagnose, setup=score_first, rounds=REPEATS)
    (score_s, _, score_cpu), (diagnose_s, _, diagnose_cpu) = (
        tuple(map(statistics.median, zip(*runs, strict=True))) for runs in (scored, diagnosed)
    )
    peak, of_score = (max(one[1] for one in runs) / 2**10 for runs in (diagnosed, scored))
    stored = sum(path.stat().st_size for path in files) / 2**20
    ratios = {"ratio, wall": diagnose_s / score_s, "ratio, CPU": diagnose_cpu / score_cpu}
    benchmark.extra_info.update(poses=POSES, **ratios, peak_over_files_mib=peak - stored)
    print(
        f"\n{POSES} poses, medians of {REPEATS} alternating runs: score {score_s:.2f} s ({score_cpu:.2f} s CPU), diagnose {diagnose_s:.2f}"
        f" s ({diagnose_cpu:.2f} s CPU), ratio {ratios['ratio, wall']:.1f} ({ratios['ratio, CPU']:.1f} CPU); peak {peak:.0f} MiB,"
        f" score {of_score:.0f} MiB, files {stored:.0f} MiB"
    )
