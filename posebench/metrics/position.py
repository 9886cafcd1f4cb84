"""Metrics of poses: a value per frame, and per joint where that makes sense. Averaging is somebody else's step.

**Convention.** Poses are (T, J, 3) mm, consecutive frames of one clip, camera frame. A metric is an alignment
(:mod:`posebench.metrics.alignment`), a joint set and a statistic; the statistics here take the per-joint errors (T, J) in mm that the
alignment leaves. All arithmetic is float64: in float32 or in metres a joint now and then changes sides at a threshold.

An **invalid** predicted pose (a non-finite coordinate, or no extent: all joints in one point) is never dropped: the similarities
place it at the truth's centroid and everything else scores all its joints at the root.

Definitions and who uses which: ``docs/metrics.md``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton
from posebench.metrics.alignment import residuals
from posebench.metrics.kernel.workspace import Workspace

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: The 3DHP script's AUC thresholds in mm: 0, 5, ..., 150. At 0 nothing passes, so a perfect prediction reaches 96.774 %.
AUC_THRESHOLDS = (0.0, 150.0, 5.0)
#: CPS thresholds in mm: 1, 2, ..., 300 (Wandt et al. 2021, CanonPose).
CPS_THRESHOLDS = (1.0, 300.0, 1.0)


def invalid_poses(pred: npt.ArrayLike) -> Mask:
    """(T,) poses with a coordinate that is not finite (or above 1e70), or with all joints in one point, to one part in 10^9."""
    pose = np.asarray(pred, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return _invalid(pose, pose - pose[:, :1])


def _invalid(pose: Array, about: Array) -> Mask:
    """The rule, for poses (T, J, 3) and the same poses about one of their points; a sum of squares shows what any coordinate has."""
    size, extent = (np.einsum("tjc,tjc->t", each, each) for each in (pose, about))
    invalid: Mask = ~(size < 1e140) | ~(extent > 1e-18 * size)
    return invalid


def root_relative(pose: npt.ArrayLike, root: tuple[int, ...] = (0,), out: Array | None = None) -> Array:
    """Poses (T, J, 3) minus the mean of their ``root`` joints (one index, or both hips), as float64; in ``out`` if given.

    Example:
        >>> root_relative([[[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]]]).tolist()
        [[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    pose = np.asarray(pose, dtype=np.float64)
    origin = pose[:, root[0]] if len(root) == 1 else pose[:, list(root)].mean(axis=1)
    relative: Array = np.subtract(pose, origin[:, None], out=out)
    return relative


def sound(pred: npt.ArrayLike, root: tuple[int, ...] = (0,), out: Array | None = None) -> tuple[Array, Mask]:
    """Root-relative predictions, in ``out`` if given, with every joint of an invalid pose at the root; and which poses are invalid."""
    given = np.asarray(pred, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        pose = root_relative(given, root, out)
        invalid = _invalid(given, pose)
    if invalid.any():
        pose[invalid] = 0.0
    return pose, invalid


def mpjpe(pred: npt.ArrayLike, truth: npt.ArrayLike, *, root: tuple[int, ...] = (0,)) -> Array:
    """Mean per-joint position error (T,), mm, root-relative; the root counts in the mean with its error of zero.

    **Convention.** 17 joints with the root, as VideoPose3D and Martinez et al. (2017) average; leaving it out gives 17/16 of it.

    Raises:
        ValueError: shapes differ, or a true pose is not finite.

    Example:
        >>> import numpy as np
        >>> truth = np.zeros((1, 17, 3)); truth[0, :, 0] = range(17)
        >>> pred = truth.copy(); pred[0, 1:, 1] += 17.0
        >>> mpjpe(pred, truth).tolist()
        [16.0]
    """
    return _mean_error(pred, truth, root, "none")


def pa_mpjpe(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """MPJPE (T,), mm, after the best similarity with det R = +1 of each pose (Procrustes; papers' "rigid", Protocol 2).

    **Convention.** A mirrored pose is **not** forgiven: see ``similarity+reflection``. Least squares is not least distance, so this
    value can exceed MPJPE.

    Raises:
        ValueError: shapes differ, or a true pose is not finite.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(3, 17, 3))
        >>> bool((pa_mpjpe(5 * truth + 1, truth) < 1e-12).all())
        True
    """
    return _mean_error(pred, truth, None, "similarity")


def n_mpjpe(pred: npt.ArrayLike, truth: npt.ArrayLike, *, root: tuple[int, ...] = (0,)) -> Array:
    """MPJPE (T,), mm, after the least-squares scale <x, y>/<y, y> of each root-relative pose (Rhodin et al. 2018, eq. 9).

    **Convention.** The scale is not clipped: a point-mirrored prediction takes a negative one and a small error.

    Raises:
        ValueError: shapes differ, or a true pose is not finite.
    """
    return _mean_error(pred, truth, root, "scale")


def _mean_error(pred: npt.ArrayLike, truth: npt.ArrayLike, root: tuple[int, ...] | None, alignment: str) -> Array:
    pred, _ = sound(pred, root or (0,))
    out: Array = residuals(pred, root_relative(truth, root or (0,)), [alignment]).errors[alignment].mean(axis=1)
    return out


def pck(errors: npt.ArrayLike, threshold: float = 150.0, *, inclusive: bool = False) -> Array:
    """100 where the error is below ``threshold`` mm (or equal, if ``inclusive``), else 0: same shape as ``errors``.

    **Convention.** Strict ``<`` is the 3DHP script's and everybody's but 3DPW's. The mean is the percentage of correct keypoints.

    Example:
        >>> pck([149.9, 150.0]).tolist()
        [100.0, 0.0]
    """
    errors = np.asarray(errors, dtype=np.float64)
    return np.where(errors <= threshold if inclusive else errors < threshold, 100.0, 0.0)


def auc(errors: npt.ArrayLike, thresholds: tuple[float, float, float] = AUC_THRESHOLDS, *, workspace: Workspace | None = None) -> Array:
    """Mean of PCK over ``thresholds`` (first, last, step) in mm, in %, for each error: a closed form, no loop over thresholds.

    With a ``workspace`` the result lasts until its next use.

    **Convention.** Mean of the values at every threshold, both ends included, strict ``<`` (the 3DHP script).

    Example:
        >>> round(float(auc(0.0)), 3)
        96.774
    """
    first, last, step = thresholds
    count = round((last - first) / step) + 1
    passed = _passed(np.asarray(errors, dtype=np.float64), first, step, count, workspace or Workspace())
    np.subtract(count, passed, out=passed)
    passed *= 100.0 / count
    return passed


def within(area: Array, thresholds: tuple[float, float, float] = AUC_THRESHOLDS) -> Array:
    """How many errors lie below each threshold, (thresholds,): the PCK curve whose mean the values ``area`` of :func:`auc` are.

    Example:
        >>> steps = (0.0, 10.0, 5.0)
        >>> within(auc([2.0, 7.0, 500.0], steps), steps).tolist()
        [0.0, 1.0, 2.0]
    """
    first, last, step = thresholds
    count = round((last - first) / step) + 1
    # An error of p % is below the last count * p / 100 thresholds, and only these.
    reached = np.rint(area * (count / 100.0)).astype(np.intp).ravel(order="K")
    return np.cumsum(np.bincount(reached, minlength=count + 1)[:0:-1]).astype(np.float64)


def threshold_values(thresholds: tuple[float, float, float]) -> list[float]:
    """The thresholds in mm, one by one."""
    first, last, step = thresholds
    return [first + step * number for number in range(round((last - first) / step) + 1)]


def _passed(errors: Array, first: float, step: float, count: int, workspace: Workspace) -> Array:
    """How many thresholds each error reaches: those that are <= it (and so are failed under ``<``)."""
    # In the order in which the errors lie in memory: frames side by side.
    below, edge = (workspace.array(name, *errors.T.shape).T for name in ("below", "edge"))
    np.subtract(errors, first, out=below)
    below /= step
    np.floor(below, out=below)
    # The quotient may round up across a threshold; down only where thresholds are no exact numbers.
    if not (float(first).is_integer() and float(step).is_integer()):
        below += (below + 1.0) * step + first <= errors
    np.multiply(below, step, out=edge)
    edge += first
    below -= edge > errors
    below += 1.0
    return np.clip(below, 0.0, count, out=below)


def cps(errors: npt.ArrayLike, thresholds: tuple[float, float, float] = CPS_THRESHOLDS) -> Array:
    """Correct-poses score (T,): area, over the thresholds in mm, of "all joints are below the threshold".

    **Convention.** ``errors`` (T, J) after PA with det R = +1; strict ``<``; trapezoid rule over 1, 2, ..., 300 mm, so at most 299
    (Wandt et al. 2021; area as in Wehrbein et al. 2021, who leave the spine out: choose joints before calling).

    Example:
        >>> cps([[0.0, 0.5]]).tolist()
        [299.0]
    """
    first, last, step = thresholds
    count = round((last - first) / step) + 1
    worst = np.asarray(errors, dtype=np.float64).max(axis=1)
    right = count - _passed(worst, first, step, count, Workspace())
    # The trapezoid counts the two end thresholds by half.
    ends = 0.5 * (right >= count) + 0.5 * (right >= 1)
    return (right - ends) * step


def velocity_error(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """|first difference of pred - of truth| (T-1, J), mm/frame, of root-relative poses (VideoPose3D's MPJVE)."""
    return _difference_error(pred, truth, 1)


def acceleration_error(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """|second difference of pred - of truth| (T-2, J), mm/frame^2 (VIBE); multiply by fps^2 / 1000 for m/s^2."""
    return _difference_error(pred, truth, 2)


def _difference_error(pred: npt.ArrayLike, truth: npt.ArrayLike, order: int) -> Array:
    return difference_length(np.asarray(pred, dtype=np.float64) - np.asarray(truth, dtype=np.float64), order)


def difference_length(deviation: Array, order: int) -> Array:
    """Length (T - order, J) of the ``order``-th difference over time of deviations (T, J, 3)."""
    if len(deviation) <= order:
        return np.empty((0, deviation.shape[1]))
    return length(np.diff(deviation, n=order, axis=0).transpose(2, 1, 0))


def length(vectors: Array, out: Array | None = None) -> Array:
    """Length of vectors (3, K, T), as (T, K); ``out`` is (K, T)."""
    square: Array = np.einsum("ckt,ckt->kt", vectors, vectors, out=out)
    return np.sqrt(square, out=square).T


def bone_lengths(pose: npt.ArrayLike, skeleton: Skeleton, *, workspace: Workspace | None = None, name: str = "bones") -> Array:
    """Lengths (T, B), mm, in the order of ``skeleton.bones``; with a ``workspace`` they last until it is asked for ``name`` again."""
    component = np.asarray(pose, dtype=np.float64).transpose(2, 1, 0)
    workspace = workspace or Workspace()
    vectors = workspace.array("bone vectors", 3, len(skeleton.bones), component.shape[2])
    for bone, (parent, child) in enumerate(skeleton.bones):  # half the time of gathering parents and children
        np.subtract(component[:, child], component[:, parent], out=vectors[:, bone])
    return length(vectors, workspace.array(name, *vectors.shape[1:]))


def bone_length_error(pred: npt.ArrayLike, truth: npt.ArrayLike, skeleton: Skeleton) -> Array:
    """|predicted - true length| (T, B), mm (MotionBERT ``loss_limb_gt``)."""
    return np.abs(bone_lengths(pred, skeleton) - bone_lengths(truth, skeleton))


def bone_symmetry_error(pred: npt.ArrayLike, skeleton: Skeleton) -> Array:
    """|left - right length| (T, pairs), mm, of the prediction alone, in the order of ``skeleton.bone_pairs`` (ManiPose MPSSE).

    **Convention.** No truth enters. Real bodies are not symmetric: on CMU a perfect prediction scores several mm.
    """
    return asymmetry(bone_lengths(pred, skeleton), skeleton)


def asymmetry(lengths: Array, skeleton: Skeleton) -> Array:
    """|left - right| (T, pairs) of bone lengths (T, B)."""
    left, right = (list(side) for side in zip(*skeleton.bone_pairs, strict=True))
    return np.abs(lengths[:, left] - lengths[:, right])


def flipped(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Mask:
    """(T,) det(P0^T G0) < 0, centred: a reflection would fit better than any rotation. Planar poses count as not flipped."""
    return residuals(pred, truth, ()).flipped
