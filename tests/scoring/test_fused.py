"""The compiled pass over a clip gives the sums that numpy gives, on every instruction set of this processor."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.metrics import kernel
from posebench.scoring import fused, measure
from posebench.scoring.protocol import load_protocol

if kernel.measure is None:
    pytest.skip("the compiled kernel was not built, or POSEBENCH_KERNEL=numpy", allow_module_level=True)

from posebench.metrics.kernel import compiled

PROTOCOLS = ["h36m/s9s11", "h36m/s9s11-14j", "h36m/s9s11-noroot", "3dhp/official", "cmu"]


@pytest.fixture(params=["avx512", "avx2", "plain"])
def instructions(request):
    try:
        compiled.use(request.param)
    except ValueError as error:
        pytest.skip(str(error))
    yield request.param
    compiled.use()


def clip(protocol, count, seed=0, hypotheses=0, kind=np.float64):
    """Predicted and true poses of a clip in camera coordinates, with some invalid, mirrored and far-off predictions; frame numbers."""
    random = np.random.default_rng(seed)
    joints = len(protocol.skeleton)
    truth = random.normal(scale=300.0, size=(count, joints, 3)) + np.array([100.0, -50.0, 4000.0])
    shape = (hypotheses, count, joints, 3) if hypotheses else truth.shape
    pred = truth + random.normal(scale=random.choice([1.0, 60.0, 400.0]), size=shape)
    odd = random.integers(0, 12, size=pred.shape[:-2])
    pred[odd == 0] = np.nan
    pred[odd == 1] *= [1.0, 1.0, -1.0]
    pred[odd == 2] = 17.0
    pred[odd == 3, 0] = np.inf
    pred[odd == 4] = 2000.0 - pred[odd == 4]
    frames = np.cumsum(random.choice([1, 1, 1, 2, 5], size=count)) * protocol.stride
    return pred.astype(kind), truth.astype(kind), frames.astype(np.int64)


def both(monkeypatch, protocol, *arrays, **options):
    wanted = measure.scored_metrics(protocol, metric_scale=True)
    summed = measure.measure_clip(protocol, wanted, *arrays, **options)
    with monkeypatch.context() as patch:
        patch.setattr(measure, "is_fused", lambda _metric: False)
        plain = measure.measure_clip(protocol, wanted, *arrays, **options)
    return summed, plain


def assert_alike(summed, plain):
    for name in ("poses", "nonfinite", "invalid", "nonpositive_scale"):
        assert getattr(summed, name) == getattr(plain, name), name
    assert summed.count == plain.count
    assert set(summed.total) == set(plain.total)
    for name, total in plain.total.items():
        np.testing.assert_allclose(summed.total[name], total, rtol=1e-11, atol=1e-9 * max(1.0, plain.count[name]), err_msg=name)
        if "PCK" in name:
            assert summed.total[name].tolist() == total.tolist(), name
    assert set(summed.curve) == set(plain.curve)
    for name, curve in plain.curve.items():
        np.testing.assert_allclose(summed.curve[name], curve, rtol=1e-13, err_msg=name)
    for name, chunks in plain.frames.items():
        np.testing.assert_allclose(np.concatenate(summed.frames[name]), np.concatenate(chunks), rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("id", PROTOCOLS)
@pytest.mark.usefixtures("instructions")
def test_every_metric_of_a_protocol_agrees(monkeypatch, id):
    protocol = load_protocol(id)
    assert_alike(*both(monkeypatch, protocol, *clip(protocol, 101, kind=np.float32), per_frame=True))


@settings(max_examples=60, deadline=None)
@given(
    id=st.sampled_from(PROTOCOLS),
    count=st.integers(0, 70),
    seed=st.integers(0, 2**32 - 1),
    hypotheses=st.sampled_from([0, 0, 1, 3]),
    kind=st.sampled_from([np.float32, np.float64, np.float16]),
    to_mm=st.sampled_from([1.0, 1000.0]),
    backwards=st.booleans(),
)
def test_clips_of_any_length_with_invalid_poses_gaps_and_hypotheses_agree(id, count, seed, hypotheses, kind, to_mm, backwards):
    protocol = load_protocol(id)
    with np.errstate(over="ignore", invalid="ignore"):
        pred, truth, frames = clip(protocol, count, seed, hypotheses, np.float64)
        pred = (pred / to_mm).astype(kind)
    truth = truth.astype(np.float32 if kind == np.float16 else kind)
    if backwards:  # the same numbers, stored in another order
        pred = np.ascontiguousarray(pred[..., ::-1, ::-1])[..., ::-1, ::-1]
    with pytest.MonkeyPatch.context() as patch:
        assert_alike(*both(patch, protocol, pred, truth, frames, to_mm=to_mm, per_frame=True))


def test_bits_depend_neither_on_memory_nor_on_the_kind_of_call():
    protocol = load_protocol("cmu")
    wanted = measure.scored_metrics(protocol, metric_scale=True)
    pred, truth, frames = clip(protocol, 200)
    one = measure.measure_clip(protocol, wanted, pred, truth, frames)
    larger = np.full((400, 19, 5), np.nan)
    larger[::2, 1:-1, 1:4] = pred
    other = measure.measure_clip(protocol, wanted, larger[::2, 1:-1, 1:4], truth, frames, per_frame=True)
    for name, total in one.total.items():
        assert other.total[name].tobytes() == total.tobytes(), name


SPECIAL = {
    "mirrored": lambda p, t: (p * [1.0, 1.0, -1.0], t),
    "planar": lambda p, t: (p * [1.0, 1.0, 0.0], t),
    "collinear": lambda p, t: (p[..., :1] * [0.6, 0.0, 0.8], t),
    "collapsed": lambda p, t: (0.0 * p + 17.0, t),
    "tiny": lambda p, t: (1e-6 * p, t),
    "huge": lambda p, t: (1e9 * p, 1e9 * t),
    "denormal": lambda p, t: (1e-310 * p, t),
    "five metres off centre": lambda p, t: (p + np.array([300.0, -100.0, 5e3]), t + np.array([310.0, -90.0, 5010.0])),
    "no frames": lambda p, t: (p[:0], t[:0]),
    "unaligned": lambda p, t: tuple(np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape) for a in (p, t)),
}


@pytest.mark.parametrize("case", SPECIAL)
@pytest.mark.usefixtures("instructions")
def test_special_poses_agree(monkeypatch, case):
    protocol, random = load_protocol("h36m/s9s11"), np.random.default_rng(0)
    truth = random.normal(scale=300.0, size=(50, 17, 3))
    pred, truth = SPECIAL[case](truth + random.normal(scale=60.0, size=truth.shape), truth)
    assert_alike(*both(monkeypatch, protocol, pred, truth, np.arange(len(truth)), per_frame=True))


@pytest.mark.parametrize("hypotheses", [0, 1, 3])
@pytest.mark.usefixtures("instructions")
def test_errors_in_camera_coordinates_agree(monkeypatch, hypotheses):
    cmu = load_protocol("cmu")
    absolute = tuple(dataclasses.replace(metric, alignment="absolute") for metric in cmu.metrics if metric.statistic in ("mean", "auc"))
    protocol = dataclasses.replace(cmu, metrics=(*cmu.metrics, *dict.fromkeys(absolute)))
    assert_alike(*both(monkeypatch, protocol, *clip(protocol, 40, hypotheses=hypotheses), per_frame=True))


@pytest.mark.parametrize("id", ["cmu", "h36m/s9s11-14j"])
@pytest.mark.parametrize("hypotheses", [0, 3])
def test_a_long_clip_is_summed_in_blocks_to_the_same_bits_on_any_number_of_threads(monkeypatch, id, hypotheses):
    protocol = load_protocol(id)
    monkeypatch.setattr(fused, "BLOCK", 33)
    arrays = clip(protocol, 200, seed=3, hypotheses=hypotheses)
    whole, plain = both(monkeypatch, protocol, *arrays, per_frame=True)
    assert_alike(whole, plain)
    wanted = measure.scored_metrics(protocol, metric_scale=True)
    for threads in (1, 2, 5):
        with ThreadPoolExecutor(threads) as pool:
            other = measure.measure_clip(protocol, wanted, *arrays, per_frame=True, run=pool.map)
        assert other.count == whole.count
        for table in ("total", "curve"):
            for name, values in getattr(whole, table).items():
                assert getattr(other, table)[name].tobytes() == values.tobytes(), name


@pytest.mark.usefixtures("instructions")
def test_frame_numbers_at_the_ends_of_their_range_are_neighbours_where_numpy_says_so(monkeypatch):
    protocol = load_protocol("cmu")
    pred, truth, _ = clip(protocol, 40)
    largest, smallest, step = 2**63 - 1, -(2**63), protocol.stride
    ends = [smallest, smallest + step, smallest + 2 * step, 0, step, largest - 2 * step, largest - step, largest, smallest, smallest + step]
    frames = np.resize(np.array(ends, dtype=np.int64), 40)
    assert_alike(*both(monkeypatch, protocol, pred, truth, frames, per_frame=True))


def test_frame_numbers_may_lie_anywhere_in_memory():
    protocol = load_protocol("cmu")
    pred, truth, frames = clip(protocol, 40)
    odd = np.frombuffer(b"\0" + frames.tobytes(), dtype=np.uint8)[1:].view(np.int64)
    wanted = measure.scored_metrics(protocol, metric_scale=True)
    one, other = (measure.measure_clip(protocol, wanted, pred, truth, numbers) for numbers in (frames, odd))
    assert one.count == other.count


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_true_pose_that_is_not_finite_is_refused(value):
    protocol = load_protocol("cmu")
    pred, truth, frames = clip(protocol, 40)
    truth[33, 4, 1] = value
    with pytest.raises(ValueError, match="a true pose is not finite"):
        measure.measure_clip(protocol, measure.scored_metrics(protocol, metric_scale=True), pred, truth, frames)


def call(**changes):
    """A call of the C function for four poses of three joints, one metric, with changed arguments."""
    numbers = {
        "pred": np.zeros((4, 3, 3)),
        "truth": np.ones((4, 3, 3)),
        "frames": np.arange(4),
        "history": 0,
        "root": [0],
        "bones": [0, 1, 1, 2],
        "pairs": [0, 1],
        "groups": [[0, 1, 2]],
        "metric": (0, 0, 0),
        "columns": [0, 1, 2],
        "thresholds": (0.0, 0.0, 0, 0),
        "outputs": (np.zeros(3), None, None, None, None),
        "counts": np.zeros(3, dtype=np.int64),
    } | changes
    index = {name: np.array(numbers[name], dtype=np.int32) for name in ("root", "bones", "pairs", "columns")}
    groups = tuple(np.array(group, dtype=np.int32) for group in numbers["groups"])
    metric = (*numbers["metric"], index["columns"], *numbers["thresholds"], *numbers["outputs"])
    arrays = index["root"], index["bones"], index["pairs"], groups, (metric,), numbers["counts"]
    return compiled.measure(numbers["pred"], numbers["truth"], numbers["frames"], numbers["history"], 1.0, 1, *arrays)


def test_the_call_without_changes_is_sound():
    assert call() == (4,)


@pytest.mark.parametrize(
    "changes",
    [
        {"pred": np.zeros((4, 2, 3))},
        {"pred": np.zeros((0, 4, 3, 3))},
        {"pred": np.zeros((4, 3))},
        {"truth": np.zeros((4, 3, 2))},
        {"frames": np.arange(3)},
        {"frames": np.arange(4.0)},
        {"frames": np.frombuffer(bytes(33), dtype=np.int8)[1:].view(np.int64)},
        {"history": 3},
        {"history": -1},
        {"root": []},
        {"root": [3]},
        {"root": [-1]},
        {"bones": [0, 3]},
        {"pairs": [0, 2]},
        {"groups": [[0, 1, 3]]},
        {"groups": [[]]},
        {"groups": [[0, 1, 2, 0]]},
        {"groups": []},
        {"metric": (9, 0, 0)},
        {"metric": (-1, 0, 0)},
        {"metric": (0, 6, 0)},
        {"metric": (0, 0, 1)},
        {"metric": (4, 3, 0)},
        {"metric": (2, 0, 0)},
        {"metric": (2, 0, 0), "thresholds": (0.0, 0.0, 5, 0)},
        {"metric": (2, 0, 0), "thresholds": (0.0, 5.0, 2**31, 0)},
        {"metric": (2, 0, 0), "thresholds": (np.nan, 5.0, 5, 0)},
        {"metric": (2, 0, 0), "thresholds": (0.0, 5.0, 5, 0)},
        {"metric": (6, 0, 0)},
        {"columns": [0, 1, 3]},
        {"columns": []},
        {"columns": [0, 1]},
        {"outputs": (None, None, None, None, None)},
        {"outputs": (np.zeros(3), np.zeros(1), None, None, None)},
        {"outputs": (np.zeros(3), None, np.zeros(3), None, None)},
        {"outputs": (np.zeros(3), None, None, np.zeros(3), None)},
        {"outputs": (np.zeros(3, dtype=np.int64), None, None, None, None)},
        {"counts": np.zeros(2, dtype=np.int64)},
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_read(changes):
    with pytest.raises(ValueError, match=r"\w"):
        call(**changes)
