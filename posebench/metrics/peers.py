"""Formulas of other projects that differ from the adopted definitions, so that their numbers can be reproduced. Never ranked.

**Convention.** Poses (T, J, 3) in mm, one clip, camera frame; ``errors`` (T, J) in mm. Where an argument has 17 joints the order is
``h36m17``. All arithmetic is float64. A predicted pose that is not finite is replaced by zeros, and one without extent gets the scale zero,
so that every result is finite (the projects' own code returns NaN there or raises, and ElePose's CPS counts NaN as correct).

"Ours" below is the adopted metric. Formulas that coincide with one have no function here: 3DPW's inclusive PCK is
``pck(errors, inclusive=True)``, HMR's 14-joint MPJPE is ``mpjpe(pred, truth, root=<both hips>)``, ManiPose's MPSSE is the mean of
``bone_symmetry_error``, PoseBench3D's loss is ``PA-MPJPE`` per joint, and VIBE's acceleration where every frame is visible is
``acceleration_error``.

Formulas and differences: ``docs/metrics.md``. Tests compare each function with numbers that the project's own code returned.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton
from posebench.metrics.alignment import aligned, residuals
from posebench.metrics.bones import bone_lengths
from posebench.metrics.position import root_relative
from posebench.metrics.temporal import acceleration_error, velocity_error
from posebench.metrics.thresholds import auc, cps, pck, thresholds_passed

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: 17 without root, spine and nose: ProbFlows' PCK; the same set as Martinez' ``predict_14`` and LSP 14.
PROBFLOWS_PCK_JOINTS = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
#: 17 without the spine: ProbFlows' CPS and CP@180.
PROBFLOWS_CPS_JOINTS = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16)
#: 17 without root and both hips: what ITES takes 3DHP's 14 joints to be.
ITES_JOINTS = (2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
_DEPTH_FLIP = np.array([1.0, 1.0, -1.0])


def _poses(pred: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[Array, Array]:
    pred, truth = np.array(pred, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if pred.shape != truth.shape or pred.ndim != 3 or pred.shape[-1] != 3:
        raise ValueError(f"predicted poses {pred.shape} and true poses {truth.shape} must both be (T, J, 3)")
    if not np.isfinite(truth).all():
        raise ValueError("a true pose is not finite")
    pred[~np.isfinite(pred).all(axis=(1, 2))] = 0.0
    return pred, truth


def _distance(pred: Array, truth: Array) -> Array:
    out: Array = np.linalg.norm(pred - truth, axis=-1)
    return out


def _ratio(numerator: Array, denominator: Array) -> Array:
    """The quotient of (T,) arrays as (T, 1, 1); zero where the denominator is zero."""
    out: Array = np.where(denominator > 0.0, numerator / np.where(denominator > 0.0, denominator, 1.0), 0.0)
    return out[:, None, None]


def _centred(pred: Array, truth: Array) -> tuple[Array, Array, Array]:
    """Prediction P0 and truth G0 minus their mean joint, and P0^T G0 (T, 3, 3). A prediction in one point becomes exactly zero."""
    y, x = pred - pred.mean(axis=1, keepdims=True), truth - truth.mean(axis=1, keepdims=True)
    y[np.abs(y).max(axis=(1, 2)) <= 1e-9 * np.abs(pred).max(axis=(1, 2))] = 0.0
    return y, x, y.transpose(0, 2, 1) @ x


def frobenius_errors(pred: npt.ArrayLike, truth: npt.ArrayLike, *, root: tuple[int, ...] = (0,)) -> Array:
    """Errors (T, J), mm, of root-relative poses after the scale |G| / |P| (ElePose ``utils/metrics_batch.py``).

    Ours is the least-squares scale <P, G> / <P, P>. A ratio of norms does not depend on whether the poses agree, and is never negative.

    Example:
        >>> truth = np.random.default_rng(0).normal(size=(1, 17, 3))
        >>> bool(frobenius_errors(3 * truth, truth).max() < 1e-12)
        True
    """
    pred, truth = _poses(pred, truth)
    pred, truth = root_relative(pred, root), root_relative(truth, root)
    return _distance(_ratio(np.linalg.norm(truth, axis=(1, 2)), np.linalg.norm(pred, axis=(1, 2))) * pred, truth)


def elepose_pa_errors(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """Errors (T, J), mm, after ElePose's batch ``pmpjpe``: the scale is |G0| / |P0|, and a reflection is undone on the wrong side.

    With P0^T G0 = U S V^T ours is U diag(1, 1, det) V^T; theirs is U V^T diag(1, 1, det), which negates the truth's third axis
    instead of the direction that fits worst: 273 against 180 mm on depth-flipped poses (``utils/metrics_batch.py``). On collinear
    poses rounding decides the sign of det, and with it the value.
    """
    y, x, k = _centred(*_poses(pred, truth))
    u, _, vt = np.linalg.svd(k)
    rotation = u @ vt
    rotation[:, :, 2] *= np.where(np.linalg.det(rotation) < 0.0, -1.0, 1.0)[:, None]
    return _distance(_ratio(np.linalg.norm(x, axis=(1, 2)), np.linalg.norm(y, axis=(1, 2))) * (y @ rotation), x)


def elepose_cps(errors: npt.ArrayLike) -> Array:
    """Area (T,) of "no joint is above q" over q = 0, 1, ..., 300 mm as a plain sum, at most 301 (ElePose ``get_all``).

    Ours aligns first (Procrustes), asks for ``<``, starts at 1 and uses the trapezoid rule: at most 299. Theirs takes unaligned
    errors, as a comment in its code says.

    Example:
        >>> elepose_cps([[0.0, 0.0], [0.0, 299.5]]).tolist()
        [301.0, 1.0]
    """
    out: Array = np.clip(301.0 - np.ceil(np.asarray(errors, dtype=np.float64).max(axis=1)), 0.0, 301.0)
    return out


def elepose_scores(pred: npt.ArrayLike, truth: npt.ArrayLike, *, use_scaling: bool, root: int = 0) -> dict[str, float]:
    """ElePose's ``get_all``: means of MPJPE (mm), PCK and AUC (%; its ``AUC`` alone is a fraction) and CPS, all of one alignment.

    ``use_scaling``: the Frobenius scale of :func:`frobenius_errors`; else only the root is subtracted. AUC and PCK are ours.
    """
    if use_scaling:
        errors = frobenius_errors(pred, truth, root=(root,))
    else:
        pred, truth = _poses(pred, truth)
        errors = _distance(root_relative(pred, (root,)), root_relative(truth, (root,)))
    values = {"MPJPE": errors, "PCK": pck(errors), "AUC": auc(thresholds_passed(errors)), "CPS": elepose_cps(errors)}
    return {name: float(value.mean()) for name, value in values.items()}


def ites_scaled(pred: npt.ArrayLike, truth: npt.ArrayLike, *, root: tuple[int, ...] = (0,)) -> Array:
    """Predictions (T, J, 3), mm, after ITES' scale, then root-relative (``common/loss.py``, ``test_student.py``).

    The scale is that of a Procrustes fit with reflections allowed (the sum of all singular values of P0^T G0 over |P0|^2), but the
    rotation is not applied; ours is the least-squares scale without any rotation. The truth's root is not subtracted.
    """
    pred, truth = _poses(pred, truth)
    y, _, k = _centred(pred, truth)
    scale = _ratio(np.linalg.svd(k, compute_uv=False).sum(axis=1), np.einsum("tjc,tjc->t", y, y))
    return root_relative(scale * pred, root)


class BestOfFlip(NamedTuple):
    """ITES' oracle over a pose and its mirror image in depth: ``mpjpe``, ``pa_mpjpe`` (T,), and errors by joint (T, 14); mm."""

    mpjpe: Array
    pa_mpjpe: Array
    joint_errors: Array
    pa_joint_errors: Array


