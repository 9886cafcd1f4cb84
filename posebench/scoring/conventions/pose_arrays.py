"""Small operations on arrays of poses: rotations, one similarity for many frames, products and norms.

**Convention.** Poses (n, J, 3) mm, camera axes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.scoring.conventions.reading import Placement

Array = npt.NDArray[np.float64]


def turned_to(ray: Array, poses: Array) -> Array:
    """Poses (n, J, 3) under the smallest rotations that take the optical axis (0, 0, 1) to unit vectors (n, 3), whose z is above -1.

    Example:
        >>> turned_to(np.array([[0.0, 0.6, 0.8]]), np.array([[[0.0, 0.0, 1.0]]])).round(12).tolist()
        [[[0.0, 0.6, 0.8]]]
    """
    x, y, z = (component[:, None] for component in ray.T)
    px, py, pz = poses[..., 0], poses[..., 1], poses[..., 2]
    across = x * px + y * py
    along = pz - across / (1.0 + z)
    return np.stack([px + x * along, py + y * along, z * pz - across], axis=-1)


def torso(pred: Array, view: Placement) -> Array:
    """Distance (n,) from pelvis to thorax, mm, of poses with the view's joints."""
    return norm(pred[:, view.fitted.index("thorax")] - pred[:, view.fitted.index("pelvis")])


def rotated(pred: Array, truth: Array, rotation: Array, scale: Array) -> Array:
    """Errors of poses about their mean joint after rotations (n, 3, 3) and factors (n,)."""
    centred = pred - pred.mean(axis=1, keepdims=True)
    turned = centred @ np.swapaxes(rotation, 1, 2) * scale[:, None, None]
    return norm(turned - (truth - truth.mean(axis=1, keepdims=True)))


def as_one(pred: Array, truth: Array) -> Array:
    """Errors (n, J) after one similarity of all joints of n frames."""
    flat = pred.reshape(-1, 3), truth.reshape(-1, 3)
    middle = [poses.mean(axis=0) for poses in flat]
    count = len(flat[0])
    size = float(dot(flat[0].reshape(1, -1), flat[0].reshape(1, -1))[0]) - count * float(middle[0] @ middle[0])
    u, d, vt = np.linalg.svd(flat[0].T @ flat[1] - count * np.outer(*middle))
    d[2] *= np.sign(np.linalg.det(u @ vt))
    u[:, 2] *= np.sign(np.linalg.det(u @ vt))
    turn = (u @ vt) * (d.sum() / size if size > 0.0 else 0.0)
    return norm(turned(pred, turn) + (middle[1] - middle[0] @ turn - truth))


def turned(poses: Array, turn: Array) -> Array:
    """Poses (n, J, 3) times one matrix (3, 3), as one product."""
    return np.asarray((poses.reshape(-1, 3) @ turn).reshape(poses.shape))


def dot(one: Array, other: Array) -> Array:
    """Products (n,) of rows (n, k)."""
    return np.asarray(np.einsum("nk,nk->n", one, other))


def norm(vectors: Array) -> Array:
    """Lengths of vectors (..., 3)."""
    out: Array = np.sqrt(np.einsum("...c,...c->...", vectors, vectors))
    return out


def inverse(values: Array) -> Array:
    """1 / values, and zero where a value is not positive."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0.0)
