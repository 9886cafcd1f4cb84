"""Whether a cell of the grid is up to date: digests of what its numbers depend on, and the record of a finished cell.

**Convention.** ``cell.json`` in a run folder is written last, by an atomic rename. A cell with this file is published; the file holds the
digests of the code and data that made the cell. ``.<cell>.claim`` next to the run folder is the cell's lock file. A process locks it while
it works on the cell and writes its digests there, so that after a kill the next process knows whether the checkpoint is still usable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of, write_text
from posebench.base.readers.text import read_json
from posebench.board.regeneration.grid import Cell
from posebench.data import DATASETS
from posebench.data.clip import Dataset
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.scoring.protocol import load_protocol
from posebench.training.folder import PREDICTIONS, RESULT

RECORD = "cell.json"
SCHEMA = 1
_MAX_BYTES = 2**24
#: The files that a board entry is made of.
ENTRY_FILES = (PREDICTIONS, RESULT, "result.sums.npz")
#: Code that turns predictions into numbers. A change leaves weights and predictions as they are: the cell is only scored again, unless
#: its method computes with it (:func:`_methods`).
SCORING_CODE = ("posebench/metrics", "posebench/scoring")

Digests = dict[str, str]
Opener = Callable[[str], Dataset]


def digest_of_folder(folder: Traversable) -> str:
    """Digest of the names and bytes of a folder's files, without pages (``.md``), caches and hidden files."""
    digest = hashlib.sha256()
    for name, file in sorted(_files(folder, ""), key=lambda item: item[0]):
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.name.startswith((".", "__pycache__")) or item.name.endswith((".md", ".pyc")):
            continue
        if item.is_dir():
            yield from _files(item, f"{prefix}{item.name}/")
        else:
            yield prefix + item.name, item


def digests_of(cell: Cell, open_: Opener | None) -> Digests:
    """Digests of all that a cell's numbers depend on, by the names that messages use.

    Args:
        cell: the cell.
        open_: opens a dataset by name; None leaves data and protocol out.
    """
    library = files("posebench")
    folders = ["lifters", "metrics", "scoring", *(["networks", "training"] if cell.trained else [])]
    digests = {f"posebench/{folder}": digest_of_folder(library / folder) for folder in folders}
    data = [cell.dataset]
    if cell.trained:
        content, where = read_method(cell.method)
        settings = resolve(content, load_baseline(cell.method).Settings, where=where, recipe=cell.recipe, preset=cell.preset)
        digests |= _methods(cell.method, *([settings.teacher_baseline[0]] if settings.teacher_baseline else []))
        data += [settings.extra_data] if settings.extra_data else []
    if open_ is not None:
        for name in data:
            dataset = open_(name)
            digests[f"data {name}"] = f"{dataset.version} {dataset.fingerprint}"
        protocol = DATASETS[cell.dataset].protocol_for(open_(cell.dataset))
        digests[f"protocol {protocol}"] = load_protocol(protocol).digest
    return digests


