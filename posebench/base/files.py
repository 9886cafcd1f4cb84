"""Writing files whole or not at all; how large an array a file may ask for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posebench.base.errors import PosebenchError

#: A file may not ask for more than this for one clip: 2 GiB of float64 is a five-day clip at 50 fps.
MAX_CLIP_BYTES = 2**31


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed to it when the block ends well and removed when it does not.

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
        with suppress(OSError):  # where the folder cannot be made there is nothing to remove
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hash of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
