"""Wrong axes, joint order, frame of reference or clip: which single mistake would explain a file's error?

**Convention.** Each candidate mistake is undone on the sample, and the error that is left is compared with the error as stored. An
error here is the median over poses of the root mean square over joints, mm, after the best scale that is not negative. One mistake can
look like another (swapped sides like a mirrored x axis), so only the one that leaves the least error is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import SKELETONS, Skeleton, joint_map
from posebench.metrics.alignment import procrustes
from posebench.predictions.finding import Finding
from posebench.scoring.checks.names import mixed_up
from posebench.scoring.checks.orders import Order, best_permutation, known_orders
from posebench.scoring.checks.sample import ClipSample, best_scale, rms
from posebench.scoring.protocol import Protocol

Array = npt.NDArray[np.float64]

#: A mistake explains a file if undoing it leaves less than this share of the error.
EXPLAINED = 0.6
#: The same where undoing it fits one rotation to each clip, which lowers any error.
EXPLAINED_BY_FIT = 0.25
#: By how much such a fit must beat another explanation: it also undoes a permutation of the axes, and fits some noise.
FIT_HANDICAP = 1.5
#: Below this error, mm, there is nothing to explain.
GOOD = 30.0
#: A rotation nearer to none than this, degrees, is no other frame of reference.
MIN_ROTATION = 10.0
#: The same for the joints that another order moves, if they alone are looked at.
EXPLAINED_MOVED = 0.5
#: The same for a permutation without a name: the best of very many lowers the error of any pose, random ones to 0.48.
EXPLAINED_BY_PERMUTATION = 0.4
#: Share of the poses that another order must fit better.
MOST_POSES = 0.8
#: By how much a permutation without a name must beat another explanation: it is the best of very many.
PERMUTATION_HANDICAP = 1.1
#: Share of the clips that must be explained by their rotations.
MOST_CLIPS = 0.8


@dataclass(frozen=True)
class Cause:
    """A mistake that explains a file, and the error in mm that is left when it is undone."""

    error: float
    finding: Finding


@dataclass(frozen=True)
class Fit:
    """Median error in mm in space, and in the image plane (x and y only), where a method that sees no depth is right too."""

    space: float
    plane: float

    def explains(self, stored: Fit, share: float = EXPLAINED) -> bool:
        """Undoing a mistake leaves less than a ``share`` of the error ``stored``: in space, or in the plane while space gets no worse."""
        in_space = self.space < share * stored.space and stored.space > GOOD
        in_plane = self.plane < share * stored.plane and stored.plane > GOOD
        return in_space or (in_plane and self.space <= stored.space)


def likeliest_cause(protocol: Protocol, stored: str, samples: Sequence[ClipSample], pred: Array, truth: Array) -> Cause | None:
    """The mistake that leaves the least error; None where none explains the file.

    Args:
        protocol: its skeleton is that of the poses.
        stored: id of the skeleton that the file states.
        samples: the poses clip by clip.
        pred: the predicted poses of all samples, (n, J, 3).
        truth: the true poses of all samples, (n, J, 3).
    """
    causes = [*_axes(pred, truth), *_joint_order(protocol, stored, pred, truth), *_frame(samples)]
    if mixed := mixed_up(samples):
        causes.append(Cause(*mixed))
    return min(causes, key=lambda cause: cause.error, default=None)


def _axes(pred: Array, truth: Array) -> Iterator[Cause]:
    """Does one of the 47 other signed permutations of the axes fit far better than the axes as stored?"""
    orders, signs = permutations(range(3)), list(product((1, -1), repeat=3))
    # The first is the identity: the axes as stored.
    candidates = [np.eye(3)[list(order)] * np.array(sign)[:, None] for order in orders for sign in signs]
    in_space, in_plane = (_errors_of_axes(pred, truth, candidates, coordinates) for coordinates in (3, 2))
    fits = [Fit(space, plane) for space, plane in zip(in_space, in_plane, strict=True)]
    best = min(range(len(fits)), key=lambda i: fits[i].space)
    if not fits[best].explains(fits[0]):
        return
    if (candidates[best] == np.diag([1.0, 1.0, -1.0])).all():
        message = "depth is mirrored: the poses fit far better with z negated"
        fix = "z points away from the camera; a method that cannot know the sign of depth may do this by nature"
        yield Cause(fits[best].space, Finding("axes", "warning", message, fix))
        return
    axes = ", ".join(("-" if row.sum() < 0 else "") + "xyz"[int(np.abs(row).argmax())] for row in candidates[best])
    message = f"axes are mirrored or permuted: the poses fit far better as ({axes})"
    fix = "store camera-frame poses: x right, y down, z forward, in this order"
    yield Cause(fits[best].space, Finding("axes", "error", message, fix))


def _joint_order(protocol: Protocol, stored: str, pred: Array, truth: Array) -> Iterator[Cause]:
    """Does a known mistake of joint order explain the file, or an order of the field, or any permutation of the joints?"""
    skeleton = protocol.skeleton
    everything = tuple(range(len(skeleton)))
    read = list(joint_map(stored, skeleton.id))
    orders = [Order(name, tuple(order), everything) for name, order in _mistaken_orders(protocol).items()]
    orders += [replace(order, name=f"their order is that {order.name}") for order in known_orders(SKELETONS[stored], read, skeleton)]
    for coordinates in (3, 2):
        best = best_permutation(pred, truth, skeleton, coordinates)
        if best.differs():
            orders.append(replace(best, name="their order is"))
    causes = [cause for order in orders if (cause := _explained_by_order(order, skeleton, stored, pred, truth))]
    if causes:
        yield min(causes, key=lambda cause: cause.error)


def _explained_by_order(order: Order, skeleton: Skeleton, stored: str, pred: Array, truth: Array) -> Cause | None:
    """A cause, if the poses fit far better in another order: as a whole, or in nearly all poses the joints that it moves."""
    columns, joints, moved = list(order.columns), list(order.joints), order.differs()
    true = _centred(truth[:, joints])
    as_read, ordered = (_centred(pred[:, index]) for index in (joints, columns))
    before, after = _fit(as_read, true), _fit(ordered, true)
    # Joints one by one, at the best scale of the pose.
    apart = [np.linalg.norm(best_scale(pose, true) * pose - true, axis=-1)[:, moved].mean(axis=1) for pose in (as_read, ordered)]
    in_most = bool((apart[1] < apart[0]).mean() >= MOST_POSES)
    share = EXPLAINED if order.known else EXPLAINED_BY_PERMUTATION
    share_moved = min(share, EXPLAINED_MOVED)
    of_moved = float(np.median(apart[1])) < share_moved * float(np.median(apart[0])) and float(np.median(apart[0])) > GOOD
    if not in_most or not (after.explains(before, share) or of_moved):
        return None
    if after.explains(before, share):
        shown, what = (after.space, before.space), "root mean square"
    else:
        shown, what = (float(np.median(apart[1])), float(np.median(apart[0]))), f"in {len(moved)} of {len(skeleton)} joints"
    listed = (": " if order.known else " ") + ", ".join(order.names) if order.names else ""
    message = f"the poses fit with {shown[0]:.0f} mm instead of {shown[1]:.0f} mm ({what}) if {order.name}{listed}"
    fix = f"re-order the joints as in {stored}" + (f", or state {order.skeleton} as their skeleton" if order.skeleton else "")
    return Cause(after.space * (1.0 if order.known else PERMUTATION_HANDICAP), Finding("joint-order", "error", message, fix))


def _centred(pose: Array) -> Array:
    """Poses (n, K, 3) about the mean of their joints, which does not depend on the joints' order."""
    out: Array = pose - pose.mean(axis=1, keepdims=True)
    return out