def flip_candidates(pred: npt.ArrayLike, truth: npt.ArrayLike, *, root: tuple[int, ...] = (0,)) -> tuple[Array, Array]:
    """Errors (2, T, J), mm, of a pose and of its depth flip, between which ITES' evaluation chooses by the truth.

    Args:
        pred: (T, J, 3), root-relative.
        truth: (T, J, 3), root-relative.
        root: joints whose mean is the root.

    Returns:
        Errors after :func:`ites_scaled`; and errors after a similarity, det = +1.
    """
    pred, truth = _poses(pred, truth)
    candidates = [ites_scaled(pred, truth, root=root), ites_scaled(pred * _DEPTH_FLIP, truth, root=root)]
    fitted = [residuals(candidate, truth, ["similarity"]).errors["similarity"] for candidate in candidates]
    return np.stack([_distance(candidate, truth) for candidate in candidates]), np.stack(fitted)


def ites_best_of_flip(pred: npt.ArrayLike, truth: npt.ArrayLike) -> BestOfFlip:
    """ITES' evaluation (``test_student.py``): the better, by the truth, of the prediction and its depth flip.

    MPJPE and PA-MPJPE each choose once per pose; PCK and AUC choose **per joint**, over :data:`ITES_JOINTS`. Both
    candidates are scaled by :func:`ites_scaled`. Ours never uses the truth to choose.

    Args:
        pred: (T, 17, 3), root-relative.
        truth: (T, 17, 3), root-relative.
    """
    plain, fitted = flip_candidates(pred, truth)
    joints = list(ITES_JOINTS)
    return BestOfFlip(
        np.minimum(*(errors.mean(axis=1) for errors in plain)),
        np.minimum(*(errors.mean(axis=1) for errors in fitted)),
        np.minimum(*plain)[:, joints],
        np.minimum(*fitted)[:, joints],
    )


