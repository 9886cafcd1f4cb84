"""`posebench explain`: what it prints and writes, and what it answers to wrong calls; a board refuses what it wrote."""

import json

import numpy as np
import pytest

import posebench
from posebench.cli.main import main


@pytest.fixture(scope="module")
def files(tmp_path_factory, walker):
    """Paths of predictions, truth, and a result."""
    folder = tmp_path_factory.mktemp("explain")
    random = np.random.default_rng(0)
    truth = {
        f"S{s}/{action} {take}/c{c}": walker(30, 4 * s + take, c)
        for s in (1, 2)
        for action in ("Walk", "Sit")
        for take in (1, 2)
        for c in (0, 1)
    }
    pred = {clip: pose + random.normal(scale=25.0, size=pose.shape) for clip, pose in truth.items()}
    paths = {
        name: str(
            posebench.save_predictions(folder / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method=f"{name} <b>", keypoints="gt")
        )
        for name, poses in (("truth", truth), ("pred", pred))
    }
    result = posebench.score(paths["pred"], "pair-17j", truth=paths["truth"]).save(folder / "r.json")
    return {**paths, "result": str(result)}


@pytest.fixture
def run(capsys):
    def call(*arguments):
        try:
            code = main(["-q", *arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return call


def of_files(files, *options):
    return ["explain", files["pred"], "--protocol", "pair-17j", "--truth", files["truth"], *options]


def test_the_tables_name_convention_who_value_change_and_interval(files, run):
    code, out, err = run(*of_files(files, "--metric", "MPJPE", "--as", "mmpose", "--as", "spin-p2"))
    assert (code, err) == (0, "")
    assert "Every value below but those under the protocol is not pair-17j" in out
    lines = out.splitlines()
    heads = next(line for line in lines if line.startswith("convention"))
    assert heads.split() == ["convention", "who", "value", "[mm]", "change", "interval"]
    (root,) = [line for line in lines if line.startswith("the root is not counted ")]
    value = posebench.explain(files["pred"], "pair-17j", truth=files["truth"], metrics="MPJPE").line("MPJPE", "no-root").value
    assert f" {value:.2f} " in root
    assert "as mmpose: applied: every 5th frame" in out
    assert "spin" not in out.lower().split("cannot be computed")[0].split("preset")[1].split("convention")[0]
    assert "only Human3.6M has these damaged takes" in out
    assert "Same (less than 0.05 mm): " in out


def test_json_markdown_and_the_written_file_agree(files, run, tmp_path):
    path = tmp_path / "e.json"
    code, out, _ = run(*of_files(files, "--json", "-o", str(path)))
    assert code == 0
    content = json.loads(out)
    assert content == json.loads(path.read_text(encoding="utf-8"))
    assert content["stamp"] == "not pair-17j"
    assert {line["metric"] for line in content["lines"]} == set(content["stated"])
    code, out, _ = run(*of_files(files, "--markdown", "--metric", "MPJPE"))
    assert code == 0
    assert "\n| convention " in out
    assert "pred &lt;b&gt;" in out


def test_a_result_is_enough_for_what_its_sums_hold(files, run):
    code, out, _ = run("explain", files["result"], "--metric", "MPJPE", "--as", "mmpose")
    assert code == 0
    assert "from the sums of a result" in out
    assert "needs single frames, and a result keeps sums" in out


def test_a_target_and_a_second_input_are_explained_in_a_sentence(files, run):
    value = posebench.load_result(files["result"]).value("MPJPE") * 17 / 16
    code, out, _ = run("explain", files["result"], "--target", f"MPJPE={value:.4f}")
    assert code == 0
    assert "Most is explained for this by: the root is not counted. That leaves" in out.replace("\n", " ")
    code, out, _ = run("explain", files["result"], files["result"], "--metric", "MPJPE")
    assert code == 0
    assert "They are the same." in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--as", "mmposs"], "did you mean mmpose"),
        (["--metric", "MPJP"], "did you mean MPJPE"),
        (["--target", "MPJPE"], "a metric and a number"),
        (["--target", "MPJPE=nan"], "a metric and a number"),
        (["-o", "e.txt"], "a name that ends with .json"),
    ],
)
def test_wrong_calls_get_one_paragraph_and_exit_2(files, run, options, words):
    code, out, err = run(*of_files(files, *options))
    assert (code, out) == (2, "")
    assert err.startswith("posebench: Found: ")
    assert err.count("\n") == 1
    assert words in err


def test_a_missing_protocol_or_file_is_named(files, run):
    code, _, err = run("explain", files["pred"])
    assert code == 2
    assert "without a protocol" in err
    code, _, err = run("explain", "nothing.json")
    assert code == 2
    assert "nothing.json" in err


def test_a_board_refuses_an_explanation(files, run, tmp_path):
    path = tmp_path / "e.json"
    assert run(*of_files(files, "--metric", "MPJPE", "-o", str(path)))[0] == 0
    code, out, err = run("board", "add", str(path), "--board", str(tmp_path / "board"))
    assert (code, out) == (2, "")
    assert "e.json is an explanation, whose values are of other protocols" in err
    assert not (tmp_path / "board" / "entries").exists()
