"""Download of ASPset-510 without its videos: lists, cameras and 3D joints from archive.org, checked by the md5 that the owners publish.

The list of splits has no published checksum; what is in it is judged when the dataset is opened. Names inside an archive are never used as
destinations unless they are of the known form, and sizes are bounded.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zlib
from collections.abc import Callable
from os import PathLike
from pathlib import Path, PurePosixPath

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing

URL = "https://archive.org/download/aspset510/"
#: Archive to the md5 that ``aspset510`` publishes (``src/aspset510/res/checksum.md5``); None for the one that it does not list.
ARCHIVES: dict[str, str | None] = {
    "aspset510_v1_common-splits.tar.gz": None,
    "aspset510_v1_trainval-cameras.tar.gz": "1dca82253524fa6f379616851c8e9356",
    "aspset510_v1_trainval-joints_3d.tar.gz": "f848dc688c3d8536063515fff5349b98",
    "aspset510_v1_test-cameras.tar.gz": "b93bd9d41206172361cec8ae0d3434d5",
    "aspset510_v1_test-joints_3d.tar.gz": "cc725af311f45d6b203cce05c5b94208",
}
#: Files that are taken out of the archives, from whatever folder above them.
_WANTED = re.compile(r"(?:^|/)(splits\.csv|(?:trainval|test)/(?:cameras/\w+/[\w-]+\.json|joints_3d/\w+/[\w-]+\.c3d))$")
MAX_FILE, MAX_TOTAL = 2**26, 2**32
RETRIES = 3

#: Downloads the archive of a name to a folder and returns its path.
Download = Callable[[str, Path], Path]


def fetch_aspset(destination: str | PathLike[str], *, progress: bool = True, download: Download | None = None) -> Path:
    """Download and unpack what :func:`posebench.data.aspset.dataset.open_aspset` reads; the folder returned is the root to open.

    An archive that is there with its checksum is not downloaded again, and files that are there are not written again.

    Args:
        destination: a folder, created if absent; the archives are kept there.
        progress: report each step on stderr.
        download: replaces the download.

    Raises:
        PosebenchError: a download failed or has another checksum, an archive is damaged or too large, or the folder cannot be written.
    """
    folder = Path(destination)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARCHIVES:
            if progress:
                print(f"{URL}{name}", file=sys.stderr)
            _unpack((download or _download)(name, folder), folder)
    except OSError as error:
        raise PosebenchError(f"{folder}, which cannot be written ({error})", "a folder with 1 GB of free space") from None
    return folder


def _download(name: str, folder: Path) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    checksum = ARCHIVES[name]
    known = {name: f"md5:{checksum}" if checksum else None}
    source = pooch.create(folder, base_url=URL, registry=known, retry_if_failed=RETRIES)
    try:
        return Path(source.fetch(name))
    except (requests.RequestException, ValueError) as error:
        cause = "another checksum than its owners'" if "hash" in str(error) else "no connection to the server, or a broken one"
        wanted = "the archive, whole" + (f", of md5 {checksum}" if checksum else "")
        raise PosebenchError(f"{URL}{name}: {cause}", wanted, f"try again later, or put a copy of it in {folder}") from None


def _unpack(archive: Path, folder: Path) -> None:
    """Write the files of an archive that are wanted below ``folder``."""
    total = 0
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for member in opened:
                found = _WANTED.search(PurePosixPath(member.name).as_posix())
                if found is None or not member.isfile() or ".." in PurePosixPath(member.name).parts:
                    continue
                total += member.size
                if member.size > MAX_FILE or total > MAX_TOTAL:
                    raise PosebenchError(f"{member.name} in {archive}, which is too large", f"at most {MAX_FILE:,} bytes a file", _AGAIN)
                target = folder / found[1]
                if target.is_file() and target.stat().st_size == member.size:
                    continue
                content = opened.extractfile(member)
                assert content is not None
                target.parent.mkdir(parents=True, exist_ok=True)
                with replacing(target) as temporary:
                    temporary.write_bytes(content.read(MAX_FILE + 1))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PosebenchError(f"{archive}, which is damaged ({error})", "the archive, whole", _AGAIN) from None


_AGAIN = "delete it and fetch again"
