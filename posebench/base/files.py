"""Writing files completely or not at all; how large an array in a file may be."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posebench.base.errors import PosebenchError

#: What to do about a file of a dataset that cannot be read.
CHECK_PERMISSIONS = "check its permissions, or get the copy again"
#: Bytes of one clip at most: 2 GiB are 29 hours of float64 poses of 17 joints at 50 fps.
MAX_CLIP_BYTES = 2**31


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the folder of ``path``; renamed to ``path`` at the end of the block, or removed if the block raises.

    Raises:
        PosebenchError: the folder cannot be made or written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a file that can be written", "choose another output path") from error
    finally:
        with suppress(OSError):  # if the folder could not be made there is nothing to remove
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def refuse_other_kind(path: str | os.PathLike[str], kind: str) -> None:
    """Refuse to replace a JSON file that posebench wrote for something else, such as a result by a diagnosis.

    Args:
        path: where a file is about to be written.
        kind: what it is: the first key of these files is ``posebench_<kind>``.

    Raises:
        PosebenchError: the file is there and is of another kind.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(256)
    except OSError:
        return
    found = re.match(rb'\s*\{\s*"posebench_([a-z]+)"', head)
    if found and found[1].decode() != kind:
        raise PosebenchError(
            f"{path} is there, and is of the kind {found[1].decode()}", f"a name for the {kind} alone", "choose another with -o"
        )


def sha256_of_input(path: str | os.PathLike[str], advice: str) -> str:
    """:func:`sha256_of` of a file from outside, for a fingerprint or a key; ``advice`` is what to do if it cannot be read.

    Raises:
        PosebenchError: it is a folder or a device, is missing or may not be read.
    """
    if Path(path).exists() and not Path(path).is_file():
        what = "a folder" if Path(path).is_dir() else "a device or pipe"
        raise PosebenchError(f"{path}, which is {what}", "a file", advice)
    try:
        return sha256_of(path)
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a file that this user may read", advice) from error


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
