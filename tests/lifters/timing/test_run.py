"""Timing lifters. No time is asserted, only what is measured with it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="timing needs the extra [baselines]")
pytest.importorskip("onnxruntime", reason="timing needs the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.cli.main import main
from posebench.lifters.choose import open_lifter
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.timing.backends import Backend, backends, multiply_adds, parameters
from posebench.lifters.timing.clip import backend_difference, timing_clip
from posebench.lifters.timing.memory import main as memory_main
from posebench.lifters.timing.record import Timed, load_record
from posebench.lifters.timing.resident import ResidentLift
from posebench.lifters.timing.run import names_of, speed

TIMED = Timed("m", 1, 0, 0, True, None, None, None, None, (), (), ())
FEW = {"batches": (1, 8), "rounds": 2, "seconds": 1e-6}


@pytest.fixture(scope="module")
def dataset():
    from posebench.data import open_dataset

    return open_dataset("synthetic")


@pytest.fixture(scope="module")
def run(make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "flips", width=16, flip_averaging=True)


@pytest.fixture(scope="module")
def record(run):
    before = torch.get_num_threads()
    found = speed(["flat", str(run)], threads=1, **FEW)
    assert torch.get_num_threads() == before
    return found


def test_every_lifter_is_timed_in_every_way_at_every_batch(record):
    flat, trained = record.lifters
    assert (flat.name, trained.name) == ("flat", "martinez+tuned (smoke)")
    assert [(case.backend, case.batch) for case in flat.cases] == [("own", 1), ("own", 8)]
    assert {(case.backend, case.batch) for case in trained.cases} == {
        (backend, batch) for backend in ("eager", "inference", "bf16", "onnx") for batch in (1, 8)
    }
    assert all(case.calls == len(case.rounds) == 2 for one in record.lifters for case in one.cases)
    assert trained.notes == ()
    assert (record.machine["threads"], record.machine["device"]) == ("1", "cpu")
    assert {"processor", "torch", "numpy", "onnxruntime", "python"} <= set(record.machine)


def test_sizes_are_those_of_the_network(record):
    flat, trained = record.lifters
    assert (flat.parameters, flat.multiply_adds, flat.flip_averaging) == (None, None, False)
    width, blocks = 16, 2
    products = 34 * width + blocks * 2 * width * width + width * 48
    assert trained.flip_averaging
    assert trained.multiply_adds == 2 * products, "each flip is lifted"
    norms, biases = (1 + 2 * blocks) * 2 * width, (1 + 2 * blocks) * width + 48
    assert trained.parameters == products + biases + norms
    for one in (flat, trained):
        assert (one.context, one.back, one.ahead) == (1, 0, 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_memory_is_that_of_a_process_of_its_own(record):
    flat, trained = record.lifters
    assert 0.0 < flat.opened <= flat.lifted < trained.opened <= trained.lifted


def test_other_backends_are_compared_with_eager_float32(record):
    shifts = {shift.backend: shift for shift in record.lifters[1].shifts}
    assert set(shifts) == {"inference", "bf16", "onnx"}
    assert shifts["inference"].largest == 0.0
    assert shifts["onnx"].largest < 0.01 < shifts["bf16"].mean <= shifts["bf16"].largest


def test_what_a_backend_gives_is_what_a_prediction_gets(run, dataset, tmp_path):
    lifter = open_lifter(str(run), dataset)
    clip = timing_clip(lifter, dataset)
    found, _ = backends(str(run), lifter, tmp_path, device="cpu", threads=1)
    points = clip.frames(5)
    (usual,) = [backend for backend in found if backend.name == "inference"]
    np.testing.assert_array_equal(usual.lift(points, clip.camera), lifter.lift(points, clip.camera))


def test_a_network_that_bfloat16_cannot_run_is_timed_without_it_and_noted(run, dataset, tmp_path, monkeypatch):
    lifter = open_lifter(str(run), dataset)
    kind = type(lifter.inner.method)
    whole = kind.lift

    def only_single(self, points):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("no two types")
        return whole(self, points)

    monkeypatch.setattr(kind, "lift", only_single)
    found, notes = backends(str(run), lifter, tmp_path, device="cpu", threads=1)
    assert "bf16" not in [backend.name for backend in found]
    assert "bf16: no two types" in notes


def test_a_clip_shorter_than_the_batch_is_repeated_forwards_and_backwards(dataset):
    clip = timing_clip(open_lifter("flat", dataset), dataset)
    length = len(clip.keypoints)
    points = clip.frames(3 * length)
    np.testing.assert_array_equal(points[:length], clip.keypoints)
    np.testing.assert_array_equal(points[length : 2 * length], clip.keypoints[::-1])
    np.testing.assert_array_equal(points[2 * length :], clip.keypoints)


def test_a_difference_of_unknown_scale_is_in_the_size_of_the_truth():
    truth = 100.0 * np.random.default_rng(0).normal(size=(20, 17, 3))
    moved = truth + np.array([1.0, 0.0, 0.0])
    metric, unknown = (backend_difference("b", k * moved, k * truth, truth, metric=m) for k, m in ((1.0, True), (1e-3, False)))
    assert metric.mean == pytest.approx(1.0)
    assert unknown.mean == pytest.approx(1.0)
    assert metric.pa_mpjpe == pytest.approx(0.0, abs=1e-9)


def test_a_function_of_the_users_own_is_timed_too(tmp_path, monkeypatch, dataset):
    (tmp_path / "speed_own.py").write_text(
        "import numpy as np\ndef lift(keypoints, camera):\n    return np.dstack([keypoints, keypoints[..., :1]])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (one,) = speed(["speed_own:lift"], **FEW).lifters
    assert one.name == "lift"
    assert [case.backend for case in one.cases] == ["own", "own"]
    lifter = open_lifter("speed_own:lift", dataset)
    assert (parameters(lifter), multiply_adds(lifter, np.zeros((1, 17, 2)), None)) == (None, None)


def test_the_process_that_measures_memory_prints_two_numbers(tmp_path, capsys, dataset):
    np.savez(tmp_path / "clip.npz", keypoints=timing_clip(open_lifter("flat", dataset), dataset).frames(3))
    before = torch.get_num_threads()
    try:
        memory_main("flat", str(tmp_path), "1")
    finally:
        torch.set_num_threads(before)
    opened, lifted = json.loads(capsys.readouterr().out)
    assert 0.0 < opened <= lifted


@pytest.mark.parametrize("wrong", [{"batches": (0,)}, {"batches": ()}, {"threads": 0}, {"rounds": 0}, {"seconds": 0.0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(PosebenchError, match="numbers from 1"):
        speed(["flat"], **(FEW | wrong))


def test_nothing_to_time_is_refused():
    with pytest.raises(PosebenchError, match="0 lifters"):
        speed([], **FEW)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(PosebenchError, match="--device cpu"):
        speed(["flat"], device="cuda", **FEW)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_is_timed_by_events_and_by_graph_replay(run):
    (one,) = speed([str(run)], device="cuda", **FEW).lifters
    held = {(case.backend, case.batch) for case in one.cases}
    assert held == {(name, batch) for name in ("eager", "inference", "bf16", "resident") for batch in (1, 8)} | {("graph", 1)}
    assert one.lifted > 0.0


def test_a_lifter_of_several_frames_is_timed_as_a_stream_and_as_a_sequence(run, dataset, monkeypatch):
    kind = type(open_lifter(str(run), dataset).inner.method)
    monkeypatch.setattr(kind, "context", 3)
    handed_over, whole = set(), kind.lift

    def lift(self, points):
        handed_over.add(len(points))
        return whole(self, points)

    monkeypatch.setattr(kind, "lift", lift)
    monkeypatch.setattr("posebench.lifters.timing.run._facts", lambda *_: replace(TIMED, context=3))
    (one,) = speed([str(run)], **FEW | {"batches": (1, 2, 8)}).lifters
    assert {(case.batch, case.given) for case in one.cases} == {(1, 3), (2, None), (8, None)}
    assert {2, 3, 8} <= handed_over
    assert 1 not in handed_over


@pytest.mark.parametrize("flips", [True, False])
def test_a_lift_that_stays_on_the_device_gives_the_poses_of_a_prediction(run, dataset, flips):
    lifter = open_lifter(str(run), dataset)
    lifter = lifter if flips else lifter.inner
    clip = timing_clip(lifter, dataset)
    points = clip.frames(7)
    poses = lifter.lift(points, clip.camera)
    found = ResidentLift(lifter, clip.camera).poses(points)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, poses, atol=1e-5 * np.abs(poses).max())
    other = (lifter.inner if flips else FlipAveraged(lifter)).lift(points, clip.camera)
    assert np.abs(other - poses).max() > 1e-3 * np.abs(poses).max(), "the two can be told apart"


def test_a_backend_that_cannot_be_set_up_is_a_note_and_the_others_are_timed(monkeypatch):
    def refuse(_keypoints, _camera):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    def with_graph(*args, **settings):
        found, notes = backends(*args, **settings)
        return [Backend("graph", refuse, None, lambda batch: batch == 1), *found], notes

    monkeypatch.setattr("posebench.lifters.timing.run.backends", with_graph)
    (one,) = speed(["flat"], **FEW).lifters
    assert {case.backend for case in one.cases} == {"own"}
    (note,) = one.notes
    assert note.startswith("graph at batch 1: operation not permitted when stream is capturing")
    assert "\n" not in note


def test_rows_can_be_told_apart(run, make_run, tmp_path, network, dataset):
    toml = 'id = "martinez"\nsupervision = "none"\nskeleton = "h36m17"\n'
    toml += '[input]\nlayout = "b j c"\n[output]\nlayout = "b j c"\nunit = "unknown"\n'
    weights = {"pads": np.array([0, 0, 0, 0, 0, 1]), "zero": np.array(0.0, dtype=np.float32)}
    onnx = str(network(toml, [("Pad", ["x", "pads", "zero"], ["y"])], ["N", 17, 2], ["N", 17, 3], weights, name="martinez"))
    other = str(make_run(tmp_path / "other", seed=1))

    def names(*paths):
        return list(names_of({path: open_lifter(path, dataset) for path in paths}).values())

    assert names("flat", str(run), onnx) == ["flat", "martinez+tuned (smoke)", "martinez (martinez.onnx)"]
    assert names(str(run), other) == [f"martinez+tuned (smoke), {run}", f"martinez+tuned (smoke), {other}"]
    assert [one.name for one in speed([str(run), onnx], **FEW).lifters] == ["martinez+tuned (smoke)", "martinez (martinez.onnx)"]


def test_the_command_prints_a_table_and_writes_a_record(tmp_path, capsys):
    path = tmp_path / "s.json"
    assert main(["speed", "flat", "--batch", "1,2", "--rounds", "1", "--seconds", "1e-6", "-o", str(path)]) == 0
    out = capsys.readouterr().out
    assert "poses/s" in out
    assert [case.batch for case in load_record(path).lifters[0].cases] == [1, 2]
    assert main(["speed", "flat", "--batch", "1,x"]) == 2
    assert "--batch 1,64,1024" in capsys.readouterr().err
