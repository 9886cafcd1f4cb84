"""Human3.6M in every layout: what is written comes back, to the layout's own precision; what is damaged or mixed up is told."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map
from posebench.data.clip import describe
from posebench.data.h36m.dataset import details, open_h36m
from posebench.data.h36m.export import LAYOUTS
from posebench.data.h36m.layouts import videopose3d as h36m_videopose3d
from posebench.data.h36m.names import CAMERAS, TEST_FRAMES, take_of_subaction
from posebench.data.h36m.resimulation import resimulate
from posebench.data.synthetic.dataset import open_synthetic

#: Layout to its largest error: pose in mm, keypoints in px.
PRECISION = {
    "videopose3d": (1e-3, 1e-4),
    "h36m-cdf": (1e-3, 1e-4),
    "mmpose": (1e-9, 1e-9),
    "martinez": (1e-9, 1e-9),
    "h36m-fetch": (1e-9, 1e-9),
}
FULL = ("videopose3d", "h36m-cdf", "martinez")


@pytest.fixture(scope="module")
def small():
    """Two subjects, two actions, two takes of each, four cameras, as a studio would see them."""
    data = open_synthetic()
    infos = {id: info for id, info in data.infos.items() if info.subject in ("S1", "S9") and info.action in ("Walking", "Sitting")}
    return resimulate(replace(data, infos=infos))


@pytest.fixture(scope="module")
def written(small, tmp_path_factory):
    """Every layout in a folder of its own, not to be changed."""
    base = tmp_path_factory.mktemp("h36m")
    for layout in LAYOUTS:
        LAYOUTS[layout](small, base / layout)
    return base


@pytest.fixture
def copy_of(written, tmp_path):
    """A copy of a layout's folder that a test may damage."""

    def copy_of(layout):
        return shutil.copytree(written / layout, tmp_path / layout)

    return copy_of


def rewrite(path, change, key="positions_3d"):
    """Apply ``change`` to the dict in an npz of VideoPose3D's."""
    with np.load(path, allow_pickle=True) as archive:
        arrays = {name: archive[name] for name in archive.files}
    table = arrays[key].item()
    change(table)
    np.savez(path, **(arrays | {key: np.array(table, dtype=object)}))


def kept(layout, frames, pose, subject):
    """Frames that a layout holds of a clip, by the rules that docs/h36m.md states."""
    if layout == "mmpose":
        return np.arange(0, frames, 5)
    if layout == "h36m-fetch" and subject == "S9":
        return np.arange(0, frames, 64)
    if layout == "h36m-fetch":
        out = [0]
        for k in range(1, frames):
            if np.linalg.norm(pose[k] - pose[out[-1]], axis=1).max() > 40.0:
                out.append(k)
        return np.array(out)
    return np.arange(frames)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_returns_the_clips_that_were_written(small, written, layout):
    opened = open_h36m(written / layout)
    assert set(opened.infos) == set(small.infos)
    assert (opened.name, opened.version) == ("h36m", "1")
    assert opened.skeleton == "h36m17"
    mm, px = PRECISION[layout]
    for clip in opened.clips():
        wrote = small.load(clip.id)
        frames = kept(layout, wrote.info.frames, wrote.pose, wrote.info.subject)
        assert clip.info == replace(wrote.info, frames=len(frames))
        np.testing.assert_allclose(clip.pose, wrote.pose[frames], atol=mm, rtol=0)
        np.testing.assert_allclose(clip.keypoints("gt"), wrote.keypoints("gt")[frames], atol=px, rtol=0)
        for name in ("rotation", "position", "focal", "centre", "radial", "tangential"):
            np.testing.assert_allclose(getattr(clip.camera, name), getattr(wrote.camera, name), atol=1e-9, rtol=0)
        assert clip.camera.size == wrote.camera.size


def test_rates_and_remarks_tell_sparse_copies_from_full_ones(written):
    rates = {layout: open_h36m(written / layout).fps for layout in LAYOUTS}
    assert rates == {"videopose3d": 50.0, "h36m-cdf": 50.0, "martinez": 50.0, "mmpose": 10.0, "h36m-fetch": 50.0 / 64}
    assert "every 5th frame" in open_h36m(written / "mmpose").note
    assert "every 64th" in open_h36m(written / "h36m-fetch").note
    assert len({open_h36m(written / layout).fingerprint for layout in FULL}) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_synthetic_counts_are_never_official(written, layout):
    opened = open_h36m(written / layout)
    assert not opened.official
    if layout in FULL:
        assert "test frames differ: Directions 0, officially 26428" in opened.note
    assert "missing: 26 of 30 takes of S1, all of S5" in opened.note


def test_the_official_counts_are_recognised_and_damaged_takes_named(written, tmp_path, monkeypatch):
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
    # The take that nobody scores changes nothing; a frame less elsewhere does.
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S11"].update(Directions=np.zeros((9, 17, 3), np.float32)))
    opened = open_h36m(folder)
    assert opened.official
    assert "S11/Directions/54138969" in opened.infos
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update(Posing=t["S9"]["Posing"][1:]))
    opened = open_h36m(folder)
    assert not opened.official
    assert "test frames differ: Posing 27276, officially 27280" in opened.note


