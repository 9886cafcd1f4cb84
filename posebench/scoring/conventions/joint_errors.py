"""Errors of the joints of one clip under every placement: the adopted alignments, and those of other projects.

**Convention.** Poses are (n, J, 3) mm, camera axes, root-relative unless a name says otherwise. A predicted pose that is invalid has all
joints at the root, as in scores. Formulas and who uses them: ``docs/explain.md``; golden numbers hold them to the projects' own code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.skeletons import Skeleton
from posebench.metrics import peers
from posebench.metrics.alignment import ALIGNMENTS, aligned, procrustes, residuals
from posebench.metrics.hypotheses import mean_pose
from posebench.metrics.position import root_relative, root_relative_valid
from posebench.scoring.conventions.pose_arrays import as_one, dot, inverse, norm, rotated, turned, turned_to
from posebench.scoring.conventions.reading import Placement
from posebench.scoring.conventions.whole_set import CannotError, WholeSet

Array = npt.NDArray[np.float64]

#: The kernel's alignments that most placements start from.
_COMMON = ("root", "scale", "similarity")
#: The depth is negated: under a weak perspective camera both poses have the same image.
MIRROR = np.array([1.0, 1.0, -1.0])
#: Frames of a clip of AthleticsPose.
EXTENT_FRAMES = 81
#: Poses normalised to [-1, 1] have no coordinate above this.
_NORMALISED = 2.0


class ClipErrors:
    """Joint errors of one clip. What several placements share is computed once.

    Args:
        clip: the clip id.
        pred: (n, J, 3) or (H, n, J, 3), mm, as the file holds them.
        truth: (n, J, 3) mm.
        skeleton: their joints.
        camera: of the clip; None where it is unknown.
        whole: factors of the whole set.
        first: place of the first frame in the clip, where these are only some of its frames.
        metric_scale: the file states millimetres or metres.
    """

    def __init__(
        self,
        clip: str,
        pred: npt.NDArray[np.floating],
        truth: npt.NDArray[np.floating],
        skeleton: Skeleton,
        camera: Camera | None,
        whole: WholeSet,
        *,
        metric_scale: bool,
        first: int = 0,
    ) -> None:
        self.clip = clip
        self._first = first
        self._hypotheses = pred if pred.ndim == 4 else None
        self._pred = mean_pose(pred) if pred.ndim == 4 else pred
        self._truth = truth
        self._skeleton = skeleton
        self._camera = camera
        self._whole = whole
        self._metric_scale = metric_scale
        self._poses: dict[Placement, tuple[Array, Array]] = {}
        self._errors: dict[Placement, Array] = {}
        self._scales: dict[Placement, Array] = {}
        self._scratch: Array | None = None
        self._flipped: dict[Placement, npt.NDArray[np.bool_]] = {}
        self._products: dict[Placement, tuple[Array, Array, Array]] = {}

    def __len__(self) -> int:
        return len(self._truth)

    def errors(self, placement: Placement) -> Array:
        """Errors (n, fitted joints), mm.

        Raises:
            CannotError: the placement has no meaning for these poses.
        """
        if placement not in self._errors:
            self._errors[placement] = self._oracle(placement) if placement.oracle else self._plain(placement)
        return self._errors[placement]

    def difference(self, placement: Placement) -> Array:
        """Prediction less truth (n, J, 3) mm, root-relative, for differences over time."""
        pred, truth = self.poses(placement.view)
        return pred - truth

    def poses(self, view: Placement) -> tuple[Array, Array]:
        """Root-relative predicted and true poses (n, fitted joints, 3), mm."""
        if view not in self._poses:
            self._poses[view] = self._seen(view)
        return self._poses[view]

    def _seen(self, view: Placement) -> tuple[Array, Array]:
        whole = tuple(view.fitted) == self._skeleton.joints
        if not whole:
            pred, truth = self.poses(view._replace(fitted=self._skeleton.joints))
            index = [self._skeleton.index(joint) for joint in view.fitted]
            return pred[:, index], truth[:, index]
        root = tuple(self._skeleton.index(joint) for joint in view.root)
        if view.prepared:
            return self._prepare(view._replace(prepared=""), view.prepared, root)
        if view.mirrored:
            pred, truth = self.poses(view._replace(mirrored=False))
            return pred * MIRROR, truth
        if view.axes == "ray":
            pred, truth = self.poses(view._replace(axes="camera"))
            return turned_to(self._ray(root), pred), truth
        pred, _ = root_relative_valid(self._pred, root)
        return pred, root_relative(self._truth, root)

    def _prepare(self, view: Placement, prepared: str, root: tuple[int, ...]) -> tuple[Array, Array]:
        if prepared == "float32 m":
            return self._in_metres(root)
        pred, truth = self.poses(view)
        word, _, number = prepared.partition(" ")
        if word == "after":
            return root_relative(aligned(pred, truth, number), root), truth
        return pred * self._factor(view, prepared)[:, None, None], truth

    def _factor(self, view: Placement, prepared: str) -> Array:
        """(n,) what the poses are multiplied by."""
        if prepared in _FACTORS:
            return _FACTORS[prepared](self, view)
        of_clip = self._whole.torso_scales(view, int(prepared.split()[1]))[self.clip]
        return of_clip[self._first : self._first + len(self)]

    def raw(self, view: Placement) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """Poses (n, J, 3) mm of which the root-relative ones of a view follow by subtracting its root; a copy only where needed."""
        if view == Placement("", self._skeleton.joints, view.root):
            return self._pred, self._truth
        if view.prepared and view not in self._poses:  # used once: not kept, and factors write to the same memory
            base = view._replace(prepared="")
            pred, truth = self.poses(base)
            if view.prepared != "float32 m" and not view.prepared.startswith("after "):
                if self._scratch is None:
                    self._scratch = np.empty_like(pred)
                return np.multiply(pred, self._factor(base, view.prepared)[:, None, None], out=self._scratch), truth
            return self._seen(view)
        return self.poses(view)

    def _in_metres(self, root: tuple[int, ...]) -> tuple[Array, Array]:
        """Both in float32 metres, their roots subtracted there, as networks and their evaluation hold them."""
        found = []
        for poses in (self._pred, self._truth):
            # The quotient of float32 numbers is the rounded quotient of their float64 copies.
            metres = np.divide(poses, poses.dtype.type(1000.0)).astype(np.float32, copy=False)
            metres -= metres[:, list(root)].mean(axis=1, keepdims=True)
            if not np.isfinite(metres.sum()):
                metres[~np.isfinite(metres).all(axis=(1, 2))] = 0.0
            found.append(metres * np.float64(1000.0))
        return found[0], found[1]

    def _ray(self, root: tuple[int, ...]) -> Array:
        """(n, 3) unit vector from the camera to the true root: what its image and the intrinsics give, no distance is needed."""
        if self._camera is None:
            raise CannotError("the data have no cameras")
        points = np.asarray(self._truth, dtype=np.float64)[:, list(root)].mean(axis=1)
        out: Array = points / np.linalg.norm(points, axis=1, keepdims=True)
        return out

    def _plain(self, placement: Placement) -> Array:
        view, alignment = placement.view, placement.alignment
        pred, truth = self.poses(view)
        if alignment in ALIGNMENTS:
            # One call costs little more for the three that most placements start from.
            every = {alignment} | (set(_COMMON) if alignment in _COMMON else set())
            found = residuals(pred, truth, every)
            for name, errors in found.errors.items():
                self._errors[view._replace(alignment=name)] = errors
            self._flipped[view] = found.flipped
            return self._errors[placement]
        word, _, number = alignment.partition(" ")
        return _OTHERS[word](self, view, number)

    def unsigned_scale(self, view: Placement) -> Array:
        """(n,) scale of a similarity with the sum of all singular values: of a mirrored pose that of its mirror image."""
        if view not in self._scales:
            _, mirrored, pred, truth = self._mirrored(view)
            scale = procrustes(*self.poses(view)).scale
            if mirrored.any():
                scale[mirrored] = np.maximum(scale[mirrored], procrustes(pred * MIRROR, truth).scale)
            self._scales[view] = scale
        return self._scales[view]

    def products(self, view: Placement) -> tuple[Array, Array, Array]:
        """<P, G>, <P, P> and <G, G> of each pose, (n,) each."""
        if view not in self._products:
            pred, truth = (poses.reshape(len(poses), -1) for poses in self.poses(view))
            self._products[view] = dot(pred, truth), dot(pred, pred), dot(truth, truth)
        return self._products[view]

    def _frobenius(self, view: Placement) -> Array:
        _, pred, truth = self.products(view)
        return np.sqrt(truth * inverse(pred))

    def _extent(self, view: Placement) -> Array:
        """The largest true x or y of each 81 frames, which normalised predictions are multiplied by."""
        pred, truth = self.poses(view)
        if self._metric_scale:
            raise CannotError("the file states its unit, and this factor is for poses normalised to [-1, 1]")
        if len(pred) and float(np.abs(pred).max()) > _NORMALISED:
            raise CannotError("the poses are not normalised to [-1, 1], which this factor is for")
        extent = np.abs(truth[..., :2]).max(axis=(1, 2), initial=0.0)
        starts = np.arange(0, len(extent), EXTENT_FRAMES)
        largest = np.maximum.reduceat(extent, starts) if len(extent) else extent
        return np.repeat(largest, EXTENT_FRAMES)[: len(extent)]

    def _aspset(self, view: Placement, _number: str) -> Array:
        """The proper rotation with the sum of all singular values in the scale: only mirrored poses differ from PA-MPJPE."""
        similar, mirrored, pred, truth = self._mirrored(view)
        errors = similar.copy()
        if mirrored.any():
            errors[mirrored] = rotated(pred, truth, procrustes(pred, truth).rotation, self.unsigned_scale(view)[mirrored])
        return errors

    def _elepose(self, view: Placement, _number: str) -> Array:
        """ElePose's batch ``pmpjpe``: the scale |G0| / |P0|, and a rotation that differs for mirrored poses."""
        pred, truth = self.poses(view)
        _, pred_size, truth_size = self.products(view)
        joints, middle = pred.shape[1], truth.mean(axis=1, keepdims=True)
        centre = pred.mean(axis=1)
        size = pred_size - joints * dot(centre, centre), truth_size - joints * dot(middle[:, 0], middle[:, 0])
        scale = np.sqrt(np.maximum(size[1], 0.0) * inverse(size[0]))[:, None, None]
        placed = aligned(pred, truth, "rigid")
        placed *= scale
        placed += (1.0 - scale) * middle
        errors = residuals(placed, truth, ["root"]).errors["root"]
        _, mirrored, mirrored_pred, mirrored_truth = self._mirrored(view)
        if mirrored.any():
            errors[mirrored] = peers.elepose_pa_errors(mirrored_pred, mirrored_truth)
        return errors

    def _mirrored(self, view: Placement) -> tuple[Array, npt.NDArray[np.bool_], Array, Array]:
        """The errors after the similarity, which poses are mirrored, and these poses."""
        pred, truth = self.poses(view)
        errors = self.errors(view._replace(alignment="similarity"))
        mirrored = self._flipped[view]
        return errors, mirrored, pred[mirrored], truth[mirrored]

    def _window(self, view: Placement, length: str) -> Array:
        """One similarity for all joints of a window of frames, root-relative (the clip, or chunks of ``length`` frames)."""
        pred, truth = self.poses(view)
        count, joints = pred.shape[:2]
        every = count if length == "clip" else int(length)
        errors = np.empty((count, joints))
        whole = count // every * every if every < count else 0
        if whole:
            shape = (-1, every * joints, 3)
            found = residuals(pred[:whole].reshape(shape), truth[:whole].reshape(shape), ["similarity"]).errors["similarity"]
            errors[:whole] = found.reshape(-1, joints)
        if whole < count:  # a single window: faster here than in the kernel, which takes several poses at once
            errors[whole:] = as_one(pred[whole:], truth[whole:])
        return errors

    def _first_frames(self, view: Placement, length: str) -> Array:
        """Absolute poses of chunks of ``length`` frames after the similarity of their first two frames (W-MPJPE)."""
        index = [self._skeleton.index(joint) for joint in view.fitted]
        root = [self._skeleton.index(joint) for joint in view.root]
        pred, truth = (np.asarray(poses, dtype=np.float64) for poses in (self._pred, self._truth))
        if not np.abs(self._pred[:, root].mean(axis=1)).max(initial=0.0) > 1.0:
            raise CannotError("the predicted roots are at the origin; the world-frame error needs absolute poses")
        if view.fitted != self._skeleton.joints:
            pred, truth = pred[:, index], truth[:, index]
        if not np.isfinite(pred).all():
            raise CannotError("a predicted pose is not finite, and a window has no rule for it")
        errors, every = np.empty(pred.shape[:2]), int(length)
        starts = np.arange(0, len(pred) - 1, every)
        if not len(starts):
            raise CannotError("a clip of a single frame has no first two")
        pairs = [poses[np.stack([starts, starts + 1], axis=1)].reshape(len(starts), -1, 3) for poses in (pred, truth)]
        fit = procrustes(*pairs)
        turn = np.swapaxes(fit.rotation, 1, 2) * fit.scale[:, None, None]
        for place, start in enumerate(starts):
            stop = start + every if place + 1 < len(starts) else len(pred)
            errors[start:stop] = norm(turned(pred[start:stop], turn[place]) + (fit.translation[place] - truth[start:stop]))
        return errors

    def _oracle(self, placement: Placement) -> Array:
        """Errors where the truth chooses."""
        plain = placement._replace(oracle="")
        if placement.oracle.startswith("flip"):
            one, other = self.errors(plain), self.errors(plain._replace(mirrored=not plain.mirrored))
            if placement.oracle == "flip by joint":
                return np.minimum(one, other)
            return np.where((other.mean(axis=1) < one.mean(axis=1))[:, None], other, one)
        if self._hypotheses is None:
            raise CannotError("the file has one pose a frame")
        every = np.stack([self._of_hypothesis(poses, plain) for poses in self._hypotheses])
        if placement.oracle == "best joint":
            return np.asarray(every.min(axis=0))
        if placement.oracle == "best clip":
            out: Array = every[every.mean(axis=(1, 2)).argmin()]
            return out
        best = every.mean(axis=2).argmin(axis=0)
        return np.asarray(np.take_along_axis(every, best[None, :, None], axis=0)[0])

    def _of_hypothesis(self, poses: npt.NDArray[np.floating], placement: Placement) -> Array:
        one = ClipErrors(self.clip, poses, self._truth, self._skeleton, self._camera, self._whole, metric_scale=self._metric_scale)
        return one.errors(placement)


_FACTORS: dict[str, Callable[[ClipErrors, Placement], Array]] = {
    "frobenius": ClipErrors._frobenius,
    "unsigned scale": ClipErrors.unsigned_scale,
    "clip scale": lambda clip, view: np.full(len(clip), clip._whole.clip_scale(view, clip.clip)),
    "one scale": lambda clip, view: np.full(len(clip), clip._whole.one_scale(view)),
    "median scale": lambda clip, view: np.full(len(clip), clip._whole.median_scale(view)),
    "torso clip": lambda clip, view: np.full(len(clip), clip._whole.clip_torso_scale(view, clip.clip)),
    "extent": ClipErrors._extent,
}
_OTHERS: dict[str, Callable[[ClipErrors, Placement, str], Array]] = {
    "aspset": ClipErrors._aspset,
    "elepose": ClipErrors._elepose,
    "window": ClipErrors._window,
    "first": ClipErrors._first_frames,
}
