"""ONNX files, checked before ONNX Runtime loads them: they may come from untrusted sources.

A file is run on the CPU with the operators that come with ONNX Runtime and no others; weights outside the file are read from its own
folder only. :mod:`posebench.lifters.onnx.confined` runs it in a child process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, needs

#: The largest published lifters hold 0.2 GiB of weights.
MAX_BYTES = 2**30


class Port(NamedTuple):
    """What ONNX Runtime says of an input or output: its name, its shape (numbers, names or None) and its type."""

    name: str
    shape: list[Any]
    type: str


class Session(Protocol):
    """A loaded network."""

    @property
    def inputs(self) -> list[Port]:
        """Of the network."""

    @property
    def outputs(self) -> list[Port]:
        """Of the network."""

    def run(self, output: str, taken: str, array: npt.NDArray[Any], max_bytes: int) -> npt.NDArray[Any]:
        """The output ``output`` for ``array`` as the input ``taken``.

        Raises:
            PosebenchError: the network failed, or its output takes more than ``max_bytes``.
        """


class LocalSession:
    """A network that runs in this process; see :class:`Session`. Messages call the file ``shown``."""

    def __init__(self, path: Path, threads: int, shown: Path | None = None) -> None:
        self.path = shown or path
        self.session = open_session(path, threads, self.path)
        try:
            self.inputs, self.outputs = (
                [Port(port.name, list(port.shape), port.type) for port in ports]
                for ports in (self.session.get_inputs(), self.session.get_outputs())
            )
        except UnicodeDecodeError as error:  # raised where ONNX Runtime hands a name to Python
            raise PosebenchError(f"{self.path}: a name that is no text ({error})", "an ONNX file", "export the network again") from error

    def run(self, output: str, taken: str, array: npt.NDArray[Any], max_bytes: int) -> npt.NDArray[Any]:
        """As :meth:`Session.run`."""
        try:
            (found,) = self.session.run([output], {taken: array})
        except Exception as error:  # ONNX Runtime has a dozen exception classes, all derived from Exception
            raise PosebenchError(
                f"{self.path} failed on an input of shape {array.shape}: {one_line(error)}",
                "a network that runs as its TOML states",
                "compare window, layout and joints with the network (docs/lifters.md)",
            ) from error
        if not isinstance(found, np.ndarray) or found.nbytes > max_bytes:
            what = f"an output of shape {found.shape}" if isinstance(found, np.ndarray) else "an output that is no array"
            raise PosebenchError(
                f"{self.path}: {what} for an input of shape {array.shape}",
                f"at most {max_bytes:,} bytes",
                "correct layout, joints, window or frames in the TOML (docs/lifters.md)",
            )
        return found


def open_session(file: Path, threads: int, path: Path) -> Any:
    """Check and load an ONNX file.

    Args:
        file: the file.
        threads: for each operator; 0 for as many as there are cores.
        path: its name in messages.

    Returns:
        An ``onnxruntime.InferenceSession`` on the CPU.

    Raises:
        PosebenchError: onnx or ONNX Runtime is not installed, or the file cannot be used.
    """
    with needs(f"the network {path}", extra="baselines"):
        import onnx
        import onnxruntime
    advice = "export the network again; docs/lifters.md shows how"
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise PosebenchError(f"{path}: {size:,} bytes", f"a network of at most {MAX_BYTES:,}", advice)
        model = onnx.load_model_from_string(file.read_bytes())
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "an ONNX file", "correct the path") from error
    except PosebenchError:
        raise
    except Exception as error:  # protobuf's own exception classes
        raise PosebenchError(f"{path}: {one_line(error)}", "an ONNX file", advice) from error
    _check_external_data(file, path, _tensors(model), onnx.TensorProto.EXTERNAL, advice)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised; they need not be printed too
    try:
        # Its fallback would print a message and try the same again.
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:
        wanted = "a network of ONNX's own operators, which ONNX Runtime can load"
        raise PosebenchError(f"{path}: {one_line(error)}", wanted, advice) from error


def _check_external_data(file: Path, path: Path, tensors: Iterable[Any], external: int, advice: str) -> None:
    """Refuse weights in files that are not in the network's folder, or too large."""
    locations = {
        os.fsdecode(entry.value)  # bytes if it is not UTF-8
        for tensor in tensors
        if tensor.data_location == external
        for entry in tensor.external_data
        if entry.key == "location"
    }
    total = 0
    for location in sorted(locations):
        size = _size_inside(file.parent.resolve(), location)
        if size is None:
            raise PosebenchError(f"{path}: weights in {location!r}", f"weights in the file itself, or in a file in {path.parent}", advice)
        total += size
    if total > MAX_BYTES:
        raise PosebenchError(f"{path}: {total:,} bytes of weights", f"at most {MAX_BYTES:,}", advice)


def _size_inside(folder: Path, location: str) -> int | None:
    """Size of a file below ``folder``, links followed; None if it lies elsewhere or is not a file."""
    try:
        file = (folder / location).resolve()
        return file.stat().st_size if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, ValueError, RuntimeError):  # not a possible file name, or a loop of links
        return None


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor of a model that may be stored outside the file: in its graph, in nested graphs, in its functions."""
    nodes = [node for function in model.functions for node in function.node]
    graphs = [model.graph]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            nodes.extend(graph.node)
            yield from graph.initializer
            yield from (part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices))
            continue
        for attribute in nodes.pop().attribute:
            graphs += [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs
            yield from (attribute.t, *attribute.tensors)
            yield from (part for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors) for part in (sparse.values, sparse.indices))


def one_line(error: Exception) -> str:
    """The first 300 characters of an error's message, in one line."""
    return " ".join(str(error).split())[:300]
