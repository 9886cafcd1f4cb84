"""Lifters across datasets: the offset of a skeleton is found and taken away, and rows of other keypoints are refused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.cli.main import main
from posebench.lifters.robustness import across as module
from posebench.lifters.robustness.across import measure_across
from posebench.scoring.decomposition.body import Body
from posebench.scoring.protocol import load_protocol
from posebench.scoring.robustness.across import measure_cell
from posebench.scoring.submission import Header
from posebench.scoring.truth import TruthLocation

METRIC = Header("mm", "h36m17", "metric", "mine", "gt")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A function that gives a protocol of a few clips of a dataset."""
    folder = tmp_path_factory.mktemp("few")

    def protocol(dataset, subjects):
        path = folder / f"{dataset}.toml"
        actions = 'actions = ["Walking"]\n' if dataset == "synthetic" else ""
        path.write_text(
            f'extends = "{dataset}"\nid = "few-{dataset}"\nversion = 1\ntitle = "few"\naliases = []\nsources = ["a test"]\n'
            f'[takes]\nsubjects = {json.dumps(subjects)}\ncameras = ["c0"]\n{actions}'
        )
        return load_protocol(str(path))

    return protocol


@pytest.fixture(scope="module")
def truth(few, synthetic):
    protocol = few("synthetic", ["S9", "S11"])
    clips = [id for id in synthetic.clip_ids("test") if "/Walking" in id and id.endswith("c0")]
    return protocol, {id: synthetic.load(id).pose for id in clips}


def test_the_offset_of_a_skeleton_is_taken_away(truth):
    protocol, poses = truth
    offset = np.random.default_rng(0).normal(0.0, 30.0, (17, 3))
    offset[0] = 0.0
    moved = {}
    for id, pose in poses.items():
        axes = Body.of(protocol).axes(pose.transpose(2, 1, 0))
        moved[id] = pose + np.einsum("bcn,jb->njc", axes, offset)
    cell = measure_cell(moved, protocol, TruthLocation(), METRIC)
    assert cell.mpjpe == pytest.approx(np.linalg.norm(offset, axis=1).mean())
    result = posebench.score(moved, protocol, unit="mm", skeleton="h36m17")
    assert cell.pa == pytest.approx(result.value("PA-MPJPE"), abs=1e-9)
    assert cell.pa > 25.0
    # What is left is that the similarity fits the offset differently in each pose.
    assert cell.pa_offset < 0.25 * cell.pa


def test_errors_that_differ_from_take_to_take_are_not_taken_away(truth):
    protocol, poses = truth
    random = np.random.default_rng(1)
    noisy = {id: pose + random.normal(0.0, 40.0, (1, 17, 3)) * (np.arange(17) > 0)[:, None] for id, pose in poses.items()}
    cell = measure_cell(noisy, protocol, TruthLocation(), METRIC)
    assert cell.pa_offset > 0.9 * cell.pa


def test_one_take_has_no_other_half(few, synthetic):
    protocol = few("synthetic", ["S9"])
    pose = {id: synthetic.load(id).pose for id in ("S9/Walking 1/c0", "S9/Walking 2/c0")}
    assert measure_cell(pose, protocol, TruthLocation(), METRIC).pa_offset == pytest.approx(0.0, abs=1e-3)


def test_a_table_of_captured_and_generated_motion(few, cmu_root, monkeypatch, tmp_path, capsys):
    protocols = {"cmu": few("cmu", ["S35"]), "synthetic": few("synthetic", ["S9", "S11"])}
    monkeypatch.setattr(module, "load_protocol", protocols.__getitem__)
    out = tmp_path / "x.json"
    assert main(["-q", "robustness", "across", "flat", "--on", f"cmu={cmu_root}", "--on", "synthetic", "-o", str(out)]) == 0
    text = capsys.readouterr().out
    row = json.loads(out.read_text())["rows"][0]
    assert (row["method"], row["trained_on"], list(row["cells"])) == ("flat", "", ["cmu", "synthetic"])
    assert row["cells"]["cmu"]["mpjpe"] is None
    for cell in row["cells"].values():
        assert f"{cell['pa']:.1f}" in text
        assert 40.0 < cell["pa_offset"] < cell["pa"] < 140.0


def test_wrong_calls_are_refused():
    with pytest.raises(PosebenchError, match="1 dataset"):
        measure_across(["flat"], {"synthetic": None})
    with pytest.raises(PosebenchError, match=r"dataset 'cmuu'.*did you mean cmu"):
        measure_across(["flat"], {"synthetic": None, "cmuu": None})
    lifter = SimpleNamespace(info=SimpleNamespace(id="mine", provenance=SimpleNamespace(trained_keypoints="gt")))
    with pytest.raises(PosebenchError, match=r"mine, trained on keypoints gt.*--keypoints gt"):
        module._require_keypoints(lifter, "detector")
