"""The mean downward tilt of the cameras, as side information that a method declares."""

from __future__ import annotations


def tilt_side_information(tilt: float) -> tuple[str, ...]:
    """What is known to a method whose cameras look down by ``tilt`` degrees on average; nothing if the tilt is 0.

    Example:
        >>> tilt_side_information(6.2)
        ('cameras look down by 6.2 degrees on average',)
    """
    return (f"cameras look down by {tilt:g} degrees on average",) if tilt else ()
