"""Progress of long work, whose name may come from a file."""

from __future__ import annotations

import io
import sys

import pytest

from posebench.base import progress as module
from posebench.base.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("name", ["p[/b].npz", "p[red].npz", "[/]", "p\x1b[31m.npz"])
def test_a_name_that_looks_like_markup_is_shown_as_it_is(monkeypatch, name):
    """Before, ``[/b]`` raised rich's MarkupError, and only on a terminal."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with progress(name) as report:
        report(1, 2)
    assert name.replace("\x1b", "\\x1b") in screen.getvalue()


def test_a_line_is_printed_elsewhere_with_the_name_on_one_line(monkeypatch, capsys):
    monkeypatch.setattr(module, "QUIET", 0.0)
    with progress("a\nb\x07") as report:
        report(1, 2)
    assert capsys.readouterr().err.startswith("a b\\x07: 1 of 2, ")