def test_info_tells_cameras_sources_and_what_is_missing(written):
    opened = open_h36m(written / "martinez")
    facts = describe(opened) | details(opened)
    assert facts["keypoints"] == "gt, sh_ft_h36m"
    assert facts["keypoint joints"] == "sh_ft_h36m: h36m16"
    assert facts["cameras"] == ", ".join(f"{name}: 8 clips" for name in CAMERAS)
    assert facts["damaged takes"] == "none present"
    assert "all of S11" in facts["missing"]


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


def test_a_folder_without_a_layout_says_what_is_looked_for(tmp_path):
    with pytest.raises(PosebenchError, match=r"no layout.*data_3d_h36m\.npz.*MyPoseFeatures.*MyPoses.*h36m_test\.npz.*annot\.h5"):
        open_h36m(tmp_path)
    with pytest.raises(PosebenchError, match="no such folder"):
        open_h36m(tmp_path / "absent")


def test_two_layouts_in_one_folder_make_it_ask(small, written, copy_of):
    both = copy_of("videopose3d")
    shutil.copytree(written / "martinez", both, dirs_exist_ok=True)
    with pytest.raises(PosebenchError, match=r"2 copies.*videopose3d at .*martinez at .*point --root at one"):
        open_h36m(both)
    assert set(open_h36m(both / "data_3d_h36m.npz").infos) == set(small.infos)


def test_an_export_goes_into_an_empty_folder_and_says_what_it_is(small, written):
    assert "Not the Human3.6M dataset" in (written / "martinez" / "SYNTHETIC.txt").read_text()
    with pytest.raises(PosebenchError, match="an empty or new folder"):
        LAYOUTS["martinez"](small, written / "martinez")


def test_a_copy_can_be_exported_to_another_layout(written, tmp_path):
    opened = open_h36m(written / "videopose3d")
    LAYOUTS["martinez"](opened, tmp_path / "out")
    again = open_h36m(tmp_path / "out")
    assert again.fingerprint == opened.fingerprint
    for id in ("S1/Sitting 2/60457274", "S9/Walking 1/54138969"):
        np.testing.assert_allclose(again.load(id).pose, opened.load(id).pose, atol=1e-9)


@pytest.mark.parametrize(("layout", "file"), [("videopose3d", "common"), ("martinez", "cameras.h5")])
def test_poses_of_the_world_need_cameras_and_the_error_says_which_files_have_them(copy_of, layout, file):
    folder = copy_of(layout)
    moved = folder.parent / "elsewhere" / file
    moved.parent.mkdir()
    shutil.move(folder / file, moved)
    with pytest.raises(PosebenchError, match=r"no camera file.*--cameras.*metadata\.xml.*cameras\.h5.*cameras\.pkl.*h36m_dataset\.py"):
        open_h36m(folder)
    opened = open_h36m(folder, cameras=moved / "h36m_dataset.py" if moved.is_dir() else moved)
    assert opened.load("S9/Walking 1/54138969").camera is not None


def test_poses_of_the_camera_with_2d_joints_of_their_own_need_none(copy_of):
    folder = copy_of("h36m-cdf")
    (folder / "metadata.xml").unlink()
    clip = open_h36m(folder).load("S9/Walking 1/54138969")
    assert clip.camera is None
    assert clip.keypoints("gt").shape == (clip.info.frames, 17, 2)
    shutil.rmtree(folder / "S9" / "MyPoseFeatures" / "D2_Positions")
    shutil.rmtree(folder / "S1" / "MyPoseFeatures" / "D2_Positions")
    with pytest.raises(PosebenchError, match="no 2D joints of its own"):
        open_h36m(folder)


def test_official_poses_of_the_world_are_read_where_those_of_the_camera_are_absent(small, copy_of):
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


def test_cameras_that_look_elsewhere_are_refused(copy_of):
    folder = copy_of("martinez")
    with h5py.File(folder / "cameras.h5", "r+") as file:
        file["subject9/camera2/T"][...] /= 1000.0  # metres
    with pytest.raises(PosebenchError, match="camera 55011271 of S9"):
        open_h36m(folder)


def test_detections_longer_than_the_motion_are_cut_and_shorter_ones_refused(copy_of):
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


def test_sources_of_sixteen_joints_keep_them_and_say_so(small, written, copy_of):
    clip = open_h36m(written / "martinez").load("S9/Walking 1/54138969")
    sixteen = list(joint_map("h36m17", "h36m16"))
    np.testing.assert_array_equal(clip.keypoints("sh_ft_h36m"), small.load(clip.id).keypoints("gauss5")[:, sixteen])

    folder = copy_of("videopose3d")
    for name in ("sh_pt_mpii", "detectron_ft_h36m"):
        shutil.copy(folder / "data_2d_h36m_gauss5.npz", folder / f"data_2d_h36m_{name}.npz")

        def drop(table):
            for takes in table.values():
                for take in takes:
                    takes[take] = [array[:, sixteen] for array in takes[take]]

        rewrite(folder / f"data_2d_h36m_{name}.npz", drop, "positions_2d")
    opened = open_h36m(folder)
    assert details(opened)["keypoint joints"] == "sh_pt_mpii: h36m16"
    clip = opened.load("S9/Walking 1/54138969")
    assert clip.keypoints("sh_pt_mpii").shape == (clip.info.frames, 16, 2)
    with pytest.raises(PosebenchError, match=r"with 16 joints.*the 17 of h36m17"):
        clip.keypoints("detectron_ft_h36m")


