"""Martinez-style HDF5: a file a clip or all in one, 32 joints taken to 17 by name."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from posebench.base.skeletons import joint_map
from posebench.predictions.formats.registry import recognise


def stored(pose):
    """(96, n) as Martinez' files hold it: the joints that the 17 lack stay at the root."""
    full = np.repeat(pose[:, :1], 32, axis=1)
    full[:, list(joint_map("h36m32", "h36m17"))] = pose
    return full.reshape(len(pose), 96).T


def tree(folder, poses, name="{1}.{2}.h5"):
    for clip, pose in poses.items():
        path = folder / clip.split("/")[0] / "MyPoses" / "3D_positions" / name.format(*clip.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["3D_positions"] = stored(pose)
    return folder


def test_a_tree_scores_as_its_poses_do(tmp_path, poses, truth, same_as_ours):
    folder = tree(tmp_path / "h36m", poses)
    assert recognise(folder) == ["martinez-h5"]
    finding = same_as_ours(folder, poses, truth)
    for word in ("millimetres", "h36m32 taken to h36m17 by name", "camera frame by assumption", "4 clips"):
        assert word in finding["message"]


@pytest.mark.parametrize("key", ["{0}/{1}.{2}.h5", "{0}/MyPoses/3D_positions/{1}.{2}.h5/3D_positions"])
def test_one_file_with_paths_as_groups_scores_as_its_poses_do(tmp_path, poses, truth, same_as_ours, key):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for clip, pose in poses.items():
            file[key.format(*clip.split("/"))] = stored(pose)
    assert recognise(tmp_path / "all.h5") == ["martinez-h5"]
    same_as_ours(tmp_path / "all.h5", poses, truth)


def test_the_folder_of_one_subject_will_do(tmp_path, poses, truth, same_as_ours):
    same_as_ours(tree(tmp_path / "h36m", poses) / "S9", poses, truth)


def test_martinez_own_files_are_refused_since_they_name_no_camera(tmp_path, poses, refused):
    folder = tree(tmp_path / "h36m", poses, name="{1}.h5")
    assert "world coordinates and no camera" in refused(folder)


def test_world_coordinates_under_camera_names_are_found_by_the_check(tmp_path, truth, refused):
    turn = np.array([[0.0, 0.6, 0.8], [1.0, 0.0, 0.0], [0.0, 0.8, -0.6]])
    folder = tree(tmp_path / "h36m", {clip: pose @ turn.T for clip, pose in truth.items()})
    assert "world coordinates" in refused(folder, code=1)


def test_other_shapes_and_a_clip_twice_are_refused(tmp_path, poses, refused):
    folder = tree(tmp_path / "h36m", poses)
    with h5py.File(folder / "S9" / "Greeting_1.54138969.h5", "w") as file:
        file["3D_positions"] = stored(poses["S9/Greeting 1/54138969"])
    assert "twice" in refused(folder)
    with h5py.File(folder / "S9" / "Greeting_1.54138969.h5", "w") as file:
        file["3D_positions"] = np.zeros((32, 96))
    assert "(96, n) floats" in refused(folder)


def test_data_outside_of_the_file_and_damaged_files_are_refused(tmp_path, poses, refused):
    folder = tree(tmp_path / "h36m", poses)
    path = next(folder.rglob("Photo.54138969.h5"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "Photo.54138969.h5" in refused(folder)
    with h5py.File(path, "w") as file:
        file["3D_positions"] = h5py.ExternalLink("other.h5", "/3D_positions")
    assert "data stored in the file itself" in refused(folder)
