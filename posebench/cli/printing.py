"""What commands print: results on stdout, laid out for a terminal, a pipe or a markdown page; remarks, unless ``-q`` is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posebench.display.document import Document


def print_json(content: object) -> None:
    """Print JSON, indented."""
    import json

    print(json.dumps(content, indent=1))


def show(document: Document, *, markdown: bool = False) -> None:
    """Print a result: as markdown if asked for; on a terminal within its width, in colour unless NO_COLOR is set; else as plain text."""
    if markdown:
        print(document.markdown())
    elif not sys.stdout.isatty():
        print(document)
    else:
        from rich.console import Console

        document.show(Console(file=sys.stdout, highlight=False))


def show_table(rows: list[list[object]], heads: list[str], *notes: str, markdown: bool) -> None:
    """Print a table, and notes below it."""
    from posebench.display.document import Document, Table

    show(Document.of(Table(heads, rows), *notes), markdown=markdown)


def remark(text: str) -> None:
    """Print what was done, such as the name of a file that was written; nothing with ``-q``."""
    from posebench.base.progress import silent

    if not silent():
        print(text)


def log(line: str) -> None:
    """Print a line about the work in progress on stderr; nothing with ``-q``."""
    from posebench.base.progress import silent

    if not silent():
        print(line, file=sys.stderr, flush=True)


def label(path: str) -> str:
    """Name of a prediction file: its stem; for the ``predictions.npz`` of a run folder, the name of the folder."""
    return Path(path).stem if Path(path).stem != "predictions" else Path(path).absolute().parent.name
