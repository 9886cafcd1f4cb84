"""What the poses themselves betray: a wrong unit, frame, axis, joint order or side, copied truth, constant output.

**Convention.** Evidence is a sample of poses, evenly spaced in every clip, root-relative and in millimetres; counts of invalid poses
are of all poses. A symptom must show in most of the sample, so that a weak method is not taken for a broken file: `flat` and
`mean-pose` raise no error here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from posebench import metrics
from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError, first_ten
from posebench.base.skeletons import SKELETONS, joint_map
from posebench.metrics.alignment import procrustes, residuals
from posebench.metrics.hypotheses import mean_pose
from posebench.predictions.archive import Meta
from posebench.predictions.finding import Finding
from posebench.scoring.measure import ClipSums
from posebench.scoring.protocol import Protocol

Array = npt.NDArray[np.float64]

#: Poses in the sample, over all clips (at least 4 a clip).
SAMPLE = 2048
#: A method may see people somewhat too small or too large; beyond this its unit is wrong.
SIZE_RATIO = (0.4, 2.5)
#: A mistake explains a file if undoing it leaves less than this share of the error; with one free rotation a clip, less than FREE.
EXPLAINED, FREE = 0.6, 0.25
#: Below this error, mm, there is nothing to explain.
GOOD = 30.0
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
        """All findings."""
        found = [*self._invalid(), *self._nonpositive_scale(), *self._root(), *self._constant()]
        if not sum(map(len, self._pred)):
            return found
        pred, truth = np.concatenate(self._pred), np.concatenate(self._truth)
        found += [*self._leakage(pred, truth), *self._unit(pred, truth)]
        # One cause can look like another (swapped sides like a mirrored x axis): the explanation that leaves least error is told.
        causes = [*self._axes(pred, truth), *self._order(pred, truth), *self._frame()]
        found += [finding for _, finding in sorted(causes, key=lambda cause: cause[0])[:1]]
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

    def _leakage(self, pred: Array, truth: Array) -> Iterator[Finding]:
        errors = residuals(pred, truth, ["root", "scale"]).errors
        for alignment, what in (("root", "the truth"), ("scale", "the truth times a scale")):
            of_clips = _by_clip(errors[alignment], self._pred)
            copied = [clip for clip, error in zip(self._clips, of_clips, strict=True) if len(error) and error.max() < 1e-2]
            if copied:
                message = f"in {len(copied)} clips the predictions equal {what} ({first_ten(copied)})"
                yield Finding(
                    "leakage", "warning", message, "fine for a test of the scorer; otherwise truth leaks into the method", tuple(copied)
                )
                return

    def _unit(self, pred: Array, truth: Array) -> Iterator[Finding]:
        if not self._meta.metric_scale:
            return
        size, true_size = (float(np.median(_size(pose - pose.mean(axis=1, keepdims=True)))) for pose in (pred, truth))
        ratio = size / true_size
        if SIZE_RATIO[0] <= ratio <= SIZE_RATIO[1]:
            return
        slip = next((text for factor, text in _SLIPS.items() if 0.5 < ratio / factor < 2.0), "")
        message = (
            f"the poses are {ratio:.3g} times as large as the truth (joints {size:.4g} mm from their mean instead of {true_size:.0f} mm)"
        )
        fix = (
            f"state the right unit: this looks like {slip}" if slip else "state the right unit, or scale='unknown' if the method knows none"
        )
        yield Finding("unit", "error" if slip else "warning", message, fix)

    def _axes(self, pred: Array, truth: Array) -> Iterator[tuple[float, Finding]]:
        """Signed permutations of the axes: does one of the 47 others explain the file far better than the axes as stated?"""
        turns = [
            np.eye(3)[list(order)] * np.array(signs)[:, None] for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
        ]
        error, plane = (_errors_turned(pred, truth, turns, axes) for axes in (3, 2))
        best = min(range(len(turns)), key=lambda i: error[i])
        if not _explains((error[best], plane[best]), (error[0], plane[0])):
            return
        if (turns[best] == np.diag([1.0, 1.0, -1.0])).all():
            message = "depth is mirrored: the poses fit far better with z negated"
            fix = "z points away from the camera; a method that cannot tell depth's sign may do this by nature"
            yield error[best], Finding("axes", "warning", message, fix)
            return
        axes = ", ".join(("-" if row.sum() < 0 else "") + "xyz"[int(np.abs(row).argmax())] for row in turns[best])
        message = f"axes are mirrored or permuted: the poses fit far better as ({axes})"
        fix = "store camera-frame poses: x right, y down, z forward, in this order"
        yield error[best], Finding("axes", "error", message, fix)

    def _frame(self) -> Iterator[tuple[float, Finding]]:
        """World coordinates: the known cameras turn them right, or else one rotation a clip does, another for each clip."""
        kept = [number for number, poses in enumerate(self._pred) if len(poses) > 1]
        if not kept:
            return
        preds, truths = ([poses[number] for number in kept] for poses in (self._pred, self._truth))
        pred, truth = np.concatenate(preds), np.concatenate(truths)

        def medians(poses: Array) -> list[float]:
            return [float(np.median(errors)) for errors in _by_clip(_errors(poses, truth), preds)]

        stated = medians(pred)
        cameras = [self._camera[number] for number in kept]
        known = [camera is not None for camera in cameras]
        given = np.stack([np.eye(3) if camera is None else camera.rotation for camera in cameras])
        ways = (
            ("its camera's rotation", given, known, EXPLAINED, 1.0),
            # Free rotations fit whatever a permutation of the axes does, and a little noise on top.
            ("one rotation", _clip_rotations(preds, truths), [True] * len(kept), FREE, 1.5),
        )
        for how, rotations, of, share, handicap in ways:
            if not any(of):
                continue
            error = medians(np.matmul(pred, np.repeat(rotations, [len(poses) for poses in preds], axis=0).transpose(0, 2, 1)))
            angle = np.degrees(np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1)))
            looked_at = np.flatnonzero(of)
            turned = [i for i in looked_at if error[i] < share * stated[i] and stated[i] > GOOD and angle[i] > 10]
            if len(turned) >= 0.8 * len(looked_at):
                message = (
                    f"in {len(turned)} of {len(looked_at)} clips {how} explains most of the error: the poses look like world coordinates"
                )
                clips = tuple(self._clips[kept[i]] for i in turned)
                finding = Finding("frame", "error", message, "rotate the poses into each clip's camera frame", clips)
                yield float(np.median([error[i] for i in looked_at])) * handicap, finding

    def _order(self, pred: Array, truth: Array) -> Iterator[tuple[float, Finding]]:
        """Known slips of joint order, also judged in the image plane, where even a depth-blind method is right."""

        def judged(pose: Array) -> tuple[float, float]:
            return float(np.median(_errors(pose, truth))), float(np.median(_errors(pose[..., :2], truth[..., :2])))

        stated = judged(pred)
        root = self._protocol.root_indices
        candidates = {name: judged(metrics.root_relative(pred[:, order], root)) for name, order in _orders(self._protocol).items()}
        name = min(candidates, key=lambda key: candidates[key])
        if _explains(candidates[name], stated):
            message = f"the poses fit with {candidates[name][0]:.0f} mm instead of {stated[0]:.0f} mm (root mean square) if {name}"
            fix = "re-order the joints, or state the skeleton in which they are stored"
            yield candidates[name][0], Finding("joint-order", "error", message, fix)


def _explains(found: tuple[float, float], stated: tuple[float, float]) -> bool:
    """Undoing a mistake leaves far less error, in space, or in the image plane while space gets no worse."""
    in_space = found[0] < EXPLAINED * stated[0] and stated[0] > GOOD
    return in_space or (found[1] < EXPLAINED * stated[1] and stated[1] > GOOD and found[0] <= stated[0])


def _size(pose: Array) -> Array:
    """(n,) root mean square of the joints' distances from the origin."""
    out: Array = np.sqrt(np.einsum("njc,njc->n", pose, pose) / pose.shape[1])
    return out


