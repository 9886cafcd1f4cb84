"""Detections of the Stacked Hourglass: which order a file is in, and what joint 7 is, whoever wrote it."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map, skeleton
from posebench.data.h36m.dataset import details, open_h36m
from posebench.data.h36m.hourglass import height_of_joint_7

CLIP = "S9/Walking 1/54138969"
H36M17 = skeleton("h36m17")
#: The hourglass' order with MPII's joints in the places 7, 8, 9, as RepNet takes them: indices into Human3.6M's 17.
MPII = [3, 2, 1, 4, 5, 6, 0, 8, 9, 10, 16, 15, 14, 11, 12, 13]
#: The same with Martinez' names: spine, thorax, head.
NAMED = list(joint_map("h36m17", "sh16"))
#: RepNet's eval_h36m.py: from the hourglass' order to its own.
REPNET = [2, 1, 0, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 12, 11, 10]
VIDEOPOSE3D = {"num_joints": 16, "keypoints_symmetry": [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]}
SEMGCN = {"num_joints": 16, "keypoints_symmetry": [[4, 5, 6, 10, 11, 12], [3, 2, 1, 15, 14, 13]]}


def write_source(folder, name, joints, metadata):
    """A 2D file of VideoPose3D's layout: the noisy keypoints of the copy with these joints, and this metadata."""
    with np.load(folder / "data_2d_h36m_gauss5.npz", allow_pickle=True) as file:
        table = file["positions_2d"].item()
    for takes in table.values():
        for take in takes:
            takes[take] = [array[:, joints] for array in takes[take]]
    arrays = {"positions_2d": np.array(table, dtype=object)}
    if metadata is not None:
        arrays["metadata"] = np.array(metadata, dtype=object)
    np.savez_compressed(folder / f"data_2d_h36m_{name}.npz", **arrays)


@pytest.fixture
def noisy(small):
    """The keypoints that the sources are made of, (T, 17, 2) px."""
    return small.load(CLIP).keypoints("gauss5").astype(np.float32)


def opened_with(copy_of, joints, metadata):
    folder = copy_of("videopose3d")
    write_source(folder, "sh_pt_mpii", joints, metadata)
    return open_h36m(folder)


@pytest.mark.parametrize("metadata", [VIDEOPOSE3D, None])
def test_videopose3ds_own_file_is_in_the_hourglass_order_and_a_thorax_is_no_spine(copy_of, noisy, metadata):
    dataset = opened_with(copy_of, MPII, metadata)
    clip = dataset.load(CLIP)
    assert clip.skeleton_of("sh_pt_mpii") == "repnet16"
    np.testing.assert_array_equal(clip.keypoints("sh_pt_mpii"), noisy[:, MPII][:, REPNET])
    whole = clip.keypoints_as("sh_pt_mpii", "h36m17")
    for joint in H36M17.joints:
        index = H36M17.index(joint)
        wanted = noisy[:, [0, 8]].astype(np.float64).mean(axis=1) if joint == "spine" else noisy[:, index]
        np.testing.assert_allclose(whole[:, index], wanted, err_msg=joint)
    assert details(dataset)["keypoint joints"].endswith("sh_pt_mpii: repnet16")
    assert details(dataset)["completed joints"] == "sh_pt_mpii: spine = mean of pelvis, thorax"


def test_with_a_spine_in_place_7_the_neck_is_the_missing_joint(copy_of, noisy):
    clip = opened_with(copy_of, NAMED, VIDEOPOSE3D).load(CLIP)
    assert clip.skeleton_of("sh_pt_mpii") == "h36m16"
    np.testing.assert_array_equal(clip.keypoints("sh_pt_mpii"), noisy[:, list(joint_map("h36m17", "h36m16"))])
    assert clip.matched("sh_pt_mpii", "h36m17").words == ("neck_nose = mean of thorax, head_top",)


@pytest.mark.parametrize(("joints", "order"), [(MPII, "repnet16"), (NAMED, "h36m16")])
def test_semgcns_file_is_put_in_human36ms_order_already(copy_of, noisy, joints, order):
    permuted = [joints[i] for i in joint_map("sh16", "h36m16")]
    clip = opened_with(copy_of, permuted, SEMGCN).load(CLIP)
    assert clip.skeleton_of("sh_pt_mpii") == order
    names = {"repnet16": skeleton("repnet16").joints, "h36m16": skeleton("h36m16").joints}[order]
    np.testing.assert_array_equal(clip.keypoints("sh_pt_mpii"), noisy[:, [H36M17.index(name) for name in names]])


def test_keypoints_in_an_unknown_order_are_refused_with_what_was_found(copy_of):
    shuffled = [H36M17.index("l_ankle") if place == 7 else joint for place, joint in enumerate(MPII)]
    clip = opened_with(copy_of, shuffled, VIDEOPOSE3D).load(CLIP)
    with pytest.raises(PosebenchError, match=r"joint 7 lies at -0\.\d+ of the way.*spine.*thorax"):
        clip.keypoints("sh_pt_mpii")


def test_the_height_of_joint_7_tells_spine_from_thorax_whatever_people_do(synthetic):
    actions = {info.action: id for id, info in synthetic.infos.items() if info.subject == "S9"}
    assert {"Walking", "Sitting"} & set(actions)
    for id in actions.values():
        points = synthetic.load(id).keypoints("gt")
        assert 0.3 < height_of_joint_7(points[:, NAMED]) < 0.65, id
        assert 0.85 < height_of_joint_7(points[:, MPII]) < 1.25, id
    assert np.isnan(height_of_joint_7(np.zeros((3, 16, 2))))


def test_martinez_files_of_the_two_networks_may_have_other_joints(copy_of, small):
    folder = copy_of("martinez")
    for subject in ("S1", "S9"):
        other = folder / subject / "StackedHourglass"
        shutil.copytree(folder / subject / "StackedHourglassFineTuned240", other)
        for path in other.glob("*.h5"):
            take, _, camera = path.stem.rpartition(".")
            points = small.load(f"{subject}/{take.replace('_', ' ')}/{camera}").keypoints("gauss5")[:, MPII]
            path.unlink()
            with h5py.File(path, "w") as file:
                file["poses"] = points
    facts = details(open_h36m(folder))
    assert facts["keypoint joints"] == "sh_pt_mpii: repnet16, sh_ft_h36m: h36m16"
    assert "spine = mean" in facts["completed joints"]
    assert "neck_nose = mean" in facts["completed joints"]
    assert json.dumps(facts)
