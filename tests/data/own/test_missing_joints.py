"""Joints that files of motion lack: which frames are scored, for every metric the same ones, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import posebench
from posebench import metrics
from posebench.base.skeletons import skeleton
from posebench.cli.main import main
from posebench.data import open_dataset
from posebench.data.own.dataset import action_of
from posebench.data.own.template import new_card

JOINTS = skeleton("h36m17").joints
FRAMES = 40


@pytest.fixture(scope="module")
def world(synthetic):
    """Poses (T, 17, 3) mm of a generated person, y up."""
    clip = synthetic.load("S9/Walking 1/c0")
    return clip.camera.to_world(clip.pose[:FRAMES])


def folder_of(base: Path, pose, **arrays) -> Path:
    """A folder with one take, all of it the test split."""
    (base / "in").mkdir()
    np.savez(base / "in" / "S1_walk.npz", pose=pose, fps=50.0, **arrays)
    new_card(base / "mine", [base / "in"])
    card = base / "mine/dataset.toml"
    text = card.read_text().replace('frame = "?"', 'frame = "world"').replace('capture = "?"', 'capture = "generated"')
    card.write_text(text.replace('"?"', '"mine"'))
    return base / "mine"


@given(seed=st.integers(0, 2**16))
@settings(max_examples=4, deadline=None)
def test_every_metric_scores_the_frames_with_all_joints_and_counts_the_others(seed, world, tmp_path_factory):
    rng = np.random.default_rng(seed)
    valid = rng.random((FRAMES, 17)) > 0.02
    valid[rng.integers(FRAMES)] = True
    base = tmp_path_factory.mktemp("gaps")
    folder = folder_of(base, world, valid=valid)
    dataset = open_dataset("own", folder)
    whole = valid.all(axis=1)
    truth = {id: dataset.load(id).pose for id in dataset.infos}
    poses = {id: pose + rng.normal(0.0, 30.0, pose.shape) for id, pose in truth.items()}
    result = posebench.score(poses, folder / "protocol.toml", root=folder, unit="mm", skeleton="h36m17")

    lost = {joint: 4 * int(count) for joint, count in zip(JOINTS, (~valid).sum(axis=0), strict=True) if count}
    assert (result.coverage.left_out, result.coverage.joints_missing) == (4 * int((~whole).sum()), lost)
    assert result.coverage.poses == 4 * int(whole.sum())
    assert not result.coverage.partial

    pairs = [(metrics.root_relative(poses[id], [0]), metrics.root_relative(truth[id], [0])) for id in truth]
    expected = np.mean([metrics.mpjpe(pred[whole], true[whole]).mean() for pred, true in pairs])
    assert result.value("MPJPE", "frame") == pytest.approx(expected, rel=1e-9)
    steps = whole[1:] & whole[:-1]
    if steps.any():
        moved = [np.linalg.norm(np.diff(pred, axis=0) - np.diff(true, axis=0), axis=-1)[steps].mean() for pred, true in pairs]
        assert result.value("MPJVE", "frame") == pytest.approx(np.mean(moved), rel=1e-9)


def test_a_point_that_the_card_does_not_use_costs_no_frame(world, tmp_path):
    valid = np.ones((FRAMES, 18), dtype=bool)
    valid[:, 17] = False
    valid[3:7, 6] = False
    more = np.concatenate([world, world[:, :1]], axis=1)
    folder = folder_of(tmp_path, more, labels=np.array([*JOINTS, "finger"]), valid=valid)
    dataset = open_dataset("own", folder)
    assert [len(rows) for rows in dataset.valid.values()] == [FRAMES - 4] * 4
    assert all(np.array_equal(~seen, ~valid[:, :17]) for seen in dataset.seen.values())


def test_what_is_left_out_is_said_by_info_check_score_and_the_report(world, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pose = world.copy()
    pose[5:9, JOINTS.index("l_ankle")] = np.nan
    pose[8:11, JOINTS.index("head_top")] = np.nan
    folder_of(tmp_path, pose)
    data = ["--protocol", "mine/protocol.toml", "--root", "mine"]
    assert main(["data", "info", "own", "--root", "mine"]) == 0
    assert "24 poses in 4 clips; joints that are missing: l_ankle 16, head_top 12" in " ".join(capsys.readouterr().out.split())
    assert main(["predict", "flat", "--dataset", "own", "--root", "mine", "-o", "p.npz"]) == 0
    assert main(["check", "p.npz", *data, "--strict"]) == 0
    said = "24 of 160 frames of the truth are not scored; the truth lacks a joint there: l_ankle in 16, head_top in 12"
    assert said in " ".join(capsys.readouterr().out.split())
    assert main(["score", "p.npz", *data, "-o", "r.json"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    saved = posebench.load_result("r.json").coverage
    assert (saved.left_out, saved.joints_missing) == (24, {"l_ankle": 16, "head_top": 12})
    assert main(["report", "r.json", *data, "-o", "r.html"]) == 0
    assert "joints missing in them: l_ankle 16, head_top 12" in Path("r.html").read_text()


def test_frames_that_a_file_marks_as_not_valid_are_counted_without_joints(world, tmp_path):
    folder = folder_of(tmp_path, world, valid=np.arange(FRAMES) >= 10)
    dataset = open_dataset("own", folder)
    poses = {id: dataset.load(id).pose for id in dataset.infos}
    result = posebench.score(poses, folder / "protocol.toml", root=folder, unit="mm", skeleton="h36m17")
    assert (result.coverage.left_out, result.coverage.joints_missing) == (40, {})
    assert "the data mark them as not valid" in next(one.message for one in result.findings if one.name == "truth-gaps")


def test_actions_come_from_names_without_subject_and_number():
    assert action_of("S1", "walk_02") == action_of("S1", "S1_walk_02") == "walk"
    assert action_of("07", "07_01") == "07_01"
