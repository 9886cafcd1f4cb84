"""Export to the layouts of MPI-INF-3DHP: what is written is read back exactly."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.readers import matlab
from posebench.base.skeletons import EQUATED, joint_map, skeleton
from posebench.data.mpi_inf_3dhp.dataset import open_3dhp
from posebench.data.mpi_inf_3dhp.export import LAYOUTS, NEAREST

BACK = list(joint_map("mpi17", "h36m17"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_round_trip_returns_the_same_clips_exactly(synthetic, written, layout, originals):
    data = open_3dhp(written[layout])
    pairs = originals
    assert sorted(data.infos) == sorted(pairs)
    assert list(data.infos) == [*data.clip_ids("train"), *data.clip_ids("test")]
    for id, source in pairs.items():
        ours, theirs = data.load(id), synthetic.load(source)
        assert ours.info == data.infos[id]
        assert len(ours.pose) == data.infos[id].frames
        assert np.array_equal(ours.pose[:, BACK], theirs.pose), "float64 in, float64 out"
        assert np.array_equal(ours.keypoints("gt")[:, BACK], theirs.keypoints("gt"))


def test_the_layouts_agree_on_everything_that_both_hold(written):
    release, archive = (open_3dhp(written[layout]) for layout in ("3dhp", "p-stmo"))
    assert release.fingerprint == archive.fingerprint
    assert all(np.array_equal(release.valid[clip], archive.valid[clip]) for clip in archive.valid)
    assert release.labels.keys() == set(release.clip_ids("test"))
    assert not archive.labels
    assert "activities" in archive.note


def test_the_cameras_of_the_calibration_project_the_poses_onto_the_keypoints(synthetic, written, originals):
    data = open_3dhp(written["3dhp"])
    for id in ("S1/Seq1/0", "S5/Seq2/4"):
        clip = data.load(id)
        assert np.abs(clip.camera.project(clip.pose) - clip.keypoints("gt")).max() < 1e-6
        theirs = synthetic.load(originals[id]).camera
        assert np.allclose(clip.camera.position, theirs.position, atol=1e-9)
        assert np.allclose(clip.camera.rotation, theirs.rotation, atol=1e-15)
        assert clip.camera.size == theirs.size
    assert data.load("TS1/TS1/0").camera is None


def test_a_recording_without_calibration_has_no_camera(written, tmp_path):
    shutil.copytree(written["3dhp"] / "S1", tmp_path / "S1")
    (tmp_path / "S1" / "Seq1" / "camera.calibration").unlink()
    data = open_3dhp(tmp_path)
    assert data.load("S1/Seq1/0").camera is None
    assert data.load("S1/Seq2/0").camera is not None
    assert not data.official
    assert "no test sequences" in data.note
    assert "S2/Seq1" in data.note


def test_the_frame_rate_is_the_recordings_own(written):
    release = open_3dhp(written["3dhp"])
    assert [release.load(f"S1/Seq{n}/0").fps for n in (1, 2)] == [25.0, 50.0]
    assert open_3dhp(written["p-stmo"]).load("S1/Seq1/0").fps == 50.0, "the archive states the rate"


def test_progress_counts_files(written):
    for layout, files in (("3dhp", 16), ("p-stmo", 2)):
        seen = []
        open_3dhp(written[layout], progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen == [(k, files) for k in range(1, files + 1)]


def test_joints_that_the_source_lacks_are_copies_of_their_neighbours(written, synthetic, originals):
    cells = matlab.read_cells(written["3dhp"] / "S1" / "Seq1" / "annot.mat", "annot3", [0])[0]
    pose = cells.reshape(len(cells), 28, 3)
    source = synthetic.load(originals["S1/Seq1/0"])
    for joint, near in NEAREST.items():
        assert np.array_equal(pose[:, skeleton("mpi28").index(joint)], source.pose[:, skeleton("h36m17").index(near)]), joint
    assert EQUATED["mpi28", "h36m17"].items() <= NEAREST.items()


def test_an_unknown_clip_is_named(written):
    with pytest.raises(PosebenchError, match="TS7/TS7/0"):
        open_3dhp(written["3dhp"]).load("TS7/TS7/0")


def test_both_layouts_in_one_folder_are_refused(written, tmp_path, golden, refusal):
    shutil.copytree(golden / "threedhp_like", tmp_path, dirs_exist_ok=True)
    shutil.copy(written["p-stmo"] / "data_test_3dhp.npz", tmp_path)
    message = refusal(tmp_path)
    assert "data_test_3dhp.npz" in message
    assert "one layout" in message


def test_only_a_source_in_h36m17_order_with_enough_takes_is_exported(tmp_path, golden):
    for export in LAYOUTS.values():
        with pytest.raises(PosebenchError, match="h36m17"):
            export(open_3dhp(golden / "threedhp_like"), tmp_path)
