"""What is printed on a terminal of some width, in a pipe, and as markdown."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from posebench.cli.main import main
from posebench.display.tables import columns_of
from posebench.predictions.archive import save_predictions
from posebench.scoring.evaluate import score

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, walker):
    """A folder with a truth, good predictions of a long name, wrong ones, and results of the first two."""
    folder = tmp_path_factory.mktemp("files")
    truth = {f"S{s}/{action} {take}/c0": walker(8, 10 * s + take) for s in (1, 2) for action in ("Walking", "Sitting") for take in (1, 2)}
    random = np.random.default_rng(0)
    good = {clip: pose - pose[:, :1] + random.normal(scale=25.0, size=pose.shape) for clip, pose in truth.items()}
    wrong = {clip: pose * [1.0, -1.0, 1.0] for clip, pose in good.items()}
    method = "a-method-with-a-rather-long-name-and-a-recipe (quick) trained on [b]something[/b] 姿勢"
    for name, poses in (("truth", truth), ("good", good), ("wrong", wrong)):
        save_predictions(folder / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method=method if name == "good" else name)
    for name in ("truth", "good"):
        score(folder / f"{name}.npz", "pair-17j", truth=folder / "truth.npz").save(folder / f"{name}.json")
    return folder


PAIR = ["--protocol", "pair-17j", "--truth", "truth.npz"]
COMMANDS = [
    ["data", "list"],
    ["data", "info", "synthetic"],
    ["protocol", "list"],
    ["protocol", "find", "Protocol #2"],
    ["protocol", "show", "h36m/s9s11"],
    ["check", "wrong.npz", *PAIR],
    ["score", "good.npz", *PAIR],
    ["compare", "good.json", "truth.json"],
]


def on_terminal(folder, words, columns, **environment):
    """What a command writes to a terminal of so many columns."""
    pty = pytest.importorskip("pty", reason="a pseudo-terminal of POSIX")
    import fcntl
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "posebench", "-q", *words],
        stdin=child,
        stdout=child,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=inherited | {"TERM": "xterm-256color"} | environment,
    ):
        os.close(child)
        chunks = []
        while True:
            try:
                chunk = os.read(parent, 2**16)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
        os.close(parent)
    return b"".join(chunks).decode().replace("\r\n", "\n")


@pytest.fixture
def run(folder, monkeypatch):
    """A function that runs a command in this process, into a pipe or a terminal of some width, and returns what it prints."""

    class Screen(io.StringIO):
        def isatty(self):
            return True

    def call(words, width=None, **environment):
        monkeypatch.chdir(folder)
        for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm-256color", "COLUMNS": str(width)} | environment if width else environment).items():
            monkeypatch.setenv(name, value)
        out = Screen() if width else io.StringIO()
        with contextlib.redirect_stdout(out):
            main(["-q", *words])
        return out.getvalue()

    return call


def words_of(text):
    return set(re.sub(r"[\s-]+", " ", COLOUR.sub("", text)).split())


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(run, words):
    """Before, ``data list`` was 319 columns wide, whatever the terminal."""
    plain = run(words)
    assert plain
    for width in (60, 80, 100, 200):
        shown = COLOUR.sub("", run(words, width))
        assert max(columns_of(line) for line in shown.split("\n")) <= width
        numbers = [set(re.findall(r"(?<![\w.])-?[\d,]+\.\d\d(?!\d)", text)) for text in (plain, shown)]
        assert numbers[0] == numbers[1]
        if width >= 100:  # narrower ones break the longest words
            assert words_of(plain) <= words_of(shown)


@pytest.mark.parametrize("words", [["check", "wrong.npz", *PAIR], ["compare", "good.json", "truth.json"]])
def test_a_real_terminal_gets_its_width_and_colours(folder, run, words):
    shown = on_terminal(folder, words, 80)
    assert COLOUR.search(shown)
    assert max(columns_of(line) for line in COLOUR.sub("", shown).split("\n")) <= 80
    assert COLOUR.sub("", shown) == COLOUR.sub("", run(words, 80))


def test_colours_are_for_terminals_and_no_color_is_honoured(run):
    words = ["check", "wrong.npz", *PAIR]
    coloured = re.compile(r"\x1b\[(\d+;)*3\d")
    assert coloured.search(run(words, 80))
    assert not coloured.search(run(words, 80, NO_COLOR="1"))
    assert "\x1b" not in run(words, 80, TERM="dumb")
    assert "\x1b" not in run(words, FORCE_COLOR="1")


def test_a_pipe_gets_aligned_columns_and_one_line_a_row(run):
    lines = run(["score", "good.npz", *PAIR]).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("metric "))
    assert set(lines[head + 1]) == {"-", " "}
    ends = [match.end() for match in re.finditer(r"-+", lines[head + 1])]
    row = next(line for line in lines if line.startswith("PA-MPJPE "))
    assert all(row[end - 1].strip() and not row[end : end + 1].strip() for end in ends[2:])
    assert "|" not in "".join(lines)


def test_markdown_is_printed_when_asked_for(run):
    text = run(["protocol", "find", "Protocol #2", "--markdown"])
    assert text.startswith("| id ")
    assert text.splitlines()[1].startswith("|---")
    assert "| MPJPE " in run(["score", "good.npz", *PAIR, "--markdown"])
    assert "**error**: axes: " in run(["check", "wrong.npz", *PAIR, "--markdown"])


def test_a_note_is_below_the_table(run):
    assert run(["data", "info", "synthetic"]).splitlines()[-1] == "note: generated, not captured"
    assert "\n\nnote: the data are not the official copy: " in run(["score", "good.npz", *PAIR])


def test_quiet_leaves_the_result_and_verbose_adds_what_it_took(folder):
    words = [sys.executable, "-m", "posebench"]
    run = lambda *more: subprocess.run([*words, *more], cwd=folder, capture_output=True, text=True, check=False)  # noqa: E731
    convert = ["score", "good.npz", *PAIR]
    quiet, plain, verbose = run(*convert, "-q"), run(*convert), run(*convert, "-v")
    assert quiet.stdout == plain.stdout == verbose.stdout
    assert quiet.stderr == ""
    assert re.search(r"^posebench .* \(kernel: .*\), Python 3\..*: .* s of CPU time", verbose.stderr, re.MULTILINE)
    failed = run("score", "none.npz", *PAIR, "--verbose")
    assert failed.returncode == 2
    assert "Traceback" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("posebench: Found: ")
    assert run("-q", "predict", "flat", "--dataset", "synthetic", "--split", "none", "-o", "p.npz").stderr.startswith("posebench: Found: ")


def test_strict_refuses_warnings_and_writes_nothing(folder, tmp_path):
    words = ["score", "truth.npz", *PAIR, "-o", str(tmp_path / "r.json"), "--strict"]
    done = subprocess.run([sys.executable, "-m", "posebench", "-q", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("posebench: Found: truth.npz: leakage: ")
    assert "--strict" in done.stderr
    assert list(tmp_path.iterdir()) == []
