"""Download of the CMU archive, and extraction of the files that the ``cmu`` dataset needs.

The archive is served over plain http and has no published checksum. So its size and sha256 are recorded in a file next to it at the
first download, and later downloads must match; :func:`posebench.data.cmu.dataset.open_cmu` checks the parsed content. Paths inside the
archive are never used as destinations: known names are looked up and written to fixed paths, each with a size limit.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
import zlib
from os import PathLike
from pathlib import Path, PurePosixPath

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import sha256_of
from posebench.data.cmu.acclaim import MAX_BYTES
from posebench.data.cmu.dataset import takes

URL = "http://mocap.cs.cmu.edu/allasfamc.zip"
ARCHIVE = "allasfamc.zip"
RETRIES = 3

#: Limit on what a hostile archive can write to disk; the files of the dataset are 110 MB.
MAX_TOTAL_BYTES = 2**30


def fetch_cmu(destination: str | PathLike[str], url: str = URL, *, progress: bool = True) -> Path:
    """Download the official archive and extract the 157 takes and their skeletons to ``destination/subjects``.

    An intact archive is not downloaded again, and complete folders are not extracted again. A download is tried four times and used only
    if it is complete; extraction goes to a temporary folder that is renamed at the end. The folder returned is the root to open.

    Args:
        destination: a folder, created if absent; the archive is kept there.
        url: address of the archive.
        progress: report on stderr: a progress bar on a terminal, and a line for each step.

    Raises:
        PosebenchError: the download failed, the archive is not the one recorded at the first download, it lacks files, or a member is
            broken or too large.
    """
    destination = Path(destination)
    subjects = destination / "subjects"
    missing = [name for name in _members() if not (destination / name).is_file()]
    if subjects.exists() and missing:
        raise PosebenchError(
            f"{subjects} without {first_ten(missing)}", "no such folder, or a complete one", "move it away or choose another folder"
        )
    try:
        if missing:
            new = not destination.exists()
            destination.mkdir(parents=True, exist_ok=True)
            try:
                archive = _download(destination, url, progress)
            except PosebenchError:
                if new and not any(destination.iterdir()):
                    destination.rmdir()
                raise
            _report(progress, f"extracting {len(missing)} files to {subjects}")
            _extract(archive, destination)
    except OSError as error:
        raise PosebenchError(f"{destination}, which cannot be written ({error})", "a folder with 2 GB of free space") from None
    return destination


def _report(progress: bool, line: str) -> None:
    if progress:
        print(line, file=sys.stderr)


def _members() -> tuple[str, ...]:
    """Paths of the files of the dataset, such as ``subjects/07/07.asf``."""
    skeletons = dict.fromkeys(f"subjects/{take.subject[1:]}/{take.subject[1:]}.asf" for take in takes())
    return (*skeletons, *(f"subjects/{take.subject[1:]}/{take.trial}.amc" for take in takes()))


def _download(destination: Path, url: str, progress: bool) -> Path:
    """Path of the complete archive in ``destination``; it is the one of the first download."""
    archive, record = destination / ARCHIVE, destination / f"{ARCHIVE}.json"
    known = _read_record(record)
    fresh = not archive.exists()
    if fresh:
        _report(progress, f"downloading {url}")
        _get(archive, url, progress)
    state = {"bytes": archive.stat().st_size, "sha256": sha256_of(archive)}
    if known not in (None, state):
        if fresh:
            archive.unlink()
        raise PosebenchError(
            f"{url if fresh else archive}, which is not the archive of the first download ({state})",
            f"{known}, as recorded in {record}",
            f"find out why it changed; to accept the new one delete {record}" + ("" if fresh else f", to fetch again delete {archive}"),
        )
    if not zipfile.is_zipfile(archive):
        if fresh:
            archive.unlink()
        raise PosebenchError(
            f"{url if fresh else archive}, which is not a whole zip archive",
            f"the archive of {URL}",
            "run the same command again" if fresh else f"delete {archive} and run the same command again",
        )
    if known is None:
        part = record.with_suffix(".part")
        part.write_text(json.dumps({"url": url} | state, indent=1) + "\n", encoding="utf-8")
        part.replace(record)
    return archive


def _read_record(record: Path) -> dict[str, int | str] | None:
    """Size and sha256 of the first download; None if there was none."""
    if not record.exists():
        return None
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        return {"bytes": int(values["bytes"]), "sha256": str(values["sha256"])}
    except (ValueError, KeyError, TypeError):
        raise PosebenchError(
            f"{record}, which holds no size and sha256", "the record of the first download", "delete it to accept the archive as it is now"
        ) from None


def _get(archive: Path, url: str, progress: bool) -> None:
    """Download to a temporary file that is renamed to ``archive`` once it is complete; retry after a failure."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    bar = _Bar() if progress and sys.stderr.isatty() else None
    # Without a checksum for pooch, which would download a changed archive four times before it gave up.
    source = pooch.create(archive.parent, base_url="", registry={ARCHIVE: None}, urls={ARCHIVE: url}, retry_if_failed=RETRIES)
    try:
        source.fetch(ARCHIVE, downloader=pooch.HTTPDownloader(progressbar=bar or False, chunk_size=2**16))
    except (requests.RequestException, ValueError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        cause = f"the server answers {status}" if status else "no connection to the server, or a broken one"
        raise PosebenchError(
            f"{url}, which could not be downloaded ({cause})",
            "the archive, whole",
            f"try again later, or put a copy of it at {archive} and repeat the command",
        ) from None
    finally:
        if bar:
            bar.close()


class _Bar:
    """A progress bar of rich behind the attribute and methods that pooch uses, so that tqdm is not one more dependency."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        self._shown = Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True))
        self._task = self._shown.add_task("", total=None)
        self._total = 0
        self._shown.start()

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        self._shown.update(self._task, total=total or None, completed=0)

    def update(self, amount: int) -> None:
        self._shown.advance(self._task, amount)

    def reset(self) -> None:
        self._shown.update(self._task, completed=0)

    def close(self) -> None:
        self._shown.stop()


def _extract(archive: Path, destination: Path) -> None:
    """Extract the files of the dataset to ``destination/subjects``, all of them or none."""
    try:
        with zipfile.ZipFile(archive) as opened, tempfile.TemporaryDirectory(prefix=".extracting-", dir=destination) as scratch:
            chosen = _choose(archive, opened)
            for name, member in chosen.items():
                target = Path(scratch) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as file:
                    data = file.read(MAX_BYTES + 1)
                if len(data) > MAX_BYTES:
                    raise _too_large(archive, member.filename)
                target.write_bytes(data)
            (Path(scratch) / "subjects").rename(destination / "subjects")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PosebenchError(
            f"{archive}, which is damaged ({error})", "the archive, whole", f"delete it and {archive}.json, and fetch again"
        ) from None


def _choose(archive: Path, opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Path of each file of the dataset to the archive member that holds it; stated sizes are within the limits."""
    wanted = set(_members())
    chosen: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        path = PurePosixPath(member.filename)
        name = "/".join(path.parts[-3:])
        # An absolute path or one with ".." does not come from CMU: the member is ignored, and its file counts as missing.
        if name in wanted and not path.is_absolute() and ".." not in path.parts:
            if name in chosen:
                raise PosebenchError(f"{archive} with two members {name}", "one", "fetch the archive from its official address")
            if member.file_size > MAX_BYTES:
                raise _too_large(archive, member.filename)
            chosen[name] = member
    missing = [name for name in _members() if name not in chosen]
    if missing:
        raise PosebenchError(f"{archive} without {first_ten(missing)}", f"the {len(wanted)} files of the cmu takes", f"fetch {URL}")
    if sum(member.file_size for member in chosen.values()) > MAX_TOTAL_BYTES:
        raise _too_large(archive, "the files together")
    return {name: chosen[name] for name in _members()}


def _too_large(archive: Path, name: str) -> PosebenchError:
    return PosebenchError(
        f"{name} in {archive}, which is too large", f"at most {MAX_BYTES} bytes a file and {MAX_TOTAL_BYTES} together", f"fetch {URL}"
    )
