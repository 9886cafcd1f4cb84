"""Arrays that are dear to compute, kept on disk between runs.

An entry is one folder, ``<cache>/<name>-<key>/``, of ``.npy`` files and an ``index.json`` that holds their sha256. It is complete or
absent: it is built in a temporary folder beside its place and renamed. Nothing in it is trusted without its checksum, nothing is
unpickled, and deleting the folder is always safe.
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

from posebench.base.files import sha256_of

INDEX = "index.json"


@dataclass(frozen=True, eq=False)
class Entry:
    """What a cache entry holds.

    Attributes:
        arrays: by name; read-only memory maps where they come from disk.
        facts: JSON values.
        note: why the entry is not on disk, or empty.
    """

    arrays: dict[str, npt.NDArray[Any]]
    facts: dict[str, Any]
    note: str = ""


def cache_folder() -> Path:
    """Where entries live: ``$POSEBENCH_CACHE``, or the user's cache folder of this system."""
    chosen = os.environ.get("POSEBENCH_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("posebench"))


def cached(name: str, key: str, build: Callable[[], Entry]) -> Entry:
    """The entry ``name`` with this ``key``, built where it is absent or damaged.

    Two processes may build the same entry at once: the first to finish publishes it, the other uses that one. Where the folder cannot
    be written the entry stays in memory and says so in its note.

    Args:
        name: of the kind of entry, a plain word.
        key: hex digest of everything that the content depends on.
        build: computes the content.
    """
    place = cache_folder() / f"{name}-{key[:32]}"
    entry = _read(place, key)
    if entry is not None:
        return entry
    built = build()
    try:
        _publish(place, key, built)
    except OSError as error:
        return Entry(built.arrays, built.facts, f"cache folder {place.parent} cannot be written ({error}); worked in memory")
    return _read(place, key) or built


def _seal(index: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([index["key"], index["arrays"], index["facts"]], sort_keys=True).encode()).hexdigest()


def _read(place: Path, key: str) -> Entry | None:
    """The entry, or None where it is absent, incomplete, altered or of another key."""
    try:
        index = json.loads((place / INDEX).read_text(encoding="utf-8"))
        if index["key"] != key or index["seal"] != _seal(index):
            return None
        if any(sha256_of(place / f"{name}.npy") != digest for name, digest in index["arrays"].items()):
            return None
        arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in index["arrays"]}
        return Entry(arrays, index["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _publish(place: Path, key: str, built: Entry) -> None:
    """Write beside ``place`` and rename.

    Raises:
        OSError: the folder cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".building-", dir=place.parent))
    try:
        ours = workshop / "entry"
        ours.mkdir()
        for name, array in built.arrays.items():
            np.save(ours / f"{name}.npy", array, allow_pickle=False)
        digests = {name: sha256_of(ours / f"{name}.npy") for name in built.arrays}
        index: dict[str, Any] = {"key": key, "arrays": digests, "facts": built.facts}
        (ours / INDEX).write_text(json.dumps(index | {"seal": _seal(index)}), encoding="utf-8")
        try:
            ours.rename(place)
        except OSError:
            # Somebody stands there: a faster process, whose entry is as good as ours, or a damaged entry, which makes room.
            if _read(place, key) is None:
                place.rename(workshop / "damaged")
                ours.rename(place)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
