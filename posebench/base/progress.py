"""Progress of long work: a bar on a terminal, elsewhere a line after two seconds and then every ten. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from posebench.base.errors import printable

#: Seconds before the first line, where stderr is not a terminal. Shorter work prints none.
FIRST = 2.0
#: Seconds between two lines where stderr is not a terminal.
QUIET = 10.0

_silenced: ContextVar[bool] = ContextVar("_silenced", default=False)


@contextmanager
def silenced() -> Iterator[None]:
    """A block in which no progress is shown."""
    token = _silenced.set(True)
    try:
        yield
    finally:
        _silenced.reset(token)


def silent() -> bool:
    """Whether progress is not to be shown."""
    return _silenced.get()


@contextmanager
def progress(what: str, *, announced: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A function to call with (done, total) while the work called ``what`` is in progress.

    The lines come from a thread of their own, so that work that reports nothing for a while is still seen to go on.

    Args:
        what: the work, as in ``scoring flat.npz``.
        announced: print a line at once where stderr is not a terminal, for work that always takes longer than :data:`FIRST`.
    """
    what = printable(what, 80)
    if silent():
        yield lambda _done, _total: None
    elif sys.stderr.isatty():
        with _bar(what) as advance:
            yield advance
    else:
        with _lines(what, announced) as advance:
            yield advance


@contextmanager
def _lines(what: str, announced: bool) -> Iterator[Callable[[int, int], None]]:
    started, stream, finished = time.monotonic(), sys.stderr, threading.Event()
    state: tuple[int, int] | None = None

    def advance(done: int, total: int) -> None:
        nonlocal state
        state = done, total

    def report() -> None:
        wait = QUIET if announced else FIRST
        while not finished.wait(wait):
            counted = "" if state is None else f"{state[0]} of {state[1]}, "
            with suppress(OSError, ValueError):  # whoever read the lines has gone
                print(f"{what}: {counted}{time.monotonic() - started:.0f} s", file=stream, flush=True)
            wait = QUIET

    if announced:
        print(f"{what} ...", file=stream, flush=True)
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield advance
    finally:
        finished.set()
        reporter.join()


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(what), total=None, counted="")
        yield lambda done, total: bar.update(task, completed=done, total=total, counted=f"{done}/{total}")
