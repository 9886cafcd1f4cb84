"""The command line: what it prints, the code it exits with, and the one paragraph that bad input gets."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from posebench.cli import main as cli
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.scoring.evaluate import score
from posebench.scoring.protocol import describe, load_protocol, protocol_ids
from posebench.scoring.result import load_result
from posebench.scoring.result_parts import Coverage


@pytest.fixture(scope="module")
def files(tmp_path_factory, walker):
    """Paths of a truth file and of three predictions: good, with wrong axes, and half of it."""
    folder = tmp_path_factory.mktemp("files")
    truth = {f"S{s}/{action} {take}/c0": walker(12, 10 * s + take) for s in (1, 2) for action in ("Walk", "Sit") for take in (1, 2)}
    random = np.random.default_rng(0)
    good = {clip: pose + random.normal(scale=25.0, size=pose.shape) for clip, pose in truth.items()}
    good = {clip: pose - pose[:, :1] for clip, pose in good.items()}
    wrong = {clip: pose * [1.0, -1.0, 1.0] for clip, pose in good.items()}
    half = dict(list(good.items())[:4])
    return {
        name: save_predictions(folder / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method=f"{name} grüße")
        for name, poses in (("truth", truth), ("good", good), ("wrong", wrong), ("half", half))
    }


def pair(files, name="good"):
    return [str(files[name]), "--protocol", "pair-17j", "--truth", str(files["truth"])]


def posebench(*arguments, **options):
    """A run of the command in a process of its own; quiet, since a busy machine may be slow enough for a line of progress."""
    command = [sys.executable, "-m", "posebench", "-q", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def run(capsys):
    """A run of the command in this process: exit code, stdout, stderr."""

    def call(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        return code, *capsys.readouterr()

    return call


def assert_one_paragraph(stderr, *words):
    """Found, wanted, next; nothing of Python's."""
    assert stderr.startswith("posebench: Found: ")
    assert stderr.count("\n") == 1
    for word in ("Wanted: ", "Next: ", *words):
        assert word in stderr
    assert "Traceback" not in stderr


def test_a_sound_file_passes_the_check(files):
    done = posebench("check", *pair(files))
    assert (done.returncode, done.stderr) == (0, "")
    assert "No findings" in done.stdout


def test_a_broken_file_fails_the_check_with_code_1_and_a_table(files):
    done = posebench("check", *pair(files, "wrong"))
    assert (done.returncode, done.stderr) == (1, "")
    for word in ("error", "axes", "likely fix", "(x, -y, z)"):
        assert word in done.stdout


def test_score_refuses_a_broken_file_with_code_1_and_one_paragraph(files):
    done = posebench("score", *pair(files, "wrong"))
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_paragraph(done.stderr, "axes", "posebench check", "camera-frame")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "nowhere.npz", "--protocol", "pair-17j", "--truth", "gt.npz"], ["nowhere.npz"]),
        (["check", "nowhere.npz", "--protocol", "pair-17j", "--truth", "gt.npz"], ["nowhere.npz"]),
        (["check", "{good}", "--protocol", "no-such", "--truth", "{truth}"], ["no-such", "pair-17j", "posebench protocol list"]),
        (["check", "{good}", "--protocol", "pair-17j"], ["--truth"]),
        (["check", "{good}", "--protocol", "cmu"], ["--root"]),
        (["check", "{good}", "--protocol", "cmu", "--root", "/nowhere"], ["/nowhere"]),
        (["score", "{good}", "--protocol", "cmu", "--truth", "{truth}", "--root", "."], ["both --root and --truth"]),
        (["score", ".", "--protocol", "pair-17j", "--truth", "{truth}"], ["directory"]),
        (["score", "{good}", "--protocol", "pair-17j", "--truth", "{truth}", "-o", "r.txt"], [".json"]),
        (["score", "{good}", "--protocol", "pair-17j", "--truth", "{truth}", "-o", "/proc/nowhere/r.json"], ["another output path"]),
        (["protocol", "show", "no-such"], ["no-such"]),
        (["compare", "nowhere.json", "nowhere.json"], ["nowhere.json"]),
        (["predict", "best", "--dataset", "cmu", "-o", "p.npz"], ["best", "flat, mean-pose"]),
        (["predict", "flat", "--dataset", "h36n", "-o", "p.npz"], ["h36n"]),
        (["predict", "flat", "--dataset", "cmu", "-o", "p.npz"], ["--root"]),
        (["data", "info", "h36n"], ["h36n"]),
    ],
)
def test_a_wrong_call_exits_with_2_and_one_paragraph(files, run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*(argument.format(**files) for argument in arguments))
    assert (code, out) == (2, "")
    assert_one_paragraph(err, *words)
    assert list(tmp_path.iterdir()) == []


