"""Block sizes, and buffers that are used again for every block."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def block_size(count: int, most: int) -> int:
    """Size of the blocks when ``count`` items are split into as few blocks as hold at most ``most`` each; at least 1.

    Blocks of equal size avoid a short last block, in which the overhead of the calls outweighs the arithmetic.

    Example:
        >>> block_size(2300, 1536), block_size(0, 1536)
        (1150, 1)
    """
    blocks = max(1, -(-count // most))
    return max(1, -(-count // blocks))


class Buffers:
    """Uninitialised float64 arrays by name. A name gives the same memory each time, enlarged if necessary.

    Newly allocated arrays of a block's size are not in the processor's cache, and the system clears their pages first: in the scorer
    that took as long as a fifth of the arithmetic. An array is valid until its name is requested again.
    Modules that share buffers use different names: those of the alignment kernel start with ``kernel``, those of the thresholds with
    ``threshold``, those of the bones with ``bone``.

    Example:
        >>> buffers = Buffers()
        >>> buffers.array("x", 2, 3).base is buffers.array("x", 3, 1).base
        True
    """

    def __init__(self) -> None:
        self._by_name: dict[str, npt.NDArray[np.float64]] = {}

    def array(self, name: str, *shape: int) -> npt.NDArray[np.float64]:
        """A C-contiguous array of ``shape``; its values are whatever was last written to that memory."""
        size = math.prod(shape)
        buffer = self._by_name.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._by_name[name] = np.empty(size)
        return buffer[:size].reshape(shape)
