"""Exact decompositions of the squared error of poses: every part is at least 0, and the parts sum to the whole.

**Convention.** Poses are (3, J, n): component, joint, frame; root-relative, mm, camera axes. ``pred`` are predicted and ``truth`` true
poses, ``error`` their difference. What is returned sums over components and is kept by joint (bone, part) and frame.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.metrics.alignment import inner_products
from posebench.scoring.decomposition.names import PARTS

Array = npt.NDArray[np.float64]

#: A mean square below this, mm^2, is rounding (0.001 mm): it has no shares.
NOTHING = 1e-6
#: Limits of the bands of time, Hz: wander below the first, motion up to the second, jitter above.
BANDS_HZ = (1.0, 6.0)
#: Fourier transforms of lengths with a larger prime factor take several times as long.
_LARGEST_PRIME = 31
#: A shorter run of frames has no bands, seconds.
SHORTEST_S = 2.0


class Correlation(NamedTuple):
    """What a similarity of two poses depends on.

    Attributes:
        mean_gap: (n,) joints times the squared distance of the two mean joints.
        size: (n,) sum of squares of the centred prediction.
        true_size: (n,) of the centred truth.
        dot: (n,) their inner product.
        proper: (n,) largest inner product over rotations of the prediction.
        improper: (n,) over rotations of its mirror image.
    """

    mean_gap: Array
    size: Array
    true_size: Array
    dot: Array
    proper: Array
    improper: Array

    def left(self, trace: Array) -> Array:
        """(n,) squared error that is left after the best scale, given the inner product after rotation."""
        out: Array = np.maximum(self.true_size - np.maximum(trace, 0.0) ** 2 / np.where(self.size > 0.0, self.size, np.inf), 0.0)
        return out


def correlation(pred: Array, truth: Array) -> Correlation:
    """Sums of predicted and true poses (3, J, n), about their mean joints."""
    return correlations(pred, truth, None)[0]


def correlations(pred: Array, truth: Array, order: list[int] | None) -> tuple[Correlation, Correlation]:
    """:func:`correlation`, and that of the predictions with their joints in another order (the same twice without one)."""
    p_mean, g_mean = pred.mean(axis=1), truth.mean(axis=1)
    p, g = pred - p_mean[:, None], truth - g_mean[:, None]
    mean_gap = pred.shape[1] * np.einsum("cn,cn->n", p_mean - g_mean, p_mean - g_mean)
    size, true_size = np.einsum("cjn,cjn->n", p, p), np.einsum("cjn,cjn->n", g, g)
    as_is = Correlation(mean_gap, size, true_size, *inner_products(p, g))
    if order is None:
        return as_is, as_is
    # The mean joint and the sizes do not depend on the order.
    return as_is, Correlation(mean_gap, size, true_size, *inner_products(p[:, order], g))


def pose_parts(found: Correlation) -> Array:
    """(5, n) placement, size, rotation, mirror, shape: what is lost by each step of the chain of fits, summed over joints.

    **Convention.** The prediction is moved to the truth's centroid, scaled, rotated with det = +1, reflected, each by least squares and on
    top of the fits before; shape is what is left. The scale is not negative: a prediction that points away from the truth is scaled to
    nothing before it is rotated. A prediction without extent has placement and shape only.
    """
    size = np.where(found.size > 0.0, found.size, np.inf)
    dot = np.maximum(found.dot, 0.0)
    proper = np.maximum(found.proper, dot)
    best = np.maximum(proper, found.improper)
    whole = found.size - 2.0 * found.dot + found.true_size
    after_size, after_rotation, after_mirror = (found.true_size - inner**2 / size for inner in (dot, proper, best))
    steps = [whole - after_size, after_size - after_rotation, after_rotation - after_mirror, after_mirror]
    return np.stack([found.mean_gap, *(np.maximum(step, 0.0) for step in steps)])


def ray_parts(error: Array, ray: Array) -> Array:
    """(2, J, n) squared error along unit vectors ``ray`` (3, n), and across them."""
    along = np.einsum("cjn,cn->jn", error, ray) ** 2
    return np.stack([along, np.maximum(np.einsum("cjn,cjn->jn", error, error) - along, 0.0)])


def bone_parts(b: Array, g: Array, b_length: Array, g_length: Array) -> Array:
    """(3, bones, n) squared error of the bones' vectors: length, direction in the image, direction in depth.

    |b - g|^2 = (|b| - |g|)^2 + |b| |g| |u - v|^2 for unit vectors u = b/|b| and v = g/|g|; the last is split into x and y, and z. A bone
    without length has an error of length only.

    Args:
        b: (3, bones, n) predicted bones.
        g: (3, bones, n) true bones.
        b_length: (bones, n) their lengths.
        g_length: (bones, n).
    """
    both = (b_length > 0.0) & (g_length > 0.0)
    ratio = np.sqrt(g_length / np.where(both, b_length, np.inf))
    inverse = np.sqrt(b_length / np.where(both, g_length, np.inf))
    turned = b * ratio
    turned -= g * inverse
    turned *= turned
    return np.stack([(b_length - g_length) ** 2, turned[0] + turned[1], turned[2]])


def in_body_frame(error: Array, axes: Array) -> Array:
    """(3, J, n) errors along the body's left, up and forward, given :meth:`posebench.scoring.decomposition.body.Body.axes` (3, 3, n)."""
    out: Array = np.einsum("bcn,cjn->bjn", axes, error)
    return out


