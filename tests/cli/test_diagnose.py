"""``posebench diagnose``: what it prints and writes, its exit codes, and that it stays light."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posebench.cli import main as cli
from posebench.predictions.archive import save_predictions
from posebench.scoring.decomposition.record import load_diagnosis


@pytest.fixture(scope="module")
def files(tmp_path_factory, walker):
    """Truth of four takes; small poses, poses of which a third is mirrored in depth, axes that are wrong, and a file with too little."""
    folder = tmp_path_factory.mktemp("files")
    truth = {f"S{s}/{action} {take}/c0": walker(70, 10 * s + take) for s in (1, 2) for action in ("Walk", "Sit") for take in (1, 2)}
    random = np.random.default_rng(0)
    near = {clip: pose - pose[:, :1] + random.normal(0.0, 10.0, pose.shape) * (np.arange(17) > 0)[:, None] for clip, pose in truth.items()}
    flipped = {clip: np.where((np.arange(70) < 25)[:, None, None], pose * [1.0, 1.0, -1.0], pose) for clip, pose in near.items()}
    made = {
        "truth": truth,
        "small": {clip: 0.9 * pose for clip, pose in near.items()},
        "flipped": flipped,
        "axes": {clip: pose * [1.0, -1.0, 1.0] for clip, pose in near.items()},
        "half": dict(list(near.items())[:4]),
    }
    return {
        name: str(save_predictions(folder / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method=name))
        for name, poses in made.items()
    }


@pytest.fixture
def run(capsys, files):
    """A run of the command: exit code, stdout, stderr."""

    def call(*words):
        named = [files.get(word, str(word)) for word in words]
        code = cli.main(["-q", "diagnose", *named, "--protocol", "pair-17j", "--truth", files["truth"]])
        return code, *capsys.readouterr()

    return call


def test_it_ends_with_the_sentence(run):
    code, out, err = run("flipped", "--fps", "30")
    assert (code, err) == (0, "")
    last = out.rstrip().splitlines()[-1]
    assert last.startswith(
        "The largest avoidable part: 36 % of the poses are mirrored in depth (face backwards); without it MPJPE would be 1"
    )
    for word in (
        "Ladder: MPJPE after each fix",
        "beyond chance",
        "Shares of the squared error",
        "l_wrist",
        "three worst slices",
        "flip-rate 3",
    ):
        assert word in out
    assert "(16 switches" not in out
    assert "(8 switches in time)" in out


def test_every_table_is_printed_on_request(run):
    short, long = run("small")[1], run("small", "--all")[1]
    for word in ("thorax-neck_nose", "The worst poses", "Poses around the median", "to the camera and left", "right-leg-depth"):
        assert word in long
        assert word not in short
    assert "wrong size by one factor" in short


def test_what_is_written_is_what_is_printed_as_json(run, tmp_path):
    path = tmp_path / "d.json"
    code, out, _ = run("small", "-o", path, "--json")
    assert code == 0
    assert json.loads(out) == json.loads(path.read_text())
    assert load_diagnosis(path).largest == "set-scale"
    code, markdown, _ = run("small", "--markdown")
    assert code == 0
    assert "| fix " in markdown


def test_two_files_are_compared(run, tmp_path):
    code, out, _ = run("small", "flipped", "-o", tmp_path / "both")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["flipped.json", "small.json"]
    assert "Differences a - b, paired over 8 takes: a = small, b = flipped" in out
    content = json.loads(run("small", "flipped", "--json")[1])
    assert [one["predictions"]["method"] for one in content["diagnoses"]] == ["small", "flipped"]
    assert any(row["separable"] for row in content["differences"]["rows"])


def test_a_file_in_which_a_check_finds_an_error_is_diagnosed_with_exit_code_1(run, tmp_path):
    code, out, _ = run("axes", "-o", tmp_path / "d.json")
    assert code == 1
    assert "error: axes" in out
    assert out.rstrip().splitlines()[-1].startswith("The check found an error, axes: mend that first.")
    assert (tmp_path / "d.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["half"], 1, "missing-clips"),
        (["small", "flipped", "half"], 2, "3 files"),
        (["small", "-o", "d.txt"], 2, "ends with .json"),
        (["small", "flipped", "-o", "d.json"], 2, "folder"),
        (["small", "--fps", "0"], 2, "frames a second"),
        (["nothing.npz"], 2, "nothing.npz"),
    ],
)
def test_bad_input_gets_one_paragraph(run, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert said in err
    assert err.startswith("posebench: Found: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
