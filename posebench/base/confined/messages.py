"""Messages between a process and its child: a line of JSON, then the bytes of arrays. Nothing is pickled.

**Convention.** The line's field ``arrays`` lists type and shape of each array that follows. Arrays hold numbers, in C order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

#: The names of 100,000 clips take some 10 MB.
_MAX_LINE = 2**26
#: numpy's letters for the types of arrays that are sent.
KINDS = "fiub"


def send(stream: IO[bytes], content: dict[str, Any], arrays: Sequence[npt.NDArray[Any]] = ()) -> None:
    """Write one message.

    Raises:
        OSError: the other side has gone.
    """
    rows = [np.ascontiguousarray(array).reshape(array.shape) for array in arrays]
    line = json.dumps({**content, "arrays": [[row.dtype.str, row.shape] for row in rows]})
    stream.write(line.encode() + b"\n")
    for row in rows:
        stream.write(row.reshape(-1).view(np.uint8).data if row.size else b"")
    stream.flush()


def receive(stream: IO[bytes], max_bytes: int) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
    """Read one message.

    Args:
        stream: what the other side writes.
        max_bytes: of all arrays together.

    Raises:
        EOFError: the other side has ended.
        ValueError: no such message, or a larger one.
    """
    line = stream.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise EOFError if len(line) < _MAX_LINE else ValueError(f"a line of more than {_MAX_LINE:,} bytes")
    content = json.loads(line)
    arrays = []
    left = max_bytes
    for code, shape in content.pop("arrays"):
        dtype = np.dtype(code)
        left -= math.prod(shape) * dtype.itemsize
        if dtype.kind not in KINDS or left < 0:
            raise ValueError(f"an array {code} {shape}, of more than {max_bytes:,} bytes")
        array = np.empty(shape, dtype)
        if array.size:
            _fill(stream, array.reshape(-1).view(np.uint8).data)
        arrays.append(array)
    return content, arrays


def _fill(stream: IO[bytes], view: memoryview) -> None:
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
