"""Alignment of predicted to true poses: names, conventions, and the plain reference for what ``metrics/kernel`` computes fast.

**Convention.** Poses are (N, J, 3) in one unit and one frame of reference, joints in the same order. An aligned prediction is s R p + t:

==========================  ==============================================================================================
``root``                    nothing is fitted: predictions and truth are root-relative when they come here
``scale``                   s = <g, p> / <p, p>, about the origin; may be negative (Rhodin; VideoPose3D's N-MPJPE)
``rigid``                   R, t; s = 1
``similarity``              s, R, t; det R = +1 (Procrustes)
``similarity+reflection``   s, R, t; det R = +1 or -1, whichever fits better
==========================  ==============================================================================================

with p a predicted pose and g the true one. All fits are least squares over the joints. No function here subtracts a root: pass
root-relative poses for ``root`` and ``scale`` (:func:`posebench.metrics.position.root_relative`). The others centre on the mean joint.

A predicted pose that is not finite, or has no extent, is replaced by one with all joints at the origin: ``rigid`` and the similarities
then place it at the truth's centroid.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.metrics import kernel
from posebench.metrics.buffers import Buffers
from posebench.metrics.kernel.rotation import best_trace, cofactors_of

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ALIGNMENTS = ("root", "scale", "rigid", "similarity", "similarity+reflection")
#: Poses that are aligned at a time; a caller that works in blocks of this size finds them in the processor's cache.
BLOCK = kernel.BLOCK
#: What computes them here: ``numpy``, or ``c`` with the instructions of this processor (:mod:`posebench.metrics.kernel`).
KERNEL = kernel.NAME


class Residuals(NamedTuple):
    """``errors[alignment]`` (N, J): distance of each joint from the truth; ``flipped`` (N,): the pose has the wrong handedness."""

    errors: dict[str, Array]
    flipped: Mask


class Transform(NamedTuple):
    """``aligned = scale * pred @ rotation^T + translation``: (N,), (N, 3, 3), (N, 3)."""

    scale: Array
    rotation: Array
    translation: Array


def residuals(
    pred: npt.ArrayLike, truth: npt.ArrayLike, alignments: Iterable[str] = ALIGNMENTS, *, buffers: Buffers | None = None
) -> Residuals:
    """Distance of each joint from the truth after each alignment, and which poses have the wrong handedness.

    **Convention.** See the module. Several alignments in one call share most of the work.

    Args:
        pred: (N, J, 3), any float type; computed in float64.
        truth: (N, J, 3), finite.
        alignments: names from :data:`ALIGNMENTS`.
        buffers: memory for the work and for ``errors``, which are then valid until the next call with the same buffers.

    Raises:
        ValueError: shapes differ or are not (N, J, 3), a true pose is not finite, or an alignment is unknown.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(2, 17, 3))
        >>> float(residuals(2.0 * truth + 7.0, truth, ["similarity"]).errors["similarity"].max()) < 1e-12
        True
    """
    wanted = tuple(alignments)
    _check_names(wanted)
    return Residuals(*kernel.residuals(*_pair(pred, truth), wanted, buffers or Buffers()))


def aligned(pred: npt.ArrayLike, truth: npt.ArrayLike, alignment: str) -> Array:
    """The predictions after one alignment, (N, J, 3); conventions and errors as :func:`residuals`.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(1, 17, 3))
        >>> bool(np.allclose(aligned(-truth, truth, "similarity+reflection"), truth))
        True
    """
    _check_names([alignment])
    return kernel.aligned(*_pair(pred, truth), alignment)


def procrustes(pred: npt.ArrayLike, truth: npt.ArrayLike, *, scale: bool = True) -> Transform:
    """The proper similarity (or, without ``scale``, rigid motion) that brings each prediction nearest to its truth.

    **Convention.** ``aligned = s * pred @ R^T + t``, least squares over joints (Umeyama 1991), det R = +1.

    Raises:
        ValueError: as :func:`residuals`.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(1, 17, 3))
        >>> round(float(procrustes(truth / 2, truth).scale[0]), 12)
        2.0
    """
    return Transform(*kernel.transforms(*_pair(pred, truth), scale=scale))


def inner_products(pred: Array, truth: Array) -> tuple[Array, Array, Array]:
    """What the error after a similarity depends on, besides the sizes of the poses: |truth|^2 - product^2 / |pred|^2 is left.

    **Convention.** Poses (3, J, N) are component first and have their mean joint at the origin.

    Returns:
        (N,) inner product of prediction and truth; the largest over rotations of the prediction; and over reflections of it.

    Example:
        >>> import numpy as np
        >>> pose = np.eye(3)[:, :, None] - 1 / 3
        >>> [round(float(product[0]), 9) for product in inner_products(pose, 2 * pose)]
        [4.0, 4.0, 4.0]
    """
    k = np.einsum("ijn,kjn->ikn", truth, pred)
    norm = np.sqrt(np.einsum("ikn,ikn->n", k, k))
    dot = np.einsum("iin->n", k)
    k /= np.where(norm > 0.0, norm, 1.0)
    cofactors = cofactors_of(k)
    det = np.einsum("kn,kn->n", k[0], cofactors[0])
    proper, improper = best_trace(cofactors, det, k) * norm, best_trace(cofactors, -det, -k) * norm
    return dot, np.where(norm > 0.0, proper, 0.0), np.where(norm > 0.0, improper, 0.0)


def reference_transform(pred: npt.ArrayLike, truth: npt.ArrayLike, alignment: str) -> Transform:
    """The alignment in its plainest form, by singular value decomposition: what the kernel is tested against, and slower than it.

    Equations of Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991), whose x is the
    prediction and whose y is the truth; without the scale this is Kabsch's (1976) rotation. Predicted poses must be finite.
    """
    _check_names([alignment])
    x, y = (np.asarray(poses, dtype=np.float64) for poses in _pair(pred, truth))
    count, joints = x.shape[:2]
    if alignment in ("root", "scale"):  # about the origin
        square = np.einsum("njc,njc->n", x, x)
        factor = np.einsum("njc,njc->n", x, y) / np.where(square > 0.0, square, 1.0) if alignment == "scale" else np.ones(count)
        return Transform(factor, np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3)))
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)  # (34), (35)
    x, y = x - x_mean[:, None], y - y_mean[:, None]
    x_variance = (x**2).sum(axis=(1, 2)) / joints  # (36)
    covariance = np.swapaxes(y, 1, 2) @ x / joints  # (38)
    u, d, vt = np.linalg.svd(covariance)
    s = np.ones((count, 3))  # diagonal of S, (43)
    if alignment != "similarity+reflection":
        s[:, 2] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0.0, -1.0, 1.0)
    rotation = (u * s[:, None]) @ vt  # (40)
    factor = np.ones(count)
    if alignment != "rigid":
        factor = (d * s).sum(axis=1) / np.where(x_variance > 0.0, x_variance, 1.0)  # (42)
    translation = y_mean - factor[:, None] * np.einsum("nij,nj->ni", rotation, x_mean)  # (41)
    return Transform(factor, rotation, translation)


def _check_names(alignments: Iterable[str]) -> None:
    unknown = sorted(set(alignments) - set(ALIGNMENTS))
    if unknown:
        raise ValueError(f"unknown alignment {unknown}; one of {ALIGNMENTS}")


def _pair(pred: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Predicted and true poses as arrays of one shape (N, J, 3)."""
    pred, truth = np.asarray(pred), np.asarray(truth)
    if pred.shape != truth.shape or pred.ndim != 3 or pred.shape[-1] != 3 or pred.shape[1] == 0:
        raise ValueError(f"predicted poses {pred.shape} and true poses {truth.shape} must both be (N, J, 3)")
    return pred, truth
