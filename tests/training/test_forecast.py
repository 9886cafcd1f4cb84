"""A dry run: the work that a training would be, its time, and nothing written."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch", reason="training needs the extra [baselines]")

import torch

import posebench
from posebench.cli.main import main
from posebench.training.forecast import forecast
from posebench.training.run import plan

TINY = ["width=16", "samples=300", "epochs=3", "batch=64"]
STUDENT = ["width=8", "blocks=1", "samples=300", "epochs=2"]


@pytest.fixture
def job(copies):
    """The job of a tiny training on a copy in VideoPose3D's layout."""

    def make(method="martinez", changes=TINY, **options):
        return plan(method, "h36m", root=copies / "videopose3d", preset="smoke", changes=changes, device="cpu", **options)

    return make


def test_the_work_is_that_of_the_training_itself(job, tmp_path, copies):
    found = forecast(job(), measured=False)
    made = [word for change in TINY for word in ("--set", change)]
    words = ["train", "martinez", "--dataset", "h36m", "--root", str(copies / "videopose3d"), "--preset", "smoke", *made]
    assert main([*words, "-o", str(tmp_path / "run")]) == 0
    result = posebench.load_result(tmp_path / "run" / "result.json")
    assert (found.steps, found.poses) == (result.training["steps"], result.predictions.provenance["poses_seen"])
    assert (found.epochs, found.samples, found.batch, found.steps) == (3, 300, 64, 15)
    assert found.seconds == 0.0


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("martinez", ["width=16", "samples=0", "epochs=1", "batch=64"]),
        ("repnet", ["width=16", "critic_width=16", "samples=0", "epochs=1", "batch=64"]),
        ("chen2019", ["width=16", "discriminator_width=16", "samples=0", "epochs=1", "batch=64"]),
        ("pose_machine", ["width=16", "embedding_width=16", "samples=0", "epochs=3", "batch=64"]),
    ],
)
def test_all_samples_are_counted_though_few_takes_are_read(job, method, changes, monkeypatch):
    from posebench.training import forecast as module
    from posebench.training.run import training_data

    one = job(method, changes)
    whole = forecast(one, measured=False)
    monkeypatch.setattr(module, "_FRAMES", 1)
    assert forecast(one, measured=False) == whole
    from posebench.lifters.run import build

    method_whole, data = build(one.recipe), training_data(one)[1]
    method_whole.prepare(data)
    assert (whole.samples, whole.frames) == (len(method_whole.samples(data)), len(data.keypoints))


def test_steps_are_measured_and_the_random_state_is_left_as_it_was(job):
    before = torch.get_rng_state()
    found = forecast(job())
    assert torch.equal(torch.get_rng_state(), before)
    assert found.measured == 10
    assert found.step_s > 0
    assert found.seconds == pytest.approx(found.preparation_s + 15 * found.step_s)


def test_a_student_is_forecast_with_the_teacher_that_is_trained_first(job):
    found = forecast(job("ites", STUDENT, recipe="paper"))
    assert found.teacher.name == "ites_teacher (paper)"
    assert found.seconds == found.own_seconds + found.teacher.seconds
    assert found.all_steps == found.steps + found.teacher.steps


def test_the_teachers_poses_of_all_frames_are_part_of_the_time(job, monkeypatch):
    from posebench.training import forecast as module

    now, read, real = [0.0], [], module.taught

    def teaching(method, data, settings):
        now[0] += 10.0
        read.append(len(data.keypoints))
        return real(method, data, settings)

    monkeypatch.setattr(module, "_FRAMES", 1)
    monkeypatch.setattr(module, "_TAKES", 1)
    monkeypatch.setattr(module, "_clock", lambda _: lambda: now[0])
    monkeypatch.setattr(module, "taught", teaching)
    found = forecast(job("ites", STUDENT))
    assert read[-1] < found.frames
    assert found.preparation_s == pytest.approx(10.0 * found.frames / read[-1])


def test_the_command_prints_work_and_time_and_writes_nothing(copies, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["train", "martinez", "--dataset", "h36m", "--root", str(copies / "videopose3d"), "--dry-run", "--set", "width=16"]
    assert main([*words, "--recipe", "released", "--preset", "full"]) == 0
    said = capsys.readouterr().out
    for text in (
        "200 x ",
        "On this machine (cpu, 1 thread): about",
        "not the official one",
        "a GTX 1080 makes a step in 8 ms",
        "nothing was written",
    ):
        assert text in said
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gpu"]["seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_method_whose_gain_on_a_gpu_nobody_published_has_none_stated(copies, capsys):
    words = ["train", "repnet", "--dataset", "h36m", "--root", str(copies / "videopose3d"), "--preset", "smoke", "--dry-run"]
    assert main([*words, "--set", "width=16", "--set", "critic_width=16"]) == 0
    assert "On a GPU: not known." in capsys.readouterr().out
