"""The compiled kernel against the numpy kernel, in alternating runs: Procrustes alone, all alignments, and `posebench score`.

``pytest tests/bench/bench_kernels.py -s``; POSEBENCH_BENCH_POSES sets the number of poses (543,344 is Human3.6M's test set at 50 fps).
One thread for the alignments. No time is asserted.
"""

import os
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest

from posebench.metrics.alignment import ALIGNMENTS
from posebench.metrics.buffers import Buffers
from posebench.metrics.kernel import blocked
from posebench.predictions.archive import save_predictions
from posebench.scoring import measure
from posebench.scoring.protocol import load_protocol

compiled = pytest.importorskip("posebench.metrics.kernel.compiled", reason="the compiled kernel was not built: no C compiler")
POSES = int(os.environ.get("POSEBENCH_BENCH_POSES", "543344"))
CLIPS = 236
REPEATS = 5


@pytest.fixture(scope="module")
def poses():
    random = np.random.default_rng(0)
    truth = random.standard_normal((POSES, 17, 3), dtype=np.float32) * np.float32(300.0)
    truth -= truth[:, :1].copy()
    return truth + random.standard_normal(truth.shape, dtype=np.float32) * np.float32(60.0), truth


def medians(*functions):
    """Median seconds of each, in turn."""
    spent = [[] for _ in functions]
    for _ in range(REPEATS + 1):
        for function, seconds in zip(functions, spent, strict=True):
            started = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds[1:]) for seconds in spent]


@pytest.mark.parametrize("alignments", [("similarity",), ALIGNMENTS], ids=["similarity", "all"])
def test_alignment(poses, alignments):
    pred, truth = poses
    one, other = Buffers(), Buffers()
    numpy_s, c_s, read_s = medians(
        lambda: blocked.residuals(pred, truth, alignments, one),
        lambda: compiled.residuals(pred, truth, alignments, other),
        lambda: (pred.sum(), truth.sum()),
    )
    print(f"\n{', '.join(alignments)}: numpy {numpy_s:.3f} s, c {c_s:.3f} s, {numpy_s / c_s:.1f} x; c is {c_s / read_s:.1f} x one read")


def test_every_metric(poses):
    pred, truth = poses
    protocol = load_protocol("h36m/s9s11")
    wanted = measure.scored_metrics(protocol, metric_scale=True)
    clips = np.array_split(np.arange(len(pred)), CLIPS)
    buffers = Buffers()

    def report(fused):
        with pytest.MonkeyPatch.context() as patch:
            if not fused:
                patch.setattr(measure, "is_fused", lambda _metric: False)
            for frames in clips:
                clip = slice(frames[0], frames[-1] + 1)
                measure.measure_clip(protocol, wanted, pred[clip], truth[clip], frames, buffers=buffers)

    numpy_s, c_s, alone_s = medians(
        lambda: report(fused=False), lambda: report(fused=True), lambda: compiled.residuals(pred, truth, ("similarity",), buffers)
    )
    print(f"\n{len(wanted)} metrics: numpy with aligning in c {numpy_s:.3f} s, one pass in c {c_s:.3f} s, {numpy_s / c_s:.1f} x")
    print(f"one pass is {c_s / alone_s:.1f} x the alignment alone")


def test_score(poses, tmp_path):
    pred, truth = poses
    files = {}
    for name, array in (("pred", pred), ("truth", truth)):
        clips = {f"S{i % 4}/Walk {i // 4}/c{i % 4}": part for i, part in enumerate(np.array_split(array, CLIPS))}
        files[name] = save_predictions(tmp_path / f"{name}.npz", clips, unit="mm", skeleton="h36m17")
    command = [sys.executable, "-m", "posebench", "score", files["pred"], "--protocol", "pair-17j", "--truth", files["truth"]]

    def score(kernel):
        subprocess.run(command, env=os.environ | {"POSEBENCH_KERNEL": kernel}, check=True, stdout=subprocess.DEVNULL)

    numpy_s, c_s = medians(lambda: score("numpy"), lambda: score("c"))
    print(f"\nposebench score: numpy {numpy_s:.2f} s, c {c_s:.2f} s, {numpy_s / c_s:.2f} x")
