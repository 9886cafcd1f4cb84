"""Findings from a sample of the poses: good files have none; invalid, constant and copied poses are reported with their clips."""

from __future__ import annotations

import numpy as np
import pytest

FRAMES = 40  # of each clip of `truth`


def test_a_good_file_gives_no_finding(findings, truth, noisy):
    assert findings(noisy(truth), truth) == {}


@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize("stated", [{"unit": "m"}, {"unit": None, "scale": "unknown"}])
def test_a_good_file_in_metres_or_of_unknown_scale_gives_no_finding(findings, truth, kind, stated, noisy):
    pred = {clip: pose / 1000.0 for clip, pose in noisy(truth).items()}
    assert findings(pred, truth, kind=kind, **stated) == {}


def test_a_good_file_of_hypotheses_or_frame_numbers_gives_no_finding(findings, truth, noisy):
    several = {clip: np.stack([pose, pose + 10.0]) for clip, pose in noisy(truth).items()}
    assert "root" in findings(several, truth)
    several = {clip: poses - poses[:, :, :1] for clip, poses in several.items()}
    assert findings(several, truth) == {}
    assert findings(noisy(truth), truth, frames={clip: np.arange(FRAMES) for clip in truth}) == {}


def test_real_poses_give_no_finding(findings, real, noisy):
    assert findings(noisy(real), real) == {}


@pytest.mark.parametrize("body", ["truth", "real"])
def test_a_point_mirrored_file_has_scales_below_zero(findings, request, body, noisy):
    true = request.getfixturevalue(body)
    found = findings({clip: -pose for clip, pose in noisy(true).items()}, true)
    assert found["n-scale"].severity == "warning"
    assert len(found["n-scale"].clips) == len(true)
    poses = sum(map(len, true.values()))
    assert f"{poses:,} of {poses:,} poses" in found["n-scale"].message


def test_poses_that_all_point_away_are_refused_whatever_is_wrong_with_them(findings, truth, noisy):
    order = np.random.default_rng(1).permutation(17)
    found = findings({clip: pose[:, order] * [1.0, -1.0, -1.0] for clip, pose in noisy(truth).items()}, truth)
    assert "error" in {finding.severity for finding in found.values()}, found


def test_a_root_away_from_the_origin_is_a_note(findings, truth, noisy):
    found = findings({clip: pose + np.array([0.0, 0.0, 4000.0]) for clip, pose in noisy(truth).items()}, truth)
    assert {name: finding.severity for name, finding in found.items()} == {"root": "note"}
    assert "4,000 mm from the origin" in found["root"].message


def test_the_same_pose_again_and_again_is_a_warning(findings, truth, noisy):
    pred = noisy(truth)
    constant = pred | {clip: np.repeat(pred[clip][:1], FRAMES, axis=0) for clip in list(pred)[:3]}
    found = findings(constant, truth)
    assert found["constant"].severity == "warning"
    assert found["constant"].clips == tuple(list(pred)[:3])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda pose: pose, "equal the truth "),
        (lambda pose: pose - pose[:, :1], "equal the truth "),
        (lambda pose: pose + 500.0, "equal the truth "),
        (lambda pose: (pose - pose[:, :1]) * 0.9, "the truth times a scale"),
        (lambda pose: (pose - pose[:, :1]) * np.linspace(0.8, 1.2, len(pose))[:, None, None], "the truth times a scale"),
    ],
)
def test_predictions_that_are_the_truth_are_a_warning(findings, truth, change, text, noisy):
    pred = noisy(truth)
    clip = next(iter(pred))
    found = findings(pred | {clip: change(truth[clip])}, truth)
    assert found["leakage"].severity == "warning"
    assert text in found["leakage"].message
    assert found["leakage"].clips == (clip,)


@pytest.mark.parametrize(("value", "name"), [(np.nan, "non-finite"), (np.inf, "non-finite"), (0.0, "zero-extent"), (700.0, "zero-extent")])
def test_single_invalid_poses_are_a_warning_with_their_count(findings, truth, value, name, noisy):
    pred = noisy(truth)
    for clip in list(pred)[:2]:
        pred[clip][3:5] = value
    found = findings(pred, truth)
    assert found[name].severity == "warning"
    assert found[name].clips == tuple(list(pred)[:2])
    assert f"4 of {FRAMES * len(truth)} poses" in found[name].message
    assert {"non-finite", "zero-extent"} & set(found) == {name}


@pytest.mark.parametrize(("value", "name"), [(np.nan, "non-finite"), (0.0, "zero-extent")])
def test_a_file_of_nothing_but_invalid_poses_is_an_error(findings, truth, value, name):
    found = findings({clip: np.full_like(pose, value) for clip, pose in truth.items()}, truth)
    assert {key: finding.severity for key, finding in found.items()} == {name: "error"}


def test_a_pose_invalid_in_one_joint_is_found(findings, truth, noisy):
    pred = noisy(truth)
    pred[next(iter(pred))][0, 5, 1] = np.nan
    assert "1 of 640 poses" in findings(pred, truth)["non-finite"].message


def test_every_clip_is_sampled_however_many_there_are(findings, walker, noisy):
    clips = {f"S1/Walk {take}/c0": walker(4, take) for take in range(30)}
    pred = noisy(clips)
    pred["S1/Walk 29/c0"] = clips["S1/Walk 29/c0"]
    assert findings(pred, clips)["leakage"].clips == ("S1/Walk 29/c0",)
