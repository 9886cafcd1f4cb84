"""The child's side: calls functions for its parent until the parent closes the pipe."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from posebench.base.confined.messages import KINDS, receive, send
from posebench.base.errors import PosebenchError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def serve() -> None:
    """Answer calls; what the called functions print is not shown."""
    # The pipes are the first two descriptors; what a library prints must not go there.
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if resource is not None:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            call, arrays = receive(calls, sys.maxsize)
        except EOFError:
            return
        _limit(call["cpu_seconds"], call["memory"])
        answer: dict[str, Any]
        try:
            value, results = _function(call["function"])(*arrays, **call["arguments"])
            if any(result.dtype.kind not in KINDS for result in results):
                raise TypeError("an array of something else than numbers")
            answer = {"value": value}
        except PosebenchError as error:
            answer, results = {"error": {"type": "PosebenchError", "parts": [error.found, error.wanted, error.next_step]}}, []
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            answer, results = {"error": {"type": type(error).__name__, "text": text, "memory": call["memory"]}}, []
        send(answers, answer, results)


def _function(name: str) -> Callable[..., tuple[Any, list[Any]]]:
    module, _, function = name.partition(":")
    found: Callable[..., tuple[Any, list[Any]]] = getattr(import_module(module), function)
    return found


def _limit(cpu_seconds: float, memory: int) -> None:
    """Limits of this process until the next call."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft_limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + cpu_seconds) + 1)
    pages = Path("/proc/self/statm")  # Linux; elsewhere the limit of addresses is not kept
    if pages.exists():
        held = int(pages.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        _soft_limit(resource.RLIMIT_AS, held + memory)


def _soft_limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    with suppress(OSError, ValueError):
        resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
