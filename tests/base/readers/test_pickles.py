"""Pickles from outside: plain data is read, nothing runs."""

from __future__ import annotations

import collections
import os
import pickle
import shutil
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.readers import pickles, unpickler
from posebench.base.readers.pickles import read_object, read_pickle

HOSTILE = Path(__file__).parents[2] / "golden" / "field" / "breaker"


@pytest.fixture
def read(tmp_path):
    def read(data):
        path = tmp_path / "x.pkl"
        path.write_bytes(data)
        return read_pickle(path)

    return read


class Malice:
    """Makes a folder when it is unpickled in the usual way."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


whole_numbers = st.integers(-(2**63), 2**64 - 1)
keys = st.text(max_size=200).filter(str.isprintable) | whole_numbers
plain = st.recursive(
    st.none() | st.booleans() | whole_numbers | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.tuples(keys, keys), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(plain, st.integers(0, 5))
def test_plain_data_comes_back_from_every_protocol(tmp_path_factory, value, protocol):
    path = tmp_path_factory.mktemp("plain") / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    assert read_pickle(path) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.arange(12.0, dtype=">f8").reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.zeros((0, 3)),
        np.array(3),
        np.array(["left", "right"]),
        np.array([True, False]),
    ],
)
def test_arrays_come_back_from_every_protocol_and_both_module_paths(read, array, protocol):
    data = pickle.dumps({"x": array, "again": [array]}, protocol=protocol)
    out = read(data)
    np.testing.assert_array_equal(out["x"], array)
    assert out["x"].dtype == array.dtype
    assert out["again"][0] is out["x"]
    if protocol == 2:  # its globals are lines of text, of any length
        np.testing.assert_array_equal(read(data.replace(b"numpy._core", b"numpy.core"))["x"], array)


def test_scalars_and_arrays_of_objects_come_back(read):
    out = read(pickle.dumps([np.float64(1.5), np.array([{"a": np.arange(3)}, None], dtype=object)]))
    assert out[0] == 1.5
    assert out[1][0]["a"].tolist() == [0, 1, 2]


def test_what_would_run_code_is_refused_by_its_name_and_does_not_run(read, tmp_path):
    marker = tmp_path / "was-here"
    for protocol in range(6):
        with pytest.raises(PosebenchError, match=r"the global (posix|nt)\.mkdir"):
            read(pickle.dumps({"S9": Malice(marker)}, protocol=protocol))
    assert not marker.exists()


def test_code_in_an_npz_is_refused_where_numpy_would_run_it(tmp_path):
    marker, path = tmp_path / "was-here", tmp_path / "data.npz"
    np.savez(path, positions_3d=np.array({"S9": Malice(marker)}, dtype=object))
    with pytest.raises(PosebenchError, match="positions_3d holds a pickle with the global"):
        read_object(path, "positions_3d")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (pickle.dumps(collections.OrderedDict(a=1)), "collections.OrderedDict"),
        (pickle.dumps({1, 2}), "instruction"),
        (pickle.dumps(Path("x")), "the global pathlib"),
        (pickle.dumps(len), "the global builtins.len"),
        (pickle.dumps(np.load), "the global"),
        (pickle.dumps(np.dtype([("a", "f4")])), "array of"),
        (pickle.dumps(np.zeros(2, dtype=[("a", "f4")])), "array of"),
        (pickle.dumps(np.zeros(2, dtype="M8[s]")), "array of type"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "the global builtins.eval"),
        (b"\x80\x04\x8c\x05numpy\x8c\x10fromfile.__init_\x93.", "the global numpy.fromfile"),
        # State for one of our functions: {"x": 1} and (None, {"_make": 1}).
        (b"cnumpy\ndtype\n}S'x'\nI1\nsb.", "a state for a function"),
        (b"cnumpy\ndtype\n(N}S'_make'\nI1\nstb.", "a state for a function"),
        # Classes called by other instructions: NEWOBJ, INST, OBJ; extension codes; persistent ids.
        (b"\x80\x02cnumpy\ndtype\n)\x81.", "instruction"),
        (b"(S'f4'\nicnumpy\ndtype\n.", "instruction"),
        (b"(cnumpy\ndtype\nS'f4'\no.", "instruction"),
        (b"\x80\x02\x82\x01.", "instruction"),
        (b"Pid\n.", "instruction"),
        # Arrays that promise more than they hold.
        (b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I99999999999\ntS'b'\ntR.", "without a type"),
        (b"cnumpy._core.multiarray\n_reconstruct\n(tR(I1\n(I99999999999\ntcnumpy\ndtype\n(S'f8'\ntRI00\nS''\ntb.", "without its"),
        (b"cnumpy._core.multiarray\n_reconstruct\n(tR(I1\n(I-1\ntcnumpy\ndtype\n(S'f8'\ntRI00\nS''\ntb.", "impossible shape"),
        (b"cnumpy\ndtype\n.", "a value of type Replacement"),
        (b"cnumpy\ndtype\n(S'f4'\ntR.", "a value of type ArrayType"),
        (b"]" * 50 + b"a" * 49 + b".", "nested deeper"),
        (b"]q\x00h\x00a.", "nested deeper"),
        (b"}(]I1\nu.", "a key of type list"),
        (b"", "damaged"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x00.", "damaged"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.", "damaged"),
        (pickle.dumps([1, 2, 3])[:-4], "damaged"),
    ],
)
def test_anything_else_is_refused(read, data, named):
    with pytest.raises(PosebenchError, match=named):
        read(data)


@pytest.mark.parametrize(
    ("name", "dataset", "found"),
    [
        ("hash-dag-data_3d_h36m", "h36m", "the pickle instruction b'2'"),
        ("huge-int-take-data_3d_h36m", "h36m", "a whole number beyond 64 bits"),
        ("newline-take-data_3d_h36m", "h36m", r"the key '\x1b[31m\nWalk 1', which is no short printable text"),
        ("pstmo-huge-fps-data_train_3dhp", "3dhp", "is damaged"),
        ("pstmo-huge-int-camera-data_train_3dhp", "3dhp", "is damaged"),
        ("pstmo-huge-int-key-data_test_3dhp", "3dhp", "a whole number beyond 64 bits"),
        ("pstmo-surrogate-data_test_3dhp", "3dhp", r"the key '\ud800', which"),
        ("segfault-data_3d_h36m", "h36m", "a key of type tuple"),
        ("str-amplification-data_3d_h36m", "h36m", "arrays that together hold more bytes than it"),
        ("surrogate-take-data_3d_h36m", "h36m", r"the key '\ud800 1', which"),
        ("surrogate-take2-data_3d_h36m", "h36m", r"the key '\ud800 1', which"),
    ],
)
def test_small_archives_made_to_crash_hang_or_exhaust_are_refused_in_one_paragraph(tmp_path, name, dataset, found):
    """Run as a command of its own: before, some of these killed the process, or had no end within 25 s."""
    shutil.copy(HOSTILE / f"pickle-{name}.npz", tmp_path / f"{name[name.index('data_') :]}.npz")
    command = [sys.executable, "-m", "posebench", "-q", "data", "info", dataset, "--root", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "80"})
    assert run.returncode == 2, run.stderr
    assert found in run.stderr
    assert run.stderr.startswith("posebench: Found: ")
    assert run.stderr.count("\n") == 1


FLAT = b"\x8c\x01x"  # the text "x"
SHARED_BYTES = b"\x80\x04C\x64" + b"x" * 100 + b"\x940cnumpy\ndtype\n(\x8c\x02u1tR\x940]("
SHARED_TEXT = SHARED_BYTES.replace(b"C\x64", b"\x8c\x64")
ONE_OF_IT = b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01Kd\x85\x8c\x01CtR"
LIST_OF_100 = b"\x80\x04](" + b"N" * 100 + b"e\x940cnumpy\ndtype\n(\x8c\x01OtR\x940]("


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"}" + b")" + b"\x85" * 100_000 + b"Ns.", "a key of type tuple"),
        (b"}(" + b")" + b"\x85" * 100_000 + b"Nu.", "a key of type tuple"),
        (b"(" + b")" + b"\x85" * 100_000 + b"Nd.", "a key of type tuple"),
        (b")" + b"\x85" * 100_000 + b".", "nested deeper than 32"),
        (b"}q\x00" + b")q\x01" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(1, 60)) + b"Ns.", "a key of type tuple"),
        (b"}(" + FLAT * 5 + b"tNs.", "a key of type tuple"),
        (b"}" + b"\x8c\xc9" + b"x" * 201 + b"Ns.", "of 201 characters, which is no short printable text"),
        (b"}C\x01\x1bNs.", "no short printable text"),
        (b"}V\\u202e\nNs.", "no short printable text"),
        (b"}L18446744073709551616L\nNs.", "a whole number beyond 64 bits"),
        (b"L" + b"9" * 5000 + b"L\n.", "a whole number of 5,001 digits"),
        (b"I" + b"9" * 5000 + b"\n.", "a whole number of 5,000 digits"),
        (b"\x8a\xff" + b"\x7f" * 255 + b".", "a whole number of 255 bytes"),
        (b"\x8b\x00\x04\x00\x00" + b"\x7f" * 1024 + b".", "a whole number beyond 64 bits"),
        (b"]V\\ud800\na.", "a surrogate"),
        (SHARED_BYTES + ONE_OF_IT * 50 + b"e.", "arrays that together hold more bytes"),
        (SHARED_TEXT + ONE_OF_IT * 50 + b"e.", "arrays that together hold more bytes"),
        (LIST_OF_100 + ONE_OF_IT * 50 + b"e.", "more objects than it has instructions"),
        (b"cnumpy.core.numeric\n_frombuffer\n(C\x00cnumpy\ndtype\n(\x8c\x02U0tRJ\xff\xff\xff\x7f\x85\x8c\x01CtR.", "without its"),
        (b"cnumpy.core.numeric\n_frombuffer\n(C\x00cnumpy\ndtype\n(\x8c\x0aU999999999tRK\x00\x85\x8c\x01CtR.", "array of type"),
        (b"cnumpy.core.numeric\n_frombuffer\n(C\x04\x00\xd8\x00\x00cnumpy\ndtype\n(\x8c\x03<U1tRK\x01\x85\x8c\x01CtR.", "do not exist"),
        (b"X\xff\xff\xff\x7fx.", "damaged"),
        (b"\x8b\xff\xff\xff\x7fx.", "damaged"),
        (b"c" + b"x" * 5000 + b"\ny\n.", "the global x{100}\\. Wanted"),
    ],
)
def test_what_a_small_pickle_could_cost_is_judged_before_it_is_paid(read, data, named):
    started = time.process_time()
    with pytest.raises(PosebenchError, match=named) as caught:
        read(data)
    assert time.process_time() - started < 2.0
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_an_archive_that_expands_beyond_what_poses_compress_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "_SMALL_BYTES", 100_000)
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.array({"S9": np.zeros(100_000)}, dtype=object))
    with pytest.raises(PosebenchError, match=r"x of 800,\d+ bytes out of .* at most 50 times"):
        read_object(path, "x")


def test_keys_of_camera_files_come_back(read):
    """mmpose's cameras: a tuple of subject and camera."""
    cameras = {("S1", "54138969"): {"R": np.eye(3)}, ("S11", 3): {"R": np.ones((3, 3))}}
    assert list(read(pickle.dumps(cameras))) == list(cameras)


