"""The study of memorisation: training sets of several sizes, equal work, errors on training and on test poses."""

import json

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

from posebench.baselines.repnet.study import memorisation
from posebench.networks.recipe import load_baseline, read_method, resolve

TINY = ("width=8", "epochs=2", "samples=128", "batch=32")


def words(copies, tmp_path, *options):
    named = ["--dataset", "h36m", "--root", str(copies / "videopose3d"), "--clips", "2", "--step", "20", "--preset", "smoke"]
    changes = [word for change in TINY for word in ("--set", change)]
    return [*named, *changes, "--runs", str(tmp_path / "runs"), "-o", str(tmp_path / "m.json"), *options]


def test_errors_on_training_and_test_poses_are_measured_for_each_size_and_runs_are_trained_once(copies, tmp_path, capsys):
    command = words(copies, tmp_path, "--methods", "repnet+paper", "--takes", "2", "0")
    assert memorisation.main(command) == 0
    rows = json.loads((tmp_path / "m.json").read_text())["rows"]
    assert [(row["method"], row["takes"]) for row in rows] == [("repnet+paper", 2), ("repnet+paper", 4)]
    assert rows[0]["poses"] < rows[1]["poses"]
    for row in rows:
        assert row["gap"] == row["PA test"] - row["PA train"]
        assert row["PA train"] > 0.0
    lifters = sorted((tmp_path / "runs").glob("*/lifter.safetensors"))
    written = [path.stat().st_mtime_ns for path in lifters]
    assert len(written) == 2
    assert memorisation.main(command) == 0
    assert [path.stat().st_mtime_ns for path in lifters] == written
    assert json.loads((tmp_path / "m.json").read_text())["rows"] == rows
    assert "PA train" in capsys.readouterr().out


def test_a_part_has_takes_spread_over_the_training_split_and_the_whole_test_split(synthetic_part):
    dataset = synthetic_part(subjects=("S1", "S5", "S9"), actions=("Walking",))
    takes = memorisation.training_takes(dataset)
    part = memorisation.with_takes(dataset, 2)
    assert memorisation.training_takes(part) == [takes[0], takes[len(takes) // 2]]
    assert part.clip_ids("test") == dataset.clip_ids("test")
    assert memorisation.with_takes(dataset, len(takes)).infos == dataset.infos


@pytest.mark.parametrize(("method", "recipe"), [("repnet", "paper"), ("repnet", "default"), ("martinez", "default")])
def test_the_work_and_the_schedule_stay_when_epochs_hold_fewer_poses(method, recipe):
    content, where = read_method(method)
    settings = resolve(content, load_baseline(method).Settings, where=where, recipe=recipe, preset="quick")
    fitted = memorisation.fitted(settings, 60000, 1280)
    assert fitted.samples == 1280
    per_epoch = min(settings.samples or 60000, 60000)
    assert fitted.epochs * 1280 == pytest.approx(settings.epochs * per_epoch, rel=0.02)
    for share in (0.1, 0.4, 0.6, 0.9):
        assert fitted.rate(share * fitted.epochs) == pytest.approx(settings.rate(share * settings.epochs), rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--takes", "1"), "numbers from 2 to 4"),
        (("--takes", "5"), "numbers from 2 to 4"),
        (("--methods", "ites"), "learns from a teacher"),
        (("--methods", "repnet+papers"), "papers"),
    ],
)
def test_sizes_and_methods_that_cannot_be_measured_are_refused(copies, tmp_path, capsys, options, message):
    assert memorisation.main(words(copies, tmp_path, *options)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