def _fit(pred: Array, truth: Array) -> Fit:
    return Fit(float(np.median(_errors(pred, truth))), float(np.median(_errors(pred[..., :2], truth[..., :2]))))


def _mistaken_orders(protocol: Protocol) -> dict[str, list[int]]:
    """Mistakes that real files hold: sides or limbs swapped."""
    skeleton = protocol.skeleton
    mirror = list(skeleton.mirror)

    def swapped(*parts: str) -> list[int]:
        return [mirror[i] if joint[2:] in parts else i for i, joint in enumerate(skeleton.joints)]

    return {
        "left and right are swapped": mirror,
        "the arms are swapped (as in ElePose's order)": swapped("shoulder", "elbow", "wrist"),
        "the legs are swapped (left leg first, as in SPIN's order)": swapped("hip", "knee", "ankle"),
    }


@dataclass(frozen=True, eq=False)
class Rotations:
    """A rotation for each clip, and how much it must explain.

    Attributes:
        name: for the message.
        matrices: (clips, 3, 3).
        known: indices of the clips that have one; the others hold the identity.
        share: a clip is explained if less than this share of its error is left.
        handicap: factor on the error that is left, when it is compared with other causes.
    """

    name: str
    matrices: Array
    known: Sequence[int]
    share: float
    handicap: float