def test_an_impossible_memo_index_costs_nothing(read):
    assert read(b"]r\xfe\xff\xff\x7f.") == []


def test_a_value_that_is_referred_to_many_times_is_built_once(read):
    nested: list[object] = []
    for _ in range(25):
        nested = [nested, nested]
    out = read(pickle.dumps(nested))
    assert out[0] is out[1]


def test_the_private_table_of_instructions_that_the_reader_replaces_is_there():
    """Written for the unpickler of Python 3.11. Where this fails, ``_Unpickler.load`` must be read again before ours is trusted."""
    original = pickle._Unpickler
    assert issubclass(unpickler.Unpickler, original)
    assert original.dispatch[pickle.GLOBAL[0]] is original.load_global
    assert "dispatch" in original.load.__code__.co_names, "load() looks instructions up in the instance's table"
    assert "find_class" in original.load_global.__code__.co_names


def test_instructions_are_looked_up_in_the_restricted_table_alone(read, monkeypatch):
    """A pickle of one instruction that is not executed: were Python's own table used, it would be."""
    ran = []
    monkeypatch.setitem(pickle._Unpickler.dispatch, pickle.INST[0], lambda machine: ran.append(machine))
    with pytest.raises(PosebenchError, match="the pickle instruction b'i'"):
        read(b"(ios\nmkdir\n.")
    assert ran == []


