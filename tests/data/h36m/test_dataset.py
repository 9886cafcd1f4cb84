"""Opening a copy of Human3.6M: recognised layouts, official counts, notes, cameras, and the cache."""

from __future__ import annotations

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data.clip import describe
from posebench.data.h36m import dataset
from posebench.data.h36m.dataset import details, open_h36m
from posebench.data.h36m.export import LAYOUTS
from posebench.data.h36m.layouts import videopose3d as h36m_videopose3d
from posebench.data.h36m.names import CAMERAS, TEST_FRAMES, take_of_subaction

#: Layouts that hold every frame.
FULL = ("videopose3d", "h36m-cdf", "martinez")


def test_frame_rate_and_note_show_that_a_copy_holds_a_subset_of_the_frames(written):
    rates = {layout: open_h36m(written / layout).fps for layout in LAYOUTS}
    assert rates == {"videopose3d": 50.0, "h36m-cdf": 50.0, "martinez": 50.0, "mmpose": 10.0, "h36m-fetch": 50.0 / 64}
    assert "every 5th frame" in open_h36m(written / "mmpose").note
    assert "every 64th" in open_h36m(written / "h36m-fetch").note
    assert len({open_h36m(written / layout).fingerprint for layout in FULL}) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_of_synthetic_is_never_official(written, layout):
    opened = open_h36m(written / layout)
    assert not opened.official
    if layout in FULL:
        assert "test frames differ: Directions 0, officially 26428" in opened.note
    assert "missing: 26 of 30 takes of S1, all of S5" in opened.note


def test_official_frame_counts_make_a_copy_official_and_damaged_takes_are_noted(written, tmp_path, monkeypatch, rewrite):
    folder = shutil.copytree(written / "videopose3d", tmp_path / "full", ignore=shutil.ignore_patterns("data_2d*"))
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    table = {}
    for action, total in TEST_FRAMES.items():
        takes = [(s, take_of_subaction(s, action, n)) for s in ("S9", "S11") for n in (1, 2)]
        left = total // 4
        for k, (subject, take) in enumerate(takes):
            frames = left if k == 3 or (action, k) == ("Directions", 2) else total // 20
            left -= frames
            if (subject, take) != ("S11", "Directions"):
                table.setdefault(subject, {})[take] = np.zeros((frames, 17, 3), np.float32)
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array(table, dtype=object))
    cameras = (folder / "common" / "h36m_dataset.py").read_text()
    (folder / "common" / "h36m_dataset.py").write_text(cameras.replace("'S1':", "'S11':"))
    opened = open_h36m(folder)
    assert opened.official
    assert "damaged takes present: S9/Greeting, S9/SittingDown 1, S9/Waiting 1" in opened.note
    assert "differ" not in opened.note
    facts = details(opened)
    assert facts["test frames"] == "543,344 of 543,344"
    assert facts["missing"] == "all of S1, all of S5, all of S6, all of S7, all of S8"
    assert facts["damaged takes"].startswith("S9/Greeting")
    # The take that no protocol scores does not matter; a missing frame elsewhere does.
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S11"].update(Directions=np.zeros((9, 17, 3), np.float32)))
    opened = open_h36m(folder)
    assert opened.official
    assert "S11/Directions/54138969" in opened.infos
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update(Posing=t["S9"]["Posing"][1:]))
    opened = open_h36m(folder)
    assert not opened.official
    assert "test frames differ: Posing 27276, officially 27280" in opened.note


def test_the_details_list_cameras_keypoint_sources_and_missing_takes(written):
    opened = open_h36m(written / "martinez")
    facts = describe(opened) | details(opened)
    assert facts["keypoints"] == "gt, sh_ft_h36m"
    assert facts["keypoint joints"] == "sh_ft_h36m: h36m16"
    assert facts["cameras"] == ", ".join(f"{name}: 8 clips" for name in CAMERAS)
    assert facts["damaged takes"] == "none present"
    assert "all of S11" in facts["missing"]


