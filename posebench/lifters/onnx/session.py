"""ONNX files, judged before ONNX Runtime is given them. They may come from strangers.

A file is run on the CPU with the operators that come with ONNX Runtime and no others; weights outside the file are read from its own
folder only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from posebench.base.errors import PosebenchError, needs

#: The largest published lifters hold 0.2 GiB of weights.
MAX_BYTES = 2**30


def open_session(path: Path, threads: int) -> Any:
    """The file, judged and loaded: an ``onnxruntime.InferenceSession`` on the CPU.

    Raises:
        PosebenchError: onnx or ONNX Runtime is not installed, or the file cannot be used.
    """
    with needs(f"the network {path}", extra="baselines"):
        import onnx
        import onnxruntime
    advice = "export the network again; docs/lifters.md shows how"
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PosebenchError(f"{path}: {size:,} bytes", f"a network of at most {MAX_BYTES:,}", advice)
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "an ONNX file", "correct the path") from error
    except PosebenchError:
        raise
    except Exception as error:  # protobuf's own kinds
        raise PosebenchError(f"{path}: {one_line(error)}", "an ONNX file", advice) from error
    _judge_outside_data(path, _tensors(model), onnx.TensorProto.EXTERNAL, advice)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised; it need not print them too
    try:
        # Without its fallback, which would print and try the same again.
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:
        wanted = "a network of ONNX's own operators, which ONNX Runtime can load"
        raise PosebenchError(f"{path}: {one_line(error)}", wanted, advice) from error


def _judge_outside_data(path: Path, tensors: Iterable[Any], external: int, advice: str) -> None:
    """Refuse weights outside the file that do not lie in its folder, or are too large."""
    places = {
        os.fsdecode(entry.value)  # bytes where they are no UTF-8
        for tensor in tensors
        if tensor.data_location == external
        for entry in tensor.external_data
        if entry.key == "location"
    }
    total = 0
    for place in sorted(places):
        size = _size_inside(path.parent.resolve(), place)
        if size is None:
            raise PosebenchError(f"{path}: weights in {place!r}", f"weights in the file itself, or in a file in {path.parent}", advice)
        total += size
    if total > MAX_BYTES:
        raise PosebenchError(f"{path}: {total:,} bytes of weights", f"at most {MAX_BYTES:,}", advice)


def _size_inside(folder: Path, place: str) -> int | None:
    """Size of a file below ``folder``, links followed; None where it lies elsewhere or is no file."""
    try:
        file = (folder / place).resolve()
        return file.stat().st_size if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, links in a circle
        return None


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor of a model that may lie outside the file: of its graph, of graphs within graphs, of its functions."""
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
    """The start of an error's text, in one line."""
    return " ".join(str(error).split())[:300]
