"""The cmu dataset: its definition on the real files, and its layouts on small ones."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data import open_dataset
from posebench.data.clip import describe
from posebench.data.cmu import dataset as cmu
from posebench.data.simulation import CAMERAS, simulated_keypoints, static_camera

H36M17 = skeleton("h36m17")
#: Bones whose both ends are fixed in one ASF segment, or one rigid chain of them.
RIGID = ("r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "head_top", *(s + j for s in ("l_", "r_") for j in ("elbow", "wrist")))

TAKES = (
    cmu.Take("S07", "07_01", "walk", 9, ""),
    cmu.Take("S07", "07_02", "run", 5, ""),
    cmu.Take("S131", "131_01", "jump", 4, ""),
)


def worlds(dataset, split=None):
    """(info, world pose) of every take."""
    for id in dataset.clip_ids(split):
        if id.endswith("/c0"):
            clip = dataset.load(id)
            yield clip.info, clip.camera.to_world(clip.pose)


# The definition, without files


def test_the_table_holds_the_takes_of_the_definition():
    frames = {name: [take.frames for take in cmu.takes() if take.subject in subjects] for name, subjects in cmu.SPLITS.items()}
    assert len(cmu.takes()) == len({take.id for take in cmu.takes()}) == 157
    assert (len(frames["train"]), sum(frames["train"])) == (118, 122_981)
    assert (len(frames["test"]), sum(frames["test"])) == (39, 45_199)


def test_the_four_cameras_stand_on_a_circle_and_look_at_its_middle():
    rng = np.random.default_rng(0)
    pelvis = rng.normal([700.0, 900.0, -300.0], 400.0, (50, 3))
    middle = pelvis[:, [0, 2]].mean(axis=0)
    radius = 5000 + np.linalg.norm(pelvis[:, [0, 2]] - middle, axis=1).max()
    for name, (x, z) in zip(CAMERAS, [(1, 1), (1, -1), (-1, -1), (-1, 1)], strict=True):
        camera = static_camera(pelvis, name)
        np.testing.assert_allclose(camera.position[[0, 2]], middle + radius * np.sqrt(0.5) * np.array([x, z]), atol=1e-9)
        assert camera.position[1] == 1550
        target = camera.to_camera([middle[0], 900.0, middle[1]])
        np.testing.assert_allclose(target, [0, 0, np.hypot(radius, 650)], atol=1e-9)
        np.testing.assert_allclose(camera.project(target), [500, 500], atol=1e-9)
        above = camera.project(camera.to_camera([middle[0], 1900.0, middle[1]]))
        assert above[1] < 400
        assert above[0] == pytest.approx(500)
        np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(camera.rotation) == pytest.approx(1)


def test_noise_follows_its_written_recipe_and_is_unbiased():
    pose = np.tile([0.0, 0.0, 5000.0], (500, 17, 1))
    camera = static_camera(np.zeros((2, 3)), "c0")
    words = [int.from_bytes(hashlib.sha256(b"S1/t/c0\0gauss5").digest()[k : k + 4], "little") for k in range(0, 32, 4)]
    expected = 500 + 5 * np.random.RandomState(words).standard_normal(500 * 17 * 2).reshape(500, 17, 2)
    np.testing.assert_allclose(simulated_keypoints(camera, pose, "S1/t/c0", "gauss5"), expected, rtol=0, atol=1e-9)
    # A value that must never move: the stream is part of the benchmark.
    assert expected[0, 0, 0] == pytest.approx(498.70006568343706, abs=1e-9)
    for source, sigma in (("gt", 0.0), ("gauss5", 5.0), ("gauss10", 10.0), ("gauss20", 20.0)):
        noise = simulated_keypoints(camera, pose, "S1/t/c0", source) - 500
        assert noise.std() == pytest.approx(sigma, rel=0.02, abs=1e-9)
        assert np.abs(noise.mean(axis=(0, 1))).max() <= 4 * sigma / np.sqrt(500 * 17) + 1e-9
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.05 if sigma else True


# Layouts, on small files


@pytest.fixture
def small(tmp_path, acclaim, monkeypatch):
    """A function that writes three short takes in a layout and returns the root."""
    monkeypatch.setattr(cmu, "takes", lambda: TAKES)
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))

    def write(layout="S", root=tmp_path / "root", change=lambda _, text: text.encode(), suffix=""):
        base = root / {"S": ".", "": "."}.get(layout, layout)
        prefix = "S" if layout == "S" else ""
        for take in TAKES:
            folder = base / (prefix + take.subject[1:])
            folder.mkdir(parents=True, exist_ok=True)
            files = {f"{prefix}{take.subject[1:]}.asf": acclaim.asf(acclaim.human)}
            files[f"{prefix}{take.trial}.amc{suffix}"] = acclaim.amc(acclaim.human_frames(take.frames))
            for name, text in files.items():
                (folder / name).write_bytes(change(name, text))
        return root

    return write


@pytest.mark.parametrize("layout", ["S", "subjects", "all_asfamc/subjects", ""])
def test_every_layout_opens_as_the_same_dataset(small, tmp_path, layout):
    dataset = open_dataset("cmu", small(layout))
    assert list(dataset.infos) == [f"{take.id}/{camera}" for take in TAKES for camera in CAMERAS]
    assert [info.frames for info in dataset.infos.values()] == [3] * 4 + [2] * 4 + [1] * 4
    assert dataset.official
    assert dataset.fingerprint == open_dataset("cmu", small("S", tmp_path / "other")).fingerprint


def test_line_ends_and_compression_do_not_change_the_fingerprint_and_values_do(small, tmp_path, acclaim):
    plain = open_dataset("cmu", small())
    dos = open_dataset("cmu", small(root=tmp_path / "dos", change=lambda _, text: text.replace("\n", "\r\n").encode()))
    packed = small(root=tmp_path / "gz", suffix=".gz", change=lambda n, t: gzip.compress(t.encode()) if n.endswith("gz") else t.encode())
    assert plain.fingerprint == dos.fingerprint == open_dataset("cmu", packed).fingerprint
    frames = acclaim.human_frames(9)
    frames[5]["root"] = frames[5]["root"].replace("17", "17.000001")
    (packed / "S07" / "S07_01.amc.gz").write_text(acclaim.amc(frames))
    # Frame 5 is not among those at 30 Hz: the fingerprint is of the files' content, not of the joints.
    assert open_dataset("cmu", packed).fingerprint != plain.fingerprint


def test_another_frame_numbering_is_the_same_data_and_is_told(small, tmp_path):
    def renumber(name, text):
        return (text.replace("\n1\n", "\n87\n") if name == "S07_02.amc" else text).encode()

    dataset = open_dataset("cmu", small(change=renumber))
    assert dataset.official
    assert "S07/07_02: frame 1 is numbered 87 (line 4)" in dataset.note
    assert dataset.fingerprint == open_dataset("cmu", small(root=tmp_path / "other")).fingerprint


def test_another_frame_count_is_not_the_official_copy(small, acclaim):
    root = small()
    (root / "S07" / "S07_02.amc").write_text(acclaim.amc(acclaim.human_frames(4)))
    dataset = open_dataset("cmu", root)
    assert not dataset.official
    assert "frame counts differ from the definition's in S07/07_02" in dataset.note
    assert dataset.infos["S07/07_02/c0"].frames == len(dataset.load("S07/07_02/c0").pose) == 1


def test_missing_files_are_named_and_counted(small, tmp_path, monkeypatch):
    root = small("subjects")
    (root / "subjects" / "07" / "07_02.amc").unlink()
    (root / "subjects" / "131" / "131.asf").unlink()
    with pytest.raises(PosebenchError, match=r"without subjects/131/131\.asf, subjects/07/07_02\.amc\. Wanted: all 5 files"):
        open_dataset("cmu", root)
    monkeypatch.undo()
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(PosebenchError, match=r"and 156 more\. Wanted: all 169 files.*posebench data fetch cmu"):
        open_dataset("cmu", root)


@pytest.mark.parametrize("name", [".", "nowhere"])
def test_an_unknown_layout_says_what_was_looked_for(tmp_path, name):
    with pytest.raises(PosebenchError, match=r"Wanted: S07/S07\.asf, subjects/07/07\.asf.*Next: posebench data fetch cmu"):
        open_dataset("cmu", tmp_path / name)


def test_a_broken_file_is_named(small):
    root = small(change=lambda _, text: text.replace("lfemur 10", "lfemur 1O").encode())
    with pytest.raises(PosebenchError, match=r"S07_01\.amc, frame 1, line \d+: '1O\.0'"):
        open_dataset("cmu", root)


def test_a_skeleton_without_a_needed_bone_is_an_error(small):
    root = small(change=lambda _, text: text.replace("lwrist", "lpaw").encode())
    with pytest.raises(PosebenchError, match=r"no bone 'lwrist'"):
        open_dataset("cmu", root)


def test_the_second_opening_does_not_parse(small, monkeypatch):
    root = small()
    first = open_dataset("cmu", root)
    monkeypatch.setattr(cmu, "read_amc", None)
    second = open_dataset("cmu", root)
    assert (second.infos, second.fingerprint, second.note) == (first.infos, first.fingerprint, first.note)
    np.testing.assert_array_equal(second.load("S07/07_01/c2").pose, first.load("S07/07_01/c2").pose)


def test_the_description_counts_takes_clips_and_poses(small):
    facts = describe(open_dataset("cmu", small()))
    assert facts["test"] == "S07, S09, S29, S35, S135: 2 takes, 8 clips, 20 poses"
    assert facts["train"].endswith("S131: 1 takes, 4 clips, 4 poses")
    assert (facts["dataset"], facts["official"], facts["actions"]) == ("cmu 1", True, "jump, run, walk")
    json.dumps(facts)


def test_parsing_tells_its_progress_and_the_cache_has_none_to_tell(small):
    told = []
    for _ in range(2):
        open_dataset("cmu", small(), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_dataset_travels_to_another_process(small):
    dataset = open_dataset("cmu", small())
    clip = pickle.loads(pickle.dumps(dataset)).load("S131/131_01/c3")
    np.testing.assert_array_equal(clip.keypoints("gauss5"), dataset.load("S131/131_01/c3").keypoints("gauss5"))


def test_wrong_names_are_answered_with_the_right_ones(small, tmp_path):
    dataset = open_dataset("cmu", small())
    with pytest.raises(PosebenchError, match=r"keypoint source 'cpn'.*one of gt, gauss5, gauss10, gauss20"):
        dataset.load("S07/07_01/c0").keypoints("cpn")
    with pytest.raises(PosebenchError, match=r"split 'val'.*one of train, test"):
        dataset.clip_ids("val")
    with pytest.raises(PosebenchError, match=r"clip 'S07/07_01/c4'.*S07/07_01/c0"):
        dataset.load("S07/07_01/c4")
    with pytest.raises(PosebenchError, match=r"dataset 'h37m'.*one of cmu"):
        open_dataset("h37m", tmp_path)
    with pytest.raises(PosebenchError, match=r"no folder for dataset cmu.*--root DIR.*posebench data fetch cmu"):
        open_dataset("cmu")


def test_importing_the_data_room_imports_nothing_heavy():
    heavy = {"pooch", "requests", "rich", "platformdirs", "h5py", "pandas", "scipy", "torch", "matplotlib"}
    code = "import sys, posebench.data.cmu.fetch, posebench.data.cmu.dataset; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)


# The real files


def test_the_real_files_are_the_official_copy(cmu):
    assert cmu.official
    assert cmu.note == ""
    assert cmu.fingerprint == "a534955482852bbd07800ac75457fd2b3e6c1288619c891925a75178a53fb1d2"
    assert len(cmu.infos) == 157 * 4
    assert (len(cmu.clip_ids("train")), len(cmu.clip_ids("test"))) == (472, 156)
    assert len({cmu.infos[id].take for id in cmu.clip_ids("test")}) == 39
    assert sum(cmu.infos[id].frames for id in cmu.clip_ids("test")) == 45_260 == 4 * 11_315
    assert sum(cmu.infos[id].frames for id in cmu.clip_ids("train")) == 123_148


def test_the_real_poses_give_the_check_values_of_an_independent_implementation(cmu):
    clip = cmu.load("S07/07_01/c0")
    np.testing.assert_allclose(clip.keypoints("gt")[0, H36M17.index("head_top")], [685.570, 395.697], atol=5e-4)
    for split, total, depth in (("test", 479_017_209, 6285), ("train", 1_252_337_173, 6200)):
        clips = list(cmu.clips(split))
        assert round(sum(np.abs(clip.pose - clip.pose[:, :1]).sum() for clip in clips)) == total
        assert round(np.concatenate([clip.pose[:, 0, 2] for clip in clips]).mean()) == depth


def test_the_real_rigs_have_the_radii_of_an_independent_implementation(cmu):
    radii = []
    for info, world in worlds(cmu, "test"):
        centre = world[:, 0, [0, 2]].mean(axis=0)
        for camera in CAMERAS:
            radii.append(np.linalg.norm(cmu.load(f"{info.take}/{camera}").camera.position[[0, 2]] - centre))
    assert (round(min(radii)), round(max(radii))) == (5006, 7929)


def test_the_four_cameras_see_the_same_motion_and_reproject_it(cmu):
    clips = [cmu.load(f"S09/09_01/{camera}") for camera in CAMERAS]
    worlds = [clip.camera.to_world(clip.pose) for clip in clips]
    for clip, world in zip(clips, worlds, strict=True):
        np.testing.assert_allclose(world, worlds[0], atol=1e-8)
        np.testing.assert_allclose(clip.camera.back_project(clip.keypoints("gt"), clip.pose[..., 2]), clip.pose, atol=1e-8)
        assert clip.pose[..., 2].min() > 3000


def test_real_bones_are_rigid(cmu):
    child = [H36M17.index(name) for name in RIGID] + [H36M17.index("l_shoulder"), H36M17.index("r_shoulder")]
    parent = [H36M17.parents[k] for k in child]
    for info, world in worlds(cmu):
        lengths = np.linalg.norm(world[:, child] - world[:, parent], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-6, info.take


def test_real_people_stand_upright_and_bend_their_knees_forward(cmu):
    at = H36M17.index
    for info, world in worlds(cmu):
        assert (world[:, at("head_top"), 1] > world[:, at("pelvis"), 1]).mean() > 0.9, info.take
        # Left times up is where a person faces (world right-handed): with left and right exchanged every knee would bend backwards.
        facing = np.cross(world[:, at("l_hip")] - world[:, at("r_hip")], world[:, at("thorax")] - world[:, at("pelvis")])
        for side in "lr":
            hip, knee, ankle = (world[:, at(f"{side}_{joint}")] for joint in ("hip", "knee", "ankle"))
            assert np.sum((knee - (hip + ankle) / 2) * facing, axis=1).mean() > 0, info.take


def test_real_walkers_go_where_they_face(cmu):
    at = H36M17.index
    checked = 0
    for info, world in worlds(cmu, "test"):
        if info.subject == "S07" and info.action == "walk":
            left = world[:, at("l_hip")] - world[:, at("r_hip")]
            step = (world[-1, 0] - world[0, 0]) * [1, 0, 1]
            # This subject walks towards +z, so the left is at +x.
            assert np.mean(np.cross(left, [0, 1, 0]) @ step) > 0, info.take
            assert step[2] > 0, info.take
            assert left[:, 0].mean() > 0, info.take
            checked += 1
    assert checked >= 5


def test_noise_on_real_keypoints_is_repeatable_and_differs_between_clips(cmu):
    first, second = cmu.load("S35/35_01/c0"), cmu.load("S35/35_01/c1")
    noise = first.keypoints("gauss5") - first.keypoints("gt")
    np.testing.assert_array_equal(noise, cmu.load("S35/35_01/c0").keypoints("gauss5") - first.keypoints("gt"))
    other = second.keypoints("gauss5") - second.keypoints("gt")
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.1
    double = first.keypoints("gauss10") - first.keypoints("gt")
    assert abs(np.corrcoef(noise.ravel(), double.ravel())[0, 1]) < 0.1
    assert np.linalg.norm(noise, axis=-1).mean() == pytest.approx(5 * np.sqrt(np.pi / 2), rel=0.05)


def test_the_second_opening_of_the_real_files_takes_less_than_a_second(cmu, cmu_root):
    start = time.perf_counter()
    again = open_dataset("cmu", cmu_root)
    assert time.perf_counter() - start < 1.0
    assert again.fingerprint == cmu.fingerprint
