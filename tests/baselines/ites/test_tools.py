"""The tools beside the two methods: what rules are worth, and the picture of the dictionary."""

import json

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import numpy as np

from posebench.baselines.ites.study import claims
from posebench.baselines.ites_teacher.study import dictionary
from posebench.data import open_dataset
from posebench.training.run import train


@pytest.fixture(scope="module")
def taught(copies, tmp_path_factory):
    """A student with the teacher that was trained for it."""
    folder = tmp_path_factory.mktemp("runs") / "student"
    tiny = ("width=8", "blocks=1", "epochs=1", "samples=256")
    train("ites", "h36m", root=copies / "videopose3d", preset="smoke", changes=tiny, threads=1, output=folder)
    return folder


def test_the_rules_are_measured_on_the_truth(copies, tmp_path, capsys):
    root = str(copies / "videopose3d")
    assert claims.main(["truth", "--dataset", "h36m", "--root", root, "--step", "20", "-o", str(tmp_path / "c.json")]) == 0
    rows = {row["rule"]: row["kept [%]"] for row in json.loads((tmp_path / "c.json").read_text())["rows"]}
    assert set(rows) == {"tilt", "tilt, 31 votes", "tilt, 301 votes", "bends", "bends, 31 votes", "bends, 301 votes"}
    assert rows["bends"] > 95.0
    assert "kept [%]" in capsys.readouterr().out


def test_a_run_is_measured_under_every_rule_and_with_the_other_scale(taught, copies, tmp_path, capsys):
    root = str(copies / "videopose3d")
    for run in (taught, taught / "teacher"):
        assert claims.main([str(run), "--dataset", "h36m", "--root", root, "--step", "50", "-o", str(tmp_path / "c.json")]) == 0
        rows = json.loads((tmp_path / "c.json").read_text())["rows"]
        assert len(rows) == 8
        plain, other = rows[0], rows[-1]
        assert (plain["rule"], plain["scale"], other["rule"], other["scale"]) == ("none", "training", "none", "this split")
        assert plain["PA"] != other["PA"]
        for row in rows:
            assert row["PA, reflection"] <= row["PA"] + 1e-9
            assert row["best-of-flip PA"] <= row["PA"] + 1e-9
        # A rule moves poses from flipped to not flipped and back; what a flip does not change it leaves nearly alone.
        assert {row["frames"] for row in rows} == {plain["frames"]}
    assert "best-of-flip MPJPE" in capsys.readouterr().out


def test_what_is_no_run_of_either_is_told_in_a_paragraph(copies, tmp_path, capsys):
    assert claims.main([str(tmp_path), "--dataset", "h36m", "--root", str(copies / "videopose3d")]) == 2
    assert "recipe.toml" in capsys.readouterr().err
    assert dictionary.main([str(tmp_path), "-o", str(tmp_path / "d.png")]) == 2


def test_the_dictionary_is_drawn_and_of_the_teacher_only(taught, tmp_path, capsys):
    path = tmp_path / "dictionary.png"
    assert dictionary.main([str(taught / "teacher"), "-o", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert dictionary.main([str(taught), "-o", str(path)]) == 2
    assert "a run of ites" in capsys.readouterr().err


def test_bases_come_in_the_order_of_how_far_they_move_the_joints(taught):
    mean, bases = dictionary.varied(taught / "teacher")
    assert mean.shape == (17, 3)
    assert bases.shape == (12, 17, 3)
    np.testing.assert_array_equal(mean[0], 0.0)
    sizes = np.linalg.norm(bases.reshape(12, -1), axis=1)
    assert sizes[0] > 0
    assert (np.diff(sizes) <= 1e-6 * sizes[0]).all()
    assert len(open_dataset("synthetic").clip_ids("test")) >= dictionary.CLIPS
