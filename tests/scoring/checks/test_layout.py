"""Findings from headers and frame numbers: missing, extra, empty and misnumbered clips, other skeletons."""

from __future__ import annotations

import io
import warnings
import zipfile

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map
from posebench.predictions.archive import save_predictions
from posebench.scoring.checks import check

FRAMES = 40  # of each clip of `truth`


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
def test_missing_clips_are_named_and_their_poses_counted(findings, truth, allow_partial, severity, noisy):
    pred = noisy(truth)
    found = findings({clip: pred[clip] for clip in list(pred)[:3]}, truth, allow_partial=allow_partial)
    assert list(found) == ["missing-clips"]
    finding = found["missing-clips"]
    assert (finding.severity, finding.clips) == (severity, tuple(list(pred)[3:]))
    assert "13 of 16 clips are missing, 520 of 640 poses" in finding.message
    assert "--allow-partial" in finding.fix


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
def test_extra_clips_are_named(findings, truth, allow_partial, severity, noisy):
    pred = noisy(truth)
    found = findings(pred | {"S9/Sit/c0": pred["S0/Walk 0/c0"]}, truth, allow_partial=allow_partial)
    assert {name: (finding.severity, finding.clips) for name, finding in found.items()} == {"extra-clips": (severity, ("S9/Sit/c0",))}
    assert "S0/Walk 0/c0" in found["extra-clips"].fix


def test_clips_that_the_protocol_excludes_with_a_reason_are_a_note(findings, truth, noisy, tmp_path):
    path = tmp_path / "some.toml"
    reason = "the video is unreadable"
    path.write_text(
        'extends = "pair-17j"\nid = "some"\nversion = 1\ntitle = "All takes but one"\n'
        f'[takes]\nexcluded = [{{take = "S1/Walk 1", reason = "{reason}"}}]\n'
    )
    found = findings(noisy(truth), truth, protocol=str(path))
    assert {name: finding.severity for name, finding in found.items()} == {"excluded-clips": "note"}
    assert found["excluded-clips"].clips == tuple(f"S1/Walk 1/c{camera}" for camera in range(4))
    assert f"S1/Walk 1, {reason}" in found["excluded-clips"].message


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
@pytest.mark.parametrize("numbered", [False, True])
def test_clips_without_a_pose_are_named(findings, truth, allow_partial, severity, numbered, noisy):
    pred = noisy(truth) | {"S0/Walk 0/c0": np.zeros((0, 17, 3))}
    frames = {"S0/Walk 0/c0": np.zeros(0, int)} if numbered else {}
    found = findings(pred, truth, allow_partial=allow_partial, frames=frames)
    assert (found["empty-clips"].severity, found["empty-clips"].clips) == (severity, ("S0/Walk 0/c0",))
    assert set(found) <= {"empty-clips", "missing-frames"}


@pytest.mark.parametrize("allow_partial", [False, True])
def test_a_file_without_clips_is_an_error_even_in_part(findings, truth, allow_partial):
    found = findings({}, truth, allow_partial=allow_partial)
    assert found["empty-file"].severity == "error"
    assert "S0/Walk 0/c0" in found["empty-file"].fix


def test_a_file_with_no_clip_of_the_protocol_is_an_error_even_in_part(findings, truth, noisy):
    found = findings({"S9/Sit/c0": noisy(truth)["S0/Walk 0/c0"]}, truth, allow_partial=True)
    assert found["missing-clips"].severity == "error"


def test_a_file_whose_clips_are_all_empty_is_an_error_even_in_part(findings, truth):
    found = findings({clip: pose[:0] for clip, pose in truth.items()}, truth, allow_partial=True)
    assert found["empty-clips"].severity == "error"


