"""Which takes, cameras and subjects count: conditions on rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from posebench.data.h36m.names import DAMAGED
from posebench.scoring.protocol import Protocol, load_protocol
from posebench.scoring.sums import Row

Mask = npt.NDArray[np.bool_]

#: The protocol whose excluded takes are the second trials of Human3.6M's test subjects.
_FIRST_TRIALS = "h36m/frontal-trial1"
_EXCLUDED = "excluded takes"


def chosen(conditions: str, rows: Sequence[Row], excluded: Collection[str]) -> Mask:
    """(rows,) which rows count under conditions joined by ``&``: ``camera c0``, ``subject S11``, ``undamaged``, ``first trials``.

    Takes that the protocol excludes count only with ``excluded takes``, or with ``excluded takes, but CAMERA``, where a file has them.
    """
    kept_in = next((one for one in conditions.split("&") if one.startswith(_EXCLUDED)), None)
    camera = "" if kept_in is None else kept_in.removeprefix(_EXCLUDED).removeprefix(", but ")
    keep = np.array([row.take not in excluded or (kept_in is not None and row.camera != camera) for row in rows], dtype=bool)
    for condition in conditions.split("&"):
        word, _, name = condition.partition(" ")
        if word in ("camera", "subject"):
            keep &= [getattr(row, word) == name for row in rows]
        elif condition in ("undamaged", "first trials"):
            out = DAMAGED if condition == "undamaged" else _second_trials()
            keep &= [row.take not in out for row in rows]
    return keep


def why_not(condition: str, rows: Sequence[Row], protocol: Protocol) -> str:
    """Why a condition leaves the protocol's rows as they are, or nothing of them; empty where it makes a choice."""
    word, _, name = condition.partition(" ")
    if condition in ("undamaged", "first trials") and protocol.dataset != "h36m":
        return "only Human3.6M has " + ("these damaged takes" if condition == "undamaged" else "numbered trials")
    stated, keep = chosen("all", rows, protocol.excluded), chosen(condition, rows, protocol.excluded)
    if condition.startswith(_EXCLUDED):
        if not protocol.excluded:
            return "the protocol leaves no take out"
        return "" if (keep & ~stated).any() else "the input holds none of the takes that the protocol leaves out"
    if not keep.any():
        return f"no {word} {name} in this data" if name else "no row is left"
    if np.array_equal(keep, stated):
        return f"{word} {name} is all there is" if word in ("camera", "subject") else "none of these takes is in this data"
    return ""


@cache
def _second_trials() -> tuple[str, ...]:
    return tuple(load_protocol(_FIRST_TRIALS).excluded)
