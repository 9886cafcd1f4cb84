"""Which of two values a track takes in each frame: the cheapest sequence under a cost of each value and one of the acceleration.

``cheapest`` has the choices, ``margins`` how much more the other choice of each frame would cost.
"""

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
        total = best[:, :, :, None] + _of_acceleration(values, t, deviation, most)
        came_from[t] = total.argmin(axis=1)
        best = total.min(axis=1) + costs[:, t, None, :]
    chosen = np.zeros((tracks, frames), np.intp)
    last = best.reshape(tracks, 4).argmin(axis=1)
    chosen[:, -2], chosen[:, -1] = last // 2, last % 2
    every = np.arange(tracks)
    for t in range(frames - 1, 1, -1):
        chosen[:, t - 2] = came_from[t, every, chosen[:, t - 1], chosen[:, t]]
    return chosen


def margins(values: Array, costs: Array, deviation: float, most: float) -> Array:
    """How much more (N, T) the cheapest sequence with the other choice in a frame costs than the cheapest of all.

    These are differences of min-marginals: small where both choices explain the track about as well. Arguments as for :func:`cheapest`.
    """
    tracks, frames, _ = values.shape
    if frames == 1:
        single: Array = np.abs(costs[..., 1] - costs[..., 0])
        return single
    # Of the last two choices (k, l): the cheapest way to them, and on from them.
    there = np.empty((frames, tracks, 2, 2))
    there[1] = costs[:, 0, :, None] + costs[:, 1, None, :]
    changes = [_of_acceleration(values, t, deviation, most) for t in range(2, frames)]
    for t in range(2, frames):
        there[t] = (there[t - 1][:, :, :, None] + changes[t - 2]).min(axis=1) + costs[:, t, None, :]
    on = np.zeros((tracks, 2, 2))
    out = np.empty((tracks, frames))
    for t in range(frames - 1, 0, -1):
        through = there[t] + on
        out[:, t] = np.abs(np.diff(through.min(axis=1), axis=1))[:, 0]
        if t == 1:
            out[:, 0] = np.abs(np.diff(through.min(axis=2), axis=1))[:, 0]
        else:
            on = (changes[t - 2] + (costs[:, t, None, :] + on)[:, None]).min(axis=3)
    return out


def _of_acceleration(values: Array, t: int, deviation: float, most: float) -> Array:
    """The cost (N, 2, 2, 2) of the acceleration in frame t for each choice in the frames t - 2, t - 1 and t."""
    acceleration = values[:, t, None, None, :] - 2.0 * values[:, t - 1, None, :, None] + values[:, t - 2, :, None, None]
    cost: Array = np.minimum((acceleration / deviation) ** 2, most)
    return cost
