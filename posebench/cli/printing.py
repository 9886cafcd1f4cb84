"""Tables and JSON on the terminal."""

from __future__ import annotations

import json
from pathlib import Path


def print_json(content: object) -> None:
    """Print JSON, indented."""
    print(json.dumps(content, indent=1))


def print_table(rows: list[list[object]], heads: list[str]) -> None:
    """Print a table."""
    from posebench.display.tables import text_table

    print(text_table(rows, heads))


def label(path: str) -> str:
    """Name of a prediction file: its stem; for the ``predictions.npz`` of a run folder, the name of the folder."""
    return Path(path).stem if Path(path).stem != "predictions" else Path(path).absolute().parent.name
