"""Alignment of the 3D poses to a template: each is rotated until its torso fits, without scaling, and so loses its orientation.

The authors' script is not published. According to the paper, poses are aligned to a template; according to a user of their code, by the
torso: hips and shoulders (issues 4 and 12 of their repository). This is our version of it.

**Convention.** The canonical frame faces the viewer: x to the viewer's right, y down, z away from the viewer. The origin is the mean of
the joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton
from posebench.metrics.alignment import procrustes

Array = npt.NDArray[np.float64]

TORSO = ("l_hip", "r_hip", "l_shoulder", "r_shoulder")
#: Iterations of the generalised Procrustes analysis.
_ITERATIONS = 10


def torso_joints(skeleton: Skeleton) -> list[int]:
    """Numbers of the joints that are aligned: both hips and both shoulders.

    Raises:
        PosebenchError: the skeleton lacks one of them.
    """
    return [skeleton.index(joint) for joint in TORSO]


def upright(torso: Array) -> Array:
    """Rotations (N, 3, 3) from the frame of torsos (N, 4, 3) to the canonical frame, by their axes from right to left and downwards."""
    l_hip, r_hip, l_shoulder, r_shoulder = np.moveaxis(torso, 1, 0)
    across = (l_hip - r_hip) + (l_shoulder - r_shoulder)
    return _frame(across, (l_hip + r_hip) - (l_shoulder + r_shoulder))


def _frame(x: Array, y: Array) -> Array:
    """Rotations (N, 3, 3) whose rows are the part of x that is orthogonal to y, y, and their cross product, all of length 1."""
    down = y / np.linalg.norm(y, axis=-1, keepdims=True)
    right = x - (x * down).sum(axis=-1, keepdims=True) * down
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    rows: Array = np.stack([right, down, np.cross(right, down)], axis=1)
    return rows


def _rotated(rotation: Array, points: Array) -> Array:
    """Points (N, J, 3), each set rotated by its own rotation (N, 3, 3)."""
    rotated: Array = np.einsum("nij,nkj->nki", rotation, points)
    return rotated


def template(poses: Array, skeleton: Skeleton) -> Array:
    """The torso (4, 3) that poses (N, J, 3) are aligned to: their mean torso, made equal to its own mirror image.

    Generalised Procrustes analysis without scale: torsos are brought upright, then aligned to their mean again and again.
    """
    torso = poses[:, torso_joints(skeleton)]
    torso = torso - torso.mean(axis=1, keepdims=True)
    mean = _symmetric(_rotated(upright(torso), torso).mean(axis=0))
    for _ in range(_ITERATIONS):
        fit = procrustes(torso, np.broadcast_to(mean, torso.shape), scale=False)
        mean = _symmetric(_rotated(fit.rotation, torso).mean(axis=0))
    return mean


def _symmetric(torso: Array) -> Array:
    """The mean of a torso (4, 3) and its mirror image, left and right exchanged."""
    mean: Array = (torso + torso[[1, 0, 3, 2]] * [-1.0, 1.0, 1.0]) / 2.0
    return mean


def align(poses: Array, skeleton: Skeleton, to: Array, *, how: str = "rigid", up: Array | None = None) -> Array:
    """Bring poses (N, J, 3) to the canonical frame, without scaling.

    Args:
        poses: (N, J, 3), any unit.
        skeleton: their joints.
        to: the torso (4, 3) to fit, see :func:`template`.
        how: ``rigid``: the rotation that fits the torso best; ``yaw``: the world's up becomes the frame's up, and the rotation about it is
            the one that fits the torso best.
        up: (N, 3) the world's up direction in the axes of each pose; ``yaw`` needs it.

    Returns:
        (N, J, 3), mean of the joints at the origin.

    Raises:
        PosebenchError: ``yaw``, and the up direction of a pose is not known.
    """
    torso = torso_joints(skeleton)
    if how == "yaw":
        if up is None or not np.isfinite(up).all():
            raise PosebenchError(
                'alignment = "yaw", and training clips whose upward direction is not known',
                "a dataset whose cameras have a known orientation in the world",
                'train with --set alignment="rigid"',
            )
        level = _rotated(_to_level(up), poses)
        rotated = _rotated(_best_yaw(level[:, torso], to), level)
    else:
        fit = procrustes(poses[:, torso], np.broadcast_to(to, (len(poses), *to.shape)), scale=False)
        rotated = _rotated(fit.rotation, poses)
    centred: Array = rotated - rotated.mean(axis=1, keepdims=True)
    return centred


def _to_level(up: Array) -> Array:
    """Rotations (N, 3, 3) that turn ``up`` (N, 3) to the canonical frame's -y; the rotation about it is arbitrary."""
    # x may be any direction that is not vertical.
    x_is_not_vertical = np.abs(up[:, :1]) < 0.9 * np.linalg.norm(up, axis=1, keepdims=True)
    sideways = np.where(x_is_not_vertical, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    return _frame(sideways, -up)


def _best_yaw(torso: Array, to: Array) -> Array:
    """Rotations (N, 3, 3) about y that bring torsos (N, 4, 3) nearest to the torso ``to`` (4, 3), both centred: 2D Procrustes in x, z."""
    torso = torso - torso.mean(axis=1, keepdims=True)
    x, z = torso[..., 0], torso[..., 2]
    angle = np.arctan2((z * to[:, 0] - x * to[:, 2]).sum(axis=1), (x * to[:, 0] + z * to[:, 2]).sum(axis=1))
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros(len(angle)), np.ones(len(angle))
    rotation: Array = np.stack([np.stack([c, zero, s], 1), np.stack([zero, one, zero], 1), np.stack([-s, zero, c], 1)], axis=1)
    return rotation
