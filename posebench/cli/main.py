"""``posebench``: parse the command line, run the command, and turn an error into one paragraph and an exit code."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from posebench.base.errors import PosebenchError
from posebench.cli.commands import COMMANDS
from posebench.cli.parser import Parser, add_verbosity, print_help, sentence

#: No space left, a quota reached, a file larger than allowed.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: A file that may not be read or written, a folder in a file's place or the reverse, a name that the file system refuses.
_UNUSABLE = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 1 for a failed check, 2 for a wrong call or an unusable file; bad input gives no traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "_ARGCOMPLETE" in os.environ:  # a press of TAB: docs/command-line.md
        from posebench.cli.completion import complete

        complete()
    named = [word for word in words if word in COMMANDS]
    args = parser(named[:1]).parse_args(words, argparse.Namespace(words=words, quiet=False, verbose=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names in files may hold characters that the terminal lacks; stderr escapes them by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _ended_tidily(), _watched(args):
            code: int = args.run(args)
        sys.stdout.flush()
        return code
    except PosebenchError as error:
        print(f"posebench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("posebench: interrupted; nothing was left half-written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno in _FULL:
            wanted, advice = (
                "space for what this command writes",
                "free some space, then repeat the command; a training resumes with --resume",
            )
        elif error.errno in _UNUSABLE and error.filename is not None:
            wanted, advice = "a plain file, or a folder, that this user may use", "check the path and its permissions"
        else:
            raise
        shown = PosebenchError(f"{error.filename or ''}: {error.strerror}".removeprefix(": "), wanted, advice)
        print(f"posebench: {shown}", file=sys.stderr)
        return shown.exit_code


@contextmanager
def _watched(args: argparse.Namespace) -> Iterator[None]:
    """``-q`` silences the block; ``-v`` says on stderr what it took and ran on, and where an error was raised."""
    if args.quiet:
        from posebench.base.progress import silenced

        with silenced():
            yield
    elif args.verbose:
        from posebench.cli.verbose import explained

        with explained():
            yield
    else:
        yield


@contextmanager
def _ended_tidily() -> Iterator[None]:
    """A closed terminal (SIGHUP) and ``kill`` (SIGTERM) end the block as an error does: temporary files are removed on the way out."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    replaced: list[int] = []
    if threading.current_thread() is threading.main_thread():
        # nohup ignores SIGHUP, and that stays so; Windows has none.
        numbers = [getattr(signal, name) for name in ("SIGHUP", "SIGTERM") if hasattr(signal, name)]
        replaced = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


def parser(wanted: Collection[str] = tuple(COMMANDS)) -> Parser:
    """The parser of every command.

    Args:
        wanted: the commands that are configured, by their files in ``commands/``; of the others only the names are known. One call runs
            one command, and reading the options of all would take longer than many a command.
    """
    top = Parser(
        prog="posebench",
        description="Score and compare monocular 3D human pose lifters under exactly stated protocols.",
    )
    add_verbosity(top)
    top.add_argument("--version", action="store_true", help="print the version and exit")
    top.example = "posebench demo\nposebench score preds.npz --protocol synthetic\nposebench score --help"
    top.set_defaults(run=lambda args: _print_version() if args.version else print_help(top))
    added = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, summary in COMMANDS.items():
        one = added.add_parser(name, help=summary, description=sentence(summary))
        if name in wanted:
            command = import_module(f"posebench.cli.commands.{name}")
            one.set_defaults(run=getattr(command, "run", None))
            command.configure(one)
            if hasattr(command, "run"):  # its verbs, if it has any, take these options themselves
                add_verbosity(one)
    return top


def _print_version() -> int:
    from posebench.cli.verbose import version_line

    print(version_line())
    return 0
