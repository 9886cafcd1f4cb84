"""The other layouts of Human3.6M, and files of any layout that are damaged or hostile."""

from __future__ import annotations

import pickle
import shutil

import h5py
import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data.h36m.dataset import open_h36m
from posebench.data.h36m.names import CAMERAS


def test_world_poses_of_the_official_files_are_read_if_there_are_no_camera_poses(small, copy_of):
    folder = copy_of("h36m-cdf")
    for subject in ("S1", "S9"):
        shutil.rmtree(folder / subject / "MyPoseFeatures" / "D3_Positions_mono")
    clip = open_h36m(folder).load("S9/Walking 1/55011271")
    np.testing.assert_allclose(clip.pose, small.load(clip.id).pose, atol=1e-2)
    # Euler angles off by 0.03 show against the 2D joints of the copy.
    text = (folder / "metadata.xml").read_text()
    head, _, vector = text.partition("<w0>[")
    words = vector.partition("]")[0].split()
    words[0] = repr(float(words[0]) + 0.03)
    (folder / "metadata.xml").write_text(f"{head}<w0>[{' '.join(words)}]</w0></metadata>")
    with pytest.raises(PosebenchError, match=r"camera 54138969 of S1 .* does not see the person"):
        open_h36m(folder)


def test_without_metadata_sub_actions_are_named_by_the_table_or_by_number(copy_of):
    folder = copy_of("h36m-fetch")
    (folder / "metadata.xml").unlink()
    for subject, old, new in (("S9", "Sitting-1", "SittingDown-1"), ("S9", "Walking-2", "SittingDown-2")):
        (folder / "processed" / subject / old).rename(folder / "processed" / subject / new)
    opened = open_h36m(folder)
    takes = {info.take for info in opened.infos.values()}
    assert {"S9/SittingDown", "S9/SittingDown 1", "S9/Sitting", "S9/Walking 1"} <= takes
    assert "S1/Walking sub-action 2" in takes
    assert opened.infos["S1/Walking sub-action 2/54138969"].action == "Walking"
    assert "named by number" in opened.note


def test_malformed_image_names_and_missing_rows_are_refused(copy_of):
    folder = copy_of("mmpose")
    path = folder / "annotation_body3d" / "fps10" / "h36m_test.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **(arrays | {"imgname": np.array(["a.jpg"] * len(arrays["S"]))}))
    with pytest.raises(PosebenchError, match=r"imgname a\.jpg"):
        open_h36m(folder)
    np.savez(path, **(arrays | {"S": arrays["S"][:-1]}))
    with pytest.raises(PosebenchError, match=r"S: float64"):
        open_h36m(folder)


def test_rows_in_any_order_give_the_same_clips(small, copy_of):
    folder = copy_of("mmpose")
    path = folder / "annotation_body3d" / "fps10" / "h36m_test.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    order = np.random.RandomState(0).permutation(len(arrays["S"]))
    np.savez(path, **{key: array[order] for key, array in arrays.items()})
    clip = open_h36m(folder).load("S9/Walking 2/58860488")
    np.testing.assert_allclose(clip.pose, small.load(clip.id).pose[::5], atol=1e-9)
    np.testing.assert_allclose(clip.keypoints("gt"), small.load(clip.id).keypoints("gt")[::5], atol=1e-9)


def test_an_external_link_in_an_hdf5_file_is_refused(copy_of):
    folder = copy_of("martinez")
    path = folder / "S9" / "MyPoses" / "3D_positions" / "Walking 1.h5"
    path.rename(path.with_suffix(".moved"))
    with h5py.File(path, "w") as file:
        file["3D_positions"] = h5py.ExternalLink("Walking 1.moved", "3D_positions")
    with pytest.raises(PosebenchError, match="ExternalLink"):
        open_h36m(folder)


def test_code_in_an_archive_or_a_camera_file_does_not_run(copy_of, tmp_path, malicious):
    marker, folder = tmp_path / "was-here", copy_of("videopose3d")
    with (folder / "common" / "h36m_dataset.py").open("a") as file:
        file.write(f"open({str(marker)!r}, 'w')\n")
    assert open_h36m(folder).infos
    np.savez(folder / "data_2d_h36m_gt.npz", positions_2d=np.array({"S9": malicious(marker)}, dtype=object))
    with pytest.raises(PosebenchError, match=r"the global (_io|io)\.open"):
        open_h36m(folder).load("S9/Walking 1/54138969").keypoints("gt")
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array({"S9": malicious(marker)}, dtype=object))
    with pytest.raises(PosebenchError, match=r"the global (_io|io)\.open"):
        open_h36m(folder)
    (tmp_path / "cameras.pkl").write_bytes(pickle.dumps({("S9", CAMERAS[0]): malicious(marker)}))
    with pytest.raises(PosebenchError, match=r"the global (_io|io)\.open"):
        open_h36m(copy_of("martinez"), cameras=tmp_path / "cameras.pkl")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("layout", "file"),
    [
        ("videopose3d", "data_3d_h36m.npz"),
        ("h36m-cdf", "S9/MyPoseFeatures/D3_Positions_mono/Walking 1.54138969.cdf"),
        ("martinez", "S9/MyPoses/3D_positions/Walking 1.h5"),
        ("mmpose", "annotation_body3d/fps10/h36m_test.npz"),
        ("h36m-fetch", "processed/S9/Walking-1/annot.h5"),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_truncated_file_is_refused_by_its_name(copy_of, layout, file, share):
    folder = copy_of(layout)
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[: int(share * len(data))])
    with pytest.raises(PosebenchError, match=file.rpartition("/")[2].replace(".", r"\.")):
        open_h36m(folder)
