"""The poses on a page: as in the files, to a tenth of a millimetre, with keypoints on the true joints."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posebench.base.skeletons import skeleton
from posebench.display.html.windows import (
    BUDGET,
    LONGEST,
    SHORTEST,
    Moment,
    as_json,
    quantised,
    read_windows,
    seen_by_camera,
    window_length,
)
from posebench.metrics.position import mpjpe
from posebench.scoring.submission import loaded, open_submission
from posebench.scoring.truth import TruthLocation


def decoded(text, unit=10.0):
    whole = np.frombuffer(base64.b64decode(text), dtype="<i2").astype(np.float64)
    return np.where(whole == -32768, np.nan, whole / unit)


@pytest.fixture(scope="module")
def windows(made):
    """A window at the start, one in the middle and one at the end of a clip, with both predictions."""
    clip = next(iter(made.truth))
    last = len(made.truth[clip][::10]) - 1
    with ExitStack() as stack:
        submissions = {
            number: stack.enter_context(open_submission(path.parent / "predictions.npz", loaded(made.protocol), TruthLocation()))
            for number, path in enumerate((made.one, made.two))
        }
        moments = [Moment(clip, place, 0, "worst", 1.0) for place in (0, last // 2, last)]
        return clip, read_windows(submissions, moments, 50.0)


def test_poses_are_those_of_the_files_relative_to_the_root(made, windows):
    clip, found = windows
    for window in found:
        whole = made.truth[clip][window.numbers]
        np.testing.assert_allclose(window.truth, whole - whole[:, :1], atol=1e-9)
        np.testing.assert_array_equal(window.numbers, np.arange(window.numbers[0], window.numbers[-1] + 1, 10))
        assert window.fps == 5.0, "every tenth frame of 50 a second"
        assert window.numbers[window.at] == window.moment.place * 10
        assert 20 < mpjpe(window.predicted[0], window.truth).mean() < 60, "noise of 30 mm on each axis"


def test_keypoints_of_exact_cameras_lie_on_the_joints_that_the_camera_sees(windows):
    for window in windows[1]:
        np.testing.assert_allclose(window.keypoints, seen_by_camera(window.truth, window.root), atol=1e-6)


def test_the_view_of_a_camera_without_a_place_is_orthographic():
    poses = np.random.default_rng(0).normal(size=(4, 17, 3))
    np.testing.assert_array_equal(seen_by_camera(poses, None), poses[..., :2])


def test_a_part_of_a_window_keeps_its_moment(windows):
    for window in windows[1]:
        for length in (1, 3, len(window.numbers) + 10):
            part = window.around(length)
            assert part.numbers[part.at] == window.numbers[window.at]
            assert len(part.truth) == len(part.keypoints) == len(part.predicted[1]) == min(length, len(window.numbers))


def test_the_viewer_gets_everything_to_a_twentieth_of_a_millimetre(windows):
    joints = skeleton("h36m17")
    stored = as_json(windows[1], ["one", "two"], joints)
    assert [bone[:2] for bone in stored["bones"]] == [list(bone) for bone in joints.bones]
    for window, kept in zip(windows[1], stored["windows"], strict=True):
        for text, values in (
            (kept["truth"], window.truth),
            (kept["keypoints"], window.keypoints),
            (kept["predicted"][1], window.predicted[1]),
        ):
            np.testing.assert_allclose(decoded(text).reshape(values.shape), values, atol=0.0501)
        np.testing.assert_allclose(decoded(kept["root"], 1.0).reshape(-1, 3), window.root, atol=0.501)
        assert kept["first"] + kept["step"] * kept["at"] == window.numbers[window.at]


@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_a_number_is_stored_to_a_twentieth_of_a_millimetre_or_is_missing(values):
    """A coordinate that does not fit is not cut: its error would be shown as a smaller one."""
    kept = decoded(quantised(values))
    fits = np.abs(values) <= 3276.7
    np.testing.assert_array_equal(np.isfinite(kept[fits]), True)
    np.testing.assert_allclose(kept[fits], values[fits], atol=0.0501)
    assert np.isnan(kept[~(np.abs(values) < 3276.8)]).all()


def test_far_joints_are_kept_in_millimetres_and_farther_ones_are_missing(windows):
    _, (window, *_) = windows
    far = window.truth.copy()
    far[0, 1], far[1, 1], far[2, 1] = 20_000.0, 1e9, np.nan
    (kept,) = as_json([replace(window, predicted={0: far})], ["one"], skeleton("h36m17"))["windows"]
    assert kept["unit"] == 1.0
    poses = decoded(kept["predicted"][0], 1.0).reshape(far.shape)
    np.testing.assert_allclose(poses[0], far[0], atol=0.501)
    assert np.isnan(poses[1:3, 1]).all()
    np.testing.assert_allclose(decoded(kept["truth"], 1.0).reshape(far.shape), window.truth, atol=0.501)


@given(st.integers(1, 100), st.integers(1, 8), st.integers(10, 32))
def test_windows_are_odd_and_within_the_budget(count, results, joints):
    length = window_length(count, results, joints)
    assert length % 2 == 1
    assert SHORTEST <= length <= LONGEST
    assert length == SHORTEST or length * count * 2 * (joints * (3 * results + 5) + 3) <= BUDGET
