"""Files of a dataset that cannot be read: one paragraph names the file, whatever the layout."""

import shutil
from contextlib import nullcontext

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data import open_dataset
from posebench.data.mpi_inf_3dhp.official import read_calibration

#: Layout, dataset, and a file of it without which it cannot be read.
NEEDED = [
    ("videopose3d", "h36m", "data_3d_h36m.npz"),
    ("h36m-cdf", "h36m", "S1/MyPoseFeatures/D3_Positions_mono/Walking 1.54138969.cdf"),
    ("martinez", "h36m", "S1/MyPoses/3D_positions/Walking 1.h5"),
    ("h36m-fetch", "h36m", "processed/S1/Walking-1/annot.h5"),
    ("3dhp", "3dhp", "TS1/annot_data.mat"),
    ("p-stmo", "3dhp", "data_test_3dhp.npz"),
]


@pytest.fixture
def copy(copies, tmp_path, monkeypatch):
    """A copy in a layout in which one file is something else."""
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))

    def make(layout, name, replace):
        folder = tmp_path / layout
        shutil.copytree(copies / layout, folder)
        place = next(path for path in folder.rglob("*") if path.as_posix().endswith(name))
        place.unlink()
        replace(place)
        return folder

    return make


def _read(dataset, folder):
    opened = open_dataset(dataset, folder)
    for clip in opened.infos:
        opened.load(clip)


@pytest.mark.parametrize(("layout", "dataset", "name"), NEEDED)
@pytest.mark.parametrize("kind", ["folder", "link to nothing", "link to itself"])
def test_what_stands_in_for_a_file_is_named_or_left_out(copy, layout, dataset, name, kind):
    """A file that is needed is named; one without which there is still a copy may be left out."""
    makers = {
        "folder": lambda path: path.mkdir(),
        "link to nothing": lambda path: path.symlink_to("nowhere"),
        "link to itself": lambda path: path.symlink_to(path.name),
    }
    folder = copy(layout, name, makers[kind])
    left_out = layout == "p-stmo" or (layout == "h36m-fetch" and kind != "folder")
    with nullcontext() if left_out else pytest.raises(PosebenchError):
        _read(dataset, folder)


def test_a_calibration_of_fewer_cameras_than_the_annotations_is_refused(copy):
    flat = " ".join(map(str, np.eye(4).ravel()))
    lines = ["head", "name 0", "sensor 10 10", "size 2048 2048", "animated 0", f"intrinsic {flat}", f"extrinsic {flat}", "radial 0\n"]
    folder = copy("3dhp", "S1/Seq1/camera.calibration", lambda path: path.write_text("\n".join(lines)))
    with pytest.raises(PosebenchError, match=r"camera\.calibration: 1 cameras"):
        _read("3dhp", folder)


@pytest.mark.parametrize("size", ["inf 2048", "2048 1e400", "nan 2048", "0 2048", "-5 2048"])
def test_a_calibration_of_an_impossible_image_is_refused(tmp_path, size):
    flat = " ".join(map(str, np.eye(4).ravel()))
    lines = ["head", "name 0", "sensor 10 10", f"size {size}", "animated 0", f"intrinsic {flat}", f"extrinsic {flat}", "radial 0\n"]
    (tmp_path / "camera.calibration").write_text("\n".join(lines))
    with pytest.raises(PosebenchError, match="line 4 says an image of"):
        read_calibration(tmp_path / "camera.calibration")
