"""The cache: complete or absent, never trusted without its checksum."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from posebench.data.cache import CacheEntry, cached

KEY = "ab" * 32


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def builder():
    """A build function that counts its calls."""

    def build():
        build.calls += 1
        return CacheEntry({"x": np.arange(1000.0), "y": np.zeros((2, 3))}, {"names": ["a"]})

    build.calls = 0
    return build


def test_an_entry_is_built_once_and_then_mapped_read_only(folder, builder):
    first, second = (cached("thing", KEY, builder) for _ in range(2))
    assert builder.calls == 1
    for entry in (first, second):
        np.testing.assert_array_equal(entry.arrays["x"], np.arange(1000.0))
        assert entry.facts == {"names": ["a"]}
        assert entry.note == ""
        assert isinstance(entry.arrays["x"], np.memmap)
        assert not entry.arrays["x"].flags.writeable
    assert [path.name for path in folder.iterdir()] == ["thing-" + KEY[:32]]


def test_another_key_is_another_entry(folder, builder):
    cached("thing", KEY, builder)
    cached("thing", "cd" * 32, builder)
    cached("thing", KEY[:32] + "0" * 32, builder)
    assert builder.calls == 3
    assert len(list(folder.iterdir())) == 2


def _truncate(entry):
    path = entry / "x.npy"
    path.write_bytes(path.read_bytes()[:-100])


def _flip_a_bit(entry):
    data = bytearray((entry / "x.npy").read_bytes())
    data[-5] ^= 1
    (entry / "x.npy").write_bytes(data)


def _change_a_fact(entry):
    path = entry / "index.json"
    path.write_text(path.read_text().replace('"a"', '"b"'))


def _pickle(entry):
    np.save(entry / "x.npy", np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _flip_a_bit,
        _change_a_fact,
        _pickle,
        lambda entry: (entry / "x.npy").unlink(),
        lambda entry: (entry / "index.json").unlink(),
        lambda entry: (entry / "index.json").write_text("{"),
        lambda entry: (entry / "index.json").write_text("[]"),
        lambda entry: (entry / "index.json").write_bytes(b"\xff"),
        lambda entry: (entry / "index.json").write_text(json.dumps({"key": KEY})),
    ],
)
def test_a_damaged_entry_is_rebuilt(folder, builder, damage):
    cached("thing", KEY, builder)
    (place,) = folder.iterdir()
    damage(place)
    for _ in range(2):
        np.testing.assert_array_equal(cached("thing", KEY, builder).arrays["x"], np.arange(1000.0))
    assert builder.calls == 2
    assert list(folder.iterdir()) == [place]


def test_without_a_writable_folder_the_entry_stays_in_memory_with_a_note(folder, builder):
    folder.write_text("a file with the name of the folder")
    for _ in range(2):
        entry = cached("thing", KEY, builder)
        assert "cannot be written" in entry.note
        assert str(folder) in entry.note
        np.testing.assert_array_equal(entry.arrays["x"], np.arange(1000.0))
    assert builder.calls == 2


def test_a_build_that_fails_leaves_nothing(folder):
    def build():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("thing", KEY, build)
    assert not folder.exists() or not list(folder.iterdir())


def test_two_processes_at_once_get_the_same_entry(folder):
    script = f"""
import sys, time
import numpy as np
from posebench.data.cache import CacheEntry, cached
def build():
    print("building", flush=True)
    sys.stdin.readline()
    return CacheEntry({{"x": np.full(100_000, float(sys.argv[1]))}}, {{"who": sys.argv[1]}})
entry = cached("thing", {KEY!r}, build)
print(entry.facts["who"], float(entry.arrays["x"].min()), float(entry.arrays["x"].max()), repr(entry.note))
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, "-c", script, name], **pipes) for name in "12"]
    try:
        # Both have found the cache empty before either builds the entry.
        assert [process.stdout.readline() for process in running] == ["building\n"] * 2
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        output = [process.communicate(timeout=60)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert output[0] == output[1]
    assert output[0] in ("1 1.0 1.0 ''\n", "2 2.0 2.0 ''\n")
    assert [path.name for path in folder.iterdir()] == ["thing-" + KEY[:32]]


def test_without_a_home_folder_the_content_stays_in_memory(tmp_path, monkeypatch):
    """As for a user of a container who has a number and no name."""
    monkeypatch.chdir(tmp_path)
    for name in ("POSEBENCH_CACHE", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    entry = cached("x", "0" * 64, lambda: CacheEntry({"a": np.ones(2)}, {}))
    if entry.note:  # Windows knows the folder by other means
        assert "no home folder; name one with POSEBENCH_CACHE" in entry.note
    assert entry.arrays["a"].tolist() == [1.0, 1.0]
    assert list(tmp_path.iterdir()) == []


def test_a_member_whose_head_claims_more_than_its_file_holds_is_built_again(tmp_path, monkeypatch):
    """Also where the index was written for it."""
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path))
    key = "1" * 64
    cached("x", key, lambda: CacheEntry({"a": np.ones(4)}, {}))
    (folder,) = tmp_path.glob("x-*")
    file, index = folder / "a.npy", folder / "index.json"
    file.write_bytes(file.read_bytes().replace(b"(4,)", b"(2,)"))
    content = json.loads(index.read_text())
    content["arrays"]["a"] = hashlib.sha256(file.read_bytes()).hexdigest()
    sealed = json.dumps([content["key"], content["arrays"], content["facts"]], sort_keys=True)
    index.write_text(json.dumps(content | {"seal": hashlib.sha256(sealed.encode()).hexdigest()}))
    assert cached("x", key, lambda: CacheEntry({"a": np.ones(4)}, {})).arrays["a"].shape == (4,)
