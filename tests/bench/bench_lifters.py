"""Lifters: ways to run Martinez' network, and a temporal convolution run over whole sequences against windows of it.

``pytest tests/bench/bench_lifters.py -s``. The weights are drawn, not trained: times do not depend on them. No time is asserted; that the
ways agree is. The goals of docs/performance.md for lifters are the ratios printed here; POSEBENCH_BENCH_FRAMES sets the frames of
the sequence.
"""

import os
import statistics
import time

import numpy as np
import pytest
import torch

from posebench.base.cameras import Camera
from posebench.lifters.onnx.model import open_onnx
from posebench.lifters.run import open_run
from posebench.lifters.timing.backends import backends

REPEATS = 5
BATCH = 1024
FRAMES = int(os.environ.get("POSEBENCH_BENCH_FRAMES", "512"))
#: As far as two ways may differ, as a share of the largest coordinate.
AGREE = 1e-5
CAMERA = Camera(np.eye(3), np.zeros(3), np.array([1100.0, 1150.0]), np.array([500.0, 510.0]), (1000, 1020))
CARD = """
id = "convolution"
supervision = "none"
skeleton = "h36m17"
window = {window}

[input]
layout = "b (j c) t"
mean = 500
std = 500

[output]
layout = "b (j c) t"
frames = "{frames}"
unit = "mm"
"""


@pytest.fixture(scope="module")
def ways(make_run, tmp_path_factory):
    """Martinez' network, 1024 wide, in every way that `posebench speed` times on the CPU."""
    torch.set_num_threads(1)
    folder = make_run(tmp_path_factory.mktemp("lifters") / "run", width=1024)
    found, notes = backends(str(folder), open_run(folder), tmp_path_factory.mktemp("onnx"), device="cpu", threads=1)
    assert not notes
    return {way.name: way for way in found}


def apart(one, other):
    """The largest difference, as a share of the largest coordinate."""
    return float(np.abs(one - other).max() / np.abs(other).max())


@pytest.mark.parametrize("batch", [1, BATCH])
def test_ways_to_run_the_same_network(benchmark, ways, batch):
    points = 500.0 + 60.0 * np.random.default_rng(0).standard_normal((batch, 17, 2))
    timers = {name: way.timer(points, CAMERA) for name, way in ways.items()}
    seconds = {name: [] for name in timers}

    def others_first():
        for name, timer in timers.items():
            if name != "onnx":
                seconds[name].append(timer())
        return (), {}

    benchmark.pedantic(lambda: seconds["onnx"].append(timers["onnx"]()), setup=others_first, rounds=REPEATS, warmup_rounds=1)
    median = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    ratios = {f"{name}_over_eager": median["eager"] / median[name] for name in median}
    benchmark.extra_info.update(ratios, batch=batch)
    print(f"\nbatch {batch}: " + ", ".join(f"{name} {1e6 * time / batch:.0f} us/pose" for name, time in median.items()))
    eager = ways["eager"].lift(points, CAMERA)
    for name in ("inference", "onnx"):
        assert apart(ways[name].lift(points, CAMERA), eager) <= AGREE


def convolutions(layers, channels, *, strided):
    """A temporal convolution as VideoPose3D's without its norms: kernels of 3, as nodes and weights.

    Dilated by 3 to the layer, to run over sequences of any length; or strided by 3, which does no more than the middle of one window needs.
    """
    random = np.random.default_rng(0)
    nodes, weights, value, into = [], {}, "x", 34
    for layer in range(layers + 1):
        last = layer == layers
        out, width = (51, 1) if last else (channels, 3)
        weights[f"w{layer}"] = random.normal(0.0, (2.0 / (into * width)) ** 0.5, (out, into, width)).astype(np.float32)
        name = "y" if last else f"c{layer}"
        step = {} if last else {"strides": [3]} if strided else {"dilations": [3**layer]}
        nodes.append(("Conv", [value, f"w{layer}"], [name], step))
        if not last:
            nodes.append(("Relu", [name], [f"r{layer}"]))
            value, into = f"r{layer}", out
    return nodes, weights


@pytest.mark.parametrize(("layers", "channels"), [(3, 256), (5, 64)], ids=["27 frames", "243 frames"])
def test_a_whole_sequence_against_windows_of_it(benchmark, network, layers, channels):
    window = 3**layers
    slides, centres = (CARD.format(window=window, frames=frames) for frames in ("slide", "centre"))
    nodes, weights = convolutions(layers, channels, strided=False)
    whole = network(slides, nodes, ["b", 34, "t"], ["b", 51, "u"], weights, name="whole")
    nodes, weights = convolutions(layers, channels, strided=True)
    windows = network(centres, nodes, ["b", 34, window], ["b", 51, 1], weights, name="windows")
    points = 500.0 + 100.0 * np.random.default_rng(1).standard_normal((FRAMES, 17, 2))
    slid, windowed = (open_onnx(path, threads=1, confined=False) for path in (whole, windows))
    seconds = {"whole": [], "windows": []}

    def timed(name, lifter):
        start = time.perf_counter()
        poses = lifter.lift(points, None)
        seconds[name].append(time.perf_counter() - start)
        return poses

    expected = timed("windows", windowed)

    def windows_first():
        timed("windows", windowed)
        return ("whole", slid), {}

    found = benchmark.pedantic(timed, setup=windows_first, rounds=REPEATS, warmup_rounds=1)
    difference = apart(found, expected)
    ratio = statistics.median(seconds["windows"][1:]) / statistics.median(seconds["whole"][1:])
    benchmark.extra_info.update(ratio=ratio, difference=difference, frames=FRAMES)
    print(f"\nwindow of {window}, {FRAMES} frames: whole sequence {ratio:.1f} x windows, largest difference {difference:.1e}")
    assert difference <= AGREE


def test_how_many_frames_are_lifted_at_once(benchmark, ways, monkeypatch):
    """What ``posebench.networks.method.TILE`` and ``onnx_model.TILE`` are set by."""
    tiles = (256, 1024, 4096)
    points = 500.0 + 60.0 * np.random.default_rng(0).standard_normal((max(tiles), 17, 2))
    spent = {(name, tile): [] for name in ("inference", "onnx") for tile in tiles}

    def every_tile():
        for name, tile in spent:
            monkeypatch.setattr("posebench.networks.method.TILE", tile)
            monkeypatch.setattr("posebench.lifters.onnx.model.TILE", tile)
            start = time.process_time()
            ways[name].lift(points, CAMERA)
            spent[name, tile].append(1e6 * (time.process_time() - start) / len(points))

    benchmark.pedantic(every_tile, rounds=3)
    for name in ("inference", "onnx"):
        print(f"\n{name}, CPU us/pose by frames at once: " + ", ".join(f"{t}: {statistics.median(spent[name, t]):.0f}" for t in tiles))
    benchmark.extra_info.update({f"{name} {tile}": statistics.median(times) for (name, tile), times in spent.items()})
    whole = ways["inference"].lift(points, CAMERA)
    monkeypatch.setattr("posebench.networks.method.TILE", 7)
    assert apart(ways["inference"].lift(points[:50], CAMERA), whole[:50]) <= AGREE
