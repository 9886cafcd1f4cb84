"""Simple mistakes of geometry beside axes, joint order and frame: is there one change of all poses that makes them fit?

**Convention.** As in :mod:`.causes`: errors are medians over poses of the root mean square over joints, mm, after the best scale that is
not negative. A method may be wrong in each of these ways by nature, a little; a finding needs a change that explains most of the error.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton
from posebench.metrics.alignment import procrustes, residuals
from posebench.predictions.finding import Finding
from posebench.scoring.checks.sample import best_scale, rms

Array = npt.NDArray[np.float64]

#: A change explains the poses if less than this share of the error is left; one with many numbers to fit, less than the second.
EXPLAINED, EXPLAINED_BY_FIT = 0.6, 0.35
#: Below this error, mm, there is nothing to explain.
GOOD = 50.0
#: A constant offset of the joints, root mean square mm, that is worth a warning, and one that is an error.
OFFSET = (80.0, 150.0)
#: Motion of the truth over that of the poses, where a mean pose is missing; a method that tends to the mean pose moves less.
OFFSET_SCALE = (0.7, 1.4)
#: Size of one axis over that of the others that no method has by its nature, and how well it must follow the truth.
AXIS_RATIO, FOLLOWS = (0.28, 3.5), 0.8
#: The error is surely one where the ratio is beyond these, or within this factor of that of two units: a method may flatten depth.
AXIS_PLAUSIBLE, AXIS_UNITS, AXIS_FITS = (1 / 30, 30.0), (0.1, 10.0, 1 / 25.4, 25.4), 1.3
#: A constant rotation, degrees, that is worth a warning.
ROTATION = 8.0
#: Joints nearer to each other than this share of the size of the pose, in every pose, are one joint.
SAME_PLACE = 1e-4


def transform_finding(pred: Array, truth: Array, skeleton: Skeleton, unit: str) -> Finding | None:
    """The change that explains the poses best; None if none does.

    Args:
        pred: (n, J, 3) root-relative poses, mm.
        truth: (n, J, 3) root-relative true poses, mm.
        skeleton: of the poses.
        unit: ``mm`` where the poses are metric, empty where their scale is unknown.
    """
    # In the size of the truth: squares of a prediction of any size are finite, and no change here depends on the size.
    factor = float(np.median(rms(truth))) / max(float(np.median(rms(pred))), 1e-300)
    pred = pred * factor
    before = _error(pred, truth)
    if before <= GOOD or len(pred) < 2:
        return None
    found = [
        *_changed(pred, truth, skeleton, before),
        *_axis_sizes(pred, truth, before),
        *_offset(pred, truth, before, factor if unit else 0.0),
        *_rotated(pred, truth, before),
    ]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def same_place(pred: Array, skeleton: Skeleton) -> Iterator[Finding]:
    """Joints that are at the place of another one in every pose: they were not predicted."""
    if len(pred) < 2:
        return
    size = np.maximum(rms(pred), 1e-300)
    groups: list[list[int]] = []
    for joint in range(pred.shape[1]):
        for group in groups:
            if (np.linalg.norm(pred[:, joint] - pred[:, group[0]], axis=-1) < SAME_PLACE * size).all():
                group.append(joint)
                break
        else:
            groups.append([joint])
    shown = "; ".join(", ".join(skeleton.joints[joint] for joint in group) for group in groups if len(group) > 1)
    if shown:
        message = f"joints are at one place in every pose: {shown}"
        yield Finding("same-joints", "warning", message, "predict every joint of the skeleton, or state a skeleton with fewer joints")


def _changed(pred: Array, truth: Array, skeleton: Skeleton, before: float) -> Iterator[tuple[float, Finding]]:
    mirrored = pred[:, list(skeleton.mirror)] * [-1.0, 1.0, 1.0]
    summed = pred.copy()
    for parent, child in skeleton.bones:
        summed[:, child] = summed[:, parent] + pred[:, child]
    summed -= summed[:, list(skeleton.root_indices)].mean(axis=1, keepdims=True)
    for name, poses, what, fix in (
        ("mirrored", mirrored, "are mirror images: they fit with x negated and left and right exchanged", "undo the flip of the image"),
        ("bones", summed, "are bone vectors: they fit if each is added to its parent joint", "add up the bones from the root"),
    ):
        if (left := _error(poses, truth)) < EXPLAINED * before:
            yield left, Finding(name, "error", f"the poses {what}, with {_numbers(left, before)}", fix)


def _axis_sizes(pred: Array, truth: Array, before: float) -> Iterator[tuple[float, Finding]]:
    """Does one axis have another unit than the others?"""
    dot = np.einsum("njc,njc->c", pred, truth)
    size, true_size = (np.sqrt(np.einsum("njc,njc->c", pose, pose)) for pose in (pred, truth))
    if not size.all():
        return  # an axis of zeros: a method that sees no depth
    follows, ratio = dot / (size * true_size), size / true_size
    for axis in range(3):
        relative = float(ratio[axis] / np.median(np.delete(ratio, axis)))
        if AXIS_RATIO[0] <= relative <= AXIS_RATIO[1] or follows[axis] < FOLLOWS:
            continue
        left = _error(pred * np.where(np.arange(3) == axis, 1.0 / relative, 1.0), truth)
        if left < EXPLAINED * before:
            message = f"{'xyz'[axis]} is {relative:.3g} times as large as the other axes, and follows the truth: another unit?"
            fix = "write all axes in one unit"
            is_unit = any(1 / AXIS_FITS < relative / ratio_of_units < AXIS_FITS for ratio_of_units in AXIS_UNITS)
            severity = "error" if is_unit or not AXIS_PLAUSIBLE[0] <= relative <= AXIS_PLAUSIBLE[1] else "warning"
            yield left, Finding("axis-unit", severity, f"{message} Else the poses fit with {_numbers(left, before)}", fix)


def _offset(pred: Array, truth: Array, before: float, factor: float) -> Iterator[tuple[float, Finding]]:
    """Does a constant offset of each joint, or of all joints from the root, explain the error? ``factor``: of ``pred`` over mm, or 0."""
    mean, true_mean = pred.mean(axis=0), truth.mean(axis=0)
    moving, true_moving = pred - mean, truth - true_mean
    scale = max(0.0, float((moving * true_moving).sum())) / max(float((moving * moving).sum()), 1e-300)
    left = float(np.median(rms(scale * moving - true_moving)))
    offset = true_mean - scale * mean
    size = float(rms(offset[None])[0])
    if left >= EXPLAINED * before or size < OFFSET[0] or scale == 0.0:
        return
    joints = np.delete(offset, np.flatnonzero(np.abs(offset).max(axis=1) < 1e-6), axis=0)
    common = np.median(joints, axis=0)
    together = float(rms((joints - common)[None])[0]) < 0.3 * size
    message = f"without a constant offset of the joints the poses fit with {_numbers(left, before)}"
    if together:
        message += f": all lie {np.linalg.norm(common):.0f} mm further from the root than the true ones, alike"
    fix = "is the root of the poses another joint?" if together else "was the mean pose added that was subtracted for training, once?"
    moves_right = OFFSET_SCALE[0] <= scale * factor <= OFFSET_SCALE[1]
    severity = "error" if size > OFFSET[1] and left < EXPLAINED_BY_FIT * before and moves_right else "warning"
    yield left, Finding("offset", severity, message, fix)


def _rotated(pred: Array, truth: Array, before: float) -> Iterator[tuple[float, Finding]]:
    """Does one rotation of all poses explain the error, or one a pose?"""
    rotation = procrustes(pred.reshape(1, -1, 3), truth.reshape(1, -1, 3)).rotation[0]
    angle = float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0))))
    left = _error(pred @ rotation.T, truth)
    if left < EXPLAINED * before and angle > ROTATION:
        message = f"one rotation of all poses by {angle:.0f} degrees explains most of the error: {_numbers(left, before)}"
        fix = "are the poses in another frame than the camera's, such as that of a levelled camera?"
        yield left, Finding("rotation", "warning", message, fix)
        return
    aligned = residuals(pred, truth, ["similarity"]).errors["similarity"]
    left = float(np.median(np.sqrt((aligned**2).mean(axis=1))))
    if left < EXPLAINED_BY_FIT * before * 0.7:
        message = (
            f"a rotation of each pose explains most of the error: {_numbers(left, before)}; the shapes are right, their orientations not"
        )
        fix = "rotate the poses into each clip's camera frame, if the method works in a frame of the body"
        yield left, Finding("rotation", "warning", message, fix)


def _error(pred: Array, truth: Array) -> float:
    return float(np.median(rms(best_scale(pred, truth) * pred - truth)))


def _numbers(left: float, before: float) -> str:
    return f"{left:.0f} mm instead of {before:.0f} mm (root mean square)"
