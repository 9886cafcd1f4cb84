"""HDF5 files from outside: nothing outside the file is followed, no object is built, and sizes are checked before memory is taken."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import h5py
import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.readers import hdf5_inside
from posebench.base.readers.hdf5 import open_hdf5
from posebench.predictions.archive import open_predictions, save_predictions

META = json.dumps({"posebench": 1, "skeleton": "h36m17", "unit": "mm", "frame": "camera", "scale": "metric"})
POSES = np.arange(4 * 17 * 3, dtype=np.float32).reshape(4, 17, 3)


def read_all(path):
    """Every clip of a file."""
    with open_predictions(path) as file:
        return {clip: file.poses(clip) for clip in file.shapes}


def shapes_here(path):
    """Shapes of a file's datasets, read in this process."""
    with h5py.File(path) as file:
        return hdf5_inside.OpenFile(path, file, "advice").shapes


@pytest.fixture
def hdf(tmp_path):
    """Makes a file with ``__meta__`` to which the given function adds datasets."""

    def write(add, meta=META, name="p.h5"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            if meta is not None:
                file.attrs["__meta__"] = meta
            add(file)
        return path

    return write


def test_groups_are_walked_and_make_clip_ids(hdf):
    path = hdf(lambda file: (file.create_dataset("S1/Walk 1/c0", data=POSES), file.create_dataset("flat", data=POSES)))
    assert sorted(read_all(path)) == ["S1/Walk 1/c0", "flat"]


@pytest.mark.parametrize("options", [{"chunks": (2, 17, 3)}, {"compression": "gzip"}, {"shuffle": True, "fletcher32": True}])
def test_chunked_compressed_and_big_endian_data_are_read(hdf, options):
    path = hdf(lambda file: file.create_dataset("a/b/c", data=POSES.astype(">f8"), **options))
    np.testing.assert_array_equal(read_all(path)["a/b/c"], POSES)


def test_h5py_reads_what_is_written(tmp_path):
    path = save_predictions(tmp_path / "p.h5", {"S1/Walk/c0": POSES}, unit="mm", skeleton="h36m17", frames={"S1/Walk/c0": range(4)})
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["S1"]["Walk"]["c0"][...], POSES)
        assert file["S1/Walk/c0#frames"][...].tolist() == [0, 1, 2, 3]
        assert json.loads(file.attrs["__meta__"])["skeleton"] == "h36m17"


@pytest.fixture
def secret(tmp_path):
    """A file on the reader's disk, which a prediction file must not be able to show."""
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("poses", data=POSES)
    (tmp_path / "secret.bin").write_bytes(POSES.tobytes())
    return path


def _virtual(file, secret):
    layout = h5py.VirtualLayout(POSES.shape, np.float32)
    layout[...] = h5py.VirtualSource(secret, "poses", POSES.shape)
    file.create_virtual_dataset("a/b/c", layout)


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda file, secret: file.__setitem__("a", h5py.ExternalLink(str(secret), "/poses")), "ExternalLink"),
        (lambda file, secret: file.__setitem__("a", h5py.ExternalLink(str(secret), "/")), "ExternalLink"),
        (lambda file, _: (file.create_dataset("x/y/z", data=POSES), file.__setitem__("a", h5py.SoftLink("/x/y/z"))), "SoftLink"),
        (lambda file, _: file.__setitem__("a", h5py.SoftLink("/nowhere")), "SoftLink"),
        (
            lambda file, secret: file.create_dataset(
                "a/b/c", POSES.shape, np.float32, external=[(str(secret.with_suffix(".bin")), 0, POSES.nbytes)]
            ),
            "stored outside the file",
        ),
        (_virtual, "stored outside the file"),
    ],
)
def test_data_outside_the_file_is_refused(hdf, secret, add, message):
    path = hdf(lambda file: add(file, secret))
    with pytest.raises(PosebenchError, match=message):
        read_all(path)


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda file: file.create_dataset("a/b/c", (4, 17, 3), h5py.vlen_dtype(np.float32)), "arrays of plain numbers"),
        (lambda file: file.create_dataset("a/b/c", (4, 17, 3), h5py.string_dtype()), "arrays of plain numbers"),
        (lambda file: file.create_dataset("a/b/c", (4, 17, 3), h5py.ref_dtype), "arrays of plain numbers"),
        (lambda file: file.create_dataset("a/b/c", (4, 17, 3), [("x", "f4"), ("s", h5py.string_dtype())]), "arrays of plain numbers"),
        (lambda file: file.create_dataset("a/b/c", data=h5py.Empty("f4")), "arrays of plain numbers"),
        (lambda file: file.create_dataset("a/b/c", (4, 17, 3), [("x", "f4")]), "floats"),
        (lambda file: file.create_dataset("a/b/c", (4, 17, 3), "i4"), "holds int32"),
        (lambda file: file.create_dataset("a/b/c", (4, 16, 3), "f4"), "has shape"),
        (lambda file: file.create_dataset("a/b/c", data=np.float32(3)), "has shape"),
        (lambda file: file.create_dataset("a/b/c#frames", data=np.arange(4)), "without a/b/c"),
        (lambda file: file.create_dataset("/".join("abcdefghijklmnop"), data=POSES), "nested deeper"),
    ],
)
def test_a_dataset_that_holds_no_poses_is_refused(hdf, add, message):
    with pytest.raises(PosebenchError, match=message):
        read_all(hdf(add))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (None, "no attribute __meta__"),
        (3.0, "one JSON string"),
        ([META, META], "one JSON string"),
        (np.zeros(3), "one JSON string"),
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (h5py.Empty("S10"), "save_predictions"),
        (json.dumps({"posebench": 1}), "skeleton"),
        ("x" * (2**20 + 1), "JSON"),
    ],
)
def test_a_meta_that_is_no_short_json_string_is_refused(hdf, meta, message):
    def add(file):
        if isinstance(meta, str) and len(meta) > 60_000:
            # An attribute of this size lives outside the object's header: h5py asks for the newer format.
            file.attrs.create("__meta__", meta, dtype=h5py.string_dtype())
        elif meta is not None:
            file.attrs["__meta__"] = meta
        file.create_dataset("a/b/c", data=POSES)

    with pytest.raises(PosebenchError, match=message):
        read_all(hdf(add, meta=None))


