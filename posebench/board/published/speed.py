"""Published size, arithmetic and speed of methods: one table, with what was counted and on what hardware."""

from __future__ import annotations

from posebench.board.published.tables import linked
from posebench.board.published.types import TAGS, Published, Speed
from posebench.display.tables import markdown_table


def published_speed(published: Published, *, level: int = 2) -> str:
    """The section with the table and its notes; empty where no source has such a number.

    Args:
        published: the file's content.
        level: of the heading.
    """
    speeds = published.speeds
    if not speeds:
        return ""
    order = list(published.papers)
    ordered = sorted(
        speeds, key=lambda speed: (published.papers[speed.paper].year, order.index(speed.paper), speed.variant, int(speed.frames or 0))
    )
    notes: dict[str, int] = {}
    lines = [_line(published, speed, notes) for speed in ordered]
    heads = ["method", "year", "frames", "parameters [M]", "operations [M]", "counted", "poses/s", "hardware", "source"]
    tags = "; ".join(f"{tag}: {meaning}" for tag, meaning in TAGS.items() if tag in {speed.tag for speed in speeds})
    return f"""{"#" * level} Published size and speed

Copied from papers and repositories, not measured here. *parameters* and *operations* are in millions. *counted* says what the source counts
(FLOPs or multiply-adds, MACs: one MAC is two FLOPs) and for what: one predicted frame, or a clip of all its frames. Two sources often
count or time the same network differently: compare rows of one source only. The 2D detector is not included.

*source*: {tags}.

{markdown_table(lines, heads, right=(2, 3, 4, 6))}

{chr(10).join(f"{number}. {note}" for note, number in notes.items())}
"""


def _line(published: Published, speed: Speed, notes: dict[str, int]) -> list[str]:
    paper = published.papers[speed.paper]
    told = [speed.notes, f"Source: {speed.source}."]
    numbers = sorted(notes.setdefault(note, len(notes) + 1) for note in told if note)
    counted = f"{speed.counted} a {speed.per}" if speed.per != "unstated" else f"{speed.counted}, not stated for what"
    return [
        f"{linked(paper, speed.variant)} ({', '.join(map(str, numbers))})",
        paper.year,
        speed.frames,
        speed.parameters,
        speed.operations,
        counted if speed.operations else "",
        speed.poses_per_second,
        speed.hardware,
        speed.tag,
    ]
