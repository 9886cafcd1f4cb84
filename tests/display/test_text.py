"""What ``posebench score`` prints: actions in the papers' order or the dataset's, their mean, and the data's name."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.display.text import action_table, report
from posebench.predictions.archive import save_predictions
from posebench.scoring.evaluate import score


@pytest.fixture
def scored(tmp_path, walker):
    """A function that scores noisy poses of one take an action."""

    def run(*actions):
        truth = {f"S1/{action} 1/c0": walker(5 + number, number) for number, action in enumerate(actions)}
        random = np.random.default_rng(1)
        pred = {clip: pose + random.normal(scale=10.0 * len(pose), size=pose.shape) for clip, pose in truth.items()}
        files = [
            save_predictions(tmp_path / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method="net")
            for name, poses in (("p", pred), ("t", truth))
        ]
        return score(files[0], "pair-17j", truth=files[1])

    return run


def first_column(table):
    return [row[0] for row in table.rows]


def test_actions_of_human36m_are_in_the_order_of_the_papers(scored):
    result = scored("WalkTogether", "Sitting", "Walking", "Directions")
    assert result.actions == ["Directions", "Sitting", "Walking", "WalkTogether"]
    assert [name for name in first_column(action_table(result)) if name in result.actions] == result.actions


def test_other_actions_are_in_the_order_of_the_dataset(scored):
    result = scored("walk", "jump", "Sitting")
    assert result.actions == ["walk", "jump", "Sitting"]
    assert [name for name in first_column(action_table(result)) if name in result.actions] == result.actions


def test_the_last_line_is_the_mean_of_the_actions_not_of_the_frames(scored):
    result = scored("walk", "jump")
    last = action_table(result).rows[-1]
    mean = np.mean(list(result.metrics["MPJPE"].groups["action"].values()))
    assert abs(mean - result.value("MPJPE", "frame")) > 0.1
    assert "average" in last
    assert f"{mean:.2f}" in last
    assert "11" in last, "poses of both actions"


def test_a_truth_file_is_named_without_a_stray_blank(scored):
    assert "data: file, not the official copy" in str(report(scored("walk")))