@pytest.mark.parametrize("meta", [np.bytes_(META.encode()), np.array(META, dtype=h5py.string_dtype("ascii"))])
def test_a_meta_in_any_of_the_string_types_is_read(hdf, meta):
    assert list(read_all(hdf(lambda file: file.create_dataset("a/b/c", data=POSES), meta=meta))) == ["a/b/c"]


def test_a_huge_declared_shape_is_refused_and_takes_no_memory(hdf):
    path = hdf(lambda file: file.create_dataset("a/b/c", (10**10, 17, 3), "f4", chunks=(1000, 17, 3)))
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(PosebenchError, match="would take 2,040,000,000,000 bytes"):
        read_all(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_chunk_far_larger_than_its_dataset_is_refused(hdf):
    path = hdf(lambda file: file.create_dataset("a/b/c", (4, 17, 3), "f4", maxshape=(None, 17, 3), chunks=(10**6, 17, 3), compression=9))
    with pytest.raises(PosebenchError, match="chunks of 204,000,000 bytes"):
        read_all(path)


def test_a_group_that_contains_itself_is_refused(hdf):
    def add(file):
        group = file.create_group("a")
        group["again"] = group

    with pytest.raises(PosebenchError, match="nested deeper"):
        read_all(hdf(add))


def test_links_that_make_very_many_paths_are_refused_after_a_bounded_number_of_items(hdf, monkeypatch):
    monkeypatch.setattr(hdf5_inside, "_MAX_ITEMS", 5000)

    def add(file):
        groups = [file.create_group(f"g{level}") for level in range(7)]
        for group, below in pairwise(groups):
            for i in range(10):
                group[f"link{i}"] = below

    visited = []
    child = hdf5_inside.OpenFile._child
    monkeypatch.setattr(hdf5_inside.OpenFile, "_child", lambda *given: visited.append(given) or child(*given))
    with pytest.raises(PosebenchError, match="more than 5,000"):
        shapes_here(hdf(add))
    assert len(visited) == 5000


def test_more_datasets_than_the_limit_are_refused(hdf, monkeypatch):
    monkeypatch.setattr(hdf5_inside, "_MAX_ITEMS", 9)
    path = hdf(lambda file: [file.create_dataset(f"c{i}", data=POSES) for i in range(10)])
    with pytest.raises(PosebenchError, match="more than 9"):
        shapes_here(path)


def test_a_flipped_bit_under_a_checksum_is_noticed(hdf):
    path = hdf(lambda file: file.create_dataset("a/b/c", data=POSES, fletcher32=True))
    raw = bytearray(path.read_bytes())
    raw[raw.index(POSES.tobytes()) + 5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(PosebenchError, match="a/b/c is damaged"):
        read_all(path)


def test_a_matlab_or_other_hdf5_file_is_refused_with_what_to_do(hdf):
    path = hdf(lambda file: file.create_dataset("annot2", data=np.zeros((3, 4))), meta=None)
    with pytest.raises(PosebenchError, match="save_predictions"):
        read_all(path)


def test_one_dataset_of_numbers_is_read_without_walking_the_file(hdf, monkeypatch):
    monkeypatch.setattr(hdf5_inside.OpenFile, "shapes", property(lambda _: pytest.fail("the file is walked")))

    def add(file):
        file.create_dataset("camera1/R", data=np.arange(9))
        file.create_dataset("camera1/T", data=np.arange(3, dtype=np.float32))
        file.create_dataset("camera1/text", data=np.bytes_("abc"))
        file["linked"] = h5py.SoftLink("/camera1/R")

    path = hdf(add)
    with h5py.File(path) as opened:
        assert hdf5_inside.OpenFile(path, opened, "advice").numbers("camera1/R", 100).tolist() == list(range(9))
    with open_hdf5(path, "advice") as file:
        assert file.shape("camera1/R") == (9,)
        assert file.numbers("camera1/R", 100).dtype == np.float64
        assert file.numbers("camera1/T", 12).dtype == np.float32
        assert "camera1" in file
        assert "camera2" not in file
        for name, message in (
            ("camera1/text", "arrays of plain numbers"),
            ("camera1/K", "no array camera1/K"),
            ("camera1", "no array camera1"),
            ("camera1/R/x", "no array camera1/R/x"),
            ("linked", "no array linked in the file: linked is a SoftLink"),
        ):
            with pytest.raises(PosebenchError, match=message):
                file.shape(name)
        with pytest.raises(PosebenchError, match=r"takes 12 bytes. Wanted: at most 11 bytes"):
            file.numbers("camera1/T", 11)
