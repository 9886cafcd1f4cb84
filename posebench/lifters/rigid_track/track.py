"""Poses of one clip made consistent with a rigid body: bone lengths from the clip, two places for each joint, the sequence that is smooth.

**Convention.** Everything happens before a camera that looks at the root, with unit focal length. A joint lies on its ray r = (x, y, 1),
at the place (c + d) r, where c is the distance of the root and d the joint's depth behind it. The unit is the mean distance from root to
head. Prior art: baselines/rigid_track/README.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton
from posebench.lifters.rigid_track.signs import cheapest

Array = npt.NDArray[np.float64]
#: Joints whose distance from the root is the unit; the first that a skeleton has.
HEADS = ("head_top", "neck_nose", "thorax")
#: Joints at the end of a bone that bends or is short: they keep the lifter's depth.
KEPT = ("spine", "thorax", "neck_nose")
#: Joints at the end of the bones that tell the size of the body in the image: trunk, neck and head, thighs, shanks.
SIZED = ("spine", "thorax", "neck_nose", "head_top", "r_knee", "l_knee", "r_ankle", "l_ankle")
ROUNDS = 3


class Settings(NamedTuple):
    """Settings of the tracker, chosen on ``cmu``'s tuning subject at 30 frames a second.

    Attributes:
        smooth: standard deviation, frames, of the Gaussian over which the size of the body in the image is smoothed.
        across: a bone counts in the medians of its length and of the size by 1 / (across^2 + (depth / length)^2): most where it lies across
            the view.
        lifted: deviation of the lifter's depths along a bone, in units of the distance from root to head.
        acceleration: deviation of accelerations of these depths, a frame and a frame.
        most_lifted: largest cost of one depth.
        most_acceleration: largest cost of one acceleration.
        length_error: deviation of the lengths of bones, as a share of them.
    """

    smooth: float = 10.0
    across: float = 0.3
    lifted: float = 0.15
    acceleration: float = 0.08
    most_lifted: float = 9.0
    most_acceleration: float = 25.0
    length_error: float = 0.02


class Seen(NamedTuple):
    """A clip before cameras that look at the root: see the convention.

    Attributes:
        turn: (T, 3, 3) rotations from the clip's camera frame.
        rays: (T, J, 3) with z = 1.
        depth: (T, J) d, as the lifter has it, in a frame of the root distance c.
        distance: c.
        unit: of lengths, in the unit of the lifter's poses.
        noise: (J,) deviation of the joints' places across their rays, at the distance of the root.
    """

    turn: Array
    rays: Array
    depth: Array
    distance: float
    unit: float
    noise: Array


class Body(NamedTuple):
    """What a clip tells about the body in it.

    Attributes:
        lengths: (N,) of the bones, left as right.
        sizes: (T,) how large the body is if the root's distance is c; 1 on geometric average.
    """

    lengths: Array
    sizes: Array


#: The settings that were chosen.
DEFAULT = Settings()


def signs_of(values: Array, costs: Array, settings: Settings, children: list[str]) -> npt.NDArray[np.intp]:  # noqa: ARG001
    """Which of two depths each of N bones has: see :func:`posebench.lifters.rigid_track.signs.cheapest`; ``children`` names their ends."""
    return cheapest(values, costs, settings.acceleration, settings.most_acceleration)


def track(
    poses: Array,
    keypoints: Array,
    joints: Skeleton,
    settings: Settings = DEFAULT,
    *,
    noise: Array | None = None,
    body: Callable[[Seen, Skeleton, Settings], Body] | None = None,
    signs: Callable[[Array, Array, Settings, list[str]], npt.NDArray[np.intp]] = signs_of,
) -> Array:
    """Poses (T, J, 3) of one clip, tracked, in the unit and the mean size of the given ones; the root at the origin.

    Frames whose poses or keypoints are not finite stay as they are, and the others are tracked as neighbours. A clip without a finite
    frame, or with keypoints that all lie on the root, stays as it is.

    Args:
        poses: (T, J, 3) camera frame, of any unit, root at the origin.
        keypoints: (T, J, 2) unit focal length.
        joints: order of the joints.
        settings: of the tracker.
        noise: (J,) deviation of the noise that smoothing took from the keypoints of each joint, unit focal length; none if left out.
        body: another first step than :func:`body_of`.
        signs: another third step than :func:`signs_of`.

    Raises:
        PosebenchError: the skeleton has no single root, or no joint of the head.
    """
    head = next((joints.index(name) for name in HEADS if name in joints.joints), None)
    if head is None or len(joints.root_indices) != 1:
        lacks = f"skeleton {joints.id}, which has no joint for the root, or none for the head"
        raise PosebenchError(lacks, "a skeleton such as h36m17", "leave --track out")
    whole = np.isfinite(poses).all(axis=(1, 2)) & np.isfinite(keypoints).all(axis=(1, 2))
    out = np.array(poses, np.float64)
    if not whole.any():
        return out
    seen = _seen(out[whole], np.asarray(keypoints, np.float64)[whole], joints, head)
    if seen is None:
        return out
    if noise is not None:
        seen = seen._replace(noise=noise * seen.distance)
    found = (body or body_of)(seen, joints, settings)
    placed = places_of(seen, found, joints, settings, signs)
    root = joints.root_indices[0]
    offsets = (placed - placed[:, root, None]) * (found.sizes[:, None, None] * seen.unit)
    out[whole] = offsets @ seen.turn
    return out


def _seen(poses: Array, keypoints: Array, joints: Skeleton, head: int) -> Seen | None:
    """The clip before cameras that look at the root; None where its images have no extent."""
    root = joints.root_indices[0]
    rays = np.concatenate([keypoints, np.ones_like(keypoints[..., :1])], axis=-1)
    turn = _to_axis(rays[:, root])
    turned = rays @ turn.transpose(0, 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rays = turned / turned[..., 2:]
        pose = poses @ turn.transpose(0, 2, 1)
        unit = float(np.linalg.norm(pose[:, head], axis=-1).mean())
        pose = pose / unit
        depth = pose[..., 2] - pose[:, root, 2, None]
        across = rays[..., :2]
        # The root's distance at which the rays pass nearest to the lifter's joints.
        distances = ((pose[..., :2] - depth[..., None] * across) * across).sum(axis=(1, 2)) / (across**2).sum(axis=(1, 2))
        distance = float(np.median(distances))
        depth = depth * (distance / distances)[:, None]
        mean_size = float(np.exp(np.log(distances / distance).mean())) if (distances > 0.0).all() else np.nan
    if not (np.isfinite(depth).all() and np.isfinite(rays).all() and np.isfinite(mean_size) and distance > 0.0):
        return None
    return Seen(turn, rays, depth, distance, unit * mean_size, np.zeros(rays.shape[1]))


def _to_axis(rays: Array) -> Array:
    """The shortest rotations (T, 3, 3) that turn rays (T, 3) with z > 0 to the optical axis."""
    x, y, z = (rays / np.linalg.norm(rays, axis=1, keepdims=True)).T
    scale = 1.0 / (1.0 + z)
    rows = [[1.0 - x * x * scale, -x * y * scale, -x], [-x * y * scale, 1.0 - y * y * scale, -y], [x, y, z]]
    return np.array(rows).transpose(2, 0, 1)


def body_of(seen: Seen, joints: Skeleton, settings: Settings) -> Body:
    """Bone lengths of a clip, and the size of the body in each of its frames, from the lifter's depths.

    Lengths are weighted medians over the clip and over left and right; sizes are weighted medians over bones, smoothed in time; the two are
    computed in turn. Bones that lie across the view count most, because an error of their depth hardly changes their length.
    """
    from scipy.ndimage import gaussian_filter1d

    places = (seen.distance + seen.depth)[..., None] * seen.rays
    parents, children = (list(ends) for ends in zip(*joints.bones, strict=True))
    bones = places[:, children] - places[:, parents]
    lengths = np.maximum(np.linalg.norm(bones, axis=-1), 1e-6)
    logs, weights = np.log(lengths), 1.0 / (settings.across**2 + (bones[..., 2] / lengths) ** 2)
    sized = [k for k, child in enumerate(children) if joints.joints[child] in SIZED] or list(range(len(children)))
    size = np.zeros(len(logs))
    for _ in range(ROUNDS):
        length = _lengths(logs + size[:, None], weights, joints)
        size = weighted_median((length[sized] - logs[:, sized]).T, weights[:, sized].T)
        size = gaussian_filter1d(size, settings.smooth, mode="nearest")
        size -= size.mean()
    return Body(np.exp(_lengths(logs + size[:, None], weights, joints)), np.exp(size))


def _lengths(logs: Array, weights: Array, joints: Skeleton) -> Array:
    """The log length (N,) of each bone over the frames of (T, N), one of left and right."""
    lengths = weighted_median(logs, weights)
    for pair in (list(pair) for pair in joints.bone_pairs):
        lengths[pair] = weighted_median(logs[:, pair].reshape(-1, 1), weights[:, pair].reshape(-1, 1))
    return lengths


def weighted_median(values: Array, weights: Array) -> Array:
    """Of each column of values (T, N): the least value up to which half of the weights lie."""
    order = values.argsort(axis=0)
    below = np.take_along_axis(weights, order, axis=0).cumsum(axis=0)
    middle = (below >= 0.5 * below[-1:]).argmax(axis=0)
    found: Array = values[order[middle, np.arange(values.shape[1])], np.arange(values.shape[1])]
    return found


def places_of(
    seen: Seen,
    body: Body,
    joints: Skeleton,
    settings: Settings,
    signs: Callable[[Array, Array, Settings, list[str]], npt.NDArray[np.intp]] = signs_of,
) -> Array:
    """Places (T, J, 3) of the joints, bone by bone from the root outwards."""
    root, rays, depth = joints.root_indices[0], seen.rays, seen.depth
    places = np.zeros_like(rays)
    places[:, root] = seen.distance * rays[:, root]
    done, waiting = {root}, list(range(len(joints.bones)))
    while ready := [k for k in waiting if joints.bones[k][0] in done]:
        kept = [k for k in ready if joints.joints[joints.bones[k][1]] in KEPT]
        for parent, child in (joints.bones[k] for k in kept):
            z = places[:, parent, 2] + depth[:, child] - depth[:, parent]
            places[:, child] = z[:, None] * rays[:, child]
        if tracked := [k for k in ready if k not in kept]:
            parents, children = (list(ends) for ends in zip(*(joints.bones[k] for k in tracked), strict=True))
            length = body.lengths[tracked]
            two = _two_places(places[:, parents], rays[:, children], length / body.sizes[:, None])
            size = body.sizes[:, None, None]
            near_and_far = size * (two - places[:, parents, 2:])
            lifted = body.sizes[:, None] * (depth[:, children] - depth[:, parents])
            costs = np.minimum(((near_and_far - lifted[..., None]) / settings.lifted) ** 2, settings.most_lifted)
            order, names = (1, 0, 2), [joints.joints[child] for child in children]
            chosen = signs(near_and_far.transpose(order), costs.transpose(order), settings, names)
            along = np.take_along_axis(near_and_far, chosen.T[..., None], axis=2)[..., 0]
            error = np.hypot(settings.length_error * length, np.hypot(seen.noise[parents], seen.noise[children]))
            along = _mixed(along, lifted, length, error, settings.lifted)
            z = places[:, parents, 2] + along / body.sizes[:, None]
            places[:, children] = z[..., None] * rays[:, children]
        done |= {joints.bones[k][1] for k in ready}
        waiting = [k for k in waiting if k not in ready]
    return places


def _two_places(parent: Array, ray: Array, length: Array) -> Array:
    """The nearer and the farther depth (T, N, 2) of the joints at the ends of N bones, all of whose parents are placed.

    Args:
        parent: (T, N, 3) places of the parents.
        ray: (T, N, 3) of the joints.
        length: (T, N) of the bones.
    """
    squared, along = (ray**2).sum(axis=-1), (ray * parent).sum(axis=-1)
    # Where the bone is seen longer than it is, the nearest place on the ray.
    reach = np.sqrt(np.maximum(0.0, along**2 - squared * ((parent**2).sum(axis=-1) - length**2)))
    both: Array = np.stack([along - reach, along + reach], axis=-1) / squared[..., None]
    return both


def _mixed(along: Array, lifted: Array, length: Array, error: Array, deviation: float) -> Array:
    """The depth along bones (T, N), mixed with the lifter's by precision.

    A bone's depth follows from its length L and its extent across the view, each of which is off by e. Far from the image plane the
    depth q is off by e L / q; near it, where q^2 = L^2 - extent^2 is of the order of its own error, by sqrt(e L).

    Args:
        along: (T, N) q.
        lifted: (T, N) that of the lifter.
        length: (N,) L.
        error: (N,) e.
        deviation: of the lifter's depths.
    """
    variance = (error * length) ** 2 / (along**2 + error * length + 1e-12)
    weight = deviation**2 / (deviation**2 + variance)
    mixed: Array = weight * along + (1.0 - weight) * lifted
    return mixed
