"""Progress of long work: a bar on a terminal, elsewhere a line every few seconds. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from posebench.base.errors import printable

#: Seconds between two lines where stderr is not a terminal.
QUIET = 10.0


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with (done, total) while the work called ``what`` is in progress."""
    what = printable(what, 80)
    if not sys.stderr.isatty():
        started = last_printed = time.monotonic()

        def line(done: int, total: int) -> None:
            nonlocal last_printed
            now = time.monotonic()
            if now - last_printed >= QUIET:
                last_printed = now
                print(f"{what}: {done} of {total}, {now - started:.0f} s", file=sys.stderr, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