@pytest.mark.parametrize("frames", [FRAMES - 1, FRAMES + 1, 1])
@pytest.mark.parametrize("allow_partial", [False, True])
def test_another_number_of_frames_is_an_error(findings, truth, frames, allow_partial, noisy):
    pred = noisy(truth)
    pred["S1/Walk 1/c2"] = np.resize(pred["S1/Walk 1/c2"], (frames, 17, 3))
    found = findings(pred, truth, allow_partial=allow_partial)
    assert (found["frame-count"].severity, found["frame-count"].clips) == ("error", ("S1/Walk 1/c2",))
    assert f"{frames} where {FRAMES} are wanted" in found["frame-count"].message
    assert "#frames" in found["frame-count"].fix


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (np.arange(FRAMES) - 1, "from -1 to 38 where the clip has 0 to 39"),
        (np.arange(FRAMES) + 1, "from 1 to 40 where the clip has 0 to 39"),
        (np.arange(FRAMES)[::-1], "do not rise"),
        (np.r_[0, 0, np.arange(2, FRAMES)], "do not rise"),
        (np.full(FRAMES, 2**62), "to 4611686018427387904"),
    ],
)
def test_frame_numbers_that_cannot_be_are_an_error(findings, truth, numbers, text, noisy):
    found = findings(noisy(truth), truth, frames={"S1/Walk 1/c2": numbers})
    assert (found["frame-index"].severity, found["frame-index"].clips) == ("error", ("S1/Walk 1/c2",))
    assert text in found["frame-index"].message
    assert "from 0" in found["frame-index"].fix


@pytest.mark.parametrize(("allow_partial", "severity"), [(False, "error"), (True, "warning")])
def test_missing_frames_are_counted(findings, truth, allow_partial, severity, noisy):
    pred = noisy(truth)
    pred["S1/Walk 1/c2"] = pred["S1/Walk 1/c2"][::2]
    found = findings(pred, truth, frames={"S1/Walk 1/c2": np.arange(0, FRAMES, 2)}, allow_partial=allow_partial)
    assert list(found) == ["missing-frames"]
    assert (found["missing-frames"].severity, found["missing-frames"].clips) == (severity, ("S1/Walk 1/c2",))
    assert "20 of 640 poses" in found["missing-frames"].message


def test_a_clip_id_that_a_file_holds_twice_is_an_error(truth, tmp_path, noisy):
    file = save_predictions(tmp_path / "twice.npz", noisy(truth), unit="mm", skeleton="h36m17")
    out = io.BytesIO()
    np.lib.format.write_array(out, noisy(truth)["S1/Walk 1/c2"])
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("S1/Walk 1/c2.npy", out.getvalue())
    save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    (found,) = check(file, "pair-17j", truth=tmp_path / "t.npz")
    assert (found.name, found.severity, found.clips) == ("duplicated-keys", "error", ("S1/Walk 1/c2",))


def test_clips_with_different_numbers_of_hypotheses_are_an_error(findings, truth, noisy):
    pred = {clip: pose[None].repeat(3, axis=0) for clip, pose in noisy(truth).items()}
    pred["S1/Walk 1/c2"] = pred["S1/Walk 1/c2"][:2]
    pred["S1/Walk 1/c3"] = pred["S1/Walk 1/c3"][0]
    found = findings(pred, truth)
    assert (found["hypotheses"].severity, found["hypotheses"].clips) == ("error", ("S1/Walk 1/c2", "S1/Walk 1/c3"))


def test_joints_taken_by_name_are_a_note_and_equated_joints_a_warning(findings, truth, noisy):
    whole = {clip: np.zeros((FRAMES, 32, 3)) for clip in truth}
    for clip, pose in noisy(truth).items():
        whole[clip][:, list(joint_map("h36m32", "h36m17"))] = pose
    assert {name: finding.severity for name, finding in findings(whole, truth, skeleton="h36m32").items()} == {"skeleton": "note"}
    mpi = {clip: pose[:, list(joint_map("h36m17", "mpi17"))] for clip, pose in noisy(truth).items()}
    found = findings(mpi, truth, skeleton="mpi17")
    assert {name: finding.severity for name, finding in found.items()} == {"skeleton": "warning"}
    assert "neck stands for thorax" in found["skeleton"].message


def test_a_skeleton_that_lacks_joints_of_the_protocol_is_refused(findings, truth, noisy):
    with pytest.raises(PosebenchError, match="neck_nose"):
        findings({clip: pose[:, :16] for clip, pose in noisy(truth).items()}, truth, skeleton="h36m16")
