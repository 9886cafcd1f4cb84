"""Averages of sums, beginning from a table small enough to average by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posebench.scoring.sums import Row, Sums, average, cells, codes, group_means, weighted_average

# Three takes and three actions, as (mean error, frames) of each row; the second take was seen by two cameras:
#
#              camera   walk        sit         run
#   S1/walk 1  c0       (10, 100)
#   S1/sit 1   c0                   (40, 100)
#   S1/sit 1   c1                   (50, 100)
#   S2/run 1   c0                               (90, 10)
#
#   frame average   (1000 + 4000 + 5000 + 900) / 310 = 35.1613
#   take average    (10 + 45 + 90) / 3               = 48.3333
#   action average  the same here: one take an action
ROWS = [
    Row("S1/walk 1/c0", "S1", "S1/walk 1", "c0", "walk"),
    Row("S1/sit 1/c0", "S1", "S1/sit 1", "c0", "sit"),
    Row("S1/sit 1/c1", "S1", "S1/sit 1", "c1", "sit"),
    Row("S2/run 1/c0", "S2", "S2/run 1", "c0", "run"),
]
TOTAL = np.array([1000.0, 4000.0, 5000.0, 900.0])
COUNT = np.array([100.0, 100.0, 100.0, 10.0])


@pytest.mark.parametrize(("kind", "expected"), [("frame", 10900 / 310), ("take", 145 / 3), ("action", 145 / 3)])
def test_averages_of_the_drawn_table(kind, expected):
    assert average(ROWS, TOTAL, COUNT, kind) == pytest.approx(expected)


def test_with_two_takes_of_an_action_the_averages_differ():
    # A second walk of 300 frames at 20 mm: walk has 400 frames and a mean of 17.5.
    rows = [*ROWS, Row("S2/walk 2/c0", "S2", "S2/walk 2", "c0", "walk")]
    total, count = np.append(TOTAL, 6000.0), np.append(COUNT, 300.0)
    assert average(rows, total, count, "frame") == pytest.approx(16900 / 610)
    assert average(rows, total, count, "take") == pytest.approx((10 + 45 + 90 + 20) / 4)
    assert average(rows, total, count, "action") == pytest.approx((17.5 + 45 + 90) / 3)


def test_groups_of_the_drawn_table_are_frame_weighted():
    sums = Sums(np.stack([TOTAL - 5.0, TOTAL + 5.0], axis=1), COUNT, ("l_hip", "r_hip"))
    assert group_means(ROWS, sums, "action") == pytest.approx({"walk": 10.0, "sit": 45.0, "run": 90.0})
    assert group_means(ROWS, sums, "subject") == pytest.approx({"S1": 10000 / 300, "S2": 90.0})
    assert group_means(ROWS, sums, "camera") == pytest.approx({"c0": 5900 / 210, "c1": 50.0})
    assert group_means(ROWS, sums, "take") == pytest.approx({"S1/walk 1": 10.0, "S1/sit 1": 45.0, "S2/run 1": 90.0})


def test_takes_of_two_subjects_with_one_name_are_two_takes():
    rows = [Row("S1/walk/c0", "S1", "S1/walk", "c0", "walk"), Row("S2/walk/c0", "S2", "S2/walk", "c0", "walk")]
    assert average(rows, np.array([10.0, 90.0]), np.array([1.0, 3.0]), "take") == pytest.approx(20.0)


def test_a_take_with_frames_of_two_actions_counts_once_as_take_and_in_both_actions():
    rows = [Row("c", "S1", "S1/t", "c0", "walk"), Row("c", "S1", "S1/t", "c0", "sit"), Row("d", "S1", "S1/u", "c0", "sit")]
    total, count = np.array([10.0, 60.0, 50.0]), np.array([1.0, 2.0, 1.0])
    assert average(rows, total, count, "take") == pytest.approx((70 / 3 + 50) / 2)
    assert average(rows, total, count, "action") == pytest.approx((10 + 110 / 3) / 2)


def test_rows_without_a_count_are_left_out_of_every_average():
    rows = [*ROWS, Row("S3/jump 1/c0", "S3", "S3/jump 1", "c0", "jump")]
    total, count = np.append(TOTAL, 0.0), np.append(COUNT, 0.0)
    for kind in ("frame", "take", "action"):
        assert average(rows, total, count, kind) == pytest.approx(average(ROWS, TOTAL, COUNT, kind))
    assert "jump" not in group_means(rows, Sums(total[:, None], count, ()), "action")


@pytest.mark.parametrize("kind", ["frame", "take", "action"])
def test_nothing_counted_gives_no_number(kind):
    assert np.isnan(average(ROWS, 0 * TOTAL, 0 * COUNT, kind))


def test_labels_get_codes_in_order_of_appearance():
    names, code = codes(["b", "a", "b", "c"])
    assert (names, code.tolist()) == (["b", "a", "c"], [0, 1, 0, 2])


def test_cells_hold_every_row_once():
    table, counts, takes, actions = cells(ROWS, np.stack([TOTAL, 2 * TOTAL], axis=1), COUNT)
    assert (takes, actions) == (["S1/walk 1", "S1/sit 1", "S2/run 1"], ["walk", "sit", "run"])
    assert table[1, 1].tolist() == [9000.0, 18000.0]
    assert counts.tolist() == [[100.0, 0.0, 0.0], [0.0, 200.0, 0.0], [0.0, 0.0, 10.0]]
    assert table.sum() == 3 * TOTAL.sum()


def naive(rows, total, count, kind):
    """Averages by loops over labels."""
    if kind == "frame":
        return total.sum(axis=0) / count.sum()
    means = []
    for label in dict.fromkeys(getattr(row, kind) for row in rows):
        chosen = [i for i, row in enumerate(rows) if getattr(row, kind) == label and count[i] > 0]
        if chosen:
            means.append(sum(total[i] for i in chosen) / sum(count[i] for i in chosen))
    return sum(means) / len(means)


tables = st.lists(
    st.tuples(st.sampled_from("pqr"), st.sampled_from(["S1", "S2"]), st.sampled_from("xyz"), st.integers(0, 50), st.floats(0, 100)),
    min_size=1,
    max_size=12,
).filter(lambda rows: any(row[3] for row in rows))


@given(tables, st.sampled_from(["frame", "take", "action"]))
def test_averages_equal_loops_over_labels(drawn, kind):
    rows = [Row(str(i), subject, f"{subject}/{take}", "c0", action) for i, (take, subject, action, _, _) in enumerate(drawn)]
    count = np.array([float(frames) for *_, frames, _ in drawn])
    total = np.array([[frames * mean, frames * (mean + 1.0)] for *_, frames, mean in drawn])
    np.testing.assert_allclose(average(rows, total, count, kind), naive(rows, total, count, kind), rtol=1e-9)
    joints = average(rows, total, count, kind)
    assert joints.mean() == pytest.approx(float(average(rows, total.mean(axis=1), count, kind)), rel=1e-9)


@given(tables, st.sampled_from(["frame", "take", "action"]), st.integers(0, 99))
def test_a_weight_of_two_means_the_take_twice(drawn, kind, seed):
    rows = [Row(str(i), subject, f"{subject}/{take}", "c0", action) for i, (take, subject, action, _, _) in enumerate(drawn)]
    count = np.array([float(frames) for *_, frames, _ in drawn])
    total = count * [row[4] for row in drawn]
    table, counts, takes, _ = cells(rows, total, count)
    weights = np.random.default_rng(seed).integers(0, 3, len(takes)).astype(float)
    again = [(i, copy) for i, row in enumerate(rows) for copy in range(int(weights[takes.index(row.take)]))]
    value = weighted_average(weights[None], table, counts, kind)[0]
    if not sum(count[i] for i, _ in again):
        assert np.isnan(value)
        return
    copies = [rows[i]._replace(take=f"{rows[i].take} copy {copy}") for i, copy in again]
    index = [i for i, _ in again]
    assert value == pytest.approx(float(average(copies, total[index], count[index], kind)), rel=1e-9)
