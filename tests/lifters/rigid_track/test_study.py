"""The study of the tracker's settings measures a lifter on the tuning subject's clips only."""

import re
import sys

import numpy as np
import pytest

import posebench
from posebench.lifters.rigid_track import study, trials


def test_it_prints_errors_of_the_tuning_subject_alone_and_the_cost(walkers, monkeypatch, capsys):
    dataset = walkers()
    monkeypatch.setattr(study, "open_dataset", lambda *_: dataset)
    monkeypatch.setattr(study, "SUBJECT", "B")
    monkeypatch.setattr(study, "STREAMS", ((5, 30, 5),))
    monkeypatch.setattr(sys, "argv", ["study", "flat", "--root", "DIR", "--keypoints", "gt", "--body"])
    study.main()
    printed = capsys.readouterr().out
    errors = dict(re.findall(r"^(.{36}) +([\d.]+)$", printed, flags=re.MULTILINE))
    names = [name.strip() for name in errors]
    assert names[:4] == ["as lifted", "smoothed and lifted", "tracked", "keypoints not smoothed"]
    assert len(names) == 6 + len(trials.SETTINGS) + 2 + len(study.SHRUNK) + len(study.WINDOWS) + len(study.STREAMS) + 3
    assert all(0.0 < float(error) < 500.0 for error in errors.values())
    lifter = posebench.lifters.choose.lifter_maker("flat")(dataset)
    expected = []
    for id in (id for id in dataset.infos if id.startswith("B/")):
        clip = dataset.load(id)
        expected.append(
            posebench.metrics.position.pa_mpjpe(lifter.lift(clip.keypoints("gt"), clip.camera), clip.pose - clip.pose[:, :1]).mean()
        )
    assert float(errors[f"{'as lifted':36}"]) == pytest.approx(np.mean(expected), abs=0.01)
    assert "ms of CPU time a pose" in printed


def test_planted_feet_and_lines_leave_a_true_body_as_it_is(body):
    poses, keypoints = body
    relative = poses - poses[:, :1]
    plain = study.track(relative, keypoints, study.skeleton("h36m17"))
    for changed in ({"body": trials.body_with_planted_feet}, {"body": trials.true_body(poses, lengths=True, sizes=True)}):
        tracked = study.track(relative, keypoints, study.skeleton("h36m17"), **changed)
        assert np.linalg.norm(tracked - plain, axis=-1).mean() < 10.0, "mm"


def test_windows_cover_every_frame(body):
    poses, keypoints = body
    seen = []

    def tracker(some, _):
        seen.append(len(some))
        return some

    np.testing.assert_array_equal(trials.in_windows(tracker, 50)(poses, keypoints), poses)
    assert seen == [50, 50, 20]
