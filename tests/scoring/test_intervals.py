"""Intervals over takes: what is drawn, when none is given, and that they cover what they promise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats as reference

from posebench.scoring.intervals import (
    LEVEL,
    RESAMPLES,
    Jackknife,
    Resampling,
    compact_letter_display,
    interval,
    read_tie_groups,
    resample,
    resampled,
    t_quantile,
)
from posebench.scoring.sums import Row, average


def rows_of(actions, cameras=1):
    """One row a take and camera, the take's action as given."""
    return [
        Row(f"S1/{i}/c{camera}", "S1", f"S1/{i}", f"c{camera}", action) for i, action in enumerate(actions) for camera in range(cameras)
    ]


@pytest.mark.parametrize("probability", [0.55, 0.8, 0.975, 0.995, 0.9995])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 7, 10, 29, 30, 200])
def test_quantiles_of_students_t_equal_scipys(probability, freedom):
    assert t_quantile(probability, freedom) == pytest.approx(reference.t.ppf(probability, freedom), rel=1e-9)


@pytest.mark.parametrize("headline", ["frame", "take", "action"])
def test_each_resample_draws_as_many_takes_as_there_are(headline):
    draw = resample(rows_of("a" * 8 + "b" * 10), headline)
    assert draw.weights.shape == (RESAMPLES, 18)
    assert (draw.weights.sum(axis=1) == 18).all()
    assert len(np.unique(draw.weights, axis=0)) > RESAMPLES / 4
    assert (draw.weights >= 0).all()


def test_resampling_keeps_the_takes_of_each_action_under_an_action_average():
    draw = resample(rows_of("a" * 8 + "b" * 10), "action")
    assert (draw.weights[:, :8].sum(axis=1) == 8).all()
    assert draw.freedom == 16
    free = resample(rows_of("a" * 8 + "b" * 10), "take")
    assert not (free.weights[:, :8].sum(axis=1) == 8).all()
    assert free.freedom == 17


def test_cameras_of_a_take_are_drawn_together():
    assert resample(rows_of("a" * 12, cameras=4), "frame").weights.shape == (RESAMPLES, 12)
    assert resample(rows_of("aaaa", cameras=4), "frame").weights.shape == (1 + 4, 4)


def test_the_same_rows_give_the_same_resamples():
    first, second = (resample(rows_of("aaabbbbb"), "take") for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)


def test_the_stream_of_random_numbers_is_the_guaranteed_one():
    # The first resamples of nine takes under numpy.random.RandomState: published intervals rest on it.
    drawn = resample(rows_of("a" * 9), "take", resamples=3).weights
    expected = np.random.RandomState(20190412).randint(0, 9, (3, 9))
    assert drawn.tolist() == [[float((row == i).sum()) for i in range(9)] for row in expected]


@pytest.mark.parametrize(
    ("actions", "headline", "given"),
    [
        ("a", "take", False),
        ("a", "frame", False),
        ("aa", "take", True),
        ("ab", "take", True),
        ("aab", "action", False),
        ("aabb", "action", True),
    ],
)
def test_one_take_or_an_action_with_one_take_gives_no_interval(actions, headline, given):
    rows = rows_of(actions)
    draw = resample(rows, headline)
    assert (draw is not None) == given
    total, count = np.arange(1.0, len(rows) + 1), np.ones(len(rows))
    assert (interval(rows, total, count, headline, draw) is not None) == given
    assert (resampled(rows, total, count, headline, draw) is not None) == given


def test_no_interval_is_given_where_a_resample_holds_nothing():
    rows = rows_of("aa")
    draw = resample(rows, "take")
    assert interval(rows, np.array([1.0, 0.0]), np.array([1.0, 0.0]), "take", draw) is None


@pytest.mark.parametrize("kind", ["frame", "take", "action"])
def test_the_interval_lies_around_the_value(kind):
    random = np.random.default_rng(1)
    rows = rows_of("aaaabbbbbb", cameras=2)
    count = random.integers(10, 50, len(rows)).astype(float)
    total = count * random.normal(50.0, 5.0, len(rows))
    low, high = interval(rows, total, count, kind, resample(rows, kind))
    value = float(average(rows, total, count, kind))
    assert low < value < high
    assert high - low < 20.0


