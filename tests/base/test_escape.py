"""Texts from other people's files in markdown, CSV, plots and LaTeX."""

import csv
import io
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.escape import csv_text, latex_text, markdown_code, markdown_text, plot_text
from posebench.display.tables import csv_table, markdown_table, plain_table

HOSTILE = ["$x$", "a|b", "[a](javascript:b)", "<script>", "`code`", "_x_", "**b**", "~~s~~", "back\\", "&lt;"]
HOSTILE += ["\x1b[31mred", "two\nlines", "\u202eturned"]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_as_it_is(text):
    shown = markdown_text(text)
    assert shown.isprintable()
    assert "<" not in shown
    for mark in "*[]`$~":
        assert shown.count(mark) == shown.count("\\" + mark)
    table = markdown_table([[shown, "next"]], ["method", "value"])
    assert len(table.splitlines()) == 3
    assert table.splitlines()[2].replace("\\|", "").count("|") == 3
    assert markdown_code(text).count("`") == 2


@pytest.mark.parametrize("name", ["pose_machine", "chen2019+tuned@cmu (quick)", "repnet+no-kcs", "2 (168 steps), then 1"])
def test_plain_names_stay_as_they_are(name):
    assert markdown_text(name) == csv_text(name) == plot_text(name) == name


@pytest.mark.parametrize("text", ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", " =1", "\t=1"])
def test_a_spreadsheet_gets_no_formula(text):
    (row,) = list(csv.reader(io.StringIO(csv_table([[text, -1.5, "-1.5"]], "abc"))))[1:]
    assert row[0].startswith("'")
    assert row[1:] == ["-1.5", "-1.5"]


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_a_plot_draws_any_text(text):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    (line,) = figure.subplots().plot([0], [0], label=plot_text(text))
    legend = figure.legend()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font lacks some characters
        figure.canvas.draw()
    assert len(legend.get_texts()) == 1
    assert not line.get_label().startswith("_")


def test_latex_and_the_terminal_get_no_control_characters():
    assert latex_text("\x1b[0m_") == r"\textbackslash{}x1b[0m\_"
    assert plain_table([["\x1b[31mred"]], ["method"]).isascii()
    assert "\x1b" not in plain_table([["\x1b[31mred"]], ["method"])
