"""PCK, AUC and CPS by counting thresholds against explicit loops over thresholds."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posebench.metrics import thresholds as module
from posebench.metrics.thresholds import AUC_THRESHOLDS, auc, cps, pck, pck_curve, threshold_values, thresholds_passed


def test_pck_is_strict_unless_asked():
    errors = [np.nextafter(150.0, 0.0), 150.0, np.nextafter(150.0, 200.0)]
    assert pck(errors).tolist() == [100.0, 0.0, 0.0]
    assert pck(errors, inclusive=True).tolist() == [100.0, 100.0, 0.0]
    assert pck([[0.0, 49.0], [51.0, 50.0]], 50.0).tolist() == [[100.0, 100.0], [0.0, 0.0]]


def edges(last, step):
    exact = np.arange(0.0, last + 2 * step, step)
    return np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, 0.0), [0.1, 33.3, 1e6, np.inf]])


def area(errors, thresholds=AUC_THRESHOLDS):
    return auc(thresholds_passed(errors, thresholds), thresholds)


def area_by_loop(errors):
    return np.mean([pck(errors, threshold) for threshold in range(0, 151, 5)], axis=0)


def test_auc_is_the_mean_of_pck_over_31_thresholds_at_every_edge():
    errors = edges(150.0, 5.0)
    np.testing.assert_allclose(area(errors), area_by_loop(errors), rtol=1e-13)
    assert area(0.0) == pytest.approx(100.0 * 30 / 31)
    assert area(150.0) == 0.0


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=50))
def test_auc_is_the_mean_of_pck_over_31_thresholds(errors):
    np.testing.assert_allclose(area(errors), area_by_loop(np.array(errors)), rtol=1e-13)


@pytest.mark.parametrize("thresholds", [(0.0, 150.0, 5.0), (5.0, 200.0, 5.0), (0.1, 0.9, 0.1)])
def test_the_curve_is_pck_at_each_threshold_summed_over_frames(thresholds):
    first, last, step = thresholds
    exact = first + step * np.arange(round((last - first) / step) + 1)
    errors = np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf), [1e6]])[:, None]
    assert threshold_values(thresholds) == exact.tolist()
    expected = [pck(errors, threshold).sum() for threshold in exact]
    assert pck_curve(thresholds_passed(errors, thresholds), thresholds).tolist() == expected


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=50))
def test_the_mean_of_the_curve_is_the_area(errors):
    passed = thresholds_passed([errors])
    np.testing.assert_allclose(pck_curve(passed).mean(), auc(passed).mean(), rtol=1e-12)


def test_the_counts_of_passed_thresholds_are_kept_unless_they_are_named_as_output():
    passed = thresholds_passed([[2.0, 7.0, 200.0]])
    area = auc(passed)
    assert passed.tolist() == [[30.0, 29.0, 0.0]]
    assert auc(passed, out=passed) is passed
    np.testing.assert_array_equal(passed, area)


def test_auc_takes_other_thresholds():
    errors = edges(200.0, 5.0)
    expected = np.mean([pck(errors, threshold) for threshold in range(5, 201, 5)], axis=0)
    np.testing.assert_allclose(area(errors, (5.0, 200.0, 5.0)), expected, rtol=1e-13)


@pytest.mark.parametrize("thresholds", [(0.0, 0.15, 0.005), (0.0, 30.0, 0.1), (0.1, 0.9, 0.1), (1.0, 300.0, 1.0)])
def test_auc_is_exact_at_thresholds_that_are_not_binary_fractions(thresholds):
    first, last, step = thresholds
    exact = first + step * np.arange(round((last - first) / step) + 1)
    errors = np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf)])
    expected = np.mean([pck(errors, threshold) for threshold in exact], axis=0)
    np.testing.assert_allclose(area(errors, thresholds), expected, rtol=1e-12)


def cps_by_loop(errors):
    thresholds = np.arange(1, 301)
    correct = (np.asarray(errors).max(axis=1)[:, None] < thresholds).astype(float)
    return np.trapezoid(correct, thresholds, axis=1)


def test_cps_is_the_trapezoid_area_at_every_edge():
    errors = edges(300.0, 1.0)[:, None] * [1.0, 0.5]
    np.testing.assert_allclose(cps(errors), cps_by_loop(errors), rtol=1e-13)
    assert cps([[0.0, 0.0]]).tolist() == [299.0]
    assert cps([[299.0, 0.0], [299.5, 0.0], [300.0, 0.0]]).tolist() == [0.5, 0.5, 0.0]


@given(st.lists(st.lists(st.floats(0.0, 400.0), min_size=3, max_size=3), min_size=1, max_size=20))
def test_cps_is_the_trapezoid_area_of_the_worst_joint(errors):
    np.testing.assert_allclose(cps(errors), cps_by_loop(errors), rtol=1e-13)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0
