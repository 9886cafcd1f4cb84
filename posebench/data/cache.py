"""Disk cache of arrays that are slow to compute.

An entry is one folder, ``<cache>/<name>-<key>/``, of ``.npy`` files and an ``index.json`` that holds their sha256. An entry is
complete or absent: it is built in a temporary folder next to its final path and then renamed. No file is used before its checksum is
verified, nothing is unpickled, and deleting the folder is always safe.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of
from posebench.base.readers.npy import npy_header
from posebench.base.readers.text import read_json

INDEX = "index.json"
#: The index of a copy of Human3.6M takes some 200 kB.
_MAX_INDEX = 2**26


@dataclass(frozen=True, eq=False)
class CacheEntry:
    """The content of a cache entry.

    Attributes:
        arrays: by name; read-only memory maps if they come from disk.
        facts: JSON values.
        note: why the entry could not be stored, or empty.
    """

    arrays: dict[str, npt.NDArray[Any]]
    facts: dict[str, Any]
    note: str = ""


def cache_folder() -> Path:
    """The folder of all entries: ``$POSEBENCH_CACHE``, or else the user's cache folder.

    Raises:
        OSError: the user has no home folder.
    """
    chosen = os.environ.get("POSEBENCH_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("posebench"))
    except RuntimeError:  # Python's own, where it finds no home folder
        folder = Path("~")
    if not folder.is_absolute():
        raise OSError("this user has no home folder; name one with POSEBENCH_CACHE")
    return folder


def cached(name: str, key: str, build: Callable[[], CacheEntry]) -> CacheEntry:
    """The entry ``name`` with this ``key``; built if it is absent or damaged.

    Two processes may build the same entry at once: the first to finish stores it, and the other reads that one. If the folder cannot be
    written, the entry stays in memory and its note gives the reason.

    Args:
        name: kind of entry, such as ``cmu``; part of the folder's name.
        key: hex digest of everything that determines the content.
        build: computes the content.
    """
    try:
        folder = cache_folder() / f"{name}-{key[:32]}"
    except OSError as error:
        built = build()
        return CacheEntry(built.arrays, built.facts, f"no cache folder ({error}); worked in memory")
    entry = _read(folder, key)
    if entry is not None:
        return entry
    built = build()
    try:
        _publish(folder, key, built)
    except OSError as error:
        return CacheEntry(built.arrays, built.facts, f"cache folder {folder.parent} cannot be written ({error}); worked in memory")
    return _read(folder, key) or built


def _seal(index: dict[str, Any]) -> str:
    """Checksum of the index itself, so that an edited fact is noticed."""
    return hashlib.sha256(json.dumps([index["key"], index["arrays"], index["facts"]], sort_keys=True).encode()).hexdigest()


def _read(folder: Path, key: str) -> CacheEntry | None:
    """The stored entry, or None if it is absent, incomplete, altered or has another key."""
    try:
        index = read_json(folder / INDEX, _MAX_INDEX)
        if index["key"] != key or index["seal"] != _seal(index):
            return None
        if any(sha256_of(folder / f"{name}.npy") != digest for name, digest in index["arrays"].items()):
            return None
        return CacheEntry({name: _mapped(folder / f"{name}.npy") for name in index["arrays"]}, index["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, PosebenchError):
        return None


def _mapped(path: Path) -> npt.NDArray[Any]:
    """The array of a file as a read-only memory map. Its head must fit the file's length, so that no memory is taken for a claim.

    Raises:
        PosebenchError: it is no npy file, or not as long as its head says.
    """
    npy_header(path, max_bytes=path.stat().st_size)
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _publish(folder: Path, key: str, built: CacheEntry) -> None:
    """Write the entry to a temporary folder, then rename that to ``folder``.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        draft = scratch / "entry"
        draft.mkdir()
        for name, array in built.arrays.items():
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        digests = {name: sha256_of(draft / f"{name}.npy") for name in built.arrays}
        index: dict[str, Any] = {"key": key, "arrays": digests, "facts": built.facts}
        (draft / INDEX).write_text(json.dumps(index | {"seal": _seal(index)}), encoding="utf-8")
        try:
            draft.rename(folder)
        except OSError:
            # The folder exists: either another process was faster, whose entry is used, or a damaged entry has to be moved away.
            if _read(folder, key) is None:
                folder.rename(scratch / "damaged")
                draft.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