@pytest.mark.parametrize(
    ("layout", "factor", "unit", "stated"),
    [
        ("videopose3d", 1e3, "millimetres", "metres"),
        ("mmpose", 1e3, "millimetres", "metres"),
        ("h36m-cdf", 1e-3, "metres", "millimetres"),
        ("martinez", 0.1, "centimetres", "millimetres"),
        ("h36m-fetch", 1e-3, "metres", "millimetres"),
    ],
)
def test_poses_in_another_unit_are_refused_before_cameras_are_blamed(written, monkeypatch, layout, factor, unit, stated):
    find, opener, files = dataset.LAYOUTS[layout]

    def scaled(path, mapped):
        copy = opener(path, mapped)
        return replace(copy, to_mm=copy.to_mm * factor)

    monkeypatch.setitem(dataset.LAYOUTS, layout, (find, scaled, files))
    with pytest.raises(PosebenchError, match=f"in the {layout} layout: true poses .* they look like {unit}, and {stated} are stated"):
        open_h36m(written / layout)


def test_poses_are_read_once_and_then_come_from_the_cache(written, tmp_path, monkeypatch):
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path))
    seen = []
    first = open_h36m(written / "videopose3d", progress=lambda done, of: seen.append((done, of)))
    assert seen == [(k, 8) for k in range(1, 9)]
    monkeypatch.setattr(h36m_videopose3d, "read_object", None)
    again = open_h36m(written / "videopose3d")
    np.testing.assert_array_equal(again.load("S9/Walking 1/54138969").pose, first.load("S9/Walking 1/54138969").pose)


def test_an_unknown_clip_is_named(written):
    with pytest.raises(PosebenchError, match="S9/Flying"):
        open_h36m(written / "videopose3d").load("S9/Flying/54138969")


def test_the_note_names_layout_camera_file_and_a_hash_of_the_positions(written):
    assert "layout martinez, cameras of cameras.h5, positions " in open_h36m(written / "martinez").note


def test_a_folder_without_a_known_layout_is_refused_with_the_files_of_each_layout(tmp_path):
    with pytest.raises(PosebenchError, match=r"no layout.*data_3d_h36m\.npz.*MyPoseFeatures.*MyPoses.*h36m_test\.npz.*annot\.h5"):
        open_h36m(tmp_path)
    with pytest.raises(PosebenchError, match="no such folder"):
        open_h36m(tmp_path / "absent")


def test_a_folder_with_two_layouts_is_refused_and_the_path_of_one_is_accepted(small, written, copy_of):
    both = copy_of("videopose3d")
    shutil.copytree(written / "martinez", both, dirs_exist_ok=True)
    with pytest.raises(PosebenchError, match=r"2 copies.*videopose3d at .*martinez at .*point --root at one"):
        open_h36m(both)
    assert set(open_h36m(both / "data_3d_h36m.npz").infos) == set(small.infos)


@pytest.mark.parametrize(("layout", "file"), [("videopose3d", "common"), ("martinez", "cameras.h5")])
def test_world_poses_without_cameras_are_refused_with_the_names_of_camera_files(copy_of, layout, file):
    folder = copy_of(layout)
    moved = folder.parent / "elsewhere" / file
    moved.parent.mkdir()
    shutil.move(folder / file, moved)
    with pytest.raises(PosebenchError, match=r"no camera file.*--cameras.*metadata\.xml.*cameras\.h5.*cameras\.pkl.*h36m_dataset\.py"):
        open_h36m(folder)
    opened = open_h36m(folder, cameras=moved / "h36m_dataset.py" if moved.is_dir() else moved)
    assert opened.load("S9/Walking 1/54138969").camera is not None


def test_camera_poses_with_2d_joints_need_no_camera_file(copy_of):
    folder = copy_of("h36m-cdf")
    (folder / "metadata.xml").unlink()
    clip = open_h36m(folder).load("S9/Walking 1/54138969")
    assert clip.camera is None
    assert clip.keypoints("gt").shape == (clip.info.frames, 17, 2)
    shutil.rmtree(folder / "S9" / "MyPoseFeatures" / "D2_Positions")
    shutil.rmtree(folder / "S1" / "MyPoseFeatures" / "D2_Positions")
    with pytest.raises(PosebenchError, match="no 2D joints of its own"):
        open_h36m(folder)


def test_cameras_that_do_not_see_the_person_are_refused(copy_of):
    folder = copy_of("martinez")
    with h5py.File(folder / "cameras.h5", "r+") as file:
        file["subject9/camera2/T"][...] /= 1000.0  # metres
    with pytest.raises(PosebenchError, match="camera 55011271 of S9"):
        open_h36m(folder)
