"""From a trained run: predicting with another correction, the tables of the claims, and the plot over time."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import posebench
from posebench.base.errors import PosebenchError
from posebench.baselines.pose_machine import Settings
from posebench.baselines.pose_machine.correction import correct
from posebench.baselines.pose_machine.study import claims, over_time
from posebench.baselines.pose_machine.study.sample import gather_sample, open_pose_machine
from posebench.cli.main import main
from posebench.data import open_dataset
from posebench.lifters.run import open_run
from posebench.networks.recipe import Recipe, read_method, resolve, with_test_time_settings
from posebench.predictions.archive import open_predictions

TINY = ["width=16", "embedding_width=16", "copy_width=16", "projector_width=16", "epochs=3", "samples=64"]
CHANGED = ["--set", "correction=both", "--set", "correction_steps=3", "--set", "correction_reject=0.0"]


@pytest.fixture(scope="module")
def copy_of_h36m(copies):
    """A generated dataset in a layout of Human3.6M."""
    return ["--dataset", "h36m", "--root", str(copies / "videopose3d")]


@pytest.fixture(scope="module")
def run(copy_of_h36m, tmp_path_factory):
    """A run on it by the command line: training, prediction and scoring."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    changes = [word for change in TINY for word in ("--set", change)]
    words = ["train", "pose_machine", *copy_of_h36m, "--preset", "smoke", *changes, "--threads", "1", "-o", str(folder)]
    assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def corrected(run, copy_of_h36m):
    """The same run, predicted with a correction that its recipe does not have."""
    path = run.parent / "corrected.npz"
    assert main(["predict", str(run), *copy_of_h36m, *CHANGED, "-o", str(path)]) == 0
    return path


def test_it_trains_on_a_layout_of_licensed_data_from_end_to_end(run):
    result = posebench.load_result(run / "result.json")
    assert not result.coverage.partial
    assert {"MPJPE", "MPJVE", "ACCEL"} <= set(result.metrics)
    provenance = result.predictions.provenance
    assert (provenance["context"], provenance["flip_averaging"]) == (53, True)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [{name.partition("/")[0] for name in line["losses"]} for line in log] == [{"transformer"}, {"projector"}, {"whole"}]
    assert (run / "curves.png").stat().st_size > 1000


def test_a_run_is_predicted_with_another_correction_without_training_and_the_file_states_it(run, corrected):
    with open_predictions(run / "predictions.npz") as before, open_predictions(corrected) as after:
        assert (
            after.meta.provenance.recipe == before.meta.provenance.recipe + ", correction=both, correction_steps=3, correction_reject=0.0"
        )
        differences = [np.abs(after.poses(clip) - before.poses(clip)).max() for clip in before.shapes]
    assert min(differences) > 0.0


def test_stating_the_default_correction_changes_the_recipes_name_but_no_pose(run, copy_of_h36m, tmp_path):
    path = tmp_path / "same.npz"
    assert main(["predict", str(run), *copy_of_h36m, "--set", "correction=none", "-o", str(path)]) == 0
    with open_predictions(run / "predictions.npz") as before, open_predictions(path) as after:
        assert after.meta.provenance.recipe.endswith(", correction=none")
        assert all(np.array_equal(after.poses(clip), before.poses(clip)) for clip in before.shapes)


@pytest.mark.parametrize(
    ("trained_with", "changes", "name"),
    [
        ([], ["correction=copy"], "paper-copy"),
        ([], ["correction=both", "correction_steps=2"], "paper"),
        ([], ["correction=copy", "correction_steps=3"], "paper, correction=copy, correction_steps=3"),
        (["width=32"], ["correction=copy"], "paper, width=32, correction=copy"),
    ],
)
def test_a_run_with_the_test_time_settings_of_another_recipe_bears_its_name(trained_with, changes, name):
    content, where = read_method("pose_machine")
    settings = resolve(content, Settings, where=where, recipe="paper", preset="smoke", changes=trained_with)
    recipe = Recipe("pose_machine", ", ".join(["paper", *trained_with]), "smoke", 0, {}, (), "gt", "h36m17", asdict(settings))
    assert with_test_time_settings(recipe, Settings, changes).recipe == name


@pytest.mark.parametrize("change", ["width=32", "window=5", "flip_averaging=false", "nothing=1"])
def test_a_setting_that_the_weights_depend_on_is_refused(run, change):
    with pytest.raises(PosebenchError, match=f"--set {change.partition('=')[0]} for a finished run"):
        open_run(run, changes=[change])


def test_a_value_of_another_type_is_refused(run):
    with pytest.raises(PosebenchError, match="correction_steps = 'many'"):
        open_run(run, changes=["steps=many"])