def test_bad_input_gives_no_traceback_in_a_process_of_its_own(tmp_path):
    (tmp_path / "p.npz").write_bytes(b"PK\x03\x04" + bytes(100))
    done = posebench("score", tmp_path / "p.npz", "--protocol", "pair-17j", "--truth", tmp_path / "p.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_paragraph(done.stderr, "p.npz")


@pytest.mark.parametrize("arguments", [[], ["protocol"], ["data"], ["board"]])
def test_posebench_and_its_groups_print_help_where_nothing_is_asked_for(run, arguments):
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith("usage: posebench")
    assert "COMMAND" in out or "VERB" in out


def test_the_version_is_printed(run):
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"posebench 0\.1\.0 \(kernel: (numpy|c \w+)\)\n", out)


def test_there_is_a_file_for_every_command():
    from importlib.resources import files

    from posebench.cli.commands import COMMANDS

    there = {path.name.removesuffix(".py") for path in files("posebench.cli.commands").iterdir() if path.name.endswith(".py")}
    assert there - {"__init__"} == set(COMMANDS)


@pytest.mark.parametrize("arguments", [["scor"], ["score"], ["score", "p.npz"], ["data", "fetch", "h36m"]])
def test_an_unknown_or_incomplete_command_exits_with_2_and_the_usage(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "usage: posebench" in err


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in ("demo", "data", "protocol", "check", "score", "compare", "board", "predict", "speed"):
        assert command in out


def test_several_files_are_scored_in_one_process(files, run, tmp_path):
    good, *scope = pair(files)
    code, out, err = run("score", good, files["truth"], *scope, "-o", tmp_path / "results")
    assert (code, err) == (0, "")
    assert out.index("good") < out.index("leakage")
    for name in ("good", "truth"):
        alone = score(files[name], "pair-17j", truth=files["truth"])
        assert load_result(tmp_path / "results" / f"{name}.json").metrics == alone.metrics
    code, out, _ = run("score", good, files["truth"], *scope, "--json")
    assert [one["predictions"]["file"] for one in json.loads(out)] == ["good.npz", "truth.npz"]


@pytest.mark.parametrize(
    ("arguments", "wanted"), [(["-o", "r.json"], "-o results"), (["--csv", "r.csv"], "one file with --csv"), ([], "different names")]
)
def test_what_cannot_be_written_for_several_files_is_refused_before_they_are_read(files, run, tmp_path, arguments, wanted):
    good, *scope = pair(files)
    other = good if not arguments else "nowhere.npz"
    code, out, err = run("score", good, other, *scope, *(arguments or ["-o", tmp_path / "results"]))
    assert (code, out) == (2, "")
    assert wanted in err
    assert not (tmp_path / "results").exists()


def test_score_prints_the_numbers_of_the_function(files, run):
    code, out, err = run("score", *pair(files))
    assert (code, err) == (0, "")
    result = score(files["good"], "pair-17j", truth=files["truth"])
    for name in ("MPJPE", "PA-MPJPE", "PCK@150", "CPS"):
        line = next(line for line in out.splitlines() if line.startswith(f"{name} "))
        table = result.metrics[name]
        for value in (table.value, table.low, table.high, *table.by.values()):
            assert f"{value:.2f}" in line
    for word in ("good grüße", "complete", "96 poses in 8 clips", "By action", "Walk", "Diagnostics", "not the official copy"):
        assert word in out
    assert result.protocol.digest in out


def test_the_averages_printed_are_those_of_the_protocol(files, run):
    _, out, _ = run("score", *pair(files))
    assert "value (frame)" in out
    head = next(line for line in out.splitlines() if line.startswith("metric "))
    assert [kind for kind in ("by frame", "by take", "by action") if kind in head] == ["by frame", "by take", "by action"]


def test_json_is_all_that_is_printed_when_asked_for(files, run):
    code, out, err = run("score", *pair(files), "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["metrics"] == score(files["good"], "pair-17j", truth=files["truth"]).as_dict()["metrics"]
    assert content["posebench_result"] == 1
    code, out, _ = run("check", *pair(files, "wrong"), "--json")
    assert code == 1
    assert "axes" in [finding["name"] for finding in json.loads(out)]
    code, out, _ = run("check", *pair(files), "--json")
    assert (code, json.loads(out)) == (0, [])


def test_a_result_is_written_with_its_sums_and_a_long_table(files, run, tmp_path):
    code, _, _ = run("score", *pair(files), "-o", tmp_path / "r.json", "--csv", tmp_path / "r.csv", "--per-frame")
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.json", "r.sums.npz"]
    result = load_result(tmp_path / "r.json")
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert list(rows[0]) == ["metric", "unit", "kind", "key", "value", "low", "high"]
    table = result.metrics["MPJPE"]
    found = {(row["kind"], row["key"]): row for row in rows if row["metric"] == "MPJPE"}
    assert float(found["average", "frame"]["value"]) == table.value
    assert float(found["average", "frame"]["low"]) == table.low
    assert found["average", "take"]["low"] == ""
    for group, values in table.groups.items():
        for key, value in values.items():
            assert float(found[group, key]["value"]) == value
    assert len(found) == 3 + sum(map(len, table.groups.values()))
    with np.load(tmp_path / "r.sums.npz") as npz:
        assert npz["frames/S1/Walk 1/c0/MPJPE"].shape == (12,)


def test_the_predictions_are_left_alone_by_a_result_of_the_same_name(files, run, tmp_path):
    preds = tmp_path / "flat.npz"
    preds.write_bytes(files["good"].read_bytes())
    assert run("score", preds, *pair(files)[1:], "-o", tmp_path / "flat.json")[0] == 0
    assert preds.read_bytes() == files["good"].read_bytes()


def test_a_partial_file_is_refused_or_stamped(files, run):
    code, _, err = run("score", *pair(files, "half"))
    assert code == 1
    assert_one_paragraph(err, "missing-clips", "4 of 8 clips", "--allow-partial")
    code, out, _ = run("score", *pair(files, "half"), "--allow-partial")
    assert code == 0
    assert "PARTIAL: 48 of 96 poses" in out
    assert "warning: missing-clips" in out


def test_a_file_of_unknown_scale_prints_empty_cells(files, run, tmp_path):
    with open_predictions(files["good"]) as file:
        poses = {clip: file.poses(clip) for clip in file.shapes}
    unknown = save_predictions(tmp_path / "u.npz", poses, scale="unknown", skeleton="h36m17")
    code, out, _ = run("score", unknown, *pair(files)[1:], "--csv", tmp_path / "u.csv")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("MPJPE "))
    assert not any(character.isdigit() for character in line)
    assert not [line for line in (tmp_path / "u.csv").read_text().splitlines() if line.startswith("MPJPE,")]


def test_compare_tells_results_apart(files, run, tmp_path):
    for name in ("good", "truth"):
        assert run("score", *pair(files, name), "-o", tmp_path / f"{name}.json")[0] == 0
    code, out, err = run("compare", tmp_path / "good.json", tmp_path / "truth.json", "--metric", "MPJPE")
    assert (code, err) == (0, "")
    assert "good" in out
    code, out, _ = run("compare", tmp_path / "good.json", tmp_path / "truth.json", "--json")
    assert code == 0
    assert json.loads(out)


def test_protocols_are_listed_shown_and_found(run):
    code, out, _ = run("protocol", "list")
    assert code == 0
    for id in protocol_ids():
        assert id in out
        assert load_protocol(id).digest in out
    listed = json.loads(run("protocol", "list", "--json")[1])
    assert [(item["id"], item["digest"]) for item in listed] == [(id, load_protocol(id).digest) for id in protocol_ids()]
    code, out, _ = run("protocol", "show", "cmu")
    assert (code, out.strip()) == (0, describe(load_protocol("cmu")))
    code, out, _ = run("protocol", "find", "pair 17J")
    assert code == 0
    assert "pair-17j" in out
    assert [item["id"] for item in json.loads(run("protocol", "find", "pair 17J", "--json")[1])] == ["pair-17j"]


def test_a_label_that_no_paper_used_is_a_failed_search(run):
    code, out, err = run("protocol", "find", "Protocol #77")
    assert (code, out) == (1, "")
    assert_one_paragraph(err, "Protocol #77")
    code, out, _ = run("protocol", "find", "Protocol #77", "--json")
    assert (code, json.loads(out)) == (1, [])


def test_the_datasets_are_listed(run):
    code, out, _ = run("data", "list")
    assert code == 0
    assert "posebench data fetch cmu" in out
    assert "cmu" in json.loads(run("data", "list", "--json")[1])


@pytest.mark.skipif(os.name != "posix", reason="pipes of a POSIX shell")
def test_a_reader_that_goes_away_early_is_no_error(files):
    command = [sys.executable, "-m", "posebench", "-q", "score", *pair(files), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        stderr = process.stderr.read()
        assert process.wait(timeout=30) == 0
    assert stderr == ""


def test_names_that_the_terminal_cannot_show_are_no_error(files):
    done = posebench("score", *pair(files), env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "good gr" in done.stdout


def test_an_interrupt_exits_with_130_and_says_so(files, run, monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("posebench.scoring.traversal.measure_clip", interrupt)
    code, out, err = run("score", *pair(files), "-o", tmp_path / "r.json")
    assert (code, out) == (130, "")
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_control_c_in_the_middle_of_work_leaves_nothing_behind(tmp_path):
    code = (
        "import signal, sys, time\nfrom posebench.cli import main as cli\nimport posebench.scoring.traversal as e\n"
        # A shell that runs the tests in the background hands down that Ctrl-C is ignored; a terminal does not.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(*_, **__):\n    print('working', file=sys.stderr, flush=True)\n    time.sleep(1)\n"
        "e.measure_clip = slow\nsys.exit(cli.main(sys.argv[1:]))\n"
    )
    poses = {"S1/Walk/c0": 300.0 * np.random.default_rng(0).normal(size=(5, 17, 3))}
    file = save_predictions(tmp_path / "p.npz", poses, unit="mm", skeleton="h36m17")
    command = [sys.executable, "-c", code, "score", file, "--protocol", "pair-17j", "--truth", file, "-o", tmp_path / "r.json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "working\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stderr = process.stderr.read()
        assert process.wait(timeout=30) == 130
    assert "Traceback" not in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_flat_is_predicted_checked_and_scored_on_real_data(cmu_root, run, tmp_path):
    preds = tmp_path / "flat.npz"
    code, out, err = run("predict", "flat", "--dataset", "cmu", "--root", cmu_root, "-o", preds)
    assert (code, err) == (0, "")
    assert "flat on cmu test" in out
    with open_predictions(preds) as file:
        assert (file.meta.method, file.meta.keypoints, file.meta.supervision, file.meta.scale) == ("flat", "gt", "none", "unknown")
        assert len(file.shapes) == 39 * 4
    code, out, _ = run("check", preds, "--protocol", "cmu", "--root", cmu_root)
    assert code == 0
    code, out, _ = run("score", preds, "--protocol", "cmu", "--root", cmu_root, "-o", tmp_path / "flat.json")
    assert code == 0
    result = load_result(tmp_path / "flat.json")
    assert result.coverage == Coverage(poses=45_260, poses_wanted=45_260, clips=156, clips_wanted=156, partial=False)
    # Another implementation of the same definitions measured these two.
    assert result.value("PA-MPJPE", "frame") == pytest.approx(102.61, abs=0.1)
    assert result.value("PA-MPJPE", "take") == pytest.approx(99.29, abs=0.1)
    assert result.data.official
    assert "the official copy" in out
    assert result.value("MPJPE") is None


def test_a_keypoint_source_or_split_that_is_not_there_is_named_and_leaves_no_file(cmu_root, run, tmp_path):
    for option, value, word in (("--keypoints", "cpn", "gauss5"), ("--split", "validation", "train, test")):
        code, out, err = run("predict", "flat", "--dataset", "cmu", "--root", cmu_root, "-o", tmp_path / "p.npz", option, value)
        assert (code, out) == (2, "")
        assert_one_paragraph(err, value, word)
        assert list(tmp_path.iterdir()) == []