def _methods(*methods: str) -> Digests:
    """Digests of the code of methods, and of the metrics that they train with."""
    folders = {method: files("posebench.baselines") / method for method in methods}
    digests = {f"baselines/{method}": digest_of_folder(folder) for method, folder in folders.items()}
    for method, folder in folders.items():
        code = [file for file in folder.iterdir() if file.name.endswith(".py")]
        if any("from posebench.metrics" in file.read_text(encoding="utf-8") for file in code):
            digests[f"posebench/metrics in {method}"] = digest_of_folder(files("posebench") / "metrics")
    return digests


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the digests that differ. Where ``now`` leaves data and protocol out, they count as unchanged."""
    with_data = any(name.startswith("data ") for name in now)
    names = {name for name in {*before, *now} if with_data or not name.startswith(("data ", "protocol "))}
    return sorted(name for name in names if before.get(name) != now.get(name))


def _only_scoring(names: Sequence[str]) -> bool:
    """Whether digests of these names leave the predictions valid."""
    return bool(names) and all(name.startswith("protocol ") or name in SCORING_CODE for name in names)


@dataclass(frozen=True)
class CellStatus:
    """State of a cell in the folder of runs, and the reason in words.

    Attributes:
        state: ``fresh``; ``missing``; ``stale``, of other code or data; ``rescore``, stale only in what its predictions are scored with;
            ``interrupted``; or ``foreign``, a run folder that ``posebench regenerate`` did not make.
        why: the reason; empty where the state needs none.
    """

    state: str
    why: str = ""


def status_of(cell: Cell, digests: Digests, runs: Path) -> CellStatus:
    """Compare what the folder of runs holds of a cell with the digests of today."""
    folder = cell.folder(runs)
    record = _read(folder / RECORD)
    if record is not None:
        return _status_of_published(folder, record, digests)
    if not folder.exists() or not any(folder.iterdir()):
        return CellStatus("missing")
    started = _read(lock_path(cell.name, runs)) or _read(lock_path(cell.earlier_name, runs))
    if started is None:
        return CellStatus("foreign", f"{folder} holds a run that posebench regenerate did not make")
    differing = changed(started["digests"], digests)
    if not differing:
        return CellStatus("interrupted")
    return CellStatus("rescore" if _only_scoring(differing) else "stale", f"{', '.join(differing)} changed since it was interrupted")


def _status_of_published(folder: Path, record: dict[str, Any], digests: Digests) -> CellStatus:
    differing = changed(record["digests"], digests)
    if _only_scoring(differing):
        return CellStatus("rescore", f"{', '.join(differing)} changed")
    differing += [name for name in ENTRY_FILES if not (folder / name).is_file() or sha256_of(folder / name) != record["files"].get(name)]
    return CellStatus("stale", f"{', '.join(differing)} changed") if differing else CellStatus("fresh")


def _read(path: Path) -> dict[str, Any] | None:
    """A record, or None where there is none that this version can read; the cell then counts as not made."""
    try:
        content = read_json(path, _MAX_BYTES)
    except (OSError, ValueError):
        return None
    tables = isinstance(content, dict) and all(isinstance(content.get(name), dict) for name in ("digests", "files"))
    return content if tables and content.get("posebench_cell") == SCHEMA else None


def publish(cell: Cell, digests: Digests, runs: Path) -> None:
    """Write the record of a finished cell; from then on the cell is published.

    Raises:
        PosebenchError: the result was not computed from the predictions in the same folder.
    """
    folder = cell.folder(runs)
    hashes = {name: sha256_of(folder / name) for name in ENTRY_FILES}
    stated = json.loads((folder / RESULT).read_text(encoding="utf-8"))["predictions"]["sha256"]
    if stated != hashes[PREDICTIONS]:
        raise PosebenchError(f"{folder}: {RESULT} is of other predictions", "the two files of one run", f"remove {folder} and start again")
    content = {"posebench_cell": SCHEMA, "cell": cell.name, "digests": digests, "files": hashes}
    write_text(folder / RECORD, json.dumps(content, indent=1) + "\n")


def lock_path(name: str, runs: Path) -> Path:
    """The lock file of a cell or entry."""
    return runs / f".{name}.claim"


@contextmanager
def locked(name: str, runs: Path) -> Iterator[IO[str]]:
    """Hold the lock of a cell or entry, after waiting for any other process that holds it; gives the open lock file.

    The operating system releases the lock of a dead process, on a network file system too; no file has to be cleaned up after a kill.

    Raises:
        PosebenchError: the file system does not lock files.
    """
    import fcntl

    runs.mkdir(parents=True, exist_ok=True)
    with lock_path(name, runs).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            found = f"{runs}: files cannot be locked ({error.strerror})"
            raise PosebenchError(found, "a file system that locks files", "choose another folder with --runs") from error
        yield file


def record_start(lock: IO[str], digests: Digests, token: str) -> int:
    """Write into a held lock file which digests the work starts with.

    Args:
        lock: the open lock file of the cell.
        digests: of today's code and data.
        token: of one call of :func:`posebench.regenerate`.

    Returns:
        How often this call started the cell before.
    """
    lock.seek(0)
    try:
        before = json.loads(lock.read())["begun"]
        count = int(before["count"]) if before["token"] == token else 0
    except (ValueError, KeyError, TypeError):
        count = 0
    content = {"posebench_cell": SCHEMA, "digests": digests, "files": {}, "begun": {"token": token, "count": count + 1}}
    # Rewritten in place: a renamed file would not be the locked one.
    lock.seek(0)
    lock.truncate()
    lock.write(json.dumps(content))
    lock.flush()
    return count
