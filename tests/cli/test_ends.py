"""How a command ends that is stopped from outside, or is given a path that cannot be used."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from posebench.cli import main as cli

WRITING = """
import signal, sys, time
from posebench.base.files import replacing
from posebench.cli import main as cli
class Args:
    quiet = verbose = False
    @staticmethod
    def run(args):
        with replacing(sys.argv[1]) as temporary:
            temporary.write_text("half")
            print("writing", flush=True)
            time.sleep(60)
class Parser:
    parse_args = staticmethod(lambda words, space: Args)
cli.parser = lambda words: Parser
# A test runner that was started by nohup hands an ignored SIGHUP down.
signal.signal(int(sys.argv[2]), signal.SIG_DFL)
sys.exit(cli.main([]))
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM"])
def test_a_command_that_is_ended_removes_its_temporary_file(tmp_path, name):
    number = getattr(signal, name)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(tmp_path / "p.npz"), str(int(number))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ENOSPC])
def test_a_path_that_cannot_be_used_is_named_in_one_paragraph(monkeypatch, capsys, code):
    class Parser:
        @staticmethod
        def parse_args(_words, space):
            space.run = lambda _args: (_ for _ in ()).throw(OSError(code, os.strerror(code), "D/S9\x1b[31m.npz"))
            return space

    monkeypatch.setattr(cli, "parser", lambda _words: Parser)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith(rf"posebench: Found: D/S9\x1b[31m.npz: {os.strerror(code)}. Wanted: ")
    assert error.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) == before
