"""Metrics with joint sets in their names and roots of their own, and the average over the actions of each subject."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.scoring.intervals import interval, resample
from posebench.scoring.measure import measure_clip
from posebench.scoring.protocol import describe, load_protocol
from posebench.scoring.scope import open_scope
from posebench.scoring.sums import Row, average
from posebench.scoring.truth import TruthLocation

BODY = skeleton("h36m17")
ARMS = """
extends = "pair-17j"
id = "arms"
version = 1
title = "arms"
diagnostics = []

[joints]
arms = ["l_elbow", "l_wrist", "r_elbow", "r_wrist"]
left = ["l_elbow", "l_wrist"]
right = ["r_elbow", "r_wrist"]

[[metrics]]
alignment = "root"
statistic = "mean"

[[metrics]]
alignment = "root"
statistic = "mean"
joints = "arms"
named = true

[[metrics]]
alignment = "root"
statistic = "{statistic}"
joints = "arms"
root = {root}
{more}
"""
BOTH = '{ left = ["l_shoulder"], right = ["r_shoulder"] }'


def protocol_of(folder, statistic="mean", root=BOTH, more=""):
    path = folder / "arms.toml"
    path.write_text(ARMS.format(statistic=statistic, root=root, more=more))
    return load_protocol(str(path))


def poses(seed, frames=5):
    random = np.random.default_rng(seed)
    truth = random.normal(0.0, 300.0, (frames, 17, 3))
    return truth + random.normal(0.0, 60.0, truth.shape), truth


def own_root_errors(pred, truth):
    """Errors (T, 4) of the arms, each from its shoulder: the definition written out."""
    parts = []
    for side in "lr":
        shoulder, arm = BODY.index(f"{side}_shoulder"), [BODY.index(f"{side}_{joint}") for joint in ("elbow", "wrist")]
        gap = (pred[:, arm] - pred[:, [shoulder]]) - (truth[:, arm] - truth[:, [shoulder]])
        parts.append(np.linalg.norm(gap, axis=-1))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("to_mm", [1.0, 1000.0])
def test_each_joint_is_seen_from_the_root_of_its_set(tmp_path, to_mm):
    protocol = protocol_of(tmp_path)
    pred, truth = poses(0)
    wanted = [*protocol.metrics]
    assert [metric.name for metric in wanted] == ["MPJPE", "MPJPE-arms", "MPJPE-arms-own-root"]
    sums = measure_clip(protocol, wanted, pred / to_mm, truth, np.arange(5), to_mm=to_mm, per_frame=True)
    expected = own_root_errors(pred, truth)
    np.testing.assert_allclose(sums.total["MPJPE-arms-own-root"], expected.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.concatenate(sums.frames["MPJPE-arms-own-root"]), expected.mean(axis=1), rtol=1e-12)
    assert sums.poses == sums.count["MPJPE-arms-own-root"] == 5


def test_pck_and_auc_have_roots_of_their_own_too(tmp_path):
    protocol = protocol_of(tmp_path, "pck", more='threshold = 100\ncompare = "<="')
    pred, truth = poses(1)
    sums = measure_clip(protocol, list(protocol.metrics), pred, truth, np.arange(5))
    expected = 100.0 * (own_root_errors(pred, truth) <= 100.0).sum(axis=0)
    np.testing.assert_allclose(sums.total["PCK-arms-own-root@100-inclusive"], expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 999), st.floats(-500, 500))
def test_moving_an_arm_as_a_whole_changes_the_error_from_the_body_and_not_from_its_own_root(tmp_path_factory, seed, by):
    protocol = protocol_of(tmp_path_factory.mktemp("arms"))
    pred, truth = poses(seed)
    moved = pred.copy()
    moved[:, [BODY.index(f"l_{joint}") for joint in ("shoulder", "elbow", "wrist")]] += by
    own = [measure_clip(protocol, list(protocol.metrics), pose, truth, np.arange(5)).total["MPJPE-arms-own-root"] for pose in (pred, moved)]
    np.testing.assert_allclose(own[0], own[1], rtol=1e-9)


def test_a_pose_that_is_not_finite_is_scored_at_the_roots_and_not_dropped(tmp_path):
    protocol = protocol_of(tmp_path)
    pred, truth = poses(2)
    pred[1, 3, 0] = np.nan
    sums = measure_clip(protocol, list(protocol.metrics), pred, truth, np.arange(5))
    expected = own_root_errors(np.where(np.arange(5)[:, None, None] == 1, 0.0, pred), truth).sum(axis=0)
    np.testing.assert_allclose(sums.total["MPJPE-arms-own-root"], expected, rtol=1e-12)
    assert sums.invalid == 1


def test_oracles_of_several_hypotheses_are_named_after_the_metric(tmp_path):
    protocol = protocol_of(tmp_path)
    pred, truth = poses(3)
    sums = measure_clip(protocol, list(protocol.metrics), np.stack([pred, truth]), truth, np.arange(5))
    assert not sums.total["MPJPE-arms-own-root P-Best"].any()


@pytest.mark.parametrize(
    ("statistic", "root"),
    [
        ("mean", '{ left = ["l_shoulder"] }'),
        ("mean", '{ left = ["l_shoulder"], right = [] }'),
        ("mean", '{ legs = ["l_hip"] }'),
        ("velocity", BOTH),
    ],
)
def test_roots_that_leave_out_a_joint_or_are_not_defined_are_refused(tmp_path, statistic, root):
    with pytest.raises(PosebenchError, match="root"):
        protocol_of(tmp_path, statistic, root)


def test_roots_and_names_change_the_digest_and_are_described(tmp_path):
    protocol = protocol_of(tmp_path)
    own = protocol.metrics[2]
    digests = {replace(protocol, metrics=(metric,)).digest for metric in (own, replace(own, roots=()), replace(own, roots=(), named=False))}
    assert len(digests) == 3
    assert "each 2 from l_shoulder" in describe(protocol)


def test_a_subject_action_average_is_the_mean_of_the_cells():
    cells = {("S1", "Walk"): [10.0, 20.0], ("S1", "Jog"): [40.0], ("S2", "Walk"): [60.0, 80.0, 100.0]}
    rows, values = [], []
    for (subject, action), numbers in cells.items():
        for take, number in enumerate(numbers):
            rows.append(Row(f"{subject}/{action}{take}/c", subject, f"{subject}/{action}{take}", "c", action))
            values.append(number)
    total, count = np.array(values) * 7.0, np.full(len(values), 7.0)
    assert average(rows, total, count, "subject x action") == pytest.approx((15.0 + 40.0 + 80.0) / 3)
    assert average(rows, total, count, "action") == pytest.approx((270.0 / 5 + 40.0) / 2)
    assert resample(rows, "subject x action") is None, "a cell with one take has no interval"


def test_the_interval_of_a_subject_action_average_holds_it():
    rows = [Row(f"{s}/{a}{t}/c", s, f"{s}/{a}{t}", "c", a) for s in ("S1", "S2") for a in ("Walk", "Jog") for t in range(4)]
    total, count = np.random.default_rng(0).uniform(40, 80, len(rows)) * 9.0, np.full(len(rows), 9.0)
    value = float(average(rows, total, count, "subject x action"))
    low, high = interval(rows, total, count, "subject x action", resample(rows, "subject x action"))
    assert low < value < high
    assert value == pytest.approx(float((total / count).mean()))


def test_a_protocol_may_leave_it_to_the_dataset_who_is_in_a_split(tmp_path):
    path = tmp_path / "split.toml"
    path.write_text('extends = "synthetic"\nid = "s"\nversion = 1\ntitle = "s"\n[takes]\nsubjects = []\nsplit = "test"\n')
    protocol = load_protocol(str(path))
    with open_scope(protocol, TruthLocation()) as scope:
        assert {info.subject for info in scope.clips.values()} == {"S9", "S11"}
    assert protocol.digest != replace(protocol, split="").digest
    assert "split      test" in describe(protocol)
    with pytest.raises(PosebenchError, match="one of train, test"), open_scope(replace(protocol, split="val"), TruthLocation()):
        pass