def test_changes_are_refused_where_there_are_no_test_time_settings(make_martinez, copy_of_h36m, tmp_path, capsys):
    with pytest.raises(PosebenchError, match="none: martinez has no such settings"):
        open_run(make_martinez, changes=["width=3"])
    assert main(["predict", "flat", *copy_of_h36m, "--set", "correction_steps=1", "-o", str(tmp_path / "p.npz")]) == 2
    assert "--set for flat" in capsys.readouterr().err


@pytest.fixture(scope="module")
def make_martinez(copy_of_h36m, tmp_path_factory):
    """A run of a method without test-time settings."""
    folder = tmp_path_factory.mktemp("runs") / "martinez"
    words = ["--set", "width=16", "--set", "epochs=1", "--set", "samples=64", "--threads", "1"]
    assert main(["train", "martinez", *copy_of_h36m, "--preset", "smoke", *words, "-o", str(folder)]) == 0
    return folder


def test_the_tables_have_a_row_for_every_variant_and_state_what_was_measured(run, copy_of_h36m, tmp_path, capsys):
    out = tmp_path / "claims.json"
    words = [str(run), *copy_of_h36m, "--hide", "0", "0.2", "--steps", "1", "3", "--clips", "4", "--frames", "12", "-o", str(out)]
    assert claims.main(words) == 0
    measured = json.loads(out.read_text())
    assert [(part["hidden"], part["frames"]) for part in measured["conditions"]] == [(0.0, 48), (0.2, 48)]
    for part in measured["conditions"]:
        rows = part["rows"]
        assert [row["correction"] for row in rows] == ["none", "copy", *["copy"] * 4, *["both"] * 4, *["camera"] * 4]
        free = [row for row in rows if row["rule"] == "free"]
        assert all(row["rejected"] == 0.0 and row["taken"] == row["steps"] for row in free)
        assert all(row["MPJVE"] > 0.0 and row["ACCEL"] > 0.0 for row in rows)
        assert {row["correction"] for row in rows if "absorbed" in row} == {"both"}
    clean, hidden = (part["rows"][0]["MPJPE"] for part in measured["conditions"])
    assert clean != hidden
    assert [row["correction"] for row in measured["cost"]] == ["copy", "both", "camera"]
    assert measured["run"]["recipe"].startswith("tuned")
    assert "20% of joints hidden: 48 frames of 4 clips" in capsys.readouterr().out


def test_all_of_the_error_is_undone_if_the_correction_gives_the_truth_and_none_if_it_is_rejected(run, copy_of_h36m):
    trained, method = open_pose_machine(run)
    dataset = open_dataset("h36m", copy_of_h36m[-1])
    sample = gather_sample(trained, dataset, dataset.clip_ids("test")[:2], "gt", frames=9)
    no_rule = {"correction_stop": 0.0, "correction_reject": 0.0}
    settings = replace(method.settings, correction="camera", correction_steps=2, correction_rate=0.5, **no_rule)
    assert claims.correction_row(method, sample, settings)["undone"] != 0.0

    rejected = claims.correction_row(method, sample, replace(settings, correction_reject=1e-9))
    assert (rejected["rejected"], rejected["undone"]) == (100.0, 0.0)
    assert rejected["MPJPE"] == pytest.approx(sample.errors(claims.uncorrected(method, sample))["MPJPE"])

    corrected = correct(method.lifter, method.joints, sample.poses, sample.keypoints, settings)
    truth = method.lifter.with_root(corrected.poses).numpy()
    perfect = claims.correction_row(method, replace(sample, truth=truth), settings)
    assert perfect["undone"] == pytest.approx(100.0)
    assert perfect["MPJPE"] == pytest.approx(0.0, abs=1e-9)


def test_claims_refuse_runs_of_other_methods_and_hiding_all_joints(run, make_martinez, copy_of_h36m, capsys):
    assert claims.main([str(make_martinez), *copy_of_h36m]) == 2
    assert "a run of martinez" in capsys.readouterr().err
    assert claims.main([str(run), *copy_of_h36m, "--hide", "1.0"]) == 2
    assert "--hide 1.0" in capsys.readouterr().err


def test_a_clip_is_drawn_over_time_before_and_after_correction(run, corrected, copy_of_h36m, tmp_path, capsys):
    picture, clip = tmp_path / "over-time.png", next(iter(open_clips(run)))
    assert over_time.main([str(run / "predictions.npz"), str(corrected), *copy_of_h36m, "--clip", clip, "-o", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert over_time.main([str(corrected), *copy_of_h36m, "--clip", "S1/none/c", "-o", str(picture)]) == 2
    assert "clip S1/none/c" in capsys.readouterr().err


def open_clips(run):
    with open_predictions(run / "predictions.npz") as file:
        return list(file.shapes)