def test_too_many_instructions_are_refused(read, monkeypatch):
    monkeypatch.setattr(unpickler, "MAX_INSTRUCTIONS", 1000)
    with pytest.raises(PosebenchError, match="more than 1,000 instructions"):
        read(b"](" + b"]" * 2000 + b"e.")


@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 255))
def test_damaged_bytes_give_a_posebench_error_or_plain_data(tmp_path_factory, noise, place, value):
    good = bytearray(pickle.dumps({"S9": {"Walking 1": [np.arange(6.0).reshape(2, 3), "x"]}}, protocol=4))
    good[place % len(good)] = value
    path = tmp_path_factory.mktemp("noise") / "x.pkl"
    for data in (noise, bytes(good)):
        path.write_bytes(data)
        with suppress(PosebenchError):
            read_pickle(path)


def test_the_size_is_bounded_before_anything_is_read(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(b"0" * 100))
    with pytest.raises(PosebenchError, match="at most 50 bytes"):
        read_pickle(path, max_bytes=50)
    bomb = tmp_path / "x.npz"
    np.savez_compressed(bomb, positions_3d=np.array({"S9": np.zeros(100_000)}, dtype=object))
    with pytest.raises(PosebenchError, match=r"positions_3d of 800,\d+ bytes.*at most 50"):
        read_object(bomb, "positions_3d", max_bytes=50)


