"""Fixes of predicted poses that use the ground truth, and the error that each leaves: rungs of the ladder, and oracles.

**Convention.** Poses are (3, J, n): component, joint, frame; root-relative, mm, camera axes. Errors are (n,): the mean distance of a pose's
scored joints. No fix is clipped where it makes things worse: least squares is not least distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.metrics.alignment import residuals
from posebench.scoring.decomposition.body import Body
from posebench.scoring.decomposition.shares import Correlation, correlations

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]

#: Whole-body fixes by their code: as it is, z negated about the root, left and right exchanged, both.
DISCRETE = ("none", "depth", "sides", "both")
#: A discrete fix is taken only where it leaves less than this share of the squared error: near-planar poses then do not flip by chance.
_GATE = 0.5
#: A pose this close to the truth, as a share of its squared size, needs no fix: below it lies rounding.
_EXACT = 1e-9
#: A bone's sign of depth counts where its depth exceeds this share of its length.
CLEAR_DEPTH = 0.25
#: Names of the axes of the image and of a rotation about each.
ROTATIONS = ("elevation", "azimuth", "roll")


def choose_discrete(pred: Array, truth: Array, body: Body) -> tuple[Codes, Correlation]:
    """(n,) codes of :data:`DISCRETE` with the least squared error after a similarity, gated; and the correlation of poses as they are.

    ``pred`` and ``truth`` are restricted to the scored joints.
    """
    as_is, other = correlations(pred, truth, _within(body.exchanged("sides"), body))
    # z negated mirrors the prediction: its best rotation is the best reflection of the pose as it is.
    left = np.stack([found.left(trace) for found in (as_is, other) for trace in (found.proper, found.improper)])
    best = left.argmin(axis=0)
    taken = (left.min(axis=0) < _GATE * left[0]) & (left[0] > _EXACT * as_is.true_size) & (as_is.size > 0.0)
    return np.where(taken, best, 0).astype(np.int8), as_is


def _within(order: list[int], body: Body) -> list[int] | None:
    """An order of all joints as one of the scored joints; None where it leaves them, or joins one that is not scored."""
    place = {joint: number for number, joint in enumerate(body.scored)}
    if any(order[joint] not in place for joint in body.scored):
        return None
    return [place[order[joint]] for joint in body.scored]


def apply_discrete(pred: Array, codes: Codes, body: Body) -> Array:
    """Poses (3, J, n) of all joints with the coded fixes; ``pred`` itself where none is needed."""
    if not codes.any():
        return pred
    fixed = pred.copy()
    sides = codes >= 2
    if sides.any():
        fixed[:, :, sides] = pred[:, body.exchanged("sides")][:, :, sides]
    fixed[2, :, codes % 2 == 1] *= -1.0
    return fixed


def best_scale(pred: Array, truth: Array) -> Array:
    """(n,) least-squares scale about the root; 0 for a pose without extent."""
    size = np.einsum("cjn,cjn->n", pred, pred)
    out: Array = np.einsum("cjn,cjn->n", pred, truth) / np.where(size > 0.0, size, np.inf)
    return out


class Scales(NamedTuple):
    """One factor for the set and one for the clip: of the poses as they are, and of those with the discrete fixes."""

    set_alone: float
    set_fixed: float
    clip_alone: float
    clip_fixed: float


@dataclass(frozen=True, eq=False)
class Poses:
    """Poses to fix, in all joints of the body.

    Attributes:
        pred: (3, J, n); already scaled by pose where the file's scale is unknown.
        truth: (3, J, n).
        codes: (n,) discrete fixes.
        metric_scale: the file has metric scale.
        scales: factors of set and clip; None where the scale is unknown.
        ray: (3, n) unit vectors to the true root; None where it is unknown.
        offset: (3, J) mean error in the body frame, of other takes; None where it is unknown.
        axes: (3, 3, n) body frames; None where the skeleton has none.
        lengths: (bones,) mean true lengths of the clip, mm.
    """

    pred: Array
    truth: Array
    codes: Codes
    metric_scale: bool
    scales: Scales | None
    ray: Array | None
    offset: Array | None
    axes: Array | None
    lengths: Array

    def some(self, chosen: slice) -> Poses:
        """Of some frames only."""
        pred, truth = (np.ascontiguousarray(pose[..., chosen]) for pose in (self.pred, self.truth))
        ray, axes = (None if one is None else one[..., chosen] for one in (self.ray, self.axes))
        return replace(self, pred=pred, truth=truth, codes=self.codes[chosen], ray=ray, axes=axes)

    @classmethod
    def joined(cls, parts: Sequence[Poses]) -> Poses:
        """Poses of one clip, one after the other."""
        first = parts[0]
        if len(parts) == 1:
            return first
        pred, truth, codes = (np.concatenate([getattr(one, name) for one in parts], axis=-1) for name in ("pred", "truth", "codes"))
        ray = None if first.ray is None else np.concatenate([one.ray for one in parts if one.ray is not None], axis=-1)
        axes = None if first.axes is None else np.concatenate([one.axes for one in parts if one.axes is not None], axis=-1)
        return replace(first, pred=pred, truth=truth, codes=codes, ray=ray, axes=axes)


class Bones(NamedTuple):
    """Vectors of the bones (3, bones, n) from the inner to the outer joint, and their lengths (bones, n)."""

    pred: Array
    truth: Array
    pred_length: Array
    truth_length: Array

    @classmethod
    def of(cls, pred: Array, truth: Array, body: Body) -> Bones:
        """The bones of predicted and true poses (3, J, n)."""
        vectors = [pose[:, body.children] - pose[:, body.parents] for pose in (pred, truth)]
        lengths = [np.sqrt(np.einsum("cbn,cbn->bn", bones, bones)) for bones in vectors]
        return cls(*vectors, *lengths)


@dataclass(eq=False)
class Fixed:
    """What the fixes leave of some poses.

    Attributes:
        errors: name of a rung, of ``alone:`` and a rung, or of an oracle, to errors (n,); ``oracle-start`` is what oracles start from.
        changed: name of an oracle to the (n,) poses that it changes, or to counts (changed, of how many).
        amounts: name of an oracle to what it fits (n,).
        by_joint: (J, n) distances of the scored joints as they are.
        bone_signs: (2, bones, n) where the true bone's depth is clear, and where the predicted one then has the wrong sign.
        flipped: (n,) the pose has the wrong handedness (``flip-rate``).
    """

    errors: dict[str, Array] = field(default_factory=dict)
    changed: dict[str, Mask | tuple[float, float]] = field(default_factory=dict)
    amounts: dict[str, Array] = field(default_factory=dict)
    by_joint: Array = field(default_factory=lambda: np.empty((0, 0)))
    bone_signs: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty((2, 0, 0), dtype=bool))
    flipped: Mask = field(default_factory=lambda: np.empty(0, dtype=bool))


class Fixer:
    """Computes what every fix leaves."""

    def __init__(self, body: Body) -> None:
        self._body = body
        count = len(body.skeleton)
        self._weights = np.zeros(count)
        self._weights[list(body.scored)] = 1.0 / len(body.scored)
        #: The joints that each exchange moves, and what they are exchanged with.
        self._orders: dict[str, tuple[list[int], list[int]]] = {}
        for which in ("sides", "arms", "legs"):
            order = body.exchanged(which)
            moved = [joint for joint, other in enumerate(order) if joint != other]
            self._orders[f"{which}-exchanged"] = moved, [order[joint] for joint in moved]

    def errors_of(self, difference: Array) -> Array:
        """(n,) mean length of the scored joints' ``difference`` (3, J, n)."""
        return self._mean(np.einsum("cjn,cjn->jn", difference, difference))

    def _mean(self, square: Array) -> Array:
        """(n,) mean of the roots of squared distances (J, n), which are overwritten."""
        np.sqrt(square, out=square)
        out: Array = self._weights @ square
        return out

    def ladder(self, poses: Poses) -> Fixed:
        """Every rung of the ladder, on top of the ones before and alone."""
        found = Fixed()
        self._ladder(poses, found)
        return found

    def oracles(self, poses: Poses, start: Array) -> Fixed:
        """Every oracle, alone; ``start`` (n,) are the errors of the poses as they are."""
        found = Fixed({"oracle-start": start})
        error = poses.pred - poses.truth
        square = np.einsum("cjn,cjn->jn", error, error)
        bones = Bones.of(poses.pred, poses.truth, self._body)
        self._sides(poses, square, start, found)
        self._depth_signs(poses, error, square, start, bones, found)
        self._rotations(poses, error, found)
        self._rebuilt(poses, bones, found)
        if poses.ray is not None:
            found.errors["ray"] = self.errors_of(turned_to(poses.pred, poses.ray) - poses.truth)
        if poses.offset is not None and poses.axes is not None:
            moved = np.einsum("bcn,bj->cjn", poses.axes, poses.offset)
            found.errors["offset"] = self.errors_of(np.subtract(error, moved, out=moved))
        return found

    def _ladder(self, poses: Poses, found: Fixed) -> None:
        pred, truth, scales = poses.pred, poses.truth, poses.scales
        fixed = apply_discrete(pred, poses.codes, self._body)
        if not poses.metric_scale and fixed is not pred:
            fixed = fixed * best_scale(fixed[:, list(self._body.scored)], truth[:, list(self._body.scored)])
        rotation = "rigid" if poses.metric_scale else "similarity"
        as_is, found.flipped = self._aligned(pred, truth, ["root", rotation, "scale"])
        after = as_is if fixed is pred else self._aligned(fixed, truth, ["root", "scale", "similarity"])[0]
        if "similarity" not in after:
            after = after | self._aligned(pred, truth, ["similarity"])[0]
        mean = {name: values.mean(axis=1) for name, values in as_is.items()}
        fixed_mean = mean if after is as_is else {name: values.mean(axis=1) for name, values in after.items()}
        found.by_joint = as_is["root"].T.copy()
        found.errors |= {"start": mean["root"], "discrete": fixed_mean["root"], "rotation": fixed_mean["similarity"]}
        found.errors["alone:discrete"] = found.errors["discrete"]
        found.errors["alone:rotation"] = mean[rotation]
        if scales is None:
            return
        found.errors["frame-scale"], found.errors["alone:frame-scale"] = fixed_mean["scale"], mean["scale"]
        for name, alone, on_top in (
            ("set-scale", scales.set_alone, scales.set_fixed),
            ("clip-scale", scales.clip_alone, scales.clip_fixed),
        ):
            found.errors[name] = self.errors_of(on_top * fixed - truth)
            same = fixed is pred and alone == on_top
            found.errors[f"alone:{name}"] = found.errors[name] if same else self.errors_of(alone * pred - truth)

    def _aligned(self, pred: Array, truth: Array, alignments: list[str]) -> tuple[dict[str, Array], Mask]:
        """Errors (n, scored joints) after each alignment of the scored joints, and which poses are flipped."""
        index = self._body.scored_index
        p, g = (poses if index is None else np.ascontiguousarray(poses[:, index]) for poses in (pred, truth))
        errors, flipped = residuals(p.transpose(2, 1, 0), g.transpose(2, 1, 0), alignments)
        return errors, flipped

    def _sides(self, poses: Poses, square: Array, start: Array, found: Fixed) -> None:
        """Left and right exchanged where that leaves less than half of the squared error."""
        whole = square.sum(axis=0)
        for name, (moved, order) in self._orders.items():
            difference = poses.pred[:, order] - poses.truth[:, moved]
            exchanged = np.einsum("cjn,cjn->jn", difference, difference)
            taken = whole - square[moved].sum(axis=0) + exchanged.sum(axis=0) < _GATE * whole
            found.changed[name] = taken
            found.errors[name] = start
            if taken.any():
                after = square[:, taken]
                after[moved] = exchanged[:, taken]
                found.errors[name] = start.copy()
                found.errors[name][taken] = self._mean(after)

    def _depth_signs(self, poses: Poses, error: Array, square: Array, start: Array, bones: Bones, found: Fixed) -> None:
        """Negate z of whole poses, limbs and bones, where that brings them nearer to the truth."""
        body, p_z, g_z = self._body, poses.pred[2], poses.truth[2]
        image = square - error[2] ** 2
        wrong = np.einsum("jn,jn->n", p_z, g_z) < 0.0
        found.changed["depth-sign"] = wrong
        found.errors["depth-sign"] = start.copy()
        if wrong.any():
            found.errors["depth-sign"][wrong] = self._mean(image[:, wrong] + (p_z[:, wrong] + g_z[:, wrong]) ** 2)
        b, g, length = bones.pred[2], bones.truth[2], bones.truth_length**2
        product = b * g
        clear = g * g > CLEAR_DEPTH**2 * length
        found.bone_signs = np.stack([clear, clear & (product < 0.0)])
        every = np.zeros_like(b)
        for limb, of_limb in body.limbs.items():
            negated = product[of_limb].sum(axis=0) < 0.0
            clear_limb = (g[of_limb] ** 2).sum(axis=0) > CLEAR_DEPTH**2 * length[of_limb].sum(axis=0)
            found.changed[f"{limb}-depth"] = (float((negated & clear_limb).sum()), float(clear_limb.sum()))
            change = np.where(negated, -2.0 * b[of_limb], 0.0)
            every[of_limb] = change
            found.errors[f"{limb}-depth"] = self._moved_in_depth(image, error[2], body.paths[:, of_limb] @ change)
        found.errors["limbs-depth"] = self._moved_in_depth(image, error[2], body.paths @ every)
        counts = [found.changed[f"{limb}-depth"] for limb in body.limbs]
        found.changed["limbs-depth"] = (float(sum(one[0] for one in counts)), float(sum(one[1] for one in counts)))
        negated = product < 0.0
        found.errors["bones-depth"] = self._moved_in_depth(image, error[2], body.paths @ np.where(negated, -2.0 * b, 0.0))
        found.changed["bones-depth"] = (float(found.bone_signs[1].sum()), float(clear.sum()))

    def _moved_in_depth(self, image: Array, depth: Array, change: Array) -> Array:
        """Errors (n,) with a change (J, n) of z, from squared errors in the image (J, n) and errors in depth (J, n)."""
        change += depth
        change *= change
        change += image
        return self._mean(change)

    def _rotations(self, poses: Poses, error: Array, found: Fixed) -> None:
        """The best rotation about each axis of the camera, through the root."""
        index = list(self._body.scored)
        p, g = (poses.pred, poses.truth) if self._body.scored_index is None else (poses.pred[:, index], poses.truth[:, index])
        k = np.einsum("ijn,kjn->ikn", p, g)
        for axis, name in enumerate(ROTATIONS):
            one, other = (axis + 1) % 3, (axis + 2) % 3
            angle = np.arctan2(k[one, other] - k[other, one], k[one, one] + k[other, other])
            cos, sin = np.cos(angle), np.sin(angle)
            u, v = poses.pred[one], poses.pred[other]
            square = error[axis] ** 2
            for first, second, true in ((cos * u, sin * v, poses.truth[one]), (sin * u, -cos * v, poses.truth[other])):
                first -= second
                first -= true
                first *= first
                square += first
            found.amounts[name] = -np.degrees(angle)  # by how much the prediction is turned, the inverse of the fix
            found.errors[name] = self._mean(square)

    def _rebuilt(self, poses: Poses, bones: Bones, found: Fixed) -> None:
        """Joints rebuilt from the root outward, with true lengths, with the clip's mean true lengths, or with true directions."""
        b_length, g_length = (np.where(length > 0.0, length, np.inf) for length in (bones.pred_length, bones.truth_length))
        for name, directed, factor in (
            ("lengths", bones.pred, bones.truth_length / b_length),
            ("clip-lengths", bones.pred, poses.lengths[:, None] / b_length),
            ("directions", bones.truth, bones.pred_length / g_length),
        ):
            rebuilt = np.matmul(self._body.paths, directed * factor)
            rebuilt -= poses.truth
            found.errors[name] = self.errors_of(rebuilt)


def turned_to(pred: Array, ray: Array) -> Array:
    """Poses (3, J, n) turned by the smallest rotation that takes the camera's axis to unit vectors ``ray`` (3, n).

    From the frame of a camera that looks at the person to that of the camera itself.
    """
    x, y, z = ray
    # Rodrigues, for the axis (-y, x, 0) of length sin and cos = z; 1 / (1 + cos) is finite in front of the camera.
    scale = 1.0 / np.maximum(1.0 + z, 1e-9)
    out = np.empty_like(pred)
    flat = x * pred[0] + y * pred[1]
    out[0] = pred[0] - x * scale * flat + x * pred[2]
    out[1] = pred[1] - y * scale * flat + y * pred[2]
    out[2] = z * pred[2] - flat
    return out
