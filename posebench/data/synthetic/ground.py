"""Position of the body of ``synthetic`` in the world: pelvis height above the ground, and path over it, from the motion of the feet.

**Convention.** World y up, mm, ground at y = 0; poses (T, 17, 3) with the pelvis at the origin, at the dataset's 50 frames a second;
``lift`` (T,) is the intended height of the lowest ankle above its standing height, in a jump.
"""

from __future__ import annotations

import numpy as np

from posebench.data.synthetic.body import SKELETON, Array

#: Lowest height of a joint above the ground as a share of the ankle's standing height; 0.5 for joints that are not listed.
CLEARANCE = {"l_ankle": 1.0, "r_ankle": 1.0, "l_knee": 0.7, "r_knee": 0.7, "pelvis": 1.0, "l_hip": 1.0, "r_hip": 1.0}
#: Scale of the soft maximum, mm: joints whose heights differ by less support the body together.
SOFTNESS = 8.0
#: Scale of the logistic function from the height difference of the ankles to the share of the load, mm.
LOAD_MM = 15.0
#: The body is airborne if the lowest ankle is lifted by more, mm.
AIRBORNE = 15.0
#: Standard deviation, frames, of the Gaussian that smooths the pelvis height and the velocity over ground: a body has inertia.
INERTIA_UP, INERTIA_ALONG = 4.0, 1.5
#: Longest flight, frames: 0.7 s, a leap of 600 mm.
FLIGHT = 35


def flights(lift: Array) -> Array:
    """``lift`` (T,) minus its morphological opening over :data:`FLIGHT` frames: only peaks that are shorter than a leap remain."""

    def over_window(values: Array, reduce: np.ufunc) -> Array:
        padded = np.pad(values, (FLIGHT // 2, FLIGHT - 1 - FLIGHT // 2), mode="edge")
        out: Array = reduce.reduce(np.lib.stride_tricks.sliding_window_view(padded, FLIGHT), axis=1)
        return out

    lift = np.maximum(lift, 0.0)
    return lift - np.minimum(over_window(over_window(lift, np.minimum), np.maximum), lift)


def pelvis_height(pose: Array, lift: Array, ankle_height: float) -> Array:
    """Pelvis height (T,) mm at which no joint is below its clearance, and the lowest one is ``lift`` above it; smoothed over time."""
    needed = np.stack([ankle_height * CLEARANCE.get(joint, 0.5) - pose[:, k, 1] for k, joint in enumerate(SKELETON.joints)], axis=1)
    support = _soft_maximum(needed)
    return _soft_maximum(np.stack([_moving_average(support + lift, INERTIA_UP), support], axis=1))


def ground_path(pose: Array, lift: Array) -> Array:
    """Pelvis path (T, 2) mm in x and z for which the loaded ankle is nearly still; while airborne, the velocity is kept."""
    ankles = pose[:, [SKELETON.index("l_ankle"), SKELETON.index("r_ankle")]]
    # Share of the load on the left ankle, between frames: the lower ankle carries more.
    left_load = _logistic((ankles[:, 1, 1] - ankles[:, 0, 1]) / LOAD_MM)
    left_load = 0.5 * (left_load[1:] + left_load[:-1])[:, None]
    steps = np.diff(ankles[:, :, [0, 2]], axis=0)
    velocity = -(left_load * steps[:, 0] + (1.0 - left_load) * steps[:, 1])
    # 1 on the ground, 0 in the air; never exactly 0, since it is a weight that is divided by.
    grounded = _logistic((AIRBORNE - 0.5 * (lift[1:] + lift[:-1])) / 5.0)[:, None] + 1e-6
    velocity_nearby = _moving_average(grounded * velocity, 10.0) / _moving_average(grounded, 10.0)
    velocity = _moving_average(grounded * velocity + (1.0 - grounded) * velocity_nearby, INERTIA_ALONG)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(velocity, axis=0)])


def _soft_maximum(values: Array) -> Array:
    """(T,) soft maximum of (T, N) over N: at least the maximum, and smooth where two values cross."""
    top = values.max(axis=1)
    out: Array = top + SOFTNESS * np.log(np.exp((values - top[:, None]) / SOFTNESS).sum(axis=1))
    return out


def _logistic(values: Array) -> Array:
    """Logistic function: 0 far below zero, 1 far above."""
    out: Array = 1.0 / (1.0 + np.exp(-np.clip(values, -50.0, 50.0)))
    return out


def _moving_average(values: Array, sigma: float) -> Array:
    """Gaussian moving average over time of (T,) or (T, N); at the ends, over the frames that exist."""
    reach = int(4 * sigma)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    series = values if values.ndim == 2 else values[:, None]
    total = np.stack([np.convolve(column, window, mode="same") for column in series.T], axis=1)
    out: Array = total / np.convolve(np.ones(len(series)), window, mode="same")[:, None]
    return out if values.ndim == 2 else out[:, 0]
