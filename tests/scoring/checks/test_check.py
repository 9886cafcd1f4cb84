"""Checking as a whole: findings name their clips, and scoring finds and refuses the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.predictions.archive import save_predictions
from posebench.scoring.checks import check
from posebench.scoring.evaluate import score

BONES = skeleton("h36m17")


@pytest.fixture(scope="module")
def many(walker):
    """Fifteen clips."""
    return {f"S1/Walk {take}/c0": walker(8, take) for take in range(15)}


def every(change):
    """A change of each pose array."""
    return lambda pred: {clip: change(pose) for clip, pose in pred.items()}


@pytest.mark.parametrize(
    ("name", "change", "frames"),
    [
        ("extra-clips", lambda pred: pred | {f"S2/{clip}": pose for clip, pose in pred.items()}, None),
        ("empty-clips", every(lambda pose: pose[:0]), None),
        ("frame-count", every(lambda pose: pose[:5]), None),
        ("frame-index", every(lambda pose: pose), np.arange(8) + 1),
        ("missing-frames", every(lambda pose: pose[:6]), np.arange(6)),
        ("non-finite", every(lambda pose: np.where(np.arange(8)[:, None, None] == 0, np.nan, pose)), None),
        ("zero-extent", every(lambda pose: np.where(np.arange(8)[:, None, None] == 0, 0.0, pose)), None),
        ("n-scale", every(lambda pose: -pose), None),
        ("constant", every(lambda pose: pose[:1].repeat(8, axis=0)), None),
    ],
)
def test_a_finding_names_ten_clips_and_counts_the_rest(findings, many, name, change, frames, noisy):
    numbers = None if frames is None else dict.fromkeys(many, frames)
    found = findings(change(noisy(many)), many, frames=numbers)[name]
    assert len(found.clips) == 15
    assert len(found.as_dict()["clips"]) == 10
    named = [clip for clip in found.clips if clip + "," in found.message or clip + " and" in found.message]
    assert len(named) == 10, found.message
    assert "and 5 more" in found.message


def test_missing_and_leaking_clips_are_named_ten_at_a_time_too(findings, many, noisy):
    extra = findings({"S1/Walk 0/c0": noisy(many)["S1/Walk 0/c0"]}, many)["missing-clips"]
    assert "and 4 more" in extra.message
    assert "and 5 more" in findings(dict(many), many)["leakage"].message


def test_score_refuses_what_check_calls_an_error_and_keeps_other_findings(tmp_path, truth, noisy):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    wrong = save_predictions(tmp_path / "p.npz", every(lambda pose: pose * [1.0, -1.0, 1.0])(noisy(truth)), unit="mm", skeleton="h36m17")
    with pytest.raises(PosebenchError, match="axes are mirrored or permuted") as error:
        score(wrong, "pair-17j", truth=gt)
    assert error.value.exit_code == 1
    weak = save_predictions(tmp_path / "q.npz", every(lambda pose: pose * [1.0, 1.0, -1.0])(noisy(truth)), unit="mm", skeleton="h36m17")
    assert [finding.name for finding in score(weak, "pair-17j", truth=gt).findings] == ["axes"]


def test_check_and_score_find_the_same(tmp_path, truth, noisy):
    pred = noisy(truth)
    pred["S0/Walk 0/c0"][0] = np.nan
    pred["S0/Walk 0/c1"] = truth["S0/Walk 0/c1"]
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    found = check(file, "pair-17j", truth=gt)
    assert len(found) >= 2
    scored = score(file, "pair-17j", truth=gt).findings
    assert sorted(map(str, scored)) == sorted(str(finding.shortened()) for finding in found)


def test_progress_is_reported_clip_by_clip(tmp_path, truth):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    seen = []
    check(gt, "pair-17j", truth=gt, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 16) for i in range(16)]


def test_the_walker_is_a_plausible_body(truth):
    """The generated truth itself: rigid bones, upright, in front of the camera, smooth."""
    for pose in truth.values():
        for parent, child in BONES.bones:
            length = np.linalg.norm(pose[:, child] - pose[:, parent], axis=-1)
            assert np.ptp(length) < 1e-9
        assert (pose[:, BONES.index("head_top"), 1] < pose[:, BONES.index("pelvis"), 1]).all()
        assert (pose[..., 2] > 1000.0).all()
        assert max(np.abs(b - a).max() for a, b in pairwise(pose)) < 200.0