def test_takes_that_agree_give_an_interval_without_width():
    rows = rows_of("aaaa")
    low, high = interval(rows, np.full(4, 21.0), np.full(4, 3.0), "take", resample(rows, "take"))
    assert (low, high) == pytest.approx((7.0, 7.0))


def test_more_takes_give_a_narrower_interval():
    random = np.random.default_rng(2)
    widths = []
    for takes in (5, 20, 80):
        rows = rows_of("a" * takes)
        values = random.normal(50.0, 5.0, 1000)[:takes]
        low, high = interval(rows, values, np.ones(takes), "take", resample(rows, "take"))
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 2.0 * widths[2]


@pytest.mark.parametrize(
    ("actions", "headline", "least"),
    [
        ("aa", "take", 0.925),
        ("aaa", "take", 0.925),
        ("aaaa", "frame", 0.925),
        ("aaaaa", "take", 0.925),
        ("a" * 7, "take", 0.92),
        ("a" * 8, "take", 0.92),
        ("a" * 15, "take", 0.92),
        ("aabb", "action", 0.92),
        ("aabbccddeeffgg", "action", 0.92),
    ],
)
def test_an_interval_covers_the_truth_as_often_as_it_promises(actions, headline, least):
    # Normal takes of known mean. A percentile interval covers 48, 75, 89 and 92 % with two, three, four and five takes.
    random = np.random.default_rng(3)
    rows = rows_of(actions)
    draw = resample(rows, headline)
    hits = 0
    for _ in range(1000):
        low, high = interval(rows, random.normal(50.0, 5.0, len(rows)), np.ones(len(rows)), headline, draw)
        hits += low <= 50.0 <= high
    assert least <= hits / 1000 <= LEVEL + 0.02


def test_few_takes_give_students_interval_of_their_mean():
    rows, values = rows_of("aaaa"), np.array([48.0, 55.0, 51.0, 60.0])
    low, high = interval(rows, values, np.ones(4), "take", resample(rows, "take"))
    expected = reference.t.interval(LEVEL, 3, loc=values.mean(), scale=values.std(ddof=1) / 2.0)
    assert (low, high) == pytest.approx(expected, rel=1e-9)


def test_p_of_few_takes_is_that_of_the_paired_t_test():
    rows, x, y = rows_of("aaaa"), np.array([48.0, 55.0, 51.0, 60.0]), np.array([47.0, 51.0, 50.0, 58.5])
    draw = resample(rows, "take")
    differences = resampled(rows, x - y, np.ones(4), "take", draw)
    assert draw.p_value(differences) == pytest.approx(reference.ttest_rel(x, y).pvalue, rel=1e-9)
    assert draw.p_value(np.zeros(5)) == 1.0
    assert draw.p_value(np.full(5, 3.0)) == 0.0


def test_the_jackknife_hands_over_to_the_bootstrap():
    assert isinstance(resample(rows_of("a" * 7), "take"), Jackknife)
    assert isinstance(resample(rows_of("a" * 8), "take"), Resampling)
    assert isinstance(resample(rows_of("abcdefghijklmno" * 2), "action"), Jackknife)
    assert isinstance(resample(rows_of("abcdefghijklmno" * 4), "action"), Resampling)


@pytest.mark.parametrize("actions", ["aa", "aaa", "aaaaa", "a" * 6, "a" * 8, "a" * 20, "aabb", "aabbccddeeff", "aaabbbccc"])
def test_p_is_below_5_percent_exactly_where_the_interval_excludes_zero(actions):
    random = np.random.default_rng(4)
    rows, headline = rows_of(actions), "action" if len(set(actions)) > 1 else "take"
    draw = resample(rows, headline)
    decided = 0
    for _ in range(300):
        total = random.normal(random.uniform(-2, 2) * 5.0 / np.sqrt(len(rows)), 5.0, len(rows))
        differences = resampled(rows, total, np.ones(len(rows)), headline, draw)
        low, high = draw.interval(differences)
        assert (draw.p_value(differences) < 1.0 - LEVEL) == (low > 0.0 or high < 0.0)
        decided += low > 0.0 or high < 0.0
    assert 0 < decided < 300


