"""The time of tracking and of correction at test time, beside the time without."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch", reason="timing needs the extra [baselines]")
pytest.importorskip("onnxruntime", reason="timing needs the extra [baselines]")

import numpy as np
import torch

from posebench.base.errors import PosebenchError
from posebench.board.pages.speed import record_document
from posebench.cli.main import main
from posebench.data import open_dataset
from posebench.lifters.choose import lifter_maker, open_lifter
from posebench.lifters.rigid_track.lifter import Tracked
from posebench.lifters.run import Trained
from posebench.lifters.timing.additions import with_tracking, without_correction
from posebench.lifters.timing.clip import timing_clip
from posebench.lifters.timing.memory import main as memory_main
from posebench.lifters.timing.run import speed
from posebench.lifters.timing.untrained import network_of, write_untrained

FEW = {"batches": (1, 16), "rounds": 2, "seconds": 1e-6}
#: Corrects each frame by its own projection, in windows of one frame: the cheapest network that does.
CORRECTED = "pose_machine+paper-one-frame/smoke"


@pytest.fixture(scope="module")
def dataset():
    return open_dataset("synthetic")


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    return write_untrained(network_of(CORRECTED), tmp_path_factory.mktemp("corrected") / "run")


@pytest.fixture(scope="module")
def record(make_run, tmp_path_factory, no_process_for_memory):  # noqa: ARG001 - a fixture of a fixture
    return speed([str(make_run(tmp_path_factory.mktemp("run") / "run")), "flat"], track=True, **FEW)


def test_tracking_is_timed_beside_the_usual_backend_for_clips_of_several_frames(record):
    for one, usual in zip(record.lifters, ("inference", "own"), strict=True):
        assert one.notes == ()
        assert {case.batch for case in one.cases if case.backend == "tracked"} == {16}
        ((what, without, having),) = one.additions
        assert (what, without.backend, having.backend) == ("tracking", usual, "tracked")
        assert one.usual(16) == without, "a board's time stays that of the lifter alone"
        assert "tracked" not in {shift.backend for shift in one.shifts}


def test_the_table_has_time_a_pose_without_and_with(record):
    text = record_document(record).markdown()
    table = text.split("What is done beyond lifting")[1]
    (_, without, having), *_ = record.lifters[0].additions
    row = next(line for line in table.splitlines() if line.startswith("| martinez"))
    cells = [part.strip() for part in row.strip("|").split("|")]
    assert cells[1:3] == ["tracking", "16"]
    found = [float(cell.replace(",", "")) for cell in cells[3:6]]
    expected = [1e3 * seconds / 16 for seconds in (without.p50, having.p50, max(0.0, having.p50 - without.p50))]
    assert found == pytest.approx(expected, rel=0.01)
    assert float(cells[6].split()[0].replace(",", "")) == pytest.approx(having.p50 / without.p50, rel=0.01)


def test_what_is_timed_is_what_prediction_does_with_track(make_run, tmp_path, dataset):
    lifter = open_lifter(str(make_run(tmp_path / "run")), dataset)
    clip = timing_clip(lifter, dataset)
    (backend,), notes = with_tracking(lifter, clip, untrained=False)
    assert notes == []
    assert not backend.batches(1)
    points = clip.frames(16)
    assert not np.array_equal(Tracked(lifter).lift(points, clip.camera), lifter.lift(points, clip.camera))


def test_a_lifter_that_corrects_is_timed_without_it_and_is_not_tracked(corrected, dataset):
    lifter = open_lifter(str(corrected), dataset)
    clip = timing_clip(lifter, dataset)
    (backend,), notes = without_correction(str(corrected), lifter, device="cpu", threads=1, changes=())
    assert (backend.name, notes) == ("uncorrected", [])
    found, notes = with_tracking(lifter, clip, untrained=False)
    assert found == []
    assert "does this at test time" in notes[0]
    assert without_correction("flat", open_lifter("flat", dataset), device="cpu", threads=1, changes=()) == ([], [])


@pytest.mark.usefixtures("no_process_for_memory")
def test_the_cost_of_a_correction_is_in_the_record(corrected):
    (one,) = speed([str(corrected)], **FEW).lifters
    assert {case.batch for case in one.cases if case.backend == "uncorrected"} == {1, 16}
    added = [(what, without.backend, having.backend, having.batch) for what, without, having in one.additions]
    assert sorted(added) == [("correction", "uncorrected", "inference", batch) for batch in (1, 16)]


@pytest.mark.usefixtures("no_process_for_memory")
def test_a_record_of_an_untrained_correction_says_that_it_may_end_early():
    record = speed([], untrained=[CORRECTED], batches=(2,), rounds=1, seconds=1e-6)
    assert "may end early" in record_document(record).markdown()


def test_a_setting_at_test_time_is_that_of_the_timed_lifter_and_of_its_process(corrected, dataset, tmp_path, capsys):
    changes = ["correction=none"]
    lifter = lifter_maker(str(corrected), changes=changes)(dataset)
    assert without_correction(str(corrected), lifter, device="cpu", threads=1, changes=changes) == ([], [])
    clip = timing_clip(lifter, dataset)
    np.savez(tmp_path / "clip.npz", keypoints=clip.frames(3), focal=clip.camera.focal, centre=clip.camera.centre)
    before = torch.get_num_threads()
    seen = []
    try:
        with pytest.MonkeyPatch.context() as patch:
            whole = Trained.lift
            patch.setattr(Trained, "lift", lambda self, *given: seen.append(self.method.test_time) or whole(self, *given))
            memory_main(str(corrected), str(tmp_path), "1", *changes)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {"none"}
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize("wrong", ["width=8", "correction=all", "nothing=1"])
def test_a_setting_that_weights_depend_on_is_refused(corrected, wrong):
    with pytest.raises(PosebenchError):
        speed([str(corrected)], changes=[wrong], **FEW)


def test_settings_of_a_lifter_that_is_no_run_are_refused(capsys):
    assert main(["speed", "flat", "--set", "correction=none"]) == 2
    assert "a training run" in capsys.readouterr().err
    assert main(["speed", "--compare", "a.json", "b.json", "--track"]) == 2
    assert "nothing to time" in capsys.readouterr().err
