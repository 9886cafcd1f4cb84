"""Tables and JSON on the terminal."""

from __future__ import annotations

import json
from pathlib import Path


def print_json(content: object) -> None:
    """Indented."""
    print(json.dumps(content, indent=1))


def print_table(rows: list[list[object]], heads: list[str]) -> None:
    """Cells as they are: no text that looks like a number is taken for one."""
    from tabulate import tabulate

    print(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


def label(path: str) -> str:
    """What a prediction file is called: its stem, or the folder's name where it is the one that a training leaves."""
    return Path(path).stem if Path(path).stem != "predictions" else Path(path).absolute().parent.name
