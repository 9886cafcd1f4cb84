"""Progress of long work, whose name may come from a file."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest

from posebench.base import progress as module
from posebench.base.progress import progress, silenced, silent


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
    monkeypatch.setattr(module, "FIRST", 0.01)
    monkeypatch.setattr(module, "QUIET", 0.01)
    with progress("a\nb\x07") as report:
        report(1, 2)
        printed(capsys)  # perhaps from before the report
        lines = printed(capsys).splitlines()
    assert re.fullmatch(r"a b\\x07: 1 of 2, \d+ s", lines[0])


def printed(capsys):
    """What is printed next by another thread."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        err = capsys.readouterr().err
        if err:
            return err
        time.sleep(0.005)
    raise AssertionError("nothing was printed")


def test_work_that_reports_nothing_is_seen_to_be_in_progress(monkeypatch, capsys):
    monkeypatch.setattr(module, "FIRST", 0.01)
    monkeypatch.setattr(module, "QUIET", 0.01)
    with progress("exporting"):
        assert re.match(r"exporting: \d+ s\n", printed(capsys))
        assert re.match(r"exporting: \d+ s\n", printed(capsys))


def test_a_reader_of_the_lines_that_goes_away_is_no_error(monkeypatch):
    """The suite turns the traceback of a thread into an error."""

    class Closed(io.StringIO):
        tried = False

        def write(self, _text):
            self.tried = True
            raise BrokenPipeError

    log = Closed()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(module, "FIRST", 0.01)
    with progress("exporting"):
        deadline = time.monotonic() + 30
        while not log.tried and time.monotonic() < deadline:
            time.sleep(0.005)
    assert log.tried


def test_long_work_is_announced_at_once_and_short_work_prints_nothing(capsys):
    with progress("exporting", announced=True):
        assert capsys.readouterr().err == "exporting ...\n"
    with progress("scoring") as report:
        report(1, 2)
    assert capsys.readouterr().err == ""


def test_a_silenced_block_shows_nothing_on_a_terminal_or_in_a_log(monkeypatch, capsys):
    with silenced(), progress("exporting", announced=True) as report:
        report(1, 2)
    assert capsys.readouterr().err == ""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with silenced(), progress("exporting", announced=True) as report:
        report(1, 2)
    assert screen.getvalue() == ""
    assert not silent()