@pytest.mark.parametrize(
    ("actions", "headline", "strata"), [("a" * 10, "take", 1), ("a" * 9 + "b" * 11, "take", 1), ("a" * 9 + "b" * 11, "action", 2)]
)
def test_takes_widen_by_the_bootstraps_bias_and_cost_a_degree_of_freedom_a_stratum(actions, headline, strata):
    drawn = resample(rows_of(actions), headline)
    sizes = np.array([len(actions)] if strata == 1 else [9, 11])
    assert drawn.widening == pytest.approx(np.sqrt(np.mean(sizes / (sizes - 1))))
    assert drawn.freedom == len(actions) - strata


@pytest.mark.parametrize(("widening", "freedom"), [(1.0, 200), (np.sqrt(5 / 4), 4), (np.sqrt(3 / 2), 2)])
@pytest.mark.parametrize("beyond", [30, 100, 400])
def test_p_is_that_of_students_t_at_the_corrected_distance_of_zero(widening, freedom, beyond):
    differences = np.r_[np.full(beyond, -1.0), np.full(1000 - beyond, 1.0)]
    p = Resampling(np.empty(0), widening, freedom).p_value(differences)
    distance = reference.norm.isf(beyond / 1000) / widening
    assert p == pytest.approx(2 * reference.t.sf(distance, freedom), rel=1e-9)
    assert p == pytest.approx(Resampling(np.empty(0), widening, freedom).p_value(-differences), rel=1e-9)


def test_p_of_zero_far_from_all_resamples_follows_from_its_distance_in_standard_deviations():
    differences = np.random.RandomState(0).normal(8.0, 1.0, 1000)
    p = Resampling(np.empty(0), 1.1, 9).p_value(differences)
    assert p == pytest.approx(2 * reference.t.sf(differences.mean() / differences.std() / 1.1, 9), rel=1e-6)
    assert Resampling(np.empty(0), 1.1, 9).p_value(np.ones(1000)) == 0.0


def test_p_is_one_where_as_many_differences_are_positive_as_negative():
    assert Resampling(np.empty(0), 1.0, 9).p_value(np.r_[-1.0, 0.0, 0.0, 1.0]) == 1.0


@pytest.mark.parametrize("widening", [1.0, 1.2])
def test_an_interval_ends_at_the_quantiles_of_the_widened_level(widening):
    values = np.linspace(0.0, 1.0, 100_001)
    low, high = Resampling(np.empty(0), widening, 9).interval(values)
    tail = reference.norm.cdf(-widening * reference.t.ppf(0.975, 9))
    assert (low, high) == pytest.approx((tail, 1.0 - tail), rel=1e-6)


@pytest.mark.parametrize("count", [26, 27, 300])
def test_any_number_of_tie_groups_has_names_that_break_no_table(count):
    names = [f"row {number}" for number in range(count)]
    separable = {frozenset(pair) for pair in combinations(names, 2)}
    found = compact_letter_display(names, separable)
    assert len(set(found.values())) == count
    assert list(found.values())[-1] == ("z" if count == 26 else str(count))
    assert all(text.isalnum() and text.isascii() for text in found.values())


@pytest.mark.parametrize("shape", ["line", "any"])
def test_rows_share_a_group_exactly_if_they_are_not_separable_however_many_there_are(shape):
    rng = np.random.default_rng(5)
    names = [f"row {number}" for number in range(120)]
    place = dict(zip(names, np.sort(rng.random(120)), strict=True))
    apart = {frozenset(pair): abs(place[pair[0]] - place[pair[1]]) for pair in combinations(names, 2)}
    separable = {pair for pair, distance in apart.items() if distance > 0.05 * (rng.random() if shape == "any" else 1.0)}
    found = compact_letter_display(names, separable)
    assert all(found.values())
    for one, other in combinations(names, 2):
        assert bool(read_tie_groups(found[one]) & read_tie_groups(found[other])) == (frozenset((one, other)) not in separable)
