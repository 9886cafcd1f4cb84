"""The download of the CMU archive, against a server on this machine."""

from __future__ import annotations

import io
import json
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from posebench.base.errors import PosebenchError
from posebench.data import open_dataset
from posebench.data.cmu import acclaim as reader
from posebench.data.cmu import dataset as cmu
from posebench.data.cmu import fetch
from posebench.data.cmu.fetch import ARCHIVE, fetch_cmu

TAKES = (cmu.Take("S07", "07_01", "walk", 9, ""), cmu.Take("S131", "131_01", "jump", 4, ""))
NAMES = ("subjects/07/07.asf", "subjects/131/131.asf", "subjects/07/07_01.amc", "subjects/131/131_01.amc")


class Server(ThreadingHTTPServer):
    """Serves ``body`` after ``failures`` errors; announces ``excess`` more bytes than it sends (None: no length)."""

    body = b""
    failures = 0
    excess: int | None = 0
    requests = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests += 1
        if server.failures:
            server.failures -= 1
            self.send_error(503)
            return
        self.send_response(200)
        if server.excess is not None:
            self.send_header("Content-Length", str(len(server.body) + server.excess))
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *args):
        """Silence."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{server.server_port}/allasfamc.zip"
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def members(acclaim, monkeypatch):
    """Archive members by name, as CMU packs them; two takes are all that is needed."""
    for module in (cmu, fetch):
        monkeypatch.setattr(module, "takes", lambda: TAKES)
    text = {name: acclaim.asf(acclaim.human).encode() for name in NAMES[:2]}
    text |= {name: acclaim.amc(acclaim.human_frames(take.frames)).encode() for name, take in zip(NAMES[2:], TAKES, strict=True)}
    return {f"all_asfamc/{name}": data for name, data in text.items()} | {"all_asfamc/subjects/07/07_99.amc": b"not needed"}


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


COMPLETE = sorted([ARCHIVE, f"{ARCHIVE}.json", *NAMES])


def test_a_good_archive_becomes_a_folder_that_opens(server, members, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    server.body = zipped(members)
    folder = fetch_cmu(tmp_path / "new" / "cmu", server.url)
    assert everything(folder) == COMPLETE
    record = json.loads((folder / f"{ARCHIVE}.json").read_text())
    assert (record["bytes"], len(record["sha256"]), record["url"]) == (len(server.body), 64, server.url)
    assert open_dataset("cmu", folder).official
    assert capsys.readouterr().err.splitlines() == [f"downloading {server.url}", f"extracting 4 files to {folder / 'subjects'}"]
    fetch_cmu(folder, server.url)
    assert server.requests == 1


def test_the_archive_is_not_downloaded_again_for_a_second_extraction(server, members, tmp_path):
    server.body = zipped(members)
    fetch_cmu(tmp_path, server.url, progress=False)
    (tmp_path / "subjects").rename(tmp_path / "elsewhere")
    fetch_cmu(tmp_path, server.url, progress=False)
    assert server.requests == 1
    assert (tmp_path / NAMES[0]).is_file()


def test_a_server_that_fails_twice_is_asked_again(server, members, tmp_path):
    server.body, server.failures = zipped(members), 2
    fetch_cmu(tmp_path, server.url, progress=False)
    assert server.requests == 3
    assert everything(tmp_path) == COMPLETE


@pytest.mark.parametrize("excess", [1000, None], ids=["of a stated length", "of no stated length"])
def test_a_download_cut_short_is_never_used(server, members, tmp_path, excess):
    server.body, server.excess = zipped(members)[:-200], excess
    with pytest.raises(PosebenchError, match=r"which (could not be downloaded|is not a whole zip archive).*Next: "):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert everything(tmp_path) == []
    server.body, server.excess = zipped(members), 0
    fetch_cmu(tmp_path, server.url, progress=False)
    assert everything(tmp_path) == COMPLETE


@pytest.mark.usefixtures("members")
def test_a_server_that_is_down_gives_one_posebench_error(server, tmp_path):
    server.failures = 10
    with pytest.raises(PosebenchError, match=r"could not be downloaded .*503"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert server.requests == 1 + fetch.RETRIES
    assert everything(tmp_path) == []
    with pytest.raises(PosebenchError, match=r"the server answers 503.*or put a copy of it at"):
        fetch_cmu(tmp_path / "new", server.url, progress=False)
    assert not (tmp_path / "new").exists()


def test_a_changed_archive_is_refused_and_downloaded_only_once(server, members, tmp_path):
    server.body = zipped(members)
    fetch_cmu(tmp_path, server.url, progress=False)
    (tmp_path / "subjects").rename(tmp_path / "elsewhere")
    (tmp_path / ARCHIVE).unlink()
    server.body = zipped(members | {"all_asfamc/readme.txt": b"a new edition"})
    with pytest.raises(PosebenchError, match=r"not the archive of the first download.*as recorded in .*allasfamc\.zip\.json.*to accept"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert server.requests == 2
    assert not (tmp_path / ARCHIVE).exists()
    assert not (tmp_path / "subjects").exists()


def test_an_archive_altered_on_disk_is_refused_and_left_alone(server, members, tmp_path):
    server.body = zipped(members)
    fetch_cmu(tmp_path, server.url, progress=False)
    (tmp_path / "subjects").rename(tmp_path / "elsewhere")
    (tmp_path / ARCHIVE).write_bytes(server.body + b" ")
    with pytest.raises(PosebenchError, match=r"not the archive of the first download.*to fetch again delete"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert (tmp_path / ARCHIVE).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bytes": "many", "sha256": ""}'])
@pytest.mark.usefixtures("members")
def test_a_broken_record_is_refused(server, tmp_path, text):
    (tmp_path / f"{ARCHIVE}.json").write_text(text)
    with pytest.raises(PosebenchError, match=r"holds no size and sha256"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert server.requests == 0


@pytest.mark.usefixtures("members")
def test_a_page_in_place_of_the_archive_is_refused(server, tmp_path):
    server.body = b"<html>moved</html>"
    with pytest.raises(PosebenchError, match=r"not a whole zip archive"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert everything(tmp_path) == []


@pytest.mark.parametrize("climb", ["../../{}", "/absolute/{}", "all_asfamc/../../{}"])
def test_a_member_that_climbs_out_is_not_taken(server, members, tmp_path, climb):
    evil = {climb.format(name.removeprefix("all_asfamc/")): b"evil" for name in members}
    inside = tmp_path / "a" / "b" / "c"
    server.body = zipped(evil)
    with pytest.raises(PosebenchError, match=r"without subjects/07/07\.asf, subjects/131/131\.asf"):
        fetch_cmu(inside, server.url, progress=False)
    assert everything(tmp_path) == [f"a/b/c/{ARCHIVE}", f"a/b/c/{ARCHIVE}.json"]
    server.body = zipped(members | evil)
    for path in (inside / ARCHIVE, inside / f"{ARCHIVE}.json"):
        path.unlink()
    fetch_cmu(inside, server.url, progress=False)
    assert everything(tmp_path) == [f"a/b/c/{name}" for name in COMPLETE]
    assert (inside / NAMES[0]).read_bytes() == members[f"all_asfamc/{NAMES[0]}"]


def test_an_oversized_member_is_refused(server, members, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "MAX_BYTES", 50_000)
    server.body = zipped(members | {f"all_asfamc/{NAMES[2]}": b"\0" * 10**6})
    with pytest.raises(PosebenchError, match=r"07_01\.amc in .* is too large"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert everything(tmp_path) == [ARCHIVE, f"{ARCHIVE}.json"]


def test_a_member_that_lies_about_its_size_is_refused(server, members, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "MAX_BYTES", 50_000)
    body = zipped(members | {f"all_asfamc/{NAMES[2]}": b"\0" * 10**6})
    assert body.count(struct.pack("<I", 10**6)) == 2
    server.body = body.replace(struct.pack("<I", 10**6), struct.pack("<I", 1000))
    with pytest.raises(PosebenchError, match=r"damaged|too large"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert not (tmp_path / "subjects").exists()


def test_too_much_together_and_two_of_one_name_are_refused(server, members, tmp_path, monkeypatch):
    server.body = zipped(members | {f"again/{NAMES[0]}": b""})
    with pytest.raises(PosebenchError, match=r"two members subjects/07/07\.asf"):
        fetch_cmu(tmp_path / "a", server.url, progress=False)
    monkeypatch.setattr(fetch, "MAX_TOTAL_BYTES", 1000)
    server.body = zipped(members)
    with pytest.raises(PosebenchError, match=r"the files together in .* too large"):
        fetch_cmu(tmp_path / "b", server.url, progress=False)


def test_a_damaged_member_leaves_no_folder(server, members, tmp_path):
    body = bytearray(zipped(members))
    start = body.index(NAMES[2].encode()) + len(NAMES[2])
    body[start + 20 : start + 40] = bytes(20)
    server.body = bytes(body)
    with pytest.raises(PosebenchError, match=r"damaged"):
        fetch_cmu(tmp_path, server.url, progress=False)
    assert everything(tmp_path) == [ARCHIVE, f"{ARCHIVE}.json"]


@pytest.mark.usefixtures("members")
def test_an_incomplete_folder_is_not_overwritten(server, tmp_path):
    (tmp_path / "subjects" / "07").mkdir(parents=True)
    with pytest.raises(PosebenchError, match=r"subjects without subjects/07/07\.asf.*move it away"):
        fetch_cmu(tmp_path, server.url)
    (tmp_path / "file").write_text("")
    with pytest.raises(PosebenchError, match=r"cannot be written"):
        fetch_cmu(tmp_path / "file", server.url)
    assert server.requests == 0


def test_a_terminal_sees_a_bar(server, members, tmp_path, monkeypatch):
    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", shown)
    server.body, server.failures = zipped(members), 1
    fetch_cmu(tmp_path, server.url)
    assert "kB" in shown.getvalue()


def test_the_bounds_leave_room_for_every_real_file(cmu_root):
    sizes = [path.stat().st_size for path in cmu_root.glob("S*/*.asf")]
    sizes += [int.from_bytes(path.read_bytes()[-4:], "little") for path in cmu_root.glob("S*/*.amc.gz")]
    assert 3 * max(sizes) < reader.MAX_BYTES
    assert 3 * sum(sizes) < fetch.MAX_TOTAL_BYTES
