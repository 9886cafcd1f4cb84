"""What ``-v`` adds on stderr: where an error was raised, and what the command took and ran on."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from posebench.base.errors import PosebenchError


def version_line() -> str:
    """Version of posebench, and the kernel that computes its metrics."""
    from importlib.metadata import version

    from posebench.metrics.alignment import KERNEL

    return f"posebench {version('posebench-lifting')} (kernel: {KERNEL})"


@contextmanager
def explained() -> Iterator[None]:
    """A block whose time and memory are printed at its end, and the traceback of its error."""
    started, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    except PosebenchError:
        traceback.print_exc(file=sys.stderr)
        raise
    finally:
        import platform

        import numpy as np

        spent = f"{time.perf_counter() - started:.2f} s, {time.process_time() - cpu:.2f} s of CPU time{_memory()}"
        print(f"{version_line()}, Python {platform.python_version()}, numpy {np.__version__}: {spent}", file=sys.stderr)


def _memory() -> str:
    """The largest memory that the process held; nothing where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    return f", at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20:.0f} MiB of memory"
