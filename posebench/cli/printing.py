"""Tables and JSON on the terminal."""

from __future__ import annotations

import json
from pathlib import Path


def print_json(content: object) -> None:
    """Indented."""
    print(json.dumps(content, indent=1))


def print_table(rows: list[list[object]], heads: list[str]) -> None:
    """Print a table; see :func:`posebench.display.table.table`."""
    from posebench.display.table import table

    print(table(rows, heads))


def label(path: str) -> str:
    """What a prediction file is called: its stem, or the folder's name where it is the one that a training leaves."""
    return Path(path).stem if Path(path).stem != "predictions" else Path(path).absolute().parent.name
