"""The truth is judged before the predictions: its unit, and poses that no person can have; a right prediction file is not blamed."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.predictions.archive import save_predictions
from posebench.scoring.checks import check
from posebench.scoring.evaluate import score


@pytest.fixture
def files(walker, tmp_path):
    """Writes a changed truth and right predictions of the unchanged one; gives both paths."""

    def write(change, unit="mm"):
        truth = {f"S1/Walk {take}/c0": walker(12, take) for take in range(3)}
        pred = save_predictions(tmp_path / "p.npz", truth, unit="mm", skeleton="h36m17")
        changed = {clip: change(clip, pose.copy()) for clip, pose in truth.items()}
        return pred, save_predictions(tmp_path / "t.npz", changed, unit=unit, skeleton="h36m17")

    return write


@pytest.mark.parametrize("run", [check, score])
@pytest.mark.parametrize(
    ("factor", "unit", "words"),
    [
        (1e-3, "mm", "they look like metres, and millimetres are stated"),
        (1.0, "m", "they look like millimetres, and metres are stated"),
        (0.1, "mm", "they look like centimetres, and millimetres are stated"),
    ],
)
def test_a_truth_file_of_another_unit_is_refused_by_name(files, run, factor, unit, words):
    pred, truth = files(lambda _, pose: factor * pose, unit)
    with pytest.raises(PosebenchError, match=words) as error:
        run(pred, "pair-17j", truth=truth)
    assert str(error.value).startswith(f"Found: {truth}: S1/Walk 0/c0: true poses ")
    assert error.value.exit_code == 2


@pytest.mark.parametrize("run", [check, score])
@pytest.mark.parametrize(("value", "words"), [(0.0, "has all joints in one point"), (1e300, "from end to end"), (np.nan, "is not finite")])
def test_a_true_pose_that_no_person_can_have_is_named_with_clip_and_frame(files, run, value, words):
    def damage(clip, pose):
        if clip == "S1/Walk 1/c0":
            pose[7, slice(None) if value == 0.0 else 3] = value
        return pose

    pred, truth = files(damage)
    with pytest.raises(PosebenchError, match=f"true pose of S1/Walk 1/c0, frame 7, .*{words}"):
        run(pred, "pair-17j", truth=truth)


def test_a_truth_in_metres_that_says_so_is_scored(files):
    pred, truth = files(lambda _, pose: pose / 1000.0, "m")
    assert score(pred, "pair-17j", truth=truth).value("MPJPE") < 1e-3
