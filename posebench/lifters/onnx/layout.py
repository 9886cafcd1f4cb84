"""Memory layout of a network's arrays: named axes, from the outermost to the innermost."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Posebench's own order: batch, time, joint, coordinate.
AXES = "btjc"


@dataclass(frozen=True)
class Layout:
    """Axes of an array by name, such as ``b t j c``; axes in brackets are flattened into one, the last of them changing fastest.

    **Convention.** ``b`` poses or windows, ``t`` frames of a window, ``j`` joints, ``c`` coordinates. So ``b (j c)`` is (B, 2J) with
    x1 y1 x2 y2 ..., ``b (c j)`` is (B, 2J) with x1 x2 ... y1 y2 .... An axis that is not named has length 1.

    Example:
        >>> Layout.parse("b (c j)").pack(np.array([[[[1, 2], [3, 4]]]])).tolist()
        [[1, 3, 2, 4]]
    """

    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Layout:
        """A layout from its text.

        Raises:
            ValueError: the text is not a layout; the message says what is expected.
        """
        if not re.fullmatch(r"(\s*([btjc]|\(\s*[btjc](\s+[btjc])*\s*\)))+\s*", text):
            raise ValueError("axes b t j c with spaces between them, and brackets round axes that are one")
        groups = tuple(tuple(part.strip("()").split()) for part in re.findall(r"\([^)]*\)|[btjc]", text))
        names = [name for group in groups for name in group]
        if len(set(names)) != len(names):
            raise ValueError("each axis once")
        if ("b",) not in groups:
            raise ValueError("an axis b of its own, for the batch")
        return cls(groups)

    def __str__(self) -> str:
        return " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Axes from the outermost to the innermost."""
        return tuple(name for group in self.groups for name in group)

    def shape(self, sizes: Mapping[str, int | None]) -> tuple[int | None, ...]:
        """Shape of the array; None for an axis of which a part has no known length."""
        parts = [[sizes[name] for name in group] for group in self.groups]
        return tuple(None if None in part else math.prod(n for n in part if n is not None) for part in parts)

    def pack(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array (B, T, J, C) in this layout; axes that are not named must have length 1."""
        sizes = dict(zip(AXES, array.shape, strict=True))
        packed_shape = [math.prod(sizes[name] for name in group) for group in self.groups]
        return array.transpose([AXES.index(axis) for axis in self._all_axes]).reshape(packed_shape)

    def unpack(self, array: npt.NDArray[Any], sizes: Mapping[str, int]) -> npt.NDArray[Any]:
        """An array in this layout as (B, T, J, C); the inverse of :meth:`pack`."""
        separate_axes = array.reshape([sizes[name] if name in self.names else 1 for name in self._all_axes])
        return np.transpose(separate_axes, [self._all_axes.index(axis) for axis in AXES])

    @property
    def _all_axes(self) -> tuple[str, ...]:
        """The named axes in the order of the array, then those that are not named."""
        return (*self.names, *(axis for axis in AXES if axis not in self.names))