def _frame(samples: Sequence[ClipSample]) -> Iterator[Cause]:
    """World coordinates: do the rotations of the known cameras explain the file, or one fitted rotation a clip?"""
    moving = [sample for sample in samples if len(sample.pred) > 1]
    if not moving:
        return
    stored = _clip_medians(moving, np.concatenate([sample.pred for sample in moving]))
    calibrated = [i for i, sample in enumerate(moving) if sample.camera is not None]
    if calibrated:
        of_cameras = np.stack([np.eye(3) if sample.camera is None else sample.camera.rotation for sample in moving])
        yield from _explained_by(moving, stored, Rotations("its camera's rotation", of_cameras, calibrated, EXPLAINED, 1.0))
    fitted = Rotations("one rotation", _fitted_rotations(moving), range(len(moving)), EXPLAINED_BY_FIT, FIT_HANDICAP)
    yield from _explained_by(moving, stored, fitted)


def _explained_by(samples: Sequence[ClipSample], stored: Sequence[float], rotations: Rotations) -> Iterator[Cause]:
    """A cause, if the rotations explain the error in most of the clips that they are known for."""
    of_pose = np.repeat(rotations.matrices, [len(sample.pred) for sample in samples], axis=0)
    rotated = np.matmul(np.concatenate([sample.pred for sample in samples]), of_pose.transpose(0, 2, 1))
    left = _clip_medians(samples, rotated)
    angles = np.degrees(np.arccos(np.clip((np.trace(rotations.matrices, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    explained = [i for i in rotations.known if left[i] < rotations.share * stored[i] and stored[i] > GOOD and angles[i] > MIN_ROTATION]
    if len(explained) >= MOST_CLIPS * len(rotations.known):
        message = (
            f"in {len(explained)} of {len(rotations.known)} clips {rotations.name} explains most of the error:"
            " the poses look like world coordinates"
        )
        clips = tuple(samples[i].clip for i in explained)
        finding = Finding("frame", "error", message, "rotate the poses into each clip's camera frame", clips)
        yield Cause(float(np.median([left[i] for i in rotations.known])) * rotations.handicap, finding)


def _clip_medians(samples: Sequence[ClipSample], pred: Array) -> list[float]:
    """Median error of each clip, for predicted poses (n, J, 3) of all clips, one after the other."""
    errors = _errors(pred, np.concatenate([sample.truth for sample in samples]))
    ends = np.cumsum([len(sample.pred) for sample in samples])[:-1]
    return [float(np.median(of_clip)) for of_clip in np.split(errors, ends)]


def _fitted_rotations(samples: Sequence[ClipSample]) -> Array:
    """For each clip the one rotation that brings all its poses nearest to the truth, (clips, 3, 3)."""
    out = np.empty((len(samples), 3, 3))
    sizes = np.array([len(sample.pred) for sample in samples])
    for size in np.unique(sizes):  # clips of one size are fitted in one call; nearly all are of one size
        same = np.flatnonzero(sizes == size).tolist()
        pred = np.stack([samples[i].pred for i in same]).reshape(len(same), -1, 3)
        truth = np.stack([samples[i].truth for i in same]).reshape(len(same), -1, 3)
        out[same] = procrustes(pred, truth).rotation
    return out


def _errors(pred: Array, truth: Array) -> Array:
    """(n,) root mean square error over joints after the best scale that is not negative: a negative one would mirror the pose."""
    return rms(best_scale(pred, truth) * pred - truth)


def _errors_of_axes(pred: Array, truth: Array, candidates: Sequence[Array], coordinates: int) -> list[float]:
    """Median of :func:`_errors` for the prediction under each signed permutation, over its first ``coordinates``.

    All errors follow from one correlation matrix a pose: with p the permuted prediction and t the truth, the best scale s leaves
    |s p - t|^2 = |t|^2 - (p . t)^2 / |p|^2.
    """
    correlation = np.einsum("nja,njb->nab", truth[..., :coordinates], pred)
    square = np.einsum("nja,nja->na", pred, pred)
    true_square = np.einsum("nja,nja->n", truth[..., :coordinates], truth[..., :coordinates])
    out = []
    for candidate in candidates:
        dot = np.maximum(np.einsum("nab,ab->n", correlation, candidate[:coordinates]), 0.0)
        size = square @ np.abs(candidate[:coordinates]).sum(axis=0)
        left = true_square - dot**2 / np.maximum(size, 1e-300)
        out.append(float(np.median(np.sqrt(np.maximum(left, 0.0) / pred.shape[1]))))
    return out
