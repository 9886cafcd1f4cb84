"""Velocity and acceleration errors."""

import numpy as np
import pytest

from posebench.metrics import acceleration_error, velocity_error


@pytest.mark.parametrize(("metric", "order"), [(velocity_error, 1), (acceleration_error, 2)])
def test_differences_in_time_need_enough_frames(pair, metric, order):
    pred, truth, _ = pair(n=4)
    for frames in range(5):
        assert metric(pred[:frames], truth[:frames]).shape == (max(0, min(frames, 4) - order), 17)


def test_velocity_and_acceleration_are_differences_of_consecutive_frames():
    t = np.arange(5.0)[:, None, None]
    truth = np.zeros((5, 17, 3))
    pred = np.broadcast_to(3.0 * t * [1.0, 0.0, 0.0] + 2.0 * t**2 * [0.0, 1.0, 0.0], truth.shape)
    np.testing.assert_allclose(velocity_error(pred, truth)[:, 0], np.hypot(3.0, [2.0, 6.0, 10.0, 14.0]))
    np.testing.assert_allclose(acceleration_error(pred, truth), 4.0)
    np.testing.assert_allclose(velocity_error(pred + 99.0, truth), velocity_error(pred, truth))
