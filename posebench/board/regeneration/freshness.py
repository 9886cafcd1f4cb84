"""Whether a cell of the grid is up to date: digests of what its numbers depend on, and the record of a finished cell.

**Convention.** ``cell.json`` in a run folder is written last, by an atomic rename. Where it exists, the cell is finished, with the code and
data whose digests it holds. ``.<cell>.claim``, next to the run folder, is locked while a process works on the cell. It holds the digests
that this process started with, so that after a kill the next process knows whether it may resume from the checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of, write_text
from posebench.board.regeneration.grid import Cell
from posebench.data import DATASETS
from posebench.data.clip import Dataset
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.scoring.protocol import load_protocol
from posebench.training.folder import PREDICTIONS, RESULT

RECORD = "cell.json"
SCHEMA = 1
#: The files that an entry is made from.
ENTRY_FILES = (PREDICTIONS, RESULT, "result.sums.npz")

#: What only the scores depend on: where nothing else changed, the training is kept and its test split is scored again.
_SCORING = ("posebench/metrics", "posebench/scoring", "protocol ")

Digests = dict[str, str]
Opener = Callable[[str], Dataset]


def digest_of_folder(folder: Traversable) -> str:
    """Digest of the names and bytes of a folder's files; pages (``.md``), caches and hidden files are ignored."""
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
    """Digests of everything that a cell's numbers depend on, by the name that messages use.

    Args:
        cell: the cell.
        open_: opens a dataset by name; None leaves data and protocol out.
    """
    library = files("posebench")
    folders = ["metrics", "scoring", "lifters", *(("networks", "training") if cell.trained else ())]
    digests = {f"posebench/{folder}": digest_of_folder(library / folder) for folder in folders}
    data = [cell.dataset]
    if cell.trained:
        digests[f"baselines/{cell.method}"] = digest_of_folder(files("posebench.baselines") / cell.method)
        content, where = read_method(cell.method)
        settings = resolve(content, load_baseline(cell.method).Settings, where=where, recipe=cell.recipe, preset=cell.preset)
        if settings.taught_by:
            teacher = settings.taught_by[0]
            digests[f"baselines/{teacher}"] = digest_of_folder(files("posebench.baselines") / teacher)
        data += [settings.extra_data] if settings.extra_data else []
    if open_ is not None:
        for name in data:
            dataset = open_(name)
            digests[f"data {name}"] = f"{dataset.version} {dataset.fingerprint}"
        protocol = DATASETS[cell.dataset].protocol_for(open_(cell.dataset))
        digests[f"protocol {protocol}"] = load_protocol(protocol).digest
    return digests


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the digests that differ; where ``now`` was made without opening the data, data and protocol count as unchanged."""
    opened = any(name.startswith("data ") for name in now)
    names = {name for name in {*before, *now} if opened or not name.startswith(("data ", "protocol "))}
    return sorted(name for name in names if before.get(name) != now.get(name))


@dataclass(frozen=True)
class Status:
    """State of a cell: ``fresh``, ``missing``, ``stale``, ``rescore``, ``interrupted`` or ``foreign``, and the reason as text.

    ``rescore``: stale, but only the protocol, the metrics or the scoring code changed. ``foreign``: a run folder that ``posebench
    regenerate`` did not make.
    """

    state: str
    why: str = ""


def status_of(cell: Cell, digests: Digests, runs: Path) -> Status:
    """State of a cell in the folder of runs."""
    folder = runs / cell.name
    record = _read(folder / RECORD)
    if record is not None:
        differing = changed(record["digests"], digests)
        if differing and _only_scores(differing):
            return Status("rescore", f"{', '.join(differing)} changed")
        differing += [
            name for name in ENTRY_FILES if not (folder / name).is_file() or sha256_of(folder / name) != record["files"].get(name)
        ]
        return Status("stale", f"{', '.join(differing)} changed") if differing else Status("fresh")
    if not folder.exists() or not any(folder.iterdir()):
        return Status("missing")
    begun = _read(lock_path(cell.name, runs))
    if begun is None:
        return Status("foreign", f"{folder} holds a run that posebench regenerate did not make")
    differing = changed(begun["digests"], digests)
    if not differing:
        return Status("interrupted")
    return Status("rescore" if _only_scores(differing) else "stale", f"{', '.join(differing)} changed since it was interrupted")


def _only_scores(differing: list[str]) -> bool:
    return all(name.startswith(_SCORING) for name in differing)


def _read(path: Path) -> dict[str, Any] | None:
    """A record, or None where there is none that this version can read: the cell then counts as missing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    tables = isinstance(content, dict) and all(isinstance(content.get(name), dict) for name in ("digests", "files"))
    return content if tables and content.get("posebench_cell") == SCHEMA else None


def publish(cell: Cell, digests: Digests, runs: Path) -> None:
    """Write the record of a finished cell: from then on the cell is finished.

    Raises:
        PosebenchError: the result was not computed from the predictions in the same folder.
    """
    folder = runs / cell.name
    hashes = {name: sha256_of(folder / name) for name in ENTRY_FILES}
    stated = json.loads((folder / RESULT).read_text(encoding="utf-8"))["predictions"]["sha256"]
    if stated != hashes[PREDICTIONS]:
        raise PosebenchError(f"{folder}: {RESULT} is of other predictions", "the two files of one run", f"remove {folder} and start again")
    content = {"posebench_cell": SCHEMA, "cell": cell.name, "digests": digests, "files": hashes}
    write_text(folder / RECORD, json.dumps(content, indent=1) + "\n")


def lock_path(name: str, runs: Path) -> Path:
    """The file that is locked for a cell or entry."""
    return runs / f".{name}.claim"


@contextmanager
def locked(name: str, runs: Path) -> Iterator[IO[str]]:
    """Hold the lock of a cell or entry; waits while another process holds it. Gives the open lock file.

    The operating system releases the lock of a dead process, also on a network file system. Nothing has to be cleaned up after a kill.

    Raises:
        PosebenchError: the file system does not support locks.
    """
    import fcntl

    runs.mkdir(parents=True, exist_ok=True)
    with lock_path(name, runs).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            found = f"{runs}: cannot lock a file ({error.strerror})"
            raise PosebenchError(found, "a file system that locks files", "choose another folder with --runs") from error
        yield file


def record_start(lock: IO[str], digests: Digests, token: str) -> int:
    """Write the digests that the work starts with into a held lock file.

    Returns:
        How often this call of ``regenerate`` (``token``) started the same cell before: so often its process died.
    """
    lock.seek(0)
    try:
        before = json.loads(lock.read())["begun"]
        count = int(before["count"]) if before["token"] == token else 0
    except (ValueError, KeyError, TypeError):
        count = 0
    content = {"posebench_cell": SCHEMA, "digests": digests, "files": {}, "begun": {"token": token, "count": count + 1}}
    # Written in place: a renamed file would not be the locked one.
    lock.seek(0)
    lock.truncate()
    lock.write(json.dumps(content))
    lock.flush()
    return count