def _errors(pred: Array, truth: Array) -> Array:
    """(n,) root mean square error over joints after the best scale that is not negative: no mirror hides in it."""
    dot = np.einsum("njc,njc->n", pred, truth)
    scale = np.maximum(dot, 0.0) / np.maximum(np.einsum("njc,njc->n", pred, pred), 1e-300)
    return _size(scale[:, None, None] * pred - truth)


def _errors_turned(pred: Array, truth: Array, turns: list[Array], axes: int) -> list[float]:
    """Median of :func:`_errors` over the first ``axes`` coordinates of the prediction under each turn, from one correlation a pose."""
    correlation = np.einsum("nja,njb->nab", truth[..., :axes], pred)
    square = np.einsum("nja,nja->na", pred, pred)
    true_square = np.einsum("nja,nja->n", truth[..., :axes], truth[..., :axes])
    out = []
    for turn in turns:
        dot = np.maximum(np.einsum("nab,ab->n", correlation, turn[:axes]), 0.0)
        size = square @ np.abs(turn[:axes]).sum(axis=0)
        left = true_square - dot**2 / np.maximum(size, 1e-300)
        out.append(float(np.median(np.sqrt(np.maximum(left, 0.0) / pred.shape[1]))))
    return out


def _by_clip(values: Array, clips: list[Array]) -> list[Array]:
    """What was worked out for the poses of all clips at once, clip by clip."""
    return np.split(values, np.cumsum([len(poses) for poses in clips])[:-1])


def _clip_rotations(preds: list[Array], truths: list[Array]) -> Array:
    """For each clip (n, J, 3) the one rotation that brings all its poses nearest to the truth, (clips, 3, 3)."""
    out = np.empty((len(preds), 3, 3))
    sizes = np.array([len(poses) for poses in preds])
    for size in np.unique(sizes):  # nearly all are of one size
        same = np.flatnonzero(sizes == size)
        pred, truth = (np.stack([poses[i] for i in same]).reshape(len(same), -1, 3) for poses in (preds, truths))
        out[same] = procrustes(pred, truth).rotation
    return out


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
        # Those that have all joints, if need be under another name.
        if other.id != bones.id and len(other) == len(bones):
            with suppress(PosebenchError):
                orders[f"they are in the order of {other.id}"] = list(joint_map(other.id, bones.id))
    return orders
