"""Alignment in numpy, a block of poses at a time and component first; a closed form in place of a decomposition per pose.

**Layout.** Arrays of poses here are (3, J, B): component, joint, pose, with the poses of a block contiguous in memory, so that every
numpy call runs along them. Matrices are (3, 3, B).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from posebench.metrics.buffers import Buffers, block_size
from posebench.metrics.kernel.rotation import best_rotation, cofactors_of, multiply

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: Poses in a block: enough that the overhead of numpy's calls is small, few enough that a block stays in the processor's outer cache.
BLOCK = 3072
#: Where |det| is below this share of |P|^3 |G|^3 a pose is planar, which has no handedness.
_PLANAR = 1e-9
#: A prediction has no extent if its sum of squares about its mean joint is below this share of the mean's, over all joints.
_SMALLEST_EXTENT = 1e-20
#: The products of a prediction with a larger sum of squares overflow; it is treated as one without extent.
_LARGEST_SIZE = 1e150


@dataclass(frozen=True)
class _Block:
    """Poses (3, J, B) and their sums over the joints (3, B).

    The poses are views of the caller's arrays, which are never written to, or copies in the buffers ``kernel truth`` and ``kernel pred``.
    :func:`_centre` writes to these buffers, so that a block is not valid after it: separate memory costs 5 % of the time.
    """

    truth: Array
    pred: Array
    truth_sum: Array
    pred_sum: Array


@dataclass(frozen=True)
class _CentredBlock:
    """Poses (3, J, B) minus their mean joint, and what the rotation follows from.

    Attributes:
        truth: (3, J, B).
        pred: (3, J, B); zero for a prediction without extent.
        truth_mean: (3, B).
        pred_mean: (3, B).
        pred_size: (B,) sum of squares of ``pred``.
        k_norm: (B,) norm of the correlation.
        k: (3, 3, B) correlation of truth and prediction, of unit norm (zero for a prediction without extent).
        cofactors: (3, 3, B) of ``k``.
        det: (B,) of ``k``.
    """

    truth: Array
    pred: Array
    truth_mean: Array
    pred_mean: Array
    pred_size: Array
    k_norm: Array
    k: Array
    cofactors: Array
    det: Array

    def scale(self, trace: Array, which: slice | Index = slice(None)) -> Array:
        """Least-squares scale of the poses ``which``, given tr(R^T K) for unit K; 0 for a prediction without extent, whose K is 0."""
        size = self.pred_size[which]
        return trace * self.k_norm[which] / np.where(size > 0.0, size, 1.0)

    def flipped(self) -> Mask:
        """(B,) det K < 0 by more than rounding: the prediction has the other handedness."""
        mask = self.det < 0.0
        suspects = np.flatnonzero(mask)
        if len(suspects):
            truth = self.truth[..., suspects]
            truth_size = np.einsum("ijb,ijb->b", truth, truth)
            planar = _PLANAR * (truth_size * self.pred_size[suspects]) ** 1.5
            mask[suspects] = -self.det[suspects] * self.k_norm[suspects] ** 3 > planar
        return mask


def residuals(
    pred: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], alignments: Iterable[str], buffers: Buffers
) -> tuple[dict[str, Array], Mask]:
    """Errors (N, J) after each alignment, and (N,) whether the prediction has the wrong handedness.

    Centring, correlation and rotation are computed once a block, for all alignments. ``errors`` are part of ``buffers``.

    Args:
        pred: (N, J, 3).
        truth: (N, J, 3).
        alignments: names from :data:`posebench.metrics.alignment.ALIGNMENTS`.
        buffers: memory for the work and for the errors.

    Raises:
        ValueError: a true pose is not finite.
    """
    count, joints = pred.shape[:2]
    # (J, N) in memory, the layout of the blocks.
    errors = {name: buffers.array(f"kernel error {name}", joints, count).T for name in alignments}
    flipped = np.zeros(count, dtype=bool)
    for frames, block in _blocks(pred, truth, buffers):
        block_errors = {name: error[frames] for name, error in errors.items()}
        _store_errors_about_the_origin(block, block_errors, buffers)
        centred = _centre(block, buffers)
        flipped[frames] = centred.flipped()
        _store_errors_after_rotation(centred, block_errors, buffers)
    return errors, flipped


def _store_errors_about_the_origin(block: _Block, errors: dict[str, Array], buffers: Buffers) -> None:
    """Errors (B, J) after the alignments that neither centre nor rotate, written to ``errors`` where they are asked for."""
    difference = buffers.array("kernel difference", *block.pred.shape)
    if "root" in errors:
        np.subtract(block.pred, block.truth, out=difference)
        _store_norms(difference, errors["root"], buffers)
    if "scale" in errors:
        np.multiply(_scale_about_the_origin(block), block.pred, out=difference)
        difference -= block.truth
        _store_norms(difference, errors["scale"], buffers)


def _store_errors_after_rotation(block: _CentredBlock, errors: dict[str, Array], buffers: Buffers) -> None:
    """Errors (B, J) after the alignments that rotate, written to ``errors`` where they are asked for."""
    similar = [errors[name] for name in ("similarity", "similarity+reflection") if name in errors]
    if not similar and "rigid" not in errors:
        return
    rotation, trace = best_rotation(block.k, block.cofactors, block.det)
    rotated = buffers.array("kernel rotated", *block.pred.shape)
    if "rigid" in errors:
        multiply(rotation, block.pred, out=rotated)
        difference = np.subtract(rotated, block.truth, out=buffers.array("kernel difference", *rotated.shape))
        _store_norms(difference, errors["rigid"], buffers)
        rotated *= block.scale(trace)
    else:  # scaling the matrix is cheaper than scaling all joints
        rotation *= block.scale(trace)
        multiply(rotation, block.pred, out=rotated)
    if not similar:
        return
    _store_norms(np.subtract(rotated, block.truth, out=rotated), similar[0], buffers)
    if "similarity+reflection" not in errors:
        return
    reflected = errors["similarity+reflection"]
    if len(similar) == 2:
        reflected[...] = similar[0]
    # Only the poses that a reflection fits better differ from the proper similarity; usually they are few.
    mirrored, matrix = _scaled_reflections(block)
    if len(mirrored):
        away = np.einsum("ikb,kjb->ijb", matrix, block.pred[..., mirrored]) - block.truth[..., mirrored]
        reflected[mirrored] = np.sqrt(np.einsum("ijb,ijb->jb", away, away)).T


def aligned(pred: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], alignment: str) -> Array:
    """The predictions (N, J, 3) after one alignment.

    Raises:
        ValueError: a true pose is not finite.
    """
    out = np.empty(pred.shape)
    buffers = Buffers()
    for frames, block in _blocks(pred, truth, buffers):
        if alignment == "root":
            fitted = block.pred
        elif alignment == "scale":
            fitted = _scale_about_the_origin(block) * block.pred
        else:
            centred = _centre(block, buffers)
            matrix, trace = best_rotation(centred.k, centred.cofactors, centred.det)
            if alignment != "rigid":
                matrix *= centred.scale(trace)
            if alignment == "similarity+reflection":
                mirrored, reflections = _scaled_reflections(centred)
                matrix[..., mirrored] = reflections
            rotated = multiply(matrix, centred.pred, out=buffers.array("kernel rotated", *centred.pred.shape))
            fitted = rotated + centred.truth_mean[:, None]
        out[frames] = fitted.transpose(2, 1, 0)
    return out


def transforms(pred: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], *, scale: bool) -> tuple[Array, Array, Array]:
    """Scale (N,), proper rotation (N, 3, 3) and translation (N, 3) that align each prediction; without ``scale`` the scale is 1.

    Raises:
        ValueError: a true pose is not finite.
    """
    count = len(pred)
    scales, rotations, translations = np.empty(count), np.empty((count, 3, 3)), np.empty((count, 3))
    buffers = Buffers()
    for frames, block in _blocks(pred, truth, buffers):
        centred = _centre(block, buffers)
        rotation, trace = best_rotation(centred.k, centred.cofactors, centred.det)
        factor = centred.scale(trace) if scale else np.ones_like(trace)
        scales[frames] = factor
        rotations[frames] = np.moveaxis(rotation, -1, 0)
        translations[frames] = (centred.truth_mean - factor * np.einsum("ikb,kb->ib", rotation, centred.pred_mean)).T
    return scales, rotations, translations


def _blocks(pred: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], buffers: Buffers) -> Iterator[tuple[slice, _Block]]:
    """The poses (N, J, 3) block by block, and which frames these are; a prediction that is not finite becomes zero."""
    count = len(pred)
    size = block_size(count, BLOCK)
    for start in range(0, count, size):
        frames = slice(start, min(start + size, count))
        yield frames, _block(pred[frames], truth[frames], buffers)


def _block(pred: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], buffers: Buffers) -> _Block:
    x = _component_first(truth, buffers, "kernel truth")
    y = _component_first(pred, buffers, "kernel pred")
    x_sum, y_sum = buffers.array("kernel sums", 2, 3, len(pred))
    with np.errstate(invalid="ignore", over="ignore"):
        x.sum(axis=1, out=x_sum)
        y.sum(axis=1, out=y_sum)
    # A sum is finite only if every term is, so coordinates are tested only where a sum is not finite.
    if not np.isfinite(x_sum).all():
        raise ValueError("a true pose is not finite")
    if not np.isfinite(y_sum).all():
        invalid = ~np.isfinite(y).all(axis=(0, 1))
        changed = buffers.array("kernel pred", *y.shape)  # a copy: y may be the caller's
        changed[...] = y
        changed[:, :, invalid] = 0.0
        y = changed
        y_sum[:, invalid] = 0.0
    return _Block(x, y, x_sum, y_sum)


def _component_first(poses: npt.NDArray[np.floating], buffers: Buffers, name: str) -> Array:
    """Poses (B, J, 3) as float64 (3, J, B), frames contiguous: a view where they are stored so, else a copy in ``buffers``."""
    view = poses.transpose(2, 1, 0)
    if view.dtype == np.float64 and view.strides[2] == view.itemsize:
        return cast(Array, view)
    copy = buffers.array(name, *view.shape)
    copy[...] = view
    return copy


def _centre(block: _Block, buffers: Buffers) -> _CentredBlock:
    """The block minus its mean joints, and its correlations; ``block`` itself is not valid afterwards.

    Raises:
        ValueError: the square of a true pose overflows.
    """
    joints = block.truth.shape[1]
    x_mean, y_mean = block.truth_sum / joints, block.pred_sum / joints
    x = np.subtract(block.truth, x_mean[:, None], out=buffers.array("kernel truth", *block.truth.shape))
    y = np.subtract(block.pred, y_mean[:, None], out=buffers.array("kernel pred", *block.pred.shape))
    y_size = np.einsum("ijb,ijb->b", y, y)
    has_extent = y_size > _SMALLEST_EXTENT * joints * np.einsum("ib,ib->b", y_mean, y_mean)
    collapsed = ~has_extent | ~(y_size < _LARGEST_SIZE)
    if collapsed.any():
        y[:, :, collapsed] = 0.0
        y_size[collapsed] = 0.0
    k = np.einsum("ijb,kjb->ikb", x, y)
    norm = np.sqrt(np.einsum("ikb,ikb->b", k, k))
    if not np.isfinite(norm).all():  # the prediction's size is bounded, so it is the truth's
        raise ValueError("a true pose is not finite when squared")
    k /= np.where(norm > 0.0, norm, 1.0)
    cofactors = cofactors_of(k)
    det = np.einsum("kb,kb->b", k[0], cofactors[0])
    return _CentredBlock(x, y, x_mean, y_mean, y_size, norm, k, cofactors, det)


def _scaled_reflections(block: _CentredBlock) -> tuple[Index, Array]:
    """The poses of a block that a reflection fits better, and scale times reflection (3, 3, M) of these."""
    mirrored = np.flatnonzero(block.det < 0.0)
    if not len(mirrored):
        return mirrored, np.empty((3, 3, 0))
    # The best reflection of a pose is the best rotation of its point mirror image, whose K is negated; cof(-K) = cof K.
    rotation, trace = best_rotation(-block.k[..., mirrored], block.cofactors[..., mirrored], -block.det[mirrored])
    return mirrored, -block.scale(trace, mirrored) * rotation


def _scale_about_the_origin(block: _Block) -> Array:
    """Least-squares scale (B,) <truth, pred> / <pred, pred>; 0 for a pose that is all zero."""
    size = np.einsum("ijb,ijb->b", block.pred, block.pred)
    scale: Array = np.einsum("ijb,ijb->b", block.truth, block.pred) / np.where(size > 0.0, size, 1.0)
    return scale


def _store_norms(vectors: Array, out: Array, buffers: Buffers) -> None:
    """Norms of vectors (3, J, B), in ``out`` (B, J)."""
    square = buffers.array("kernel square", *vectors.shape[1:])
    np.einsum("ijb,ijb->jb", vectors, vectors, out=square)
    np.sqrt(square.T, out=out)
