"""The studies of student and teacher: what depth flip rules are worth, and the picture of the dictionary."""

import json

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import numpy as np

from posebench.baselines.ites.study import claims
from posebench.baselines.ites_teacher.study import dictionary
from posebench.data import open_dataset
from posebench.training.run import train

RULES = ["tilt", "tilt, 31 votes", "tilt, 301 votes", "bends", "bends, 31 votes", "bends, 301 votes"]


@pytest.fixture(scope="module")
def student(copies, tmp_path_factory):
    """A student's run, with the run of the teacher that was trained for it."""
    folder = tmp_path_factory.mktemp("runs") / "student"
    tiny = ("width=8", "blocks=1", "epochs=1", "samples=256", "flip_averaging=false")
    train("ites", "h36m", root=copies / "videopose3d", preset="smoke", changes=tiny, threads=1, output=folder)
    return folder


def measured(copies, tmp_path, run, *options):
    path = tmp_path / "claims.json"
    words = [str(run), "--dataset", "h36m", "--root", str(copies / "videopose3d"), "--clips", "2", *options, "-o", str(path)]
    assert claims.main(words) == 0
    return json.loads(path.read_text())["rows"]


def test_the_share_of_true_poses_that_each_rule_keeps_is_measured(copies, tmp_path, capsys):
    kept = {row["rule"]: row["kept [%]"] for row in measured(copies, tmp_path, "truth", "--step", "20")}
    assert list(kept) == RULES
    assert kept["bends"] > 95.0
    assert "kept [%]" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["", "teacher"])
def test_a_run_is_measured_under_every_rule_and_with_the_other_scale(student, copies, tmp_path, capsys, part):
    rows = measured(copies, tmp_path, student / part, "--step", "50")
    assert [row["rule"] for row in rows] == ["none", *RULES, "none"]
    assert [row["scale"] for row in rows] == ["training"] * 7 + ["this split"]
    assert rows[0]["PA"] != rows[-1]["PA"]
    for row in rows:
        # Alignment minimises squared distances, so that the mean distance may be a little larger.
        assert row["PA, reflection"] <= 1.05 * row["PA"]
    assert len({row["frames"] for row in rows}) == 1
    assert "best-of-flip MPJPE" in capsys.readouterr().out


def test_a_folder_that_is_not_a_run_is_refused(copies, tmp_path, capsys):
    assert claims.main([str(tmp_path), "--dataset", "h36m", "--root", str(copies / "videopose3d")]) == 2
    assert "recipe.toml" in capsys.readouterr().err
    assert dictionary.main([str(tmp_path), "-o", str(tmp_path / "d.png")]) == 2


def test_the_dictionary_of_a_teacher_is_drawn_and_a_student_is_refused(student, tmp_path, capsys):
    path = tmp_path / "dictionary.png"
    assert dictionary.main([str(student / "teacher"), "-o", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert dictionary.main([str(student), "-o", str(path)]) == 2
    assert "a run of ites" in capsys.readouterr().err


def test_bases_are_sorted_by_how_far_they_move_the_joints(student):
    mean, bases = dictionary.mean_and_bases(student / "teacher")
    assert mean.shape == (17, 3)
    assert bases.shape == (12, 17, 3)
    np.testing.assert_array_equal(mean[0], 0.0)
    sizes = np.linalg.norm(bases.reshape(12, -1), axis=1)
    assert sizes[0] > 0
    assert (np.diff(sizes) <= 1e-6 * sizes[0]).all()
    assert len(open_dataset("synthetic").clip_ids("test")) >= dictionary.CLIPS
