"""Which of two values a track takes in each frame: the cheapest sequence under a cost of each value and one of the acceleration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def cheapest(values: Array, costs: Array, deviation: float, most: float) -> npt.NDArray[np.intp]:
    """The choices (N, T) of 0 or 1 with the least total cost, for N tracks at once.

    The cost of a sequence is the sum of ``costs`` of its choices, and over all three consecutive frames
    ``min((q[t] - 2 q[t-1] + q[t-2])^2 / deviation^2, most)`` with q the chosen values. Dynamic programming over pairs of choices finds the
    least.

    Args:
        values: (N, T, 2) the two values of each frame.
        costs: (N, T, 2) of each.
        deviation: of accelerations, in the unit of the values.
        most: largest cost of one acceleration.
    """
    tracks, frames, _ = values.shape
    if frames == 1:
        single: npt.NDArray[np.intp] = np.argmin(costs[:, 0], axis=1)[:, None]
        return single
    best = costs[:, 0, :, None] + costs[:, 1, None, :]
    came_from = np.zeros((frames, tracks, 2, 2), np.int8)
    for t in range(2, frames):
        acceleration = values[:, t, None, None, :] - 2.0 * values[:, t - 1, None, :, None] + values[:, t - 2, :, None, None]
        total = best[:, :, :, None] + np.minimum((acceleration / deviation) ** 2, most)
        came_from[t] = total.argmin(axis=1)
        best = total.min(axis=1) + costs[:, t, None, :]
    chosen = np.zeros((tracks, frames), np.intp)
    last = best.reshape(tracks, 4).argmin(axis=1)
    chosen[:, -2], chosen[:, -1] = last // 2, last % 2
    every = np.arange(tracks)
    for t in range(frames - 1, 1, -1):
        chosen[:, t - 2] = came_from[t, every, chosen[:, t - 1], chosen[:, t]]
    return chosen