@cache
def fast_length(count: int) -> int:
    """The largest length up to ``count`` without a prime factor above :data:`_LARGEST_PRIME`: a few frames less, at most.

    Example:
        >>> fast_length(2302), fast_length(2304)
        (2300, 2304)
    """
    return next(length for length in range(count, 0, -1) if _is_smooth(length))


def _is_smooth(length: int) -> bool:
    for factor in range(2, _LARGEST_PRIME + 1):
        while length % factor == 0:
            length //= factor
    return length == 1


def band_parts(error: Array, rate: float) -> tuple[Array, Array]:
    """Squared errors (4, J) in bands of time, summed over the frames; and the errors (3, J, T) without the highest band.

    **Convention.** Orthonormal cosine transform (DCT-II) of each coordinate; bin k has the frequency k rate / 2T. By Parseval the bands sum
    to the squared error. ``constant`` is k = 0; the others are limited by :data:`BANDS_HZ`.

    Args:
        error: (3, J, T), T frames without a gap.
        rate: frames a second.
    """
    count = error.shape[-1]
    # The transform of a signal and its mirror image is the cosine transform but for a phase, and takes numpy alone.
    spectrum = np.fft.rfft(np.concatenate([error, error[..., ::-1]], axis=-1), axis=-1)
    power = np.einsum("cjk,cjk->jk", spectrum.real, spectrum.real) + np.einsum("cjk,cjk->jk", spectrum.imag, spectrum.imag)
    power /= 2.0 * count
    power[:, 0] *= 0.5
    power = power[:, :count]  # the last bin, k = T, is zero
    frequency = np.arange(count) * (rate / (2.0 * count))
    wander = int(np.searchsorted(frequency, BANDS_HZ[0], "left"))
    motion = int(np.searchsorted(frequency, BANDS_HZ[1], "right"))
    edges = [0, 1, max(1, wander), max(1, motion), count]
    parts = np.stack([power[:, first:last].sum(axis=1) for first, last in pairwise(edges)])
    spectrum[..., edges[3] :] = 0.0
    return parts, np.fft.irfft(spectrum, 2 * count, axis=-1)[..., :count]


def mean_squares(name: str, values: Array) -> Array:
    """Mean squares (..., parts) per joint or bone of a decomposition, from averages (..., K) of its sums.

    The columns are parts by joint (bone); of ``pose`` the parts; of ``body`` the three components of the mean error by joint, then the
    squared error by joint.
    """
    if name == "pose":
        return values
    if name == "body":
        joints = values.shape[-1] // 4
        by_joint = values.reshape(*values.shape[:-1], 4, joints)
        bias = (by_joint[..., :3, :] ** 2).sum(axis=-2).mean(axis=-1)
        return np.stack([bias, np.maximum(by_joint[..., 3, :].mean(axis=-1) - bias, 0.0)], axis=-1)
    out: Array = values.reshape(*values.shape[:-1], len(PARTS[name]), -1).mean(axis=-1)
    return out


def percent_of(parts: Array) -> Array:
    """Shares (..., parts) of mean squares (..., parts), %; 0 where there is no error."""
    whole = parts.sum(axis=-1, keepdims=True)
    return 100.0 * parts / np.where(whole > NOTHING, whole, np.inf)
