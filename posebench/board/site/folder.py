"""The folder of a site: which one may be written, and putting a new site in the place of an earlier one, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from posebench.base.errors import PosebenchError, first_ten

#: Lists the files of a site.
MANIFEST = "site.json"


def refuse_foreign(folder: Path, board: Path) -> None:
    """Refuse a target that is no folder, that holds files which no site of ours listed, or that holds the board.

    Raises:
        PosebenchError: see above.
    """
    advice = "posebench board site -o NEW-FOLDER"
    if board.resolve().is_relative_to(folder.resolve()):
        raise PosebenchError(f"output {folder}, which holds the board", "a folder of its own", advice)
    if folder.resolve().is_relative_to(board.resolve()):
        raise PosebenchError(f"output {folder}, which lies in the board's folder", "a folder outside the board", advice)
    if not folder.exists():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise PosebenchError(f"output {folder}, which is no folder", "a new folder, or an earlier site's", advice)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8")) if there else {"files": {}}
        listed = set(content["files"]) | {MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        listed = set()
    if foreign := sorted(there - listed):
        found = f"{folder} holds {first_ten(foreign)}, which {'is' if len(foreign) == 1 else 'are'} not of a site"
        raise PosebenchError(found, "a new folder, an empty one, or an earlier site's", advice)


def write_whole(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by their path into a new folder, and put it in the place of the one that is there.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        made.chmod(0o755)
        _put_in_place(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put_in_place(made: Path, folder: Path) -> None:
    """Put the new site where the earlier one was; if that fails, the earlier one stays."""
    if not folder.exists():
        made.replace(folder)
        return
    aside = folder.with_name(f".{folder.name}-old-{os.getpid()}")
    folder.replace(aside)
    try:
        made.replace(folder)
    except OSError:
        aside.replace(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
