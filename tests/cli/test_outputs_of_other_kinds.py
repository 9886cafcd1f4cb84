"""Commands that write JSON never replace a file of another kind, and write nothing before they know that they can finish."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.cli.main import main


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two prediction files of known and of unknown scale, their truth, and a result."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    truth = {f"S{i}/Walk {i}/c0": rng.normal(0, 250, (40, 17, 3)) for i in range(1, 5)}
    posebench.save_predictions("truth.npz", truth, unit="mm", skeleton="h36m17")
    poses = {clip: pose + rng.normal(0, 20, pose.shape) for clip, pose in truth.items()}
    posebench.save_predictions("known.npz", poses, unit="mm", skeleton="h36m17")
    posebench.save_predictions("unknown.npz", poses, scale="unknown", skeleton="h36m17")
    posebench.score("known.npz", "pair-17j", truth="truth.npz").save("r.json")
    return ["--protocol", "pair-17j", "--truth", "truth.npz"]


@pytest.mark.parametrize("words", [["explain", "r.json"], ["diagnose", "known.npz"]])
def test_a_result_is_not_replaced_by_a_file_of_another_kind(files, words, capsys):
    before = Path("r.json").read_bytes()
    against = files if words[0] == "diagnose" else []
    assert main([*words, *against, "-o", "r.json"]) == 2
    assert "r.json is there, and is of the kind result" in capsys.readouterr().err
    assert Path("r.json").read_bytes() == before


def test_two_files_that_cannot_be_compared_leave_no_diagnosis(files, tmp_path, capsys):
    assert main(["diagnose", "known.npz", "unknown.npz", *files, "-o", "both", "--fps", "30"]) == 2
    assert "differ in scale" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("stated", [12.3, -100.0])
def test_a_value_that_does_not_follow_from_the_sums_is_refused(stated):
    content = json.loads(Path("r.json").read_text())
    content["metrics"]["PA-MPJPE"]["value"] = stated
    Path("edited.json").write_text(json.dumps(content))
    shutil.copy("r.sums.npz", "edited.sums.npz")
    with pytest.raises(PosebenchError, match=r"PA-MPJPE = .*which its sums give"):
        posebench.load_result("edited.json")


def test_a_diagnosis_is_not_taken_for_a_result(files, capsys):
    assert main(["diagnose", "known.npz", *files, "-o", "d.json", "--fps", "30"]) == 0
    for command in (["explain", "d.json"], ["report", "d.json", "-o", "d.html"]):
        assert main(command) == 2
        assert "d.json is a diagnosis" in capsys.readouterr().err
