"""From a trained run: predicting with another correction, the claims' tables, and the picture over time."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import posebench
from posebench.base.errors import PosebenchError
from posebench.baselines.pose_machine.study import claims, over_time
from posebench.cli.main import main
from posebench.lifters.run import open_run
from posebench.predictions.archive import open_predictions

TINY = ["width=16", "embedding_width=16", "copy_width=16", "projector_width=16", "epochs=3", "samples=64"]
CHANGED = ["--set", "correction=both", "--set", "steps=3", "--set", "reject=0.0"]


@pytest.fixture(scope="module")
def copy_of_h36m(copies):
    """A generated copy of Human3.6M in a layout of licensed data."""
    return ["--dataset", "h36m", "--root", str(copies / "videopose3d")]


@pytest.fixture(scope="module")
def run(copy_of_h36m, tmp_path_factory):
    """A run on that copy, through the command line: training, prediction and scoring."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    changes = [word for change in TINY for word in ("--set", change)]
    words = ["train", "pose_machine", *copy_of_h36m, "--preset", "smoke", *changes, "--threads", "1", "-o", str(folder)]
    assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def corrected(run, copy_of_h36m):
    """The same run, predicted with a correction that it was not trained to make."""
    path = run.parent / "corrected.npz"
    assert main(["predict", str(run), *copy_of_h36m, *CHANGED, "-o", str(path)]) == 0
    return path


def test_it_trains_on_a_layout_of_licensed_data_from_end_to_end(run):
    result = posebench.load_result(run / "result.json")
    assert not result.coverage.partial
    assert {"MPJPE", "MPJVE", "ACCEL"} <= set(result.metrics)
    told = result.predictions.provenance
    assert (told["context"], told["flip_averaging"]) == (53, True)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [{name.partition("/")[0] for name in line["losses"]} for line in log] == [{"transformer"}, {"projector"}, {"whole"}]
    assert (run / "curves.png").stat().st_size > 1000


def test_a_run_is_predicted_with_another_correction_without_training_and_the_file_says_so(run, corrected):
    with open_predictions(run / "predictions.npz") as before, open_predictions(corrected) as after:
        assert after.meta.provenance.recipe == before.meta.provenance.recipe + ", correction=both, steps=3, reject=0.0"
        differences = [np.abs(after.poses(clip) - before.poses(clip)).max() for clip in before.shapes]
    assert min(differences) > 0.0


def test_the_same_settings_given_by_hand_change_nothing_but_the_name(run, copy_of_h36m, tmp_path):
    path = tmp_path / "same.npz"
    assert main(["predict", str(run), *copy_of_h36m, "--set", "correction=none", "-o", str(path)]) == 0
    with open_predictions(run / "predictions.npz") as before, open_predictions(path) as after:
        assert after.meta.provenance.recipe.endswith(", correction=none")
        assert all(np.array_equal(after.poses(clip), before.poses(clip)) for clip in before.shapes)


@pytest.mark.parametrize("change", ["width=32", "window=5", "flip_averaging=false", "nothing=1"])
def test_a_setting_that_the_weights_depend_on_is_refused(run, change):
    with pytest.raises(PosebenchError, match=f"--set {change.partition('=')[0]} for a finished run"):
        open_run(run, changes=[change])


def test_a_value_of_another_type_is_refused(run):
    with pytest.raises(PosebenchError, match="steps = 'many'"):
        open_run(run, changes=["steps=many"])


def test_a_method_without_such_settings_and_a_lifter_that_is_no_run_refuse_any(make_martinez, copy_of_h36m, tmp_path, capsys):
    with pytest.raises(PosebenchError, match="none: martinez has no such settings"):
        open_run(make_martinez, changes=["width=3"])
    assert main(["predict", "flat", *copy_of_h36m, "--set", "steps=1", "-o", str(tmp_path / "p.npz")]) == 2
    assert "--set for flat" in capsys.readouterr().err


@pytest.fixture(scope="module")
def make_martinez(copy_of_h36m, tmp_path_factory):
    """A run of a method that has no settings of test time."""
    folder = tmp_path_factory.mktemp("runs") / "martinez"
    words = ["--set", "width=16", "--set", "epochs=1", "--set", "samples=64", "--threads", "1"]
    assert main(["train", "martinez", *copy_of_h36m, "--preset", "smoke", *words, "-o", str(folder)]) == 0
    return folder


def test_the_claims_tables_hold_every_variant_and_say_what_they_measured(run, copy_of_h36m, tmp_path, capsys):
    out = tmp_path / "claims.json"
    words = [str(run), *copy_of_h36m, "--hide", "0", "0.2", "--steps", "1", "3", "--clips", "4", "--frames", "12", "-o", str(out)]
    assert claims.main(words) == 0
    told = json.loads(out.read_text())
    assert [(part["hidden"], part["frames"]) for part in told["conditions"]] == [(0.0, 48), (0.2, 48)]
    for part in told["conditions"]:
        rows = part["rows"]
        assert [row["correction"] for row in rows] == ["none", "copy", *["copy"] * 4, *["both"] * 4, *["camera"] * 4]
        free = [row for row in rows if row["rule"] == "free"]
        assert all(row["rejected"] == 0.0 and row["taken"] == row["steps"] for row in free)
        assert all(row["MPJVE"] > 0.0 and row["ACCEL"] > 0.0 for row in rows)
        assert {row["correction"] for row in rows if "absorbed" in row} == {"both"}
    clean, hidden = (part["rows"][0]["MPJPE"] for part in told["conditions"])
    assert clean != hidden
    assert [row["correction"] for row in told["cost"]] == ["copy", "both", "camera"]
    assert told["run"]["recipe"].startswith("default")
    assert "20% of joints hidden: 48 frames of 4 clips" in capsys.readouterr().out


def test_error_undone_is_all_of_it_for_the_truth_and_none_for_the_pose_itself(run, copy_of_h36m):
    from dataclasses import replace

    from posebench.data import open_dataset

    plain, method = claims.open_machine(run)
    sample = claims.gather_sample(plain, method, open_dataset("h36m", copy_of_h36m[-1]), "gt", hide=0.0, clips=2, frames=9)
    rule = replace(method.settings, correction="camera", steps=2, stop=0.0, reject=0.0, correction_rate=0.5)
    start = method.lifter.whole(method.lifter.in_mm(sample.told.double())).detach().numpy()
    moved = claims._row(method, sample, start, rule)
    assert moved["undone"] != 0.0
    rejected = claims._row(method, sample, start, replace(rule, reject=1e-9))
    assert (rejected["rejected"], rejected["undone"]) == (100.0, 0.0)
    assert rejected["MPJPE"] == pytest.approx(sample.errors(start)["MPJPE"])
    # Were the truth what the correction gave, all of the error would be undone.
    target = replace(sample, truth=start + 2.0)
    poses = claims._numpy(method.lifter.whole(claims.correct(method.lifter, method.joints, sample.told, sample.seen, rule).poses))
    whole = claims._row(method, replace(target, truth=poses), start, rule)
    assert whole["undone"] == pytest.approx(100.0)
    assert whole["MPJPE"] == pytest.approx(0.0, abs=1e-9)


def test_claims_refuse_what_is_no_pose_machine_and_a_share_of_all_joints(run, make_martinez, copy_of_h36m, capsys):
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
