"""Work in parts: their size, and arrays that are used again and again, where each would ask for fresh ones of the same size."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def equal_parts(count: int, most: int) -> int:
    """The size of each of the fewest parts of ``count`` things that hold no more than ``most``; at least one.

    A last part that is much smaller than the others would be worth its arithmetic less than its overhead.

    Example:
        >>> equal_parts(2300, 1536), equal_parts(0, 1536)
        (1150, 1)
    """
    parts = max(1, -(-count // most))
    return max(1, -(-count // parts))


class Workspace:
    """Uninitialised float64 arrays by name; the next call for a name gives the same memory, grown if need be.

    Fresh memory of this size comes outside the processor's cache and in pages that the system clears first: in the scorer that cost as
    much as a fifth of the arithmetic. An array is the caller's until somebody asks for its name again.

    Example:
        >>> room = Workspace()
        >>> room.array("x", 2, 3).base is room.array("x", 3, 1).base
        True
    """

    def __init__(self) -> None:
        self._held: dict[str, npt.NDArray[np.float64]] = {}

    def array(self, name: str, *shape: int) -> npt.NDArray[np.float64]:
        """An array of ``shape``, contiguous, that holds whatever was left in it."""
        size = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.size < size:
            held = self._held[name] = np.empty(size)
        return held[:size].reshape(shape)
