"""The four kinds of camera files give the same cameras; damaged and unrelated files are refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from posebench.base.cameras import Camera, euler_from_rotation, rotation_from_euler, rotation_xyz
from posebench.base.errors import PosebenchError
from posebench.data.h36m import export_cameras
from posebench.data.h36m.cameras import find_cameras, read_cameras
from posebench.data.h36m.metadata import read_metadata
from posebench.data.h36m.names import CAMERAS, SIZES, action_of, in_order, take_name, take_of_subaction

FIELDS = ("rotation", "position", "focal", "centre", "radial", "tangential")


@pytest.fixture(scope="module")
def cameras():
    """Random cameras of two subjects, with shared intrinsics."""
    random = np.random.default_rng(5)
    lenses = [
        (random.uniform(1000, 1200, 2), random.uniform(480, 520, 2), SIZES[name], random.normal(0, 0.1, 3), random.normal(0, 0.01, 2))
        for name in CAMERAS
    ]
    return {
        (subject, name): Camera(rotation_xyz(random.uniform(-180, 180, 3)), random.uniform(-5000, 5000, 3), *lens)
        for subject in ("S1", "S9")
        for name, lens in zip(CAMERAS, lenses, strict=True)
    }


@pytest.fixture(scope="module")
def folder(cameras, tmp_path_factory):
    base = tmp_path_factory.mktemp("cameras")
    export_cameras.write_metadata(base / "metadata.xml", cameras, {("S9", "Photo", 1): "Photo 1", ("S9", "Boxing", 2): "Boxing"})
    export_cameras.write_martinez(base / "cameras.h5", cameras)
    export_cameras.write_mmpose(base / "cameras.pkl", cameras)
    export_cameras.write_videopose3d(base / "h36m_dataset.py", cameras)
    return base


@pytest.mark.parametrize("name", ["metadata.xml", "cameras.h5", "cameras.pkl", "h36m_dataset.py"])
def test_each_form_gives_the_same_cameras(cameras, folder, name):
    read = read_cameras(folder / name)
    assert set(cameras) <= set(read)
    for key, camera in cameras.items():
        assert read[key].size == camera.size
        for field in FIELDS:
            np.testing.assert_allclose(getattr(read[key], field), getattr(camera, field), atol=1e-9, rtol=0, err_msg=f"{key} {field}")


@pytest.mark.parametrize("name", ["metadata.xml", "cameras.h5", "cameras.pkl", "h36m_dataset.py"])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_a_camera_file_that_is_cut_off_is_refused(folder, tmp_path, name, share):
    data = (folder / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(PosebenchError, match=name.replace(".", r"\.")):
        read_cameras(tmp_path / name)


def test_the_tangential_pair_of_videopose3d_is_swapped_and_its_quaternion_looks_into_the_world(tmp_path):
    (tmp_path / "h36m_dataset.py").write_text(
        "import os\nos.abort()\n"
        "h36m_cameras_intrinsic_params = [{'id': '54138969', 'center': [1., 2.], 'focal_length': [3., 4.],"
        " 'radial_distortion': [5., 6., 7.], 'tangential_distortion': [8., 9.], 'res_w': 1000, 'res_h': 1002, 'azimuth': 70}]\n"
        "h36m_cameras_extrinsic_params = {'S9': [{'orientation': [1., 0., 0., 1.], 'translation': [10., 20., 30.]}], 'S2': [{}]}\n"
    )
    ((key, camera),) = read_cameras(tmp_path / "h36m_dataset.py").items()
    assert key == ("S9", "54138969")
    assert camera.tangential.tolist() == [9.0, 8.0]
    assert camera.position.tolist() == [10.0, 20.0, 30.0]
    # The camera's x axis points along the world's y.
    np.testing.assert_allclose(camera.to_world([1.0, 0.0, 0.0]) - camera.position, [0.0, 1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "h36m_cameras_intrinsic_params = [f()]\nh36m_cameras_extrinsic_params = {}\n"),
        ("a.py", "x = 1\n"),
        ("a.py", "(" * 100_000),
        ("a.xml", "<metadata><w0>[1 2 3]</w0></metadata>"),
        ("a.xml", "<metadata><w0>[1 2 three]</w0></metadata>"),
        ("a.xml", '<!DOCTYPE x [<!ENTITY a "b">]><metadata><w0>[&a;]</w0></metadata>'),
        ("a.xml", "<metadata/>"),
        ("a.pkl", "I1\n."),
        ("a.pkl", "(d."),
        ("a.json", "{}"),
    ],
)
def test_other_content_is_refused_with_the_forms_that_would_do(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(PosebenchError, match=rf"{name}|official"):
        read_cameras(tmp_path / name)


def test_a_matrix_that_is_not_a_rotation_is_refused(folder, tmp_path):
    path = tmp_path / "cameras.h5"
    path.write_bytes((folder / "cameras.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        file["subject1/camera3/R"][0, 0] += 0.1
    with pytest.raises(PosebenchError, match="a matrix that is not a rotation"):
        read_cameras(path)


def test_the_first_camera_file_in_a_folder_is_found_also_in_common(folder, tmp_path):
    assert find_cameras(folder) == folder / "metadata.xml"
    assert find_cameras(tmp_path) is None
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "h36m_dataset.py").touch()
    assert find_cameras(tmp_path / "data", tmp_path) == tmp_path / "common" / "h36m_dataset.py"


def test_metadata_names_the_takes(folder):
    assert read_metadata(folder / "metadata.xml").mapped == {("S9", "Photo", 1): "Photo 1", ("S9", "Boxing", 2): "Boxing"}


def test_euler_angles_come_back():
    for angles in np.random.default_rng(1).uniform(-1.5, 1.5, (20, 3)):
        np.testing.assert_allclose(euler_from_rotation(rotation_from_euler(angles)), angles, atol=1e-12)


def test_takes_have_one_name_whatever_the_copy_calls_them():
    assert [take_name(name) for name in ("Greeting_1", "TakingPhoto", "WalkingDog 1", "WalkTogether")] == [
        "Greeting 1",
        "Photo",
        "WalkDog 1",
        "WalkTogether",
    ]
    assert action_of("SittingDown 1") == "SittingDown"
    assert take_of_subaction("S9", "SittingDown", 1) == "SittingDown"
    assert take_of_subaction("S11", "Phoning", 1) == "Phoning 3"
    assert take_of_subaction("S9", "Photo", 2) == "Photo"
    assert take_of_subaction("S5", "Waiting", 1, {("S5", "Waiting", 1): "Waiting 1"}) == "Waiting 1"
    assert in_order([("S11", "Posing"), ("S9", "Boxing"), ("S9", "Walking 10"), ("S9", "Walking 2")]) == [
        ("S9", "Walking 2"),
        ("S9", "Walking 10"),
        ("S9", "Boxing"),
        ("S11", "Posing"),
    ]
