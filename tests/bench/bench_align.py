"""Blocked closed form against the batched decomposition that VideoPose3D's ``p_mpjpe`` is made of, and against one decomposition a pose
in a loop (3d-pose-baseline, RepNet, mmpose), in alternating runs.

``pytest tests/bench/bench_align.py -s``; POSEBENCH_BENCH_POSES sets the number of poses (543,344 is H36M's test set at 50 fps).
No time is asserted: a machine's load is not ours. Values and memory are.
"""

import os
import statistics
import time
import tracemalloc

import numpy as np
import pytest

from posebench.metrics.alignment import residuals

POSES = int(os.environ.get("POSEBENCH_BENCH_POSES", "543344"))
REPEATS = 5
#: Poses of which the loop is timed; its time is theirs, scaled to all.
LOOPED = min(POSES, 5000)
EXTRA_BYTES = 32 * 2**20


def batched_decomposition(pred, truth):
    """Errors (N, J) after Procrustes, over the whole array at once and in its own precision."""
    pred_mean, truth_mean = pred.mean(axis=1, keepdims=True), truth.mean(axis=1, keepdims=True)
    y, x = pred - pred_mean, truth - truth_mean
    y_norm, x_norm = (np.sqrt(np.sum(pose**2, axis=(1, 2), keepdims=True)) for pose in (y, x))
    y /= y_norm
    x /= x_norm
    u, s, vt = np.linalg.svd(np.matmul(x.transpose(0, 2, 1), y))
    v = vt.transpose(0, 2, 1)
    sign = np.sign(np.linalg.det(np.matmul(v, u.transpose(0, 2, 1))))
    v[:, :, -1] *= sign[:, None]
    s[:, -1] *= sign
    rotation = np.matmul(v, u.transpose(0, 2, 1))
    scale = s.sum(axis=1)[:, None, None] * x_norm / y_norm
    shift = truth_mean - scale * np.matmul(pred_mean, rotation)
    return np.linalg.norm(scale * np.matmul(pred, rotation) + shift - truth, axis=-1)


def loop(pred, truth):
    """Errors (N, J): the same decomposition, pose by pose, as scripts of the field have it."""
    return np.stack([batched_decomposition(one[None], other[None])[0] for one, other in zip(pred, truth, strict=True)])


def blocked(pred, truth):
    return residuals(pred, truth, ["similarity"]).errors["similarity"]


@pytest.fixture(scope="module")
def poses():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((POSES, 17, 3), dtype=np.float32) * np.float32(300.0)
    truth -= truth[:, :1].copy()
    return truth + rng.standard_normal(truth.shape, dtype=np.float32) * np.float32(60.0), truth


def decomposition_float64(pred, truth):
    """The same in the precision that the blocked form computes in."""
    return batched_decomposition(pred.astype(np.float64), truth.astype(np.float64))


def extra_memory(function, *arguments):
    """Peak of the memory that Python and numpy ask for during a call, less what the call returns."""
    tracemalloc.start()
    try:
        result = function(*arguments)
        return tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()


def test_blocked_alignment_and_batched_decomposition(benchmark, poses):
    clocks = {"wall": time.perf_counter, "CPU": time.process_time}
    seconds = {function: [] for function in (blocked, batched_decomposition, decomposition_float64, loop)}

    def timed(function, part=slice(None)):
        given = [array[part] for array in poses]
        start = [clock() for clock in clocks.values()]
        result = function(*given)
        spent = [clock() - then for clock, then in zip(clocks.values(), start, strict=True)]
        seconds[function].append([one * POSES / len(given[0]) for one in spent])
        return result

    def other_way_first():
        timed(batched_decomposition)
        timed(decomposition_float64)
        timed(loop, slice(LOOPED))
        return (blocked,), {}

    ours = benchmark.pedantic(timed, setup=other_way_first, rounds=REPEATS)
    memory = {function.__name__: extra_memory(function, *poses) / 2**20 for function in (blocked, batched_decomposition)}
    print(f"\n{POSES} poses, medians of {REPEATS} alternating runs; extra memory {memory}")
    for kind, clock in enumerate(clocks):
        median = {function: statistics.median(one[kind] for one in times) for function, times in seconds.items()}
        ratios = {function.__name__: median[function] / median[blocked] for function in seconds}
        benchmark.extra_info.update({f"{name}, {clock}": ratio for name, ratio in ratios.items()})
        print(f"  {clock} time: blocked {median[blocked]:.3f} s; " + ", ".join(f"{name} {ratio:.1f} x" for name, ratio in ratios.items()))
    benchmark.extra_info.update(poses=POSES, extra_mib=memory["blocked"])

    np.testing.assert_allclose(ours, batched_decomposition(*poses), rtol=0, atol=0.01)  # the other way is float32
    some = slice(0, 20000)
    exact = batched_decomposition(*(pose[some].astype(np.float64) for pose in poses))
    np.testing.assert_allclose(ours[some], exact, rtol=0, atol=1e-6)
    assert memory["blocked"] * 2**20 <= EXTRA_BYTES
