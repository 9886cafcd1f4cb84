"""A child process that runs functions under limits of time and memory.

A library in C that reads a damaged or forged file may crash, loop or take all memory. In a child process that ends the child, and one
paragraph tells the user.

**Limits.** The time of a call is limited on every system, its CPU time on Linux and macOS, its memory on Linux.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from posebench.base.confined.messages import receive, send
from posebench.base.errors import PosebenchError

_START = "import sys; sys.path[:] = {path!r}; from posebench.base.confined.serve import serve; serve()"
#: The libraries of linear algebra that numpy may use start no threads, of which each would take addresses.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

#: Bytes that a pipe holds, on Linux: a batch of poses goes through in one piece.
_PIPE = 2**20


class Ended(Exception):  # noqa: N818 - the message says how it ended
    """The child did not live to answer; the message says why, such as ``no answer within 60 s``."""


class Failed(Exception):  # noqa: N818
    """The function raised; the message is the error's type and text."""


@dataclass(frozen=True)
class Limits:
    """What one call may take.

    Attributes:
        seconds: until the answer.
        cpu_seconds: CPU time, all threads together; a busy machine does not use it up.
        memory: bytes beyond what the child holds before the call.
        answer: bytes of the arrays in the answer.
    """

    seconds: float
    cpu_seconds: float
    memory: int
    answer: int = 0


class Child:
    """A child process; started with the first call, and again after it had to be ended. It ends with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.RLock()
        atexit.register(self.end)

    @property
    def running(self) -> bool:
        """Whether there is a process, which holds what earlier calls have left in it."""
        return self._process is not None and self._owner == os.getpid() and self._process.poll() is None

    def call(self, function: str, limits: Limits, arrays: Sequence[npt.NDArray[Any]] = (), /, **arguments: Any) -> tuple[Any, list[Any]]:
        """Call ``function(*arrays, **arguments)`` in the child.

        Args:
            function: ``module:name``, a function that returns a JSON value and a list of arrays of numbers.
            limits: of this call.
            arrays: positional arguments.
            arguments: JSON values.

        Returns:
            What the function returns.

        Raises:
            PosebenchError: the function's own, or no process can be started.
            Failed: the function raised another error.
            Ended: the child crashed or went beyond a limit.
        """
        request = {"function": function, "arguments": arguments, "cpu_seconds": limits.cpu_seconds, "memory": limits.memory}
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            late = threading.Event()

            def end() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(limits.seconds, end)
            timer.daemon = True
            timer.start()
            try:
                send(process.stdin, request, arrays)
                answer, results = receive(process.stdout, limits.answer)
            except ValueError as error:
                self.end()
                raise Ended(f"an answer that does not fit ({error})") from error
            except (EOFError, OSError) as error:
                raise Ended(self._reason(process, limits, late=late.is_set())) from error
            except BaseException:  # Ctrl-C: the call goes no further
                self.end()
                raise
            finally:
                timer.cancel()
        if "error" in answer:
            raise _error(answer["error"])
        return answer["value"], results

    def end(self) -> None:
        """End the process, if there is one; the next call starts another."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _running(self) -> subprocess.Popen[bytes]:
        # A forked copy of this process must not share the child with it.
        if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
            self.end()
        if self._process is None:
            code = _START.format(path=[entry or _here() for entry in sys.path])
            try:
                self._process = _start(code, _PIPE)
            except OSError:
                self._process = self._with_small_pipes(code)
            self._owner = os.getpid()
        return self._process

    def _with_small_pipes(self, code: str) -> subprocess.Popen[bytes]:
        """The system limits what the pipes of a user hold together."""
        try:
            return _start(code, -1)
        except OSError as error:
            found = f"no child process can be started ({error.strerror or error})"
            raise PosebenchError(found, "a process for files from outside", "allow this user more processes") from error

    def _reason(self, process: subprocess.Popen[bytes], limits: Limits, *, late: bool) -> str:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5.0)
        code = process.returncode
        self.end()
        if late:
            return f"no answer within {limits.seconds:g} s"
        if code == -getattr(signal, "SIGXCPU", 0):
            return f"no answer within {limits.cpu_seconds:g} s of CPU time"
        if code == -getattr(signal, "SIGKILL", 0):
            return "the process that read it was killed, perhaps for want of memory"
        return f"the process that read it crashed (exit status {code})"


def _start(code: str, pipe: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_ONE_THREAD},
        pipesize=pipe,
    )


def _here() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - the text, for sys.path
    except OSError:  # a removed folder
        return ""


def _error(content: dict[str, Any]) -> Exception:
    if content["type"] == "PosebenchError":
        return PosebenchError(*content["parts"])
    if content["type"] == "MemoryError":
        return Ended(f"more memory than the {content['memory']:,} bytes that it may take")
    return Failed(f"{content['type']}: {content['text']}" if content["text"] else content["type"])


#: Reads files. ONNX networks have a child each.
READER = Child()


def read(found: str, wanted: str, advice: str, function: str, limits: Limits, /, **arguments: Any) -> tuple[Any, list[Any]]:
    """Call a reader in :data:`READER`.

    Args:
        found: the file and the part of it, for messages.
        wanted: what it should be.
        advice: what to do next.
        function: as of :meth:`Child.call`.
        limits: of the call.
        arguments: JSON values.

    Raises:
        PosebenchError: whatever goes wrong.
    """
    try:
        return READER.call(function, limits, **arguments)
    except (Ended, Failed) as error:
        raise PosebenchError(f"{found}: {error}", wanted, advice) from error
