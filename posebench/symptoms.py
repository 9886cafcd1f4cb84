"""What the poses themselves betray: a wrong unit, frame, axis, joint order or side, copied truth, constant output.

**Convention.** Evidence is a sample of poses, evenly spaced in every clip, root-relative and in millimetres; counts of invalid poses
are of all poses. A symptom must show in most of the sample, so that a weak method is not taken for a broken file: `flat` and
`mean-pose` raise no error here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from posebench import metrics
from posebench.align import procrustes, residuals
from posebench.errors import first_ten
from posebench.finding import Finding
from posebench.geometry import Camera
from posebench.hypotheses import mean_pose
from posebench.measure import ClipSums
from posebench.predictions import Meta
from posebench.protocol import Protocol
from posebench.skeleton import SKELETONS

Array = npt.NDArray[np.float64]

#: Poses in the sample, over all clips (at least 4 a clip).
SAMPLE = 4096
#: A standing adult's pelvis-to-head distance and every bent pose of it, mm.
HEAD_DISTANCE = (300.0, 1200.0)
_SLIPS = {1e-3: "metres stated as mm", 1e3: "mm stated as metres", 0.1: "cm stated as mm", 1 / 25.4: "inches stated as mm"}


class Evidence:
    """Collects a sample clip by clip, in the same pass that scores; :meth:`findings` judges it at the end."""

    def __init__(self, protocol: Protocol, meta: Meta, clips: int) -> None:
        self._protocol = protocol
        self._meta = meta
        self._each = max(4, SAMPLE // max(1, clips))
        self._pred: list[Array] = []
        self._truth: list[Array] = []
        self._camera: list[Camera | None] = []
        self._clips: list[str] = []
        self._sums: list[ClipSums] = []
        self._root_offset: list[float] = []

    def add(
        self, clip: str, pred: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], sums: ClipSums, camera: Camera | None
    ) -> None:
        """Take a sample of one clip: predicted (n, J, 3) or (H, n, J, 3) as stored, true (n, J, 3) mm."""
        index = np.unique(np.linspace(0, len(truth) - 1, min(self._each, len(truth))).round().astype(int))
        guess = np.asarray(pred[..., index, :, :], dtype=np.float64) * self._meta.to_mm
        guess = mean_pose(guess) if guess.ndim == 4 else guess
        sound = ~metrics.invalid_poses(guess)
        root = self._protocol.root_indices
        self._root_offset.append(float(np.linalg.norm(guess[sound][:, list(root)].mean(axis=1), axis=-1).max(initial=0.0)))
        self._pred.append(metrics.root_relative(guess[sound], root))
        self._truth.append(metrics.root_relative(truth[index][sound], root))
        self._camera.append(camera)
        self._clips.append(clip)
        self._sums.append(sums)

    def findings(self) -> list[Finding]:
        """All findings; those about axes and frame first, since a wrong frame makes the later questions moot."""
        found = [*self._invalid(), *self._nonpositive_scale(), *self._root(), *self._constant(), *self._leakage()]
        if not sum(map(len, self._pred)):
            return found
        pred, truth = np.concatenate(self._pred), np.concatenate(self._truth)
        found += self._unit(pred, truth)
        # One cause can look like another (swapped sides like a mirrored x axis): the explanation that leaves least error is told.
        causes = sorted([*self._axes(pred, truth), *self._order(pred, truth)], key=lambda cause: cause[0])
        found += [finding for _, finding in causes[:1]] or [*self._frame()]
        return found

    def _invalid(self) -> Iterator[Finding]:
        total = sum(sums.poses for sums in self._sums)
        for name, count, what in (
            ("non-finite", [sums.nonfinite for sums in self._sums], "hold NaN or infinity"),
            ("zero-extent", [sums.invalid - sums.nonfinite for sums in self._sums], "have all joints in one point"),
        ):
            clips = [clip for clip, n in zip(self._clips, count, strict=True) if n]
            if clips:
                severity = "error" if sum(count) == total else "warning"
                message = f"{sum(count):,} of {total:,} poses {what}; they are scored with every joint at the root ({first_ten(clips)})"
                yield Finding(
                    name, severity, message, "predict finite poses with extent; a pose that is not there still counts", tuple(clips)
                )

    def _nonpositive_scale(self) -> Iterator[Finding]:
        count = [sums.nonpositive_scale for sums in self._sums]
        clips = [clip for clip, n in zip(self._clips, count, strict=True) if n]
        if clips:
            total = sum(sums.poses for sums in self._sums)
            message = (
                f"{sum(count):,} of {total:,} poses point away from the truth: N-MPJPE scales them by zero or less ({first_ten(clips)})"
            )
            yield Finding(
                "n-scale", "warning", message, "look at the axes; N-MPJPE forgives a pose mirrored through its root", tuple(clips)
            )

    def _root(self) -> Iterator[Finding]:
        away = max(self._root_offset, default=0.0)
        if away > 1.0:
            message = f"the predicted root is up to {away:,.0f} from the origin; it is subtracted before scoring"
            yield Finding("root", "note", message, "none needed: scores are root-relative")

    def _constant(self) -> Iterator[Finding]:
        still = [
            clip
            for clip, pose in zip(self._clips, self._pred, strict=True)
            if len(pose) > 3 and np.abs(pose - pose[0]).max() <= 1e-6 * np.abs(pose).max()
        ]
        if still:
            message = f"in {len(still)} clips all poses are the same ({first_ten(still)})"
            yield Finding(
                "constant", "warning", message, "expected of a mean pose only: is the same array written again and again?", tuple(still)
            )

    def _leakage(self) -> Iterator[Finding]:
        for alignment, what in (("none", "the truth"), ("scale", "the truth times a scale")):
            copied = [
                clip
                for clip, pred, truth in zip(self._clips, self._pred, self._truth, strict=True)
                if len(pred) and residuals(pred, truth, [alignment]).errors[alignment].max() < 1e-2
            ]
            if copied:
                message = f"in {len(copied)} clips the predictions equal {what} ({first_ten(copied)})"
                yield Finding(
                    "leakage", "warning", message, "fine for a test of the scorer; otherwise truth leaks into the method", tuple(copied)
                )
                return

    def _unit(self, pred: Array, truth: Array) -> Iterator[Finding]:
        bones = self._protocol.skeleton
        if not self._meta.metric_scale or "head_top" not in bones.joints:
            return
        head = bones.index("head_top")
        size, true_size = (float(np.median(np.linalg.norm(pose[:, head], axis=-1))) for pose in (pred, truth))
        if HEAD_DISTANCE[0] <= size <= HEAD_DISTANCE[1]:
            return
        ratio = size / true_size
        slip = next((text for factor, text in _SLIPS.items() if 0.7 < ratio / factor < 1.4), "")
        message = f"the median root-to-head distance is {size:.4g} mm where the truth has {true_size:.0f} mm"
        fix = (
            f"state the right unit: this looks like {slip}" if slip else "state the right unit, or scale='unknown' if the method knows none"
        )
        yield Finding("unit", "error" if slip else "warning", message, fix)

    def _axes(self, pred: Array, truth: Array) -> Iterator[tuple[float, Finding]]:
        """Signed permutations of the axes: does one of the 47 others explain the file far better than the axes as stated?"""
        weight = 1.0 / np.maximum(np.linalg.norm(pred, axis=(1, 2)) * np.linalg.norm(truth, axis=(1, 2)), 1e-12)
        correlation = np.einsum("n,nja,njb->ab", weight, truth, pred) / len(pred)
        stated = float(np.trace(correlation))
        score, order, signs = max(
            (float(sum(s * correlation[a, b] for a, (b, s) in enumerate(zip(order, signs, strict=True)))), order, signs)
            for order in permutations(range(3))
            for signs in product((1, -1), repeat=3)
        )
        if score < 0.6 or score < stated + 0.25:
            return
        if (order, signs) == ((0, 1, 2), (1, 1, -1)):
            message = "depth is mirrored: the poses fit far better with z negated"
            fix = "z points away from the camera; a method that cannot tell depth's sign may do this by nature"
            yield _plane_error(pred, truth), Finding("axes", "warning", message, fix)
            return
        axes = ", ".join(("-" if s < 0 else "") + "xyz"[b] for b, s in zip(order, signs, strict=True))
        message = f"axes are mirrored or permuted: the poses fit far better as ({axes})"
        fix = "store camera-frame poses: x right, y down, z forward, in this order"
        yield _plane_error(pred[:, :, order] * np.array(signs), truth), Finding("axes", "error", message, fix)

    def _frame(self) -> Iterator[Finding]:
        """World coordinates: known cameras turn them right, or else one rotation a clip does, another for each clip."""
        judged, turned, known = 0, [], False
        for clip, pred, truth, camera in zip(self._clips, self._pred, self._truth, self._camera, strict=True):
            if len(pred) < 2:
                continue
            judged += 1
            known |= camera is not None
            rotation = camera.rotation if camera is not None else _clip_rotation(pred, truth)
            as_stated = residuals(pred, truth, ["scale"]).errors["scale"].mean()
            rotated = residuals(pred @ rotation.T, truth, ["scale"]).errors["scale"].mean()
            limit = 0.5 if camera is not None else 0.25
            angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
            if rotated < limit * as_stated and angle > 10 and as_stated > 50:
                turned.append(clip)
        if judged and len(turned) >= 0.8 * judged:
            how = "its camera's rotation" if known else "one rotation"
            message = f"in {len(turned)} of {judged} clips {how} would more than halve the error: the poses look like world coordinates"
            yield Finding("frame", "error", message, "rotate the poses into each clip's camera frame", tuple(turned))

    def _order(self, pred: Array, truth: Array) -> Iterator[tuple[float, Finding]]:
        """Known slips of joint order, judged in the image plane, where even a depth-blind method is right."""
        stated = _plane_error(pred, truth)
        candidates = {name: _plane_error(pred[:, order], truth) for name, order in _orders(self._protocol).items()}
        name = min(candidates, key=lambda key: candidates[key])
        if candidates[name] < 0.6 * stated and stated > 30.0:
            message = f"in the image plane the poses fit with {candidates[name]:.0f} mm instead of {stated:.0f} mm if {name}"
            fix = "re-order the joints, or state the skeleton in which they are stored"
            yield candidates[name], Finding("joint-order", "error", message, fix)


def _plane_error(pred: Array, truth: Array) -> float:
    """Median error in the image plane (x and y) after the least-squares scale of each pose, mm."""
    plane = np.array([1.0, 1.0, 0.0])
    return float(np.median(residuals(pred * plane, truth * plane, ["scale"]).errors["scale"].mean(axis=1)))


def _clip_rotation(pred: Array, truth: Array) -> Array:
    """The one rotation that brings all poses of a clip nearest to the truth."""
    rotation: Array = procrustes(pred.reshape(1, -1, 3), truth.reshape(1, -1, 3)).rotation[0]
    return rotation


def _orders(protocol: Protocol) -> dict[str, list[int]]:
    """Slips that are in the wild: sides or limbs swapped, or the file in the order of another skeleton of the same size."""
    bones = protocol.skeleton
    mirror = list(bones.mirror)
    arms = ("shoulder", "elbow", "wrist")
    legs = ("hip", "knee", "ankle")

    def swapped(parts: tuple[str, ...]) -> list[int]:
        return [mirror[i] if joint[2:] in parts else i for i, joint in enumerate(bones.joints)]

    orders = {
        "left and right are swapped": mirror,
        "the arms are swapped (as in ElePose's order)": swapped(arms),
        "the legs are swapped (left leg first, as in SPIN's order)": swapped(legs),
    }
    for other in SKELETONS.values():
        shared = set(other.joints) & set(bones.joints)
        if other.id != bones.id and len(other) == len(bones) and len(shared) >= 12:
            place = [other.joints.index(joint) if joint in shared else i for i, joint in enumerate(bones.joints)]
            orders[f"they are in the order of {other.id}"] = place
    return orders
