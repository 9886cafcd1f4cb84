"""Which takes, cameras and subjects count: conditions on rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from posebench.data.h36m.names import DAMAGED
from posebench.scoring.protocol import load_protocol
from posebench.scoring.sums import Row

Mask = npt.NDArray[np.bool_]

#: The protocol whose excluded takes are the second trials of Human3.6M's test subjects.
_FIRST_TRIALS = "h36m/frontal-trial1"


def chosen(conditions: str, rows: Sequence[Row]) -> Mask:
    """(rows,) which rows count under conditions joined by ``&``: ``camera c0``, ``subject S11``, ``undamaged``, ``first trials``."""
    keep = np.ones(len(rows), dtype=bool)
    if conditions == "all":
        return keep
    for condition in conditions.split("&"):
        word, _, name = condition.partition(" ")
        if word in ("camera", "subject"):
            keep &= [getattr(row, word) == name for row in rows]
        else:
            out = DAMAGED if condition == "undamaged" else _second_trials()
            keep &= [row.take not in out for row in rows]
    return keep


def why_not(condition: str, rows: Sequence[Row], dataset: str) -> str:
    """Why a condition leaves these rows as they are, or nothing of them; empty where it makes a choice."""
    word, _, name = condition.partition(" ")
    if condition in ("undamaged", "first trials") and dataset != "h36m":
        return "only Human3.6M has " + ("these damaged takes" if condition == "undamaged" else "numbered trials")
    keep = chosen(condition, rows)
    if not keep.any():
        return f"no {word} {name} in this data" if name else "no row is left"
    if keep.all():
        return f"{word} {name} is all there is" if name else "none of these takes is in this data"
    return ""


@cache
def _second_trials() -> tuple[str, ...]:
    return tuple(load_protocol(_FIRST_TRIALS).excluded)
