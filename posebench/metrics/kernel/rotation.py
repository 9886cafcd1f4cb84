"""Rotations that align poses best, in closed form: no decomposition per pose.

Matrices are (3, 3, B), one for each pose of a block.

Wanted is the rotation R that maximises tr(R^T K) for the correlation K = sum over joints of truth pred^T. Let K have unit
norm and let s1, s2, s3 be its singular values, the last one negative where det K is. Their symmetric functions are

    trace = s1 + s2 + s3 = tr(R^T K),    pairs = s1 s2 + s2 s3 + s3 s1,    det = s1 s2 s3 = det K,

with trace^2 = 1 + 2 pairs and pairs^2 = |cof K|^2 + 2 det trace. The trace is therefore the largest root of

    pairs^2 - |cof K|^2 - 2 det trace = 0,    pairs = (trace^2 - 1) / 2,

the quartic of Horn (1987) and Theobald (2005, QCP). Newton's method finds it. By the theorem of Cayley and Hamilton

    R = [trace cof K + K ((pairs + 1) I - K^T K)] / D,    D = trace pairs - det = (s1 + s2) (s2 + s3) (s3 + s1),

and det R = +1 whatever the sign of det K. Where D is too small (two nearly equal singular values of opposite sign, or K of rank one), the
pose goes through ``numpy.linalg.svd``; these are few.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Where D is below this share of trace^3 the closed form loses digits, and the pose goes through the decomposition.
_UNSTABLE = 1e-4
#: Newton's method squares the error, times at most 2 / _UNSTABLE: after a step this small only rounding is left.
_CONVERGED = 1e-10
#: Pairs of Newton steps. Mirrored poses need far more than the usual six steps.
_MOST_STEP_PAIRS = 24


def cofactors_of(k: Array) -> Array:
    """Cofactors (3, 3, B) of matrices (3, 3, B)."""
    # Rows and columns are repeated cyclically, so that every cofactor is the same expression in its neighbours.
    wide = np.empty((5, 5, k.shape[-1]))
    wide[:3, :3], wide[3:, :3] = k, k[:2]
    wide[:, 3:] = wide[:, :2]
    out = wide[1:4, 1:4] * wide[2:, 2:]
    out -= wide[1:4, 2:] * wide[2:, 1:4]
    return out


def best_rotation(k: Array, cofactors: Array, det: Array) -> tuple[Array, Array]:
    """Proper rotations R (3, 3, B) that maximise tr(R^T K), and that trace (B,), for K of unit norm (or zero).

    Formulas and symbols: see the module.
    """
    cofactor_square = np.einsum("ikb,ikb->b", cofactors, cofactors)
    trace, converged = _largest_root(cofactor_square, det)
    pairs = 0.5 * (trace * trace - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # D = 0: decomposed below
        divisor = trace * pairs - det
        bracket = multiply(-k.transpose(1, 0, 2), k, out=np.empty_like(k))  # (pairs + 1) I - K^T K
        for i in range(3):
            bracket[i, i] += pairs + 1.0
        rotation = multiply(k, bracket, out=np.empty_like(k))
        rotation += trace * cofactors
        rotation /= divisor
        # Of K of rank one the roots are +1 and -1, both double; rounding may lead Newton's method to the other one.
        unstable = np.flatnonzero(~(converged & (divisor > _UNSTABLE * np.abs(trace) ** 3)))
    if len(unstable):
        rotation[:, :, unstable], trace[unstable] = _rotation_by_decomposition(k[:, :, unstable])
    return rotation, trace


def best_trace(cofactors: Array, det: Array, k: Array) -> Array:
    """The trace (B,) that :func:`best_rotation` finds, without the rotations.

    Args:
        cofactors: (3, 3, B) of ``k``, which are those of ``-k`` too.
        det: (B,) of ``k``.
        k: (3, 3, B) of unit norm (or zero).
    """
    trace, converged = _largest_root(np.einsum("ikb,ikb->b", cofactors, cofactors), det)
    # Where two singular values are nearly equal and of opposite sign, the root is nearly double.
    with np.errstate(invalid="ignore"):
        divisor = trace * 0.5 * (trace * trace - 1.0) - det
        unstable = np.flatnonzero(~(converged & (divisor > _UNSTABLE * trace**3)))
    if len(unstable):
        trace[unstable] = _rotation_by_decomposition(k[:, :, unstable])[1]
    return trace


def _largest_root(cofactor_square: Array, det: Array) -> tuple[Array, Mask]:
    """The largest root (B,) of pairs^2 - cofactor_square - 2 det trace in the trace, by Newton's method; and where it converged."""
    # The root for det = 0.
    trace = np.sqrt(1.0 + 2.0 * np.sqrt(cofactor_square))
    # One fixed-point step of trace^2 = 1 + 2 pairs saves two Newton steps where det > 0. Where det < 0 it could fall below the root.
    det_twice = 2.0 * det
    trace = np.sqrt(1.0 + 2.0 * np.sqrt(cofactor_square + np.maximum(det_twice, 0.0) * trace))
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_MOST_STEP_PAIRS):
            for _ in range(2):  # the test for convergence costs as much as a step
                pairs = 0.5 * (trace * trace - 1.0)
                step = (pairs * pairs - cofactor_square - det_twice * trace) / (2.0 * (trace * pairs - det))
                trace -= step
            converged = np.abs(step) <= _CONVERGED
            if converged.all():
                break
    return trace, converged


def _rotation_by_decomposition(k: Array) -> tuple[Array, Array]:
    """What :func:`best_rotation` returns, for few matrices, by singular value decomposition (Umeyama 1991, eq. 40 and 43)."""
    u, s, vt = np.linalg.svd(np.moveaxis(k, -1, 0))
    sign = np.where(np.linalg.det(u @ vt) < 0.0, -1.0, 1.0)
    u[:, :, 2] *= sign[:, None]
    return np.moveaxis(u @ vt, 0, -1), s[:, 0] + s[:, 1] + sign * s[:, 2]


def multiply(matrix: Array, columns: Array, out: Array) -> Array:
    """``matrix`` (3, 3, B) times ``columns`` (3, n, B), pose by pose, in ``out``."""
    for i in range(3):  # three calls take two thirds of the time of one call over all indices
        np.einsum("kb,kjb->jb", matrix[i], columns, out=out[i])
    return out
