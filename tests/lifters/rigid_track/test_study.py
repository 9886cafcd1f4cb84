"""The study of the tracker's settings runs on a run's predictions, and on the tuning subject's clips only."""

import re
import sys

import pytest

import posebench
from posebench.lifters.rigid_track import study


def test_it_prints_errors_of_the_tuning_subject_alone_and_the_cost(walkers, tmp_path, monkeypatch, capsys):
    dataset = walkers()
    true = {id: dataset.load(id).pose - dataset.load(id).pose[:, :1] for id in dataset.infos}
    # Flat poses of the subject; what other subjects have must not count.
    poses = {id: pose * [1.0, 1.0, 0.2] if id.startswith("B/") else pose + 1e6 for id, pose in true.items()}
    posebench.save_predictions(tmp_path / "predictions.npz", poses, unit="mm", skeleton="h36m17")
    monkeypatch.setattr(study, "open_dataset", lambda *_: dataset)
    monkeypatch.setattr(study, "SUBJECT", "B")
    monkeypatch.setattr(sys, "argv", ["study", str(tmp_path), "--root", "DIR"])
    study.main()
    printed = capsys.readouterr().out
    errors = dict(re.findall(r"^(.{22}) PA-MPJPE +([\d.]+)", printed, flags=re.MULTILINE))
    assert [name.strip() for name in errors][:3] == ["as predicted", "tracked", "signs frame by frame"]
    assert len(errors) == 3 + sum(map(len, study.TRIED.values()))
    assert all(0.0 < float(error) < 300.0 for error in errors.values())
    expected = [posebench.metrics.position.pa_mpjpe(poses[id], true[id]).mean() for id in poses if id.startswith("B/")]
    assert float(errors["as predicted          "]) == pytest.approx(sum(expected) / len(expected), abs=0.01)
    assert "ms of CPU time a pose" in printed
