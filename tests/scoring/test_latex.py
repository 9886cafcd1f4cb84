"""Tables for papers: what is marked, how actions are called, and names that LaTeX must not read."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import posebench
from posebench.cli.main import main
from posebench.data.h36m.names import ACTIONS, short_actions
from posebench.predictions.archive import save_predictions
from posebench.scoring.latex import marked_table, results_in_latex

HOSTILE = ("[best]", "* star", "a_b & 50% #1", "\\input{/etc/passwd}", "$x^2$ ~ {}")
#: The heading of a per-action table of Human3.6M as papers print it.
PAPER = "Dir. Disc. Eat Greet Phone Photo Pose Purch. Sit SitD. Smoke Wait WalkD. Walk WalkT. Avg"


@pytest.fixture(scope="module")
def files(tmp_path_factory, walker):
    """A truth file whose takes are Human3.6M's actions, and two predictions; one is of unknown scale and has a hostile name."""
    import numpy as np

    folder = tmp_path_factory.mktemp("latex")
    # In another order than that of the papers.
    truth = {f"S9/{action} {take}/c0": walker(6, take + 3 * k) for k, action in enumerate(sorted(ACTIONS)) for take in (1, 2)}
    save_predictions(folder / "truth.npz", truth, unit="mm", skeleton="h36m17")
    random = np.random.default_rng(0)
    for name, noise, scale in (("good", 20.0, "metric"), ("bad", 60.0, "unknown")):
        poses = {clip: pose + random.normal(scale=noise, size=pose.shape) for clip, pose in truth.items()}
        method = name if name == "good" else HOSTILE[2]
        save_predictions(folder / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method=method, scale=scale)
    return folder


@pytest.fixture(scope="module")
def results(files):
    return {name: posebench.score(files / f"{name}.npz", "pair-17j", truth=files / "truth.npz") for name in ("good", "bad")}


def rows_of(text):
    return [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]


def plain(cell):
    return re.sub(r"\\(?:textbf|underline)\{(.*)\}", r"\1", cell)


@given(st.lists(st.one_of(st.none(), st.floats(0, 999)), min_size=1, max_size=6), st.booleans())
def test_the_best_printed_value_is_bold_the_second_underlined_and_equal_ones_alike(values, higher):
    cells = [
        row[1] for row in rows_of(marked_table(["method"], ["x"], [(["m"], [value]) for value in values], [higher], underline=True))[1:]
    ]
    printed = sorted({float(plain(cell)) for cell in cells if cell != "--"}, reverse=higher)
    for value, cell in zip(values, cells, strict=True):
        assert plain(cell) == ("--" if value is None else f"{value:.1f}")
        rank = None if value is None or len(printed) < 2 else printed.index(float(plain(cell)))
        assert cell.startswith(r"\textbf") == (rank == 0)
        assert cell.startswith(r"\underline") == (rank == 1)


def test_actions_have_the_order_and_the_names_of_papers(results):
    heads = [row for row in rows_of(results_in_latex(results)) if row[-1] == "Avg"]
    assert {" ".join(row[1:]) for row in heads} == {PAPER}
    assert rows_of(results["good"].to_latex(["MPJPE"]))[0] == ["method", "metric", *PAPER.split()]
    assert short_actions(["Directions", "jump"]) == ["Directions", "jump"]


def test_numbers_are_those_of_the_results(results):
    text = results_in_latex(results)
    averages = rows_of(text)[:3]
    assert averages[0][:3] == ["method", "MPJPE [mm]", "PA-MPJPE [mm]"]
    assert averages[2][1] == "--", "no MPJPE where the scale is unknown"
    for row, result in zip(averages[1:], results.values(), strict=True):
        assert plain(row[2]) == f"{result.value('PA-MPJPE'):.1f}"
    by_action = next(row for row in rows_of(text.partition("% PA-MPJPE [mm] by action")[2])[1:] if row[0] == "good")
    groups = results["good"].metrics["PA-MPJPE"].groups["action"]
    assert list(map(plain, by_action[1:-1])) == [f"{groups[action]:.1f}" for action in ACTIONS]
    assert plain(by_action[-1]) == f"{sum(groups.values()) / 15:.1f}"


def test_the_command_prints_them_and_refuses_half_of_an_option(files, capsys):
    call = [
        "score",
        *(str(files / f"{name}.npz") for name in ("good", "bad")),
        "--protocol",
        "pair-17j",
        "--truth",
        str(files / "truth.npz"),
    ]
    assert main([*call, "--latex", "--underline-second"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("% \\usepackage{booktabs}\n")
    assert r"a\_b \& 50\% \#1 & -- &" in out
    assert r"\textbf{" in out
    assert r"\underline{" in out
    assert main([*call, "--underline-second"]) == 2
    assert "--underline-second without --latex" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX is installed")
def test_tables_with_hostile_names_compile(results, tmp_path):
    named = dict(zip(HOSTILE, [*results.values(), *results.values(), results["good"]], strict=True))
    body = results_in_latex(named, underline=True).replace("\n\n", "\n\\par\n")
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\tiny\n" + body + "\n\\end{document}\n", encoding="utf-8"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if "booktabs.sty' not found" in done.stdout:
        pytest.skip("TeX without booktabs")
    assert done.returncode == 0, done.stdout[-800:]


def test_rows_that_begin_like_an_option_are_guarded():
    text = marked_table(["method"], ["x"], [([name], [1.0]) for name in HOSTILE], [False])
    begins = [line[0] for line in text.splitlines() if line.endswith(r" \\")]
    assert not {"[", "*"} & set(begins)
