"""What a body tells of the file that it was read from: limbs of one length, knees that bend forwards, keypoints where it projects.

Readers whose files could not be tried here judge every recording with these. A wrong joint order, exchanged sides, a mirrored axis or a
wrong camera gives poses of a plausible size, and scores that mean nothing.

**Convention.** Poses (T, J, 3) mm in a right-handed frame, such as the camera's (x right, y down, z forward).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton

Array = npt.NDArray[np.float64]

#: Least and greatest median length of a limb, mm: children and giants are within.
LIMB = (70.0, 800.0)
#: Greatest ratio of a left limb to the right one, or the reverse.
SIDES = 1.6
#: Greatest spread of a limb's length (from the 10th to the 90th percentile) to its median. Joints fitted from images reach 0.2.
SPREAD = 0.45
#: A knee counts as bent where it lies this far before or behind the line from hip to ankle, as a share of the leg.
BENT = 0.04
#: Knees are judged where this many are bent, by the share that bends backwards.
KNEES, BACKWARDS = 40, 0.8
#: Least share of the joints of a recording that lie in front of a camera that sees it.
IN_FRONT = 0.95
#: Least share of the variance of keypoints that a pinhole camera explains.
EXPLAINED = 0.8
_LIMBS = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
_POSES = 512


def require_body(pose: Array, order: str, place: str, next_step: str) -> None:
    """Refuse poses that are in another joint order, or whose sides or axes are mirrored.

    Args:
        pose: (T, J, 3) mm, finite.
        order: skeleton id that the layout states.
        place: the file, and the recording in it.
        next_step: what to do.

    Raises:
        PosebenchError: a limb has an impossible or changing length, or knees bend backwards.
    """
    joints, some = skeleton(order), pose[:: max(1, len(pose) // _POSES)]
    wanted = f"people in the joint order {order}"
    for upper, lower in _LIMBS:
        length = np.stack([_length(some, joints, f"{side}_{upper}", f"{side}_{lower}") for side in "lr"])
        medians = np.median(length, axis=1)
        limb = f"{upper} to {lower}"
        if not (LIMB[0] <= medians.min() and medians.max() <= LIMB[1]):
            raise PosebenchError(f"{place}: {limb} of {medians[0]:.0f} mm on the left, {medians[1]:.0f} on the right", wanted, next_step)
        if medians.max() > SIDES * medians.min():
            found = f"{place}: {limb} of {medians[0]:.0f} mm on the left and {medians[1]:.0f} on the right"
            raise PosebenchError(found, f"{wanted}, whose sides are alike", next_step)
        spread = (np.quantile(length, 0.9, axis=1) - np.quantile(length, 0.1, axis=1)) / medians
        if spread.max() > SPREAD:
            found = f"{place}: the length {limb} varies by {100 * spread.max():.0f} %"
            raise PosebenchError(found, f"{wanted}, whose limbs keep their length", next_step)
    bent, backwards = _knees(some, joints)
    if bent >= KNEES and backwards > BACKWARDS * bent:
        raise PosebenchError(
            f"{place}: knees that bend backwards, in {backwards} of {bent} bent knees",
            "people: left and right, or an axis, are exchanged",
            next_step,
        )


def _length(pose: Array, joints: Skeleton, one: str, other: str) -> Array:
    out: Array = np.linalg.norm(pose[:, joints.index(one)] - pose[:, joints.index(other)], axis=-1)
    return out


def _knees(pose: Array, joints: Skeleton) -> tuple[int, int]:
    """How many knees are bent, and how many of them backwards."""

    def at(name: str) -> Array:
        return pose[:, joints.index(name)]

    hips, shoulders = (0.5 * (at(f"l_{name}") + at(f"r_{name}")) for name in ("hip", "shoulder"))
    forward = np.cross(at("l_hip") - at("r_hip"), shoulders - hips)
    forward /= np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-9)
    bent = backwards = 0
    for side in "lr":
        hip, knee, ankle = (at(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        leg = np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)
        before = np.einsum("tc,tc->t", knee - 0.5 * (hip + ankle), forward) / np.maximum(leg, 1e-9)
        bent += int((np.abs(before) > BENT).sum())
        backwards += int((before < -BENT).sum())
    return bent, backwards


def require_in_front(pose: Array, place: str, next_step: str) -> None:
    """Refuse poses (T, J, 3) mm of a camera's frame that are behind it.

    Raises:
        PosebenchError: more than a few joints are.
    """
    share = float((pose[..., 2] > 0.0).mean())
    if share < IN_FRONT:
        raise PosebenchError(
            f"{place}: {100 * (1 - share):.0f} % of the joints behind the camera",
            "poses in front of the camera that sees them: x right, y down, z forward",
            next_step,
        )


def require_projection(pose: Array, order: str, points: Array, of_points: str, place: str, next_step: str) -> None:
    """Refuse keypoints that are not where a pinhole camera sees the poses, whatever its focal length and principal point.

    A mirrored axis, an exchanged camera or another frame rate is found so, also where no intrinsics are known. Points at (0, 0) are gaps.

    Args:
        pose: (T, J, 3) mm, camera frame.
        order: skeleton id of the poses.
        points: (T, K, 2) px.
        of_points: skeleton id of the keypoints; joints of one name are compared.
        place: the file, and the clip in it.
        next_step: what to do.

    Raises:
        PosebenchError: they are not.
    """
    mine, theirs = skeleton(order), skeleton(of_points)
    common = [joint for joint in mine.joints if joint in theirs.joints]
    step = max(1, len(pose) // _POSES)
    seen = points[::step][:, [theirs.index(joint) for joint in common]].reshape(-1, 2)
    body = pose[::step][:, [mine.index(joint) for joint in common]].reshape(-1, 3)
    if (body[:, 2] > 0.0).mean() < IN_FRONT:
        return  # relative to the root, or behind the camera: not for this judge
    usable = np.isfinite(seen).all(axis=1) & (seen != 0.0).any(axis=1) & (body[:, 2] > 0.0)
    if usable.sum() < 20:
        return
    seen, ray = seen[usable], body[usable, :2] / body[usable, 2:]
    for axis, name in enumerate(("x", "y")):
        across, value = ray[:, axis] - ray[:, axis].mean(), seen[:, axis] - seen[:, axis].mean()
        slope = float(across @ value) / max(float(across @ across), 1e-12)
        explained = 1.0 - float(((value - slope * across) ** 2).sum()) / max(float(value @ value), 1e-12)
        if slope <= 0.0 or explained < EXPLAINED:
            how = (
                "on the other side"
                if slope <= 0.0
                else f"elsewhere (a camera explains {100 * max(0.0, explained):.0f} % of their variance)"
            )
            raise PosebenchError(
                f"{place}: keypoints whose {name} is {how} than the projected poses",
                "2D and 3D of the same frames and camera, no axis mirrored",
                next_step,
            )
