"""Where a moving body of the ``synthetic`` dataset is: how high above the ground, and along which path its feet carry it.

**Convention.** World y up, mm, ground at y = 0; poses (T, 17, 3) with the pelvis at the origin, at the dataset's 50 frames a second;
``lift`` (T,) is what the lowest ankle is meant to be off the ground in a jump.
"""

from __future__ import annotations

import numpy as np

from posebench.data.synthetic.body import SKELETON, Array

#: Least height of a joint above the ground as a share of the ankle's; what is not listed may come down to half.
CLEARANCE = {"l_ankle": 1.0, "r_ankle": 1.0, "l_knee": 0.7, "r_knee": 0.7, "pelvis": 1.0, "l_hip": 1.0, "r_hip": 1.0}
#: Within it two joints share the load: mm.
SOFTNESS = 8.0
#: Ankles that differ by it in height bear very different loads: mm.
LOAD_MM = 15.0
#: With both ankles higher the body flies: mm.
AIRBORNE = 15.0
#: A body has mass: its height and its velocity over ground are means over this many frames (standard deviation).
INERTIA_UP, INERTIA_ALONG = 4.0, 1.5
#: No flight lasts longer: frames, 0.7 s, which is a leap of 600 mm.
FLIGHT = 35


def flights(lift: Array) -> Array:
    """``lift`` (T,) without what lasts longer than a leap: less its morphological opening over :data:`FLIGHT` frames."""

    def over_window(values: Array, reduce: np.ufunc) -> Array:
        padded = np.pad(values, (FLIGHT // 2, FLIGHT - 1 - FLIGHT // 2), mode="edge")
        out: Array = reduce.reduce(np.lib.stride_tricks.sliding_window_view(padded, FLIGHT), axis=1)
        return out

    lift = np.maximum(lift, 0.0)
    return lift - np.minimum(over_window(over_window(lift, np.minimum), np.maximum), lift)


def pelvis_height(pose: Array, lift: Array, ankle_height: float) -> Array:
    """Pelvis height (T,) at which no joint is in the ground, and the lowest touches it or is ``lift`` above, smoothed over time."""
    needed = np.stack([ankle_height * CLEARANCE.get(joint, 0.5) - pose[:, k, 1] for k, joint in enumerate(SKELETON.joints)], axis=1)
    support = _soft_maximum(needed)
    return _soft_maximum(np.stack([_mean_around(support + lift, INERTIA_UP), support], axis=1))


def ground_path(pose: Array, lift: Array) -> Array:
    """Pelvis path (T, 2) mm in x and z under which the ankle that bears the load stands nearly still; in the air the speed is kept."""
    ankles = pose[:, [SKELETON.index("l_ankle"), SKELETON.index("r_ankle")]]
    load = _step((ankles[:, 1, 1] - ankles[:, 0, 1]) / LOAD_MM)
    load = 0.5 * (load[1:] + load[:-1])[:, None]
    steps = np.diff(ankles[:, :, [0, 2]], axis=0)
    velocity = -(load * steps[:, 0] + (1.0 - load) * steps[:, 1])
    grounded = _step((AIRBORNE - 0.5 * (lift[1:] + lift[:-1])) / 5.0)[:, None] + 1e-6
    kept = _mean_around(grounded * velocity, 10.0) / _mean_around(grounded, 10.0)
    velocity = _mean_around(grounded * velocity + (1.0 - grounded) * kept, INERTIA_ALONG)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(velocity, axis=0)])


def _soft_maximum(values: Array) -> Array:
    """Of (T, N) over N: not below the maximum, and smooth where two values cross."""
    top = values.max(axis=1)
    out: Array = top + SOFTNESS * np.log(np.exp((values - top[:, None]) / SOFTNESS).sum(axis=1))
    return out


def _step(values: Array) -> Array:
    """0 far below zero, 1 far above."""
    out: Array = 1.0 / (1.0 + np.exp(-np.clip(values, -50.0, 50.0)))
    return out


def _mean_around(values: Array, sigma: float) -> Array:
    """Gaussian mean over time of (T,) or (T, N), of what there is at the ends."""
    reach = int(4 * sigma)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    series = values if values.ndim == 2 else values[:, None]
    total = np.stack([np.convolve(column, window, mode="same") for column in series.T], axis=1)
    out: Array = total / np.convolve(np.ones(len(series)), window, mode="same")[:, None]
    return out if values.ndim == 2 else out[:, 0]
