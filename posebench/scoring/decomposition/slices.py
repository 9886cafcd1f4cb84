"""What poses have in common: facing, elevation of the view, distance, depth, speed. A number of a bin for each pose, from the truth alone.

**Convention.** Poses are (3, J, n): component, joint, frame; mm, camera axes (x right, y down, z forward).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from posebench.scoring.decomposition.body import Body

Array = npt.NDArray[np.float64]
Bins = npt.NDArray[np.intp]

#: Directions that a body faces, as seen in the image, from the camera's in steps of 45 degrees.
FACING = (
    "to the camera",
    "to the camera and right",
    "to the right",
    "away and right",
    "away from the camera",
    "away and left",
    "to the left",
    "to the camera and left",
)
_DEGREES = (-10.0, 0.0, 5.0, 10.0, 20.0, 30.0)
_METRES = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0)
_SHARE = (0.2, 0.3, 0.4, 0.5, 0.6)
_SPEED = (0.1, 0.25, 0.5, 1.0, 2.0)
_BONE = (0.25, 0.5, 0.75)


def _between(edges: tuple[float, ...], unit: str) -> tuple[str, ...]:
    """Labels of the bins below, between and above the edges."""
    inner = (f"{low:g} to {high:g}{unit}" for low, high in pairwise(edges))
    return (f"below {edges[0]:g}{unit}", *inner, f"{edges[-1]:g}{unit} or more")


#: Labels of the bins of every dimension that single poses (of ``bone-depth``: bones) are sorted by.
LABELS: dict[str, tuple[str, ...]] = {
    "facing": FACING,
    "elevation": _between(_DEGREES, " degrees"),
    "distance": _between(_METRES, " m"),
    "depth-share": _between(_SHARE, ""),
    "speed": _between(_SPEED, " m/s"),
    "bone-depth": _between(_BONE, ""),
}


def facing(truth: Array, root: Array, body: Body) -> Bins | None:
    """(n,) number of :data:`FACING`: angle between the front of the shoulders and the direction to the camera, in the plane of x and z.

    None without shoulders. ``root`` (3, n) is zero where the person's place is unknown; the camera is then along z.
    """
    if body.shoulders is None:
        return None
    left, right = body.shoulders
    x, _, z = truth[:, left] - truth[:, right]
    front_x, front_z = z, -x  # left, turned by a quarter about the image's vertical
    to_x, to_z = -root[0], np.where((root[0] == 0.0) & (root[2] == 0.0), -1.0, -root[2])
    angle = np.arctan2(to_x * front_z - to_z * front_x, to_x * front_x + to_z * front_z)
    bins: Bins = np.rint(angle / (np.pi / 4)).astype(np.intp) % len(FACING)
    return bins


def elevation(ray: Array, up: Array) -> Bins:
    """(n,) bin of the angle by which the camera looks down on a person, for rays (3, n) and the direction ``up`` (3,), unit vectors."""
    bins: Bins = np.digitize(np.degrees(-np.arcsin(np.clip(up @ ray, -1.0, 1.0))), _DEGREES)
    return bins


def distance(root: Array) -> Bins:
    """(n,) bin of the distance of the root (3, n), mm."""
    bins: Bins = np.digitize(np.sqrt(np.einsum("cn,cn->n", root, root)) / 1000.0, _METRES)
    return bins


def depth_shares(bones: Array, length: Array) -> tuple[Bins, Bins]:
    """Bins of |z| over the length (bones, n) of true bones (3, bones, n): (n,) of a pose's mean over its bones, and (bones, n)."""
    share = np.abs(bones[2]) / np.where(length > 0.0, length, np.inf)
    return np.digitize(share.mean(axis=0), _SHARE), np.digitize(share, _BONE)


def speed(truth: npt.NDArray[np.floating], frames: npt.NDArray[np.int64], stride: int, rate: float) -> Bins:
    """(n,) bin of the mean speed of the joints, from each pose of a clip (n, J, 3) mm to the next one; the last has that of the one before.

    Where a frame has no successor, the pose has the speed of rest.
    """
    count = len(truth)
    found = np.zeros(count)
    for start in range(0, count - 1, 4096):  # a long clip needs no copy of its own
        step = np.diff(truth[start : start + 4097].astype(np.float64), axis=0)
        moved = np.sqrt(np.einsum("tjc,tjc->tj", step, step)).mean(axis=1)
        found[start : start + len(moved)] = moved
    follows = np.diff(frames) == stride
    found[:-1] *= follows
    if count > 1 and follows[-1]:
        found[-1] = found[-2]
    return np.digitize(found * (rate / 1000.0), _SPEED)
