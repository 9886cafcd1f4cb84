"""Files written by posebench 0.1.0 before its folders were rearranged are read, and give the same numbers.

``tests/golden/earlier/runs`` holds one small run of each baseline (``synthetic``, preset ``smoke``, 8 units wide) with the first 12 poses
that it predicted for one clip; ``scored`` holds predictions, their result, and a comparison of two results.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import posebench

EARLIER = Path(__file__).parent / "golden" / "earlier"
RUNS = sorted(path.name for path in (EARLIER / "runs").iterdir())
CLIP = "S9/Walking 1/c0"


@pytest.fixture(scope="module")
def clip():
    return posebench.open_dataset("synthetic").load(CLIP)


def test_there_is_a_run_of_every_baseline_that_earlier_versions_had():
    from posebench.networks.recipe import baselines

    assert RUNS
    assert set(RUNS) <= set(baselines())


@pytest.mark.parametrize("method", RUNS)
def test_an_earlier_run_predicts_the_same_poses(method, clip):
    pytest.importorskip("torch", reason="runs need the extra [baselines]")
    lifter = posebench.open_lifter(str(EARLIER / "runs" / method), posebench.open_dataset("synthetic"))
    poses = lifter.lift(clip.keypoints("gt"), clip.camera)[:12]
    poses -= poses[:, :1]
    with np.load(EARLIER / "runs" / method / "poses.npz") as file:
        expected = file["poses"] - file["poses"][:, :1]
    np.testing.assert_allclose(poses, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("method", RUNS)
def test_an_earlier_checkpoint_can_be_resumed(method):
    pytest.importorskip("torch", reason="runs need the extra [baselines]")
    import copy

    import torch

    from posebench.lifters.run import build
    from posebench.networks.recipe import Recipe
    from posebench.training import checkpoint

    folder = EARLIER / "runs" / method
    recipe = Recipe.load(folder / "recipe.toml")
    built = build(recipe)
    average = copy.deepcopy(built.lifter) if recipe.settings["ema"] else None
    before = torch.get_rng_state()
    try:
        state, order = checkpoint.load(folder / "checkpoint.safetensors", built, average, built.optimisers(), "cpu")
    finally:
        torch.set_rng_state(before)
    assert (state.epoch, state.step, len(order)) == (recipe.settings["epochs"], 2 * recipe.settings["epochs"], 64)


@pytest.mark.parametrize("name", ["preds.npz", "preds.h5"])
def test_earlier_predictions_score_as_they_did(name):
    result = posebench.score(EARLIER / "scored" / name, "pair-17j", truth=EARLIER / "scored" / "truth.npz", per_frame=True)
    before = posebench.load_result(EARLIER / "scored" / "result.json")
    assert result.protocol == before.protocol
    expected = json.loads((EARLIER / "scored" / "result.json").read_text(encoding="utf-8"))["metrics"]
    found = result.as_dict()["metrics"]
    assert json.dumps(list(found)) == json.dumps(list(expected))
    for metric, values in expected.items():
        for key in ("value", "low", "high"):
            assert found[metric][key] == pytest.approx(values[key], rel=1e-12, nan_ok=True), (metric, key)
        assert found[metric]["groups"].keys() == values["groups"].keys()
        for group, table in values["groups"].items():
            assert found[metric]["groups"][group] == pytest.approx(table, rel=1e-12, nan_ok=True), (metric, group)


def test_an_earlier_result_gives_the_same_long_table(tmp_path):
    from posebench.cli.main import main

    scored = EARLIER / "scored"
    command = ["score", scored / "preds.npz", "--protocol", "pair-17j", "--truth", scored / "truth.npz", "--csv", tmp_path / "long.csv"]
    assert main([str(word) for word in command]) == 0
    assert (tmp_path / "long.csv").read_text(encoding="utf-8").splitlines()[0] == (scored / "result.csv").read_text().splitlines()[0]
    assert len((tmp_path / "long.csv").read_text().splitlines()) == len((scored / "result.csv").read_text().splitlines())


def test_earlier_results_compare_as_they_did(capsys):
    from posebench.cli.main import main

    assert main(["compare", str(EARLIER / "scored" / "result.json"), str(EARLIER / "scored" / "other.json"), "--json"]) == 0
    found, expected = json.loads(capsys.readouterr().out), json.loads((EARLIER / "scored" / "comparison.json").read_text(encoding="utf-8"))
    assert [table["metric"] for table in found] == [table["metric"] for table in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["letters"] == other["letters"]
        assert one["values"] == pytest.approx(other["values"], rel=1e-12)
        for key in ("value", "low", "high", "p"):
            assert one["pairs"][0][key] == pytest.approx(other["pairs"][0][key], rel=1e-9)
