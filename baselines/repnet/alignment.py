"""How the 3D poses lose their orientation: each is turned until its torso fits a template, without scaling.

The authors never published their script; poses are aligned to a template, says their paper, and by the torso (hips and shoulders), says a
user of their code (issues 4 and 12 of their repository). What follows is our instantiation.

**Convention.** The canonical frame: x to the right of somebody who looks at the person's front, y down, z away from him. The origin is the
mean of the joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton
from posebench.metrics.alignment import procrustes

Array = npt.NDArray[np.float64]

TORSO = ("l_hip", "r_hip", "l_shoulder", "r_shoulder")
_ROUNDS = 10


def torso_of(skeleton: Skeleton) -> list[int]:
    """The joints of the torso that alignment looks at: both hips and both shoulders.

    Raises:
        PosebenchError: the skeleton lacks one of them.
    """
    return [skeleton.index(joint) for joint in TORSO]


def upright(torso: Array) -> Array:
    """Rotations (N, 3, 3) that turn torsos (N, 4, 3) to the canonical frame by their own axes: across, and down from shoulders to hips."""
    l_hip, r_hip, l_shoulder, r_shoulder = np.moveaxis(torso, 1, 0)
    across = (l_hip - r_hip) + (l_shoulder - r_shoulder)
    return _frame(across, (l_hip + r_hip) - (l_shoulder + r_shoulder))


def _frame(x: Array, y: Array) -> Array:
    """Rotations (N, 3, 3) whose rows are y made a unit, x made orthogonal to it, and their cross product."""
    down = y / np.linalg.norm(y, axis=-1, keepdims=True)
    right = x - (x * down).sum(axis=-1, keepdims=True) * down
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    rows: Array = np.stack([right, down, np.cross(right, down)], axis=1)
    return rows


def template(poses: Array, skeleton: Skeleton) -> Array:
    """The mean torso (4, 3) of poses (N, J, 3), the same as its mirror image: what poses are aligned to.

    Torsos are turned upright, then to their mean until it rests (generalised Procrustes analysis without scale).
    """
    torso = poses[:, torso_of(skeleton)]
    torso = torso - torso.mean(axis=1, keepdims=True)
    turned = np.einsum("nij,nkj->nki", upright(torso), torso)
    mean = _even(turned.mean(axis=0))
    for _ in range(_ROUNDS):
        fit = procrustes(torso, np.broadcast_to(mean, torso.shape), scale=False)
        mean = _even(np.einsum("nij,nkj->nki", fit.rotation, torso).mean(axis=0))
    return mean


def _even(torso: Array) -> Array:
    """The mean of a torso (4, 3) and of its mirror image with left and right exchanged."""
    mirrored: Array = (torso + torso[[1, 0, 3, 2]] * [-1.0, 1.0, 1.0]) / 2.0
    return mirrored


def align(poses: Array, skeleton: Skeleton, to: Array, *, how: str = "rigid", up: Array | None = None) -> Array:
    """Bring poses (N, J, 3) to the canonical frame, without scaling.

    Args:
        poses: (N, J, 3), any unit.
        skeleton: their joints.
        to: the torso (4, 3) to fit, see :func:`template`.
        how: ``rigid``: the rotation that fits the torso best; ``yaw``: up becomes up, then the turn about it that fits the torso best.
        up: (N, 3) the world's up direction in the axes of each pose; ``yaw`` needs it.

    Returns:
        (N, J, 3), mean of the joints at the origin.

    Raises:
        PosebenchError: ``yaw``, and it is not known which way is up.
    """
    torso = torso_of(skeleton)
    if how == "yaw":
        if up is None or not np.isfinite(up).all():
            raise PosebenchError(
                'alignment = "yaw", and training clips whose upward direction nobody states',
                "a dataset with cameras that stand in a known world",
                'train with --set alignment="rigid"',
            )
        # Any direction that is not vertical will do for x: the turn about the vertical comes next.
        sideways = np.where(np.abs(up[:, :1]) < 0.9 * np.linalg.norm(up, axis=1, keepdims=True), [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
        level = np.einsum("nij,nkj->nki", _frame(sideways, -up), poses)
        one = level[:, torso] - level[:, torso].mean(axis=1, keepdims=True)
        angle = np.arctan2(
            (one[..., 2] * to[:, 0] - one[..., 0] * to[:, 2]).sum(axis=1), (one[..., 0] * to[:, 0] + one[..., 2] * to[:, 2]).sum(axis=1)
        )
        c, s, zero, full = np.cos(angle), np.sin(angle), np.zeros(len(angle)), np.ones(len(angle))
        rotation = np.stack([np.stack([c, zero, s], 1), np.stack([zero, full, zero], 1), np.stack([-s, zero, c], 1)], axis=1)
        turned = np.einsum("nij,nkj->nki", rotation, level)
    else:
        fit = procrustes(poses[:, torso], np.broadcast_to(to, (len(poses), *to.shape)), scale=False)
        turned = np.einsum("nij,nkj->nki", fit.rotation, poses)
    centred: Array = turned - turned.mean(axis=1, keepdims=True)
    return centred
