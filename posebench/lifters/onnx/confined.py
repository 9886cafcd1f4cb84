"""ONNX networks in a child process. A network is a program: it may never end, take all memory, or crash ONNX Runtime.

All networks of a process share one child (:mod:`posebench.base.confined.child`); ``start`` and ``run`` are its side. The limits of one
batch are generous: published lifters take seconds and some hundred MiB.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.confined.child import Child, Ended, Failed, Limits
from posebench.base.errors import PosebenchError
from posebench.lifters.onnx.session import LocalSession, Port

#: Names of the environment variables that change the limits, and the limits without them.
SECONDS, GIB = ("POSEBENCH_ONNX_SECONDS", 60.0), ("POSEBENCH_ONNX_GIB", 4.0)
_HERE = "posebench.lifters.onnx.confined:"

_child = Child()
#: Keys of networks that this process no longer uses; the child forgets them with the next call.
_unused: list[int] = []
_count = 0


class ConfinedSession:
    """A network that runs in the child; see :class:`posebench.lifters.onnx.session.Session`.

    Args:
        path: the ONNX file.
        threads: for each operator; 0 for as many as there are cores.

    Raises:
        PosebenchError: the network cannot be loaded, or not within the limits.
    """

    def __init__(self, path: Path, threads: int) -> None:
        global _count
        _count += 1
        self._path = path
        self._arguments = {"key": _count, "at": str(path.absolute()), "path": str(path), "threads": threads}
        self._cores = threads or os.cpu_count() or 1
        ports, _ = self._call("start", 0)
        self.inputs, self.outputs = ([Port(*port) for port in side] for side in ports)
        weakref.finalize(self, _unused.append, _count)

    def run(self, output: str, taken: str, array: npt.NDArray[Any], max_bytes: int) -> npt.NDArray[Any]:
        """As :meth:`posebench.lifters.onnx.session.Session.run`."""
        _, (found,) = self._call("run", max_bytes, [array], output=output, taken=taken, max_bytes=max_bytes)
        return found  # type: ignore[no-any-return]

    def _call(self, function: str, answer: int, arrays: list[npt.NDArray[Any]] | None = None, **arguments: Any) -> tuple[Any, list[Any]]:
        seconds, gib = _limit(*SECONDS), _limit(*GIB)
        # Loading takes some copies of the weights.
        memory = int(gib * 2**30) + 4 * sum(file.stat().st_size for file in self._path.parent.glob(self._path.stem + "*") if file.is_file())
        limits = Limits(seconds, seconds * self._cores, memory, answer)
        unused, _unused[:] = list(_unused), []
        try:
            return _child.call(_HERE + function, limits, arrays or [], unused=unused, **self._arguments, **arguments)
        except (Ended, Failed) as error:
            what = f" on an input of shape {arrays[0].shape}" if arrays else ""
            raise PosebenchError(
                f"{self._path}{what}: {error}",
                f"a network that loads, and lifts a batch, within {seconds:g} s and {gib:g} GiB",
                f"run only networks that you trust; {SECONDS[0]} and {GIB[0]} raise the limits (docs/lifters.md)",
            ) from error


def _limit(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        value = float(text or default)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1e6:
        raise PosebenchError(f"{name}={text}", "a number above 0", f"unset {name}")
    return value


_sessions: dict[int, LocalSession] = {}


def start(key: int, at: str, path: str, threads: int, unused: list[int]) -> tuple[list[Any], list[Any]]:
    """In the child: load the network ``at``, called ``path`` in messages; returns inputs and outputs."""
    for old in unused:
        _sessions.pop(old, None)
    if key not in _sessions:
        _sessions[key] = LocalSession(Path(at), threads, shown=Path(path))
    return [_sessions[key].inputs, _sessions[key].outputs], []


def run(array: npt.NDArray[np.floating], output: str, taken: str, max_bytes: int, **network: Any) -> tuple[None, list[npt.NDArray[Any]]]:
    """In the child: run a network, loaded anew if this is another child than the one that it was started in."""
    start(**network)
    return None, [_sessions[network["key"]].run(output, taken, array, max_bytes)]