def integral_pa_errors(pred: npt.ArrayLike, truth: npt.ArrayLike, *, alignment: str = "rigid", root: int = 0) -> Array:
    """Errors (T, J), mm, after an alignment and a second subtraction of the root (integral-human-pose, ``hm36.py``).

    Ours scores the aligned pose where it fits best: on noise 38 mm, against 48 mm after the second subtraction.
    """
    pred, truth = _poses(pred, truth)
    return _distance(root_relative(aligned(pred, truth, alignment), (root,)), root_relative(truth, (root,)))


def posebench3d_pa_errors(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """Errors (T, J), mm, by PoseBench3D's method ``Evaluation.p_mpjpe_per_joint``, which its own script does not call.

    It uses the orthogonal factor whatever its determinant, so reflections are allowed, and its scale is tr(P0^T G0 R) / |P0|^2 where
    least squares has R^T: correct only for small rotations. On a collinear pose R, and so the value, is not unique.
    """
    y, x, k = _centred(*_poses(pred, truth))
    u, _, vt = np.linalg.svd(k)
    rotation = u @ vt
    return _distance(_ratio(np.einsum("tij,tji->t", k, rotation), np.einsum("tjc,tjc->t", y, y)) * (y @ rotation), x)


def aspset_pa_errors(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """Errors (T, J), mm, after the Procrustes alignment of ASPset-510's evaluation (posekit ``skeleton/utils.py``).

    The rotation is proper, as ours, but the scale is the sum of all singular values, whose last one ours subtracts where the best fit would
    be a reflection. Where it would not, both are the same.
    """
    y, x, k = _centred(*_poses(pred, truth))
    u, s, vt = np.linalg.svd(k)
    vt[:, 2] *= np.where(np.linalg.det(u @ vt) < 0.0, -1.0, 1.0)[:, None]
    return _distance(_ratio(s.sum(axis=1), np.einsum("tjc,tjc->t", y, y)) * (y @ (u @ vt)), x)


def probflows_pck(errors: npt.ArrayLike) -> Array:
    """Share (T,), 0 to 1, of 14 joints below 150 mm, not aligned (ProbFlows ``utils/eval_functions.py``); ours: 17 joints, %."""
    out: Array = pck(np.asarray(errors, dtype=np.float64)[:, list(PROBFLOWS_PCK_JOINTS)]).mean(axis=1) / 100.0
    return out


def probflows_cps(errors: npt.ArrayLike) -> Array:
    """CPS (T,) over 16 joints, without the spine (ProbFlows); ``errors`` (T, 17) after PA. Ours uses the joints of the protocol."""
    return cps(np.asarray(errors, dtype=np.float64)[:, list(PROBFLOWS_CPS_JOINTS)])


def cp_at_180(errors: npt.ArrayLike) -> Mask:
    """(T,) whether all 16 joints but the spine are below 180 mm; ``errors`` (T, 17) after PA (ProbFlows)."""
    worst: Array = np.asarray(errors, dtype=np.float64)[:, list(PROBFLOWS_CPS_JOINTS)].max(axis=1)
    return worst < 180.0


def bone_variance(pred: npt.ArrayLike, skeleton: Skeleton) -> float:
    """Mean over bones of the unbiased variance of the length in time, mm^2 (MotionBERT ``loss_limb_var``); 0 for one frame."""
    lengths = bone_lengths(pred, skeleton)
    return float(lengths.var(axis=0, ddof=1).mean()) if len(lengths) > 1 else 0.0


def bone_deviation(pred: npt.ArrayLike, skeleton: Skeleton) -> float:
    """Mean over bones of the unbiased standard deviation of the length in time, mm (ManiPose MPSCE).

    ManiPose treats the whole test set, with people of different size, as one series: concatenate clips before the call to do the same.
    It returns NaN for one frame; this function returns 0.
    """
    lengths = bone_lengths(pred, skeleton)
    return float(lengths.std(axis=0, ddof=1).mean()) if len(lengths) > 1 else 0.0


def limb_angles(pose: npt.ArrayLike, skeleton: Skeleton) -> Array:
    """Angles (T, 18), rad, between bones that share a joint, parent to child (MotionBERT ``loss_angle``, ``h36m17``).

    MotionBERT omits one of the 19 such pairs, the neck and the left collar bone. The cosine is clipped at 1 - 1e-7, so the angle of
    parallel bones is 4.5e-4 rad; a bone of zero length is at a right angle to all others.
    """
    pose = np.asarray(pose, dtype=np.float64)
    ends = np.array(skeleton.bones)
    bones = pose[:, ends[:, 1]] - pose[:, ends[:, 0]]
    omitted_pair = {skeleton.index("neck_nose"), skeleton.index("l_shoulder")}
    sharing_a_joint = [(i, j) for i, j in combinations(range(len(ends)), 2) if set(ends[i]) & set(ends[j])]
    pairs = [(i, j) for i, j in sharing_a_joint if {int(ends[i, 1]), int(ends[j, 1])} != omitted_pair]
    a, b = (bones[:, list(side)] for side in zip(*pairs, strict=True))
    cosine = np.einsum("tpc,tpc->tp", a, b) / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-8)
    out: Array = np.arccos(np.clip(cosine, -1.0 + 1e-7, 1.0 - 1e-7))
    return out


def limb_angle_error(pred: npt.ArrayLike, truth: npt.ArrayLike, skeleton: Skeleton) -> Array:
    """|difference of :func:`limb_angles`| (T, 18), rad (MotionBERT ``loss_angle``)."""
    return np.abs(limb_angles(pred, skeleton) - limb_angles(truth, skeleton))


def limb_angle_velocity_error(pred: npt.ArrayLike, truth: npt.ArrayLike, skeleton: Skeleton) -> Array:
    """|difference of the first differences of :func:`limb_angles`| (T - 1, 18), rad/frame (MotionBERT ``loss_angle_velocity``)."""
    return np.abs(np.diff(limb_angles(pred, skeleton) - limb_angles(truth, skeleton), axis=0))


def vibe_acceleration_error(pred: npt.ArrayLike, truth: npt.ArrayLike, visible: npt.ArrayLike) -> Array:
    """Acceleration errors (N, J), mm/frame^2, of those triples of frames that are all visible (VIBE ``compute_error_accel``).

    Args:
        pred: (T, J, 3).
        truth: (T, J, 3).
        visible: (T,) bool. Ours scores every triple.
    """
    seen = np.asarray(visible, dtype=bool)
    out: Array = acceleration_error(pred, truth)[seen[:-2] & seen[1:-1] & seen[2:]]
    return out


def smoothnet_acceleration_error(pred: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """Acceleration errors (T, J), mm/frame^2, with a zero for the first and last frame (SmoothNet). Ours has T - 2 rows."""
    inner = acceleration_error(pred, truth)
    out = np.zeros(np.shape(truth)[:2])
    out[1 : 1 + len(inner)] = inner
    return out


def videopose3d_velocity(clips: Iterable[tuple[npt.ArrayLike, npt.ArrayLike]]) -> float:
    """MPJVE, mm/frame, over (pred, truth) clips: each clip's mean weighted by its T frames (VideoPose3D ``run.py``).

    Ours weights by the T - 1 differences. A clip of one frame has none and is left out here; VideoPose3D returns NaN.
    """
    errors = [errors for pred, truth in clips if len(errors := velocity_error(pred, truth))]
    return float(np.average([e.mean() for e in errors], weights=[len(e) + 1 for e in errors])) if errors else 0.0


def pstmo_average(errors: npt.ArrayLike, actions: npt.ArrayLike, batch: int) -> float:
    """Mean over actions in mm, where every frame gets the mean of its batch (P-STMO and MHFormer, ``common/utils.py``).

    Their Protocol 2 only. A batch that spans several actions mixes them, so the result depends on ``batch``; a batch of one frame gives
    ours.

    Args:
        errors: (N,) mm, PA-MPJPE of each frame, in reading order.
        actions: (N,) action of each frame.
        batch: frames per batch.

    Example:
        >>> pstmo_average([0.0, 10.0, 20.0], ["sit", "sit", "walk"], 1), pstmo_average([0.0, 10.0, 20.0], ["sit", "sit", "walk"], 3)
        (12.5, 10.0)
    """
    errors, actions = np.asarray(errors, dtype=np.float64), np.asarray(actions)
    batch_means = np.concatenate([np.full_like(part, part.mean()) for part in np.split(errors, range(batch, len(errors), batch))])
    return float(np.mean([batch_means[actions == action].mean() for action in np.unique(actions)]))


def mmpose_pck(pred: npt.ArrayLike, truth: npt.ArrayLike, threshold: float = 150.0) -> float:
    """PCK in %, without alignment, compared in metres as mmpose 0.x does (``keypoint_3d_pck``).

    An error of exactly 150 mm fails in millimetres, and may pass in metres, where 0.09^2 + 0.12^2 rounds to less than 0.15^2.

    Args:
        pred: (N, J, 3) mm.
        truth: (N, J, 3) mm.
        threshold: mm.
    """
    error = np.linalg.norm(np.asarray(pred, dtype=np.float64) / 1000.0 - np.asarray(truth, dtype=np.float64) / 1000.0, axis=-1)
    return float(pck(error, threshold / 1000.0).mean())


def mmpose_auc(pred: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Mean of :func:`mmpose_pck` at 0, 5, ..., 150 mm, in %; arguments as there."""
    return float(np.mean([mmpose_pck(pred, truth, 5.0 * step) for step in range(31)]))
