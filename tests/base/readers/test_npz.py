"""npz archives from outside: any bytes give an array or a PosebenchError, run no code, and take no memory that is only claimed."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.readers.npz import Npz, open_zip, write_npz


def read_all(path):
    """Every array of an archive by key."""
    with path.open("rb") as file, open_zip(path, file) as archive:
        npz = Npz(path, archive)
        return {key: npz.read(key) for key in npz.shapes}


def npy(array=None, *, descr="'<f8'", shape="(2,)", fortran="False", body=b"", header=None, version=(1, 0)):
    """The bytes of an npy member: of an array, or made by hand."""
    if array is not None:
        out = io.BytesIO()
        np.lib.format.write_array(out, array)
        return out.getvalue()
    text = header if header is not None else f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    raw = text.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(raw))
    return b"\x93NUMPY" + bytes(version) + size + raw + body


@pytest.fixture
def archive(tmp_path):
    """Writes an archive from (name, bytes) members and returns its path."""

    def write(*members, compression=zipfile.ZIP_STORED):
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, data in members:
                file.writestr(name, data)
        return path

    return write


@pytest.mark.parametrize(
    "array",
    [
        np.arange(102.0).reshape(2, 17, 3),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(5, dtype=">f8"),
        np.zeros((0, 17, 3)),
        np.array("text"),
        np.array(b"bytes"),
        np.int16(3),
        np.array([np.nan, np.inf]),
        np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        np.arange(6.0).reshape(2, 3).T,
    ],
)
def test_an_array_comes_back_as_it_was(tmp_path, array):
    write_npz(tmp_path / "a.npz", [("S1/Walk 1/c0", np.asarray(array))])
    back = read_all(tmp_path / "a.npz")["S1/Walk 1/c0"]
    assert back.dtype == np.asarray(array).dtype
    np.testing.assert_array_equal(back, array)
    assert back.flags.c_contiguous
    assert not back.flags.writeable


def test_numpy_reads_what_is_written(tmp_path):
    write_npz(tmp_path / "a.npz", [("x", np.arange(3.0)), ("y", np.ones((2, 2)))])
    with np.load(tmp_path / "a.npz") as file:
        assert sorted(file) == ["x", "y"]
        np.testing.assert_array_equal(file["x"], np.arange(3.0))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    save(tmp_path / "a.npz", **{"S1/Walk/c0": np.arange(12.0).reshape(4, 3)})
    np.testing.assert_array_equal(read_all(tmp_path / "a.npz")["S1/Walk/c0"], np.arange(12.0).reshape(4, 3))


def test_the_same_arrays_give_the_same_bytes(tmp_path, monkeypatch):
    arrays = [("x", np.arange(3.0)), ("y", np.ones((2, 2)))]
    write_npz(tmp_path / "a.npz", arrays)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_npz(tmp_path / "b.npz", arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_shapes_are_known_before_any_array_is_read(archive, monkeypatch):
    path = archive(("x.npy", npy(np.zeros((4, 17, 3), np.float32))), ("y.npy", npy(np.zeros(3))))
    monkeypatch.setattr(Npz, "read", lambda *_: pytest.fail("an array was read"))
    with path.open("rb") as file, zipfile.ZipFile(file) as opened:
        assert Npz(path, opened).shapes == {"x": ((4, 17, 3), np.dtype("<f4")), "y": ((3,), np.dtype("<f8"))}


def test_duplicate_keys_are_listed_and_the_last_one_counts(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", npy(np.zeros(2)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("x.npy", npy(np.ones(3)))
        file.writestr("y", npy(np.zeros(2)))
        file.writestr("y.npy", npy(np.zeros(2)))
    with path.open("rb") as file, zipfile.ZipFile(file) as opened:
        npz = Npz(path, opened)
        assert npz.duplicated == ["x", "y"]
        assert npz.read("x").tolist() == [1.0, 1.0, 1.0]


class _Exploit:
    """Unpickling it makes a file."""

    def __init__(self, marker):
        self._marker = str(marker)

    def __reduce__(self):
        return open, (self._marker, "w")


def test_a_pickle_in_an_object_array_is_refused_and_never_run(archive, tmp_path):
    marker = tmp_path / "marker"
    array = np.empty(1, dtype=object)
    array[0] = _Exploit(marker)
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=True)
    path = archive(("S1/Walk/c0.npy", out.getvalue()))
    with pytest.raises(PosebenchError, match="object array, which only pickle can read"):
        read_all(path)
    assert not marker.exists()
    with np.load(path, allow_pickle=True) as file:
        assert file["S1/Walk/c0"] is not None
    assert marker.exists(), "the file is not the trap that this test takes it for"


def test_a_bare_pickle_as_member_is_refused(archive, tmp_path):
    path = archive(("x.npy", pickle.dumps(_Exploit(tmp_path / "marker"))))
    with pytest.raises(PosebenchError, match="no readable npy header"):
        read_all(path)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no readable npy header"),
        (b"PK\x03\x04", "no readable npy header"),
        (npy(header="{"), "no readable npy header"),
        (npy(header="{'descr': '<f8', 'shape': (2,)}"), "no readable npy header"),
        (npy(header="__import__('os').getcwd()"), "no readable npy header"),
        (npy(header="(" * 9000), "no readable npy header"),
        (npy(header="-" * 9000 + "1"), "no readable npy header"),
        (npy(header=" " * 60000), "no readable npy header"),
        (npy(descr="'<q9'"), "no readable npy header"),
        (npy(descr="'<f99999999999999999999'"), "no readable npy header"),
        (npy(descr="[('a', 'O')]", body=bytes(16)), "object array"),
        (npy(descr="'|O'", body=bytes(16)), "object array"),
        (npy(shape="(-1,)", body=bytes(16)), "a shape that an array can have"),
        (npy(shape="(2.0,)", body=bytes(16)), "no readable npy header"),
        (npy(fortran="True", shape="(2, 2)", body=bytes(31)), "32 bytes, and holds 31"),
        (npy(version=(3, 0), body=bytes(16)), "no readable npy header"),
        (npy(version=(9, 9), body=bytes(16)), "no readable npy header"),
        (npy(shape="(3,)", body=bytes(16)), "24 bytes, and holds 16"),
        (npy(shape="(1,)", body=bytes(16)), "8 bytes, and holds 16"),
        (npy(shape="(10**9,)", body=bytes(16)), "no readable npy header"),
        (npy(shape="(1000000000000, 17, 3)", body=bytes(16)), "and holds 16"),
        (npy(shape="(" + "9" * 400 + ",)", body=bytes(16)), "a shape that an array can have"),
        (npy(shape="(0, " + "9" * 40 + ")"), "a shape that an array can have"),
        (npy(descr="'<U0'", shape="()"), "damaged"),
    ],
)
def test_a_member_whose_header_disagrees_with_its_data_is_refused(archive, data, message):
    with pytest.raises(PosebenchError) as error:
        read_all(archive(("S1/Walk/c0.npy", data)))
    assert message in str(error.value)
    assert "S1/Walk/c0" in str(error.value)


def test_a_declared_giant_takes_no_memory(archive):
    path = archive(("x.npy", npy(shape="(1000000000, 17, 3)", body=bytes(64))))
    tracemalloc.start()
    with pytest.raises(PosebenchError, match="as many bytes as the header says"):
        read_all(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_deflate_bomb_is_not_expanded_on_opening(tmp_path):
    path = tmp_path / "bomb.npz"
    size = 2**26
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as member:
        member.write(npy(shape=f"({size // 8},)"))
        for _ in range(size // 2**22):
            member.write(bytes(2**22))
    assert path.stat().st_size < size / 500
    tracemalloc.start()
    with path.open("rb") as file, zipfile.ZipFile(file) as opened:
        npz = Npz(path, opened)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert npz.shapes["x"] == ((size // 8,), np.dtype("<f8"))
    assert peak < 2**22


def test_a_stream_longer_than_the_archive_says_is_not_read_past_its_size(tmp_path):
    # The central directory claims the 16 bytes that the header promises; the deflate stream holds 16 MiB.
    path = tmp_path / "long.npz"
    honest, long = npy(shape="(2,)", body=bytes(16)), npy(shape="(2,)", body=bytes(2**24))
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = squeezed.compress(long) + squeezed.flush()
    fields = (20, 0, 8, 0, 0x21, zlib.crc32(honest), len(stream), len(honest), 5, 0)
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", *fields) + b"x.npy"
    central = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, *fields, 0, 0, 0, 0, 0) + b"x.npy"
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(stream), 0)
    path.write_bytes(local + stream + central + end)
    tracemalloc.start()
    with suppress(PosebenchError):
        assert read_all(path)["x"].tolist() == [0.0, 0.0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_more_entries_than_any_dataset_has_are_refused(archive, monkeypatch):
    monkeypatch.setattr("posebench.base.readers.npz.MAX_ENTRIES", 2)
    path = archive(*((f"{i}.npy", npy(np.zeros(1))) for i in range(3)))
    with pytest.raises(PosebenchError, match="3 entries"):
        read_all(path)


@pytest.mark.parametrize("flag", [0x1, 0x20, 0x40])
def test_an_encrypted_or_patched_member_is_refused(archive, flag):
    path = archive(("x.npy", npy(np.zeros(2))))
    data = bytearray(path.read_bytes())
    data[6] |= flag
    data[data.rindex(b"PK\x01\x02") + 8] |= flag
    path.write_bytes(data)
    with pytest.raises(PosebenchError):
        read_all(path)


def test_a_changed_byte_in_the_data_is_noticed(archive):
    path = archive(("x.npy", npy(np.full(4096, 7.0))))
    data = bytearray(path.read_bytes())
    data[data.rindex(np.float64(7.0).tobytes()) + 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(PosebenchError, match="x is damaged"):
        read_all(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_gives_arrays_or_a_posebench_error(tmp_path, compression, data):
    path = tmp_path / "fuzz.npz"
    with zipfile.ZipFile(path, "w", compression) as file:
        for name in ("S1/Walk/c0", "S1/Walk/c1"):
            file.writestr(name + ".npy", npy(np.arange(12.0)))
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with suppress(PosebenchError):
        read_all(path)


@pytest.mark.parametrize(
    ("array", "limit"), [(np.zeros(2), 99), (np.array(["a", "b"]), 99), (np.array("long" * 99), 99), (np.array(3.0), 99)]
)
def test_a_text_is_one_short_string_or_refused(tmp_path, array, limit):
    write_npz(tmp_path / "a.npz", [("t", array)])
    with (tmp_path / "a.npz").open("rb") as file, zipfile.ZipFile(file) as opened:
        npz = Npz(tmp_path / "a.npz", opened)
        with pytest.raises(PosebenchError, match="one JSON string"):
            npz.text("t", limit)
        with pytest.raises(PosebenchError, match="no u"):
            npz.text("u", limit)


@pytest.mark.parametrize("array", [np.array("grüße"), np.array("grüße".encode())])
def test_a_text_is_read_from_characters_or_utf8_bytes(tmp_path, array):
    write_npz(tmp_path / "a.npz", [("t", array)])
    with (tmp_path / "a.npz").open("rb") as file, zipfile.ZipFile(file) as opened:
        assert Npz(tmp_path / "a.npz", opened).text("t", 99) == "grüße"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_without_a_bound_on_memory_is_refused(archive, method):
    path = archive(("x.npy", npy(np.zeros(2))), compression=method)
    with pytest.raises(PosebenchError, match="stored or deflated"):
        read_all(path)


@pytest.mark.parametrize("body", [b"\xff" * 8, b"\x00\xd8\x00\x00" * 2])
def test_a_text_of_impossible_characters_is_refused(archive, body):
    path = archive(("t.npy", npy(descr="'<U2'", shape="()", body=body)))
    with path.open("rb") as file, open_zip(path, file) as opened, pytest.raises(PosebenchError, match="t is no text"):
        Npz(path, opened).text("t", 99)


@pytest.mark.parametrize("length", range(0, 400, 7))
def test_a_cut_off_archive_is_refused_at_any_length(archive, length):
    path = archive(("x.npy", npy(np.zeros(2))), ("y.npy", npy(np.zeros(2))))
    assert path.stat().st_size > 400
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(PosebenchError, match="a whole npz archive"):
        read_all(path)


def test_a_member_without_a_name_is_a_key_like_any_other(tmp_path):
    """Python takes a name for what stands before its first zero byte."""
    path = tmp_path / "p.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("?", npy(np.arange(3)))
    path.write_bytes(path.read_bytes().replace(b"?", b"\0"))
    assert read_all(path)[""].tolist() == [0, 1, 2]
