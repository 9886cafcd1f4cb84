"""Position errors of poses: root-relative, after the best scale, after Procrustes alignment; and which predicted poses are invalid.

**Convention.** Poses are (T, J, 3) mm in one frame of reference. All arithmetic is float64: in float32, or in metres, rounding moves
some joints across a threshold.

An **invalid** predicted pose (a coordinate that is not finite, or all joints in one point) is never dropped. The similarities place it
at the truth's centroid; every other metric scores all its joints at the root.

Definitions, and which project uses which: ``docs/metrics.md``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.metrics.alignment import residuals

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: A pose whose sum of squares, mm^2, is above this overflows in later products.
_LARGEST_SIZE = 1e140
#: A pose has no extent if its sum of squares about one of its joints is below this share of that about the origin.
_SMALLEST_EXTENT = 1e-18


def invalid_poses(pred: npt.ArrayLike) -> Mask:
    """(T,) poses with a coordinate that is not finite (or above 1e70), or with all joints in one point, to one part in 10^9."""
    pose = np.asarray(pred, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return _is_invalid(pose, pose - pose[:, :1])


def _is_invalid(pose: Array, relative: Array) -> Mask:
    """(T,) invalid poses, from poses (T, J, 3) and the same poses relative to one of their points.

    A sum of squares is not finite if any coordinate is not, so coordinates need no test of their own.
    """
    size, extent = (np.einsum("tjc,tjc->t", each, each) for each in (pose, relative))
    invalid: Mask = ~(size < _LARGEST_SIZE) | ~(extent > _SMALLEST_EXTENT * size)
    return invalid


def root_relative(pose: npt.ArrayLike, root: tuple[int, ...] = (0,), out: Array | None = None) -> Array:
    """Poses (T, J, 3) minus the mean of their ``root`` joints (one index, or both hips), as float64; written to ``out`` if given.

    Example:
        >>> root_relative([[[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]]]).tolist()
        [[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    pose = np.asarray(pose, dtype=np.float64)
    origin = pose[:, root[0]] if len(root) == 1 else pose[:, list(root)].mean(axis=1)
    relative: Array = np.subtract(pose, origin[:, None], out=out)
    return relative


def root_relative_valid(pred: npt.ArrayLike, root: tuple[int, ...] = (0,), out: Array | None = None) -> tuple[Array, Mask]:
    """Root-relative predictions (T, J, 3), invalid ones with all joints at the root; and (T,) which poses are invalid.

    Args:
        pred: (T, J, 3).
        root: joints whose mean is the root.
        out: where to write the poses, (T, J, 3).
    """
    given = np.asarray(pred, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        pose = root_relative(given, root, out)
        invalid = _is_invalid(given, pose)
    if invalid.any():
        pose[invalid] = 0.0
    return pose, invalid


def mpjpe(pred: npt.ArrayLike, truth: npt.ArrayLike, *, root: tuple[int, ...] = (0,)) -> Array:
    """Mean per-joint position error (T,), mm, root-relative; the root counts in the mean with its error of zero.

    **Convention.** 17 joints with the root, as VideoPose3D and Martinez et al. (2017) average; leaving the root out gives 17/16 of it.

    Raises:
        ValueError: shapes differ, or a true pose is not finite.

    Example:
        >>> import numpy as np
        >>> truth = np.zeros((1, 17, 3)); truth[0, :, 0] = range(17)
        >>> pred = truth.copy(); pred[0, 1:, 1] += 17.0
        >>> mpjpe(pred, truth).tolist()
        [16.0]
    """
    return _mean_error(pred, truth, root, "root")


def pa_mpjpe(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """MPJPE (T,), mm, after the best similarity with det R = +1 of each pose (Procrustes; papers' "rigid", Protocol 2).

    **Convention.** A mirrored pose is **not** aligned by a reflection: see ``similarity+reflection``. The alignment minimises squared
    distances, so this mean distance can exceed MPJPE.

    Raises:
        ValueError: shapes differ, or a true pose is not finite.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(3, 17, 3))
        >>> bool((pa_mpjpe(5 * truth + 1, truth) < 1e-12).all())
        True
    """
    return _mean_error(pred, truth, (0,), "similarity")


def n_mpjpe(pred: npt.ArrayLike, truth: npt.ArrayLike, *, root: tuple[int, ...] = (0,)) -> Array:
    """MPJPE (T,), mm, after the least-squares scale <x, y>/<y, y> of each root-relative pose (Rhodin et al. 2018, eq. 9).

    **Convention.** The scale is not clipped: a point-mirrored prediction takes a negative one and a small error.

    Raises:
        ValueError: shapes differ, or a true pose is not finite.
    """
    return _mean_error(pred, truth, root, "scale")


def _mean_error(pred: npt.ArrayLike, truth: npt.ArrayLike, root: tuple[int, ...], alignment: str) -> Array:
    pred, _ = root_relative_valid(pred, root)
    out: Array = residuals(pred, root_relative(truth, root), [alignment]).errors[alignment].mean(axis=1)
    return out


def flipped(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Mask:
    """(T,) det(P0^T G0) < 0, centred: a reflection would fit better than any rotation. Planar poses count as not flipped."""
    return residuals(pred, truth, ()).flipped


def norms(vectors: Array, out: Array | None = None) -> Array:
    """Euclidean norms (T, K) of vectors (3, K, T), component first as the scorer stores them.

    Args:
        vectors: (3, K, T).
        out: (K, T), memory for the result, which is its transpose.
    """
    square: Array = np.einsum("ckt,ckt->kt", vectors, vectors, out=out)
    return np.sqrt(square, out=square).T
