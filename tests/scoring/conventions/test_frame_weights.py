"""Loaders that lose or repeat frames, by loops over clips; averages with any grouping, by loops over rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.scoring.conventions.averages import Averages
from posebench.scoring.conventions.frame_weights import FrameTable, credited, phases, row_sums, weights
from posebench.scoring.conventions.reading import AVERAGES
from posebench.scoring.sums import Row, average

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def table(lengths):
    """Clips of these lengths, a row each; their actions alternate between two."""
    clip = np.repeat(np.arange(len(lengths)), lengths)
    number = np.concatenate([np.arange(length) for length in lengths])
    return FrameTable(clip, clip, number, clip % 2)


def clips_of(lengths):
    """Places in reading order of each clip's frames."""
    return np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(2, 16))
def test_weights_are_how_often_a_loader_yields_a_frame(lengths, size):
    every, total = clips_of(lengths), sum(lengths)
    values = np.where(np.arange(total) % 3 == 0, 0.0, 1.0)
    counted = {name: np.zeros(total) for name in ("chunks", "unpadded", "drop_last", "cut", "stride", "nonzero")}
    for places in every:
        for start in range(0, len(places), size):  # the last chunk is moved back
            chunk = places[start : start + size] if len(places) < size else places[min(start, len(places) - size) :][:size]
            np.add.at(counted["chunks"], chunk, 1.0)
        half = size // 2
        counted["unpadded"][places[half : len(places) - half]] = 1.0
        counted["stride"][places[::size]] = 1.0
    counted["drop_last"][: total - total % size] = 1.0
    for action in (0, 1):
        places = np.concatenate([places for number, places in enumerate(every) if number % 2 == action] or [np.empty(0, dtype=int)])
        counted["cut"][places[: len(places) - len(places) % size]] = 1.0
    counted["nonzero"][values != 0.0] = 1.0
    for name, expected in counted.items():
        above, below = weights(f"{name} {size}", table(lengths), values)
        np.testing.assert_array_equal(above, expected, err_msg=name)
        np.testing.assert_array_equal(below, expected, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(2, 16))
def test_batches_and_padding(lengths, size):
    total = sum(lengths)
    values = np.random.default_rng(total).random(total)
    batches = [values[start : start + size] for start in range(0, total, size)]
    above, below = weights(f"batches {size}", table(lengths), values)
    assert (values * above).sum() / below.sum() == pytest.approx(np.mean([batch.mean() for batch in batches]), rel=1e-12)
    np.testing.assert_allclose(credited(values, size), np.concatenate([np.full(len(batch), batch.mean()) for batch in batches]))
    numerator, count = row_sums(f"zero_padded {size}", table(lengths), values, len(lengths))
    np.testing.assert_allclose(count, [-(-length // size) * size for length in lengths])
    np.testing.assert_allclose(numerator, [values[places].sum() for places in clips_of(lengths)])


def test_every_phase_of_a_stride_is_there():
    lengths = [7, 12]
    values = np.arange(19.0)
    total, count = phases(5, table(lengths), values, 2)
    for phase in range(5):
        for row, places in enumerate(clips_of(lengths)):
            assert total[phase, row] == values[places][phase::5].sum()
            assert count[phase, row] == len(places[phase::5])
    np.testing.assert_array_equal(row_sums("stride 5", table(lengths), values, 2)[0], total[0])


def rows_of(random, number):
    found = []
    for place in range(number):
        subject, take, camera, action = (f"{word}{random.integers(0, most)}" for word, most in zip("stca", (2, 4, 2, 3), strict=True))
        found.append(Row(f"{subject}/{take}/{camera}/{place // 2}", subject, f"{subject}/{take}", camera, action))
    return found


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(4))
def test_averages_are_those_of_plain_loops(seed):
    random = np.random.default_rng(seed)
    rows = rows_of(random, 30)
    total, count = random.random(30) * 100.0, random.integers(0, 5, 30).astype(float)
    total[count == 0] = 0.0
    labels = {
        "": lambda _: "",
        "action": lambda row: row.action,
        "subject": lambda row: row.subject,
        "subject x action": lambda row: (row.subject, row.action),
    }
    averages = Averages(rows, "frame")
    for kind, (unit, within) in AVERAGES.items():
        groups = {}
        for row, numerator, number in zip(rows, total, count, strict=True):
            name = {"frame": "", "clip": row.clip, "take": row.take}[unit]
            one = groups.setdefault(labels[within](row), {}).setdefault(name, [0.0, 0.0])
            one[0] += numerator
            one[1] += number
        if unit == "frame":
            means = [units[""][0] / units[""][1] for units in groups.values() if units[""][1]]
        else:
            inner = [[a / b for a, b in units.values() if b] for units in groups.values()]
            means = [mean(values) for values in inner if values]
        assert averages.value(total, count, kind) == pytest.approx(mean(means), rel=1e-12), kind
    for kind in ("frame", "take", "action"):
        assert averages.value(total, count, kind) == pytest.approx(float(average(rows, total, count, kind)), rel=1e-12)


def test_an_average_of_nothing_is_no_number():
    rows = rows_of(np.random.default_rng(0), 5)
    averages = Averages(rows, "take")
    assert np.isnan(averages.value(np.zeros(5), np.zeros(5), "clip in action"))
    assert averages.resampled(np.zeros(5), np.zeros(5), "frame") is None
    assert averages.change(None, None) is None


def test_the_interval_of_a_change_is_that_of_a_paired_comparison():
    """Ten takes; the same resamples for both, so that a constant difference has an interval without width."""
    rows = [Row(f"s/t{n}/c", "s", f"s/t{n}", "c", "walk") for n in range(10)]
    total, count = np.arange(10.0), np.ones(10)
    averages = Averages(rows, "take")
    low, high = averages.change(averages.resampled(total + 3.0, count, "take"), averages.resampled(total, count, "take"))
    assert (low, high) == (pytest.approx(3.0), pytest.approx(3.0))
