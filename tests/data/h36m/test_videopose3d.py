"""VideoPose3D's layout of Human3.6M: 2D sources, joint orders, names of takes, and files that are refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map
from posebench.data.h36m.dataset import details, open_h36m


def test_detections_longer_than_the_motion_are_trimmed_and_shorter_ones_are_refused(copy_of, rewrite):
    folder = copy_of("videopose3d")
    shutil.copy(folder / "data_2d_h36m_gauss5.npz", folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz")

    def change(table):
        clips = table["S9"]["Walking 1"]
        clips[0] = np.concatenate([clips[0], clips[0][:7]])
        clips[1] = clips[1][:-1]
        del table["S9"]["Sitting 1"]

    rewrite(folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz", change, "positions_2d")
    opened = open_h36m(folder)
    assert opened.keypoint_sources == ("gt", "cpn_ft_h36m_dbb", "gauss10", "gauss20", "gauss5")
    clip = opened.load("S9/Walking 1/54138969")
    np.testing.assert_array_equal(clip.keypoints("cpn_ft_h36m_dbb"), clip.keypoints("gauss5"))
    with pytest.raises(PosebenchError, match=r"S9/Walking 1/55011271: 2D joints of \d+ frames for \d+ frames of motion capture"):
        opened.load("S9/Walking 1/55011271").keypoints("cpn_ft_h36m_dbb")
    with pytest.raises(PosebenchError, match="without S9/Sitting 1/54138969"):
        opened.load("S9/Sitting 1/54138969").keypoints("cpn_ft_h36m_dbb")


def test_a_source_of_sixteen_joints_keeps_its_joint_order(small, written, copy_of, rewrite):
    clip = open_h36m(written / "martinez").load("S9/Walking 1/54138969")
    sixteen = list(joint_map("h36m17", "h36m16"))
    np.testing.assert_array_equal(clip.keypoints("sh_ft_h36m"), small.load(clip.id).keypoints("gauss5")[:, sixteen])

    folder = copy_of("videopose3d")
    exact = open_h36m(folder).load("S9/Walking 1/54138969").keypoints("gt")
    shutil.copy(folder / "data_2d_h36m_gauss5.npz", folder / "data_2d_h36m_sh_pt_mpii.npz")
    for name in ("sh_pt_mpii", "gauss10", "gt"):

        def drop(table):
            for takes in table.values():
                for take in takes:
                    takes[take] = [array[:, sixteen] for array in takes[take]]

        rewrite(folder / f"data_2d_h36m_{name}.npz", drop, "positions_2d")
    opened = open_h36m(folder)
    joints = details(opened)["keypoint joints"]
    assert joints == "gt: h36m16 in the copy; projected from its poses instead, gauss10: h36m16, sh_pt_mpii: h36m16"
    clip = opened.load("S9/Walking 1/54138969")
    for name in ("sh_pt_mpii", "gauss10"):
        assert clip.keypoints(name).shape == (clip.info.frames, 16, 2)
    np.testing.assert_allclose(clip.keypoints("gt"), exact, atol=1e-2)


@pytest.mark.parametrize("joints", [15, 18])
def test_a_source_of_another_number_of_joints_is_refused(copy_of, rewrite, joints):
    folder = copy_of("videopose3d")

    def change(table):
        for takes in table.values():
            for take in takes:
                takes[take] = [np.repeat(array, 2, axis=1)[:, :joints] for array in takes[take]]

    rewrite(folder / "data_2d_h36m_gauss5.npz", change, "positions_2d")
    with pytest.raises(PosebenchError, match=r"keypoints \(T, J, 2\)"):
        open_h36m(folder).load("S9/Walking 1/54138969").keypoints("gauss5")
    assert "gauss5: cannot be read" in details(open_h36m(folder))["keypoint joints"]


def test_the_folders_of_both_stacked_hourglasses_are_read_under_their_own_names(copy_of):
    folder = copy_of("martinez")
    for subject in ("S1", "S9"):
        (folder / subject / "StackedHourglassFineTuned240").rename(folder / subject / "StackedHourglass")
    alone = open_h36m(folder)
    assert alone.keypoint_sources == ("gt", "sh_pt_mpii")
    for subject in ("S1", "S9"):
        shutil.copytree(folder / subject / "StackedHourglass", folder / subject / "StackedHourglassFineTuned240")
    (folder / "S9" / "StackedHourglassFineTuned240" / "Walking_1.54138969.h5").unlink()
    both = open_h36m(folder)
    assert both.keypoint_sources == ("gt", "sh_pt_mpii", "sh_ft_h36m")
    assert details(both)["keypoint joints"] == "sh_pt_mpii: h36m16, sh_ft_h36m: h36m16"
    clip = both.load("S9/Walking 1/54138969")
    assert clip.keypoints("sh_pt_mpii").shape == (clip.info.frames, 16, 2)
    with pytest.raises(PosebenchError, match="no file of S9/Walking 1/54138969 in StackedHourglassFineTuned240"):
        clip.keypoints("sh_ft_h36m")


def test_seventeen_joints_and_former_names_of_takes_give_the_same_clips(copy_of, rewrite):
    folder = copy_of("videopose3d")
    opened = open_h36m(folder)
    before = opened.load("S1/Walking 1/54138969").pose

    def change(table):
        for takes in table.values():
            for take in takes:
                takes[take] = takes[take][:, list(joint_map("h36m32", "h36m17"))]
        table["S1"]["TakingPhoto 1"] = table["S1"].pop("Walking 1")
        table["S2"] = {}

    rewrite(folder / "data_3d_h36m.npz", change)
    np.testing.assert_array_equal(open_h36m(folder).load("S1/Photo 1/54138969").pose, before)


def test_poses_that_are_not_finite_or_of_other_joints_are_refused(copy_of, rewrite):
    folder = copy_of("videopose3d")
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"]["Walking 2"].__setitem__((3, 3, 0), np.nan))
    with pytest.raises(PosebenchError, match="S9/Walking 2 is not finite"):
        open_h36m(folder)
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update({"Walking 2": np.zeros((5, 16, 3))}))
    with pytest.raises(PosebenchError, match=r"Walking 2: float64 \(5, 16, 3\)"):
        open_h36m(folder)
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update({"Walking 2": "gone"}))
    with pytest.raises(PosebenchError, match="Walking 2"):
        open_h36m(folder)


def test_three_cameras_are_accepted_for_the_unreadable_take_only(copy_of, rewrite):
    folder = copy_of("videopose3d")
    path = folder / "data_2d_h36m_gauss5.npz"
    rewrite(path, lambda t: t.update(S11={"Directions": t["S9"]["Walking 1"][:3]}), "positions_2d")
    clip = open_h36m(folder).load("S9/Walking 1/54138969")
    assert clip.keypoints("gauss5").shape == (clip.info.frames, 17, 2)
    rewrite(path, lambda t: t["S9"].update({"Walking 1": t["S9"]["Walking 1"][:3]}), "positions_2d")
    with pytest.raises(PosebenchError, match="S9/Walking 1 with 3 arrays"):
        open_h36m(folder).load(clip.id).keypoints("gauss5")


def test_a_take_without_frames_is_listed_and_a_malformed_name_is_refused(copy_of, rewrite):
    folder = copy_of("videopose3d")
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update({"Photo": np.zeros((0, 32, 3), np.float32)}))
    assert open_h36m(folder).infos["S9/Photo/54138969"].frames == 0
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update({"a/b": np.zeros((1, 32, 3), np.float32)}))
    with pytest.raises(PosebenchError, match="a take named 'S9/a/b'"):
        open_h36m(folder)
