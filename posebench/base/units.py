"""Length units. Millimetres are used everywhere; other units occur only in files."""

from __future__ import annotations

from posebench.base.errors import PosebenchError

MM_PER_UNIT = {"mm": 1.0, "m": 1000.0}


def mm_per(unit: str) -> float:
    """Millimetres in one ``unit`` (``mm`` or ``m``).

    Raises:
        PosebenchError: the unit is neither.

    Example:
        >>> mm_per("m")
        1000.0
    """
    try:
        return MM_PER_UNIT[unit]
    except KeyError:
        raise PosebenchError(f"unit {unit!r}", "one of " + ", ".join(MM_PER_UNIT), "state the unit in which the poses are stored") from None