def test_an_object_is_read_from_its_archive(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, positions_3d=np.array({"S9": {"Walking": np.arange(3)}}, dtype=object), plain=np.arange(3))
    assert read_object(path, "positions_3d")["S9"]["Walking"].tolist() == [0, 1, 2]
    with pytest.raises(PosebenchError, match="positions_3d, plain"):
        read_object(path, "positions_2d")
    with pytest.raises(PosebenchError, match="one object"):
        read_object(path, "plain")
    with pytest.raises(PosebenchError, match="No such file"):
        read_object(tmp_path / "absent.npz", "x")


def test_a_cut_off_or_otherwise_compressed_archive_is_refused(tmp_path):
    path, cut = tmp_path / "x.npz", tmp_path / "cut.npz"
    np.savez(path, positions_3d=np.array({"S9": np.arange(1000)}, dtype=object))
    cut.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(PosebenchError, match="a whole npz archive"):
        read_object(cut, "positions_3d")
    flipped = bytearray(path.read_bytes())
    flipped[2000] ^= 255
    cut.write_bytes(flipped)
    with pytest.raises(PosebenchError, match="damaged"):
        read_object(cut, "positions_3d")
    with zipfile.ZipFile(cut, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("positions_3d.npy", b"x")
    with pytest.raises(PosebenchError, match="method 14"):
        read_object(cut, "positions_3d")