def test_a_file_of_seventeen_joints_and_old_names_gives_the_same_clips(copy_of):
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


def test_poses_that_are_not_finite_or_of_other_joints_are_refused(copy_of):
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


class Malice:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_three_cameras_are_taken_for_the_unreadable_take_only(copy_of):
    folder = copy_of("videopose3d")
    path = folder / "data_2d_h36m_gauss5.npz"
    rewrite(path, lambda t: t.update(S11={"Directions": t["S9"]["Walking 1"][:3]}), "positions_2d")
    clip = open_h36m(folder).load("S9/Walking 1/54138969")
    assert clip.keypoints("gauss5").shape == (clip.info.frames, 17, 2)
    rewrite(path, lambda t: t["S9"].update({"Walking 1": t["S9"]["Walking 1"][:3]}), "positions_2d")
    with pytest.raises(PosebenchError, match="S9/Walking 1 with 3 arrays"):
        open_h36m(folder).load(clip.id).keypoints("gauss5")


def test_names_that_are_no_takes_and_takes_without_frames(copy_of):
    folder = copy_of("videopose3d")
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update({"Photo": np.zeros((0, 32, 3), np.float32)}))
    assert open_h36m(folder).infos["S9/Photo/54138969"].frames == 0
    rewrite(folder / "data_3d_h36m.npz", lambda t: t["S9"].update({"a/b": np.zeros((1, 32, 3), np.float32)}))
    with pytest.raises(PosebenchError, match="a take named 'S9/a/b'"):
        open_h36m(folder)


def test_data_that_lies_outside_of_its_file_is_refused(copy_of):
    folder = copy_of("martinez")
    path = folder / "S9" / "MyPoses" / "3D_positions" / "Walking 1.h5"
    path.rename(path.with_suffix(".moved"))
    with h5py.File(path, "w") as file:
        file["3D_positions"] = h5py.ExternalLink("Walking 1.moved", "3D_positions")
    with pytest.raises(PosebenchError, match="ExternalLink"):
        open_h36m(folder)


def test_the_note_says_where_the_data_came_from(written):
    assert "layout martinez, cameras of cameras.h5, positions " in open_h36m(written / "martinez").note


def test_code_in_an_archive_or_a_camera_file_does_not_run(copy_of, tmp_path):
    marker, folder = tmp_path / "was-here", copy_of("videopose3d")
    with (folder / "common" / "h36m_dataset.py").open("a") as file:
        file.write(f"open({str(marker)!r}, 'w')\n")
    assert open_h36m(folder).infos
    np.savez(folder / "data_2d_h36m_gt.npz", positions_2d=np.array({"S9": Malice(marker)}, dtype=object))
    with pytest.raises(PosebenchError, match=r"the global (_io|io)\.open"):
        open_h36m(folder).load("S9/Walking 1/54138969").keypoints("gt")
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array({"S9": Malice(marker)}, dtype=object))
    with pytest.raises(PosebenchError, match=r"the global (_io|io)\.open"):
        open_h36m(folder)
    (tmp_path / "cameras.pkl").write_bytes(pickle.dumps({("S9", CAMERAS[0]): Malice(marker)}))
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
def test_a_file_that_is_cut_off_is_told_by_its_name(copy_of, layout, file, share):
    folder = copy_of(layout)
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[: int(share * len(data))])
    with pytest.raises(PosebenchError, match=file.rpartition("/")[2].replace(".", r"\.")):
        open_h36m(folder)


def test_sub_action_numbers_get_their_names_from_the_metadata_or_the_table(copy_of):
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


def test_image_names_that_are_no_clips_are_refused(copy_of):
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


def test_resimulated_takes_share_the_cameras_of_their_subject_and_stay_in_the_image(small):
    positions = {}
    for clip in small.clips():
        positions.setdefault((clip.info.subject, clip.info.camera), set()).add(tuple(clip.camera.position))
        assert clip.pose[..., 2].min() > 1000.0
        pixels = clip.keypoints("gt")
        assert pixels.min() > -200.0
        assert pixels.max() < 1200.0
        head_above_feet = pixels[:, 10, 1] < pixels[:, 3, 1]
        assert head_above_feet.mean() > 0.95
    assert all(len(places) == 1 for places in positions.values())


def test_subjects_that_human36m_does_not_have_cannot_be_exported(small, tmp_path):
    stranger = {id: replace(info, subject="S99") for id, info in small.infos.items()}
    with pytest.raises(PosebenchError, match="S99"):
        LAYOUTS["martinez"](replace(small, infos=stranger), tmp_path)
