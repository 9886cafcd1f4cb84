"""Errors of the joints of one clip under every placement: the adopted alignments, and those of other projects.

**Convention.** Poses are (n, J, 3) mm, camera axes, root-relative unless a name says otherwise. A predicted pose that is invalid has all
joints at the root, as in scores. Formulas and who uses them: ``docs/explain.md``; golden numbers hold them to the projects' own code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.skeletons import Skeleton
from posebench.metrics import peers
from posebench.metrics.alignment import ALIGNMENTS, aligned, procrustes, residuals
from posebench.metrics.position import root_relative, root_relative_valid
from posebench.scoring.conventions.reading import Placement

Array = npt.NDArray[np.float64]

#: The depth is negated: under a weak perspective camera both poses have the same image.
MIRROR = np.array([1.0, 1.0, -1.0])
#: AdaptPose's mean distance from pelvis to thorax, mm.
TORSO_MM = 520.0
#: Frames of a clip of AthleticsPose.
EXTENT_FRAMES = 81
#: Poses normalised to [-1, 1] have no coordinate above this.
_NORMALISED = 2.0


class CannotError(Exception):
    """A convention has no meaning for this input; the text says why."""


@dataclass
class WholeSet:
    """What the factors of a whole set are made of: collected in a first pass, used in a second.

    Attributes:
        products: by view, (sum of <P, G>, sum of <P, P>) and the least-squares scale of each pose.
        torsos: by view, the predicted distance from pelvis to thorax of each frame of each clip, mm.
        order: clip ids in reading order.
    """

    scales: dict[Placement, dict[str, tuple[float, float, Array]]] = field(default_factory=dict)
    torsos: dict[Placement, dict[str, Array]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def one_scale(self, view: Placement) -> float:
        """One least-squares factor for the set."""
        found = self.scales[view].values()
        size = sum(square for _, square, _ in found)
        return sum(product for product, _, _ in found) / size if size > 0.0 else 1.0

    def median_scale(self, view: Placement) -> float:
        """The median of the least-squares factors of all poses."""
        return float(np.median(np.concatenate([scales for _, _, scales in self.scales[view].values()])))

    def torso_scales(self, view: Placement, batch: int) -> dict[str, Array]:
        """By clip, the factor of each frame that gives its batch of ``batch`` frames the mean torso of :data:`TORSO_MM`."""
        lengths = [self.torsos[view][clip] for clip in self.order]
        every = np.concatenate(lengths)
        starts = np.arange(0, len(every), batch)
        means = np.add.reduceat(every, starts) / np.diff(np.append(starts, len(every)))
        factors = np.repeat(_inverse(means) * TORSO_MM, np.diff(np.append(starts, len(every))))
        parts = np.split(factors, np.cumsum([len(part) for part in lengths])[:-1])
        return dict(zip(self.order, parts, strict=True))


def of_whole_set(alignment: str) -> bool:
    """Whether an alignment needs the whole set before the first pose."""
    return alignment in ("one scale", "median scale") or (alignment.startswith("torso ") and alignment != "torso clip")


class ClipErrors:
    """Joint errors of one clip. What several placements share is computed once.

    Args:
        clip: the clip id.
        pred: (n, J, 3) or (H, n, J, 3), mm, as the file holds them.
        truth: (n, J, 3) mm.
        skeleton: their joints.
        camera: of the clip; None where it is unknown.
        wanted: by view, the alignments of the kernel that will be asked for: they are computed together.
        whole: factors of the whole set.
        metric_scale: the file states millimetres or metres.
    """

    def __init__(
        self,
        clip: str,
        pred: npt.NDArray[np.floating],
        truth: npt.NDArray[np.floating],
        skeleton: Skeleton,
        camera: Camera | None,
        wanted: Mapping[Placement, set[str]],
        whole: WholeSet,
        *,
        metric_scale: bool,
    ) -> None:
        self.clip = clip
        self._hypotheses = pred if pred.ndim == 4 else None
        self._pred = pred.mean(axis=0) if pred.ndim == 4 else pred
        self._truth = truth
        self._skeleton = skeleton
        self._camera = camera
        self._wanted = wanted
        self._whole = whole
        self._metric_scale = metric_scale
        self._poses: dict[Placement, tuple[Array, Array]] = {}
        self._errors: dict[Placement, Array] = {}
        self._scales: dict[Placement, Array] = {}

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

    def collect(self, views: Iterable[Placement]) -> None:
        """Add to the sums that factors of the whole set are made of."""
        for view in views:
            pred, truth = self.poses(view)
            product, size = np.einsum("njc,njc->n", pred, truth), np.einsum("njc,njc->n", pred, pred)
            self._whole.scales.setdefault(view, {})[self.clip] = float(product.sum()), float(size.sum()), product * _inverse(size)
            if {"pelvis", "thorax"} <= set(view.fitted):
                self._whole.torsos.setdefault(view, {})[self.clip] = _torso(pred, view)

    def _seen(self, view: Placement) -> tuple[Array, Array]:
        whole = tuple(view.fitted) == self._skeleton.joints
        if not whole:
            pred, truth = self.poses(view._replace(fitted=self._skeleton.joints))
            index = [self._skeleton.index(joint) for joint in view.fitted]
            return pred[:, index], truth[:, index]
        if view.mirrored:
            pred, truth = self.poses(view._replace(mirrored=False))
            return pred * MIRROR, truth
        root = tuple(self._skeleton.index(joint) for joint in view.root)
        if view.precision != "mm":
            return self._in_metres(root)
        pred, _ = root_relative_valid(self._pred, root)
        truth = root_relative(self._truth, root)
        if view.axes == "ray":
            pred = np.einsum("nij,nkj->nki", self._to_ray(root), pred)
        return pred, truth

    def _in_metres(self, root: tuple[int, ...]) -> tuple[Array, Array]:
        """Both in float32 metres, their roots subtracted there, as networks and their evaluation hold them."""
        found = []
        for poses in (self._pred, self._truth):
            metres = (np.asarray(poses, dtype=np.float64) / 1000.0).astype(np.float32)
            metres = metres - metres[:, list(root)].mean(axis=1, keepdims=True)
            found.append(metres.astype(np.float64) * 1000.0)
        pred, _ = root_relative_valid(found[0], root)
        return pred, found[1]

    def _to_ray(self, root: tuple[int, ...]) -> Array:
        """(n, 3, 3) the smallest rotation of the optical axis onto the ray through the root: no distance is needed, only its image."""
        if self._camera is None:
            raise CannotError("the data have no cameras")
        points = np.asarray(self._truth, dtype=np.float64)[:, list(root)].mean(axis=1)
        ray = points / np.linalg.norm(points, axis=1, keepdims=True)
        return rotations_from_axis(ray)

    def _plain(self, placement: Placement) -> Array:
        view, alignment = placement.view, placement.alignment
        pred, truth = self.poses(view)
        if alignment in ALIGNMENTS:
            every = (self._wanted.get(view, set()) & set(ALIGNMENTS)) | {alignment}
            for name, errors in residuals(pred, truth, every).errors.items():
                self._errors[view._replace(alignment=name)] = errors
            return self._errors[placement]
        word, _, number = alignment.partition(" ")
        if alignment in _FACTORS:
            return _scaled(pred, truth, _FACTORS[alignment](self, view))
        if word == "torso" and number != "clip":
            return _scaled(pred, truth, self._whole.torso_scales(view, int(number))[self.clip])
        return _OTHERS[word](self, view, number)

    def procrustes_scale(self, view: Placement) -> Array:
        """(n,) scale of the proper similarity."""
        if view not in self._scales:
            self._scales[view] = procrustes(*self.poses(view)).scale
        return self._scales[view]

    def unsigned_scale(self, view: Placement) -> Array:
        """(n,) scale with the sum of all singular values: of the pose or of its mirror image, whichever is larger."""
        return np.maximum(self.procrustes_scale(view), self.procrustes_scale(view._replace(mirrored=not view.mirrored)))

    def _frobenius(self, view: Placement) -> Array:
        pred, truth = self.poses(view)
        out: Array = np.sqrt(np.einsum("njc,njc->n", truth, truth) * _inverse(np.einsum("njc,njc->n", pred, pred)))
        return out

    def _of_clip(self, view: Placement) -> Array:
        pred, truth = self.poses(view)
        size = float(np.einsum("njc,njc->", pred, pred))
        return np.full(len(pred), float(np.einsum("njc,njc->", pred, truth)) / size if size > 0.0 else 1.0)

    def _torso_of_clip(self, view: Placement) -> Array:
        pred, _ = self.poses(view)
        mean = float(_torso(pred, view).mean()) if len(pred) else 0.0
        return np.full(len(pred), TORSO_MM / mean if mean > 0.0 else 1.0)

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

    def _integral(self, view: Placement, alignment: str) -> Array:
        pred, truth = self.poses(view)
        root = tuple(view.fitted.index(joint) for joint in view.root if joint in view.fitted)
        if len(root) != len(view.root):
            raise CannotError("the root is not among the joints")
        return _norm(root_relative(aligned(pred, truth, alignment), root) - root_relative(truth, root))

    def _rotated(self, view: Placement, scale: Array) -> Array:
        """Errors after the best proper rotation about the mean joint and a factor (n,) of another kind."""
        pred, truth = self.poses(view)
        fit = procrustes(pred, truth)
        centred = pred - pred.mean(axis=1, keepdims=True)
        turned = np.einsum("nij,nkj->nki", fit.rotation, centred) * scale[:, None, None]
        return _norm(turned - (truth - truth.mean(axis=1, keepdims=True)))

    def _aspset(self, view: Placement, _: str) -> Array:
        return self._rotated(view, self.unsigned_scale(view))

    def _elepose(self, view: Placement, _: str) -> Array:
        """ElePose's batch ``pmpjpe``; only mirrored poses differ from a proper rotation with its scale."""
        pred, truth = self.poses(view)
        size = [np.einsum("njc,njc->n", x, x) for x in (poses - poses.mean(axis=1, keepdims=True) for poses in (truth, pred))]
        errors = self._rotated(view, np.sqrt(size[0] * _inverse(size[1])))
        mirrored = residuals(pred, truth, ()).flipped
        if mirrored.any():
            errors[mirrored] = peers.elepose_pa_errors(pred[mirrored], truth[mirrored])
        return errors

    def _window(self, view: Placement, length: str) -> Array:
        """One similarity for all joints of a window of frames, root-relative (the clip, or chunks of ``length`` frames)."""
        pred, truth = self.poses(view)
        every = len(pred) if length == "clip" else int(length)
        errors = np.empty(pred.shape[:2])
        for start in range(0, len(pred), max(1, every)):
            part = slice(start, start + every)
            fit = procrustes(pred[part].reshape(1, -1, 3), truth[part].reshape(1, -1, 3))
            errors[part] = _norm(fit.scale[0] * pred[part] @ fit.rotation[0].T + fit.translation[0] - truth[part])
        return errors

    def _first_frames(self, view: Placement, length: str) -> Array:
        """Absolute poses of chunks of ``length`` frames after the similarity of their first two frames (W-MPJPE)."""
        index = [self._skeleton.index(joint) for joint in view.fitted]
        root = [self._skeleton.index(joint) for joint in view.root]
        pred, truth = (np.asarray(poses, dtype=np.float64)[:, index] for poses in (self._pred, self._truth))
        if not np.abs(np.asarray(self._pred)[:, root].mean(axis=1)).max(initial=0.0) > 1.0:
            raise CannotError("the predicted roots are at the origin; the world-frame error needs absolute poses")
        if not np.isfinite(pred).all():
            raise CannotError("a predicted pose is not finite, and a window has no rule for it")
        errors, every = np.empty(pred.shape[:2]), int(length)
        for start in range(0, len(pred), every):
            part, first = slice(start, start + every), slice(start, start + 2)
            fit = procrustes(pred[first].reshape(1, -1, 3), truth[first].reshape(1, -1, 3))
            errors[part] = _norm(fit.scale[0] * pred[part] @ fit.rotation[0].T + fit.translation[0] - truth[part])
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
        one = ClipErrors(self.clip, poses, self._truth, self._skeleton, self._camera, {}, self._whole, metric_scale=self._metric_scale)
        return one.errors(placement)


_FACTORS: dict[str, Callable[[ClipErrors, Placement], Array]] = {
    "frobenius": ClipErrors._frobenius,
    "unsigned scale": ClipErrors.unsigned_scale,
    "clip scale": ClipErrors._of_clip,
    "one scale": lambda clip, view: np.full(len(clip), clip._whole.one_scale(view)),
    "median scale": lambda clip, view: np.full(len(clip), clip._whole.median_scale(view)),
    "torso clip": ClipErrors._torso_of_clip,
    "extent": ClipErrors._extent,
}
_OTHERS: dict[str, Callable[[ClipErrors, Placement, str], Array]] = {
    "rerooted": ClipErrors._integral,
    "aspset": ClipErrors._aspset,
    "elepose": ClipErrors._elepose,
    "window": ClipErrors._window,
    "first": ClipErrors._first_frames,
}


def rotations_from_axis(ray: Array) -> Array:
    """(n, 3, 3) the smallest rotations that take (0, 0, 1) to unit vectors (n, 3); their z is above -1.

    Example:
        >>> rotations_from_axis(np.array([[0.0, 0.6, 0.8]]))[0].round(12) @ [0.0, 0.0, 1.0]
        array([0. , 0.6, 0.8])
    """
    x, y, z = ray.T
    share = 1.0 / (1.0 + z)
    rows = [[1.0 - x * x * share, -x * y * share, x], [-x * y * share, 1.0 - y * y * share, y], [-x, -y, z]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _scaled(pred: Array, truth: Array, factor: Array) -> Array:
    return residuals(factor[:, None, None] * pred, truth, ["root"]).errors["root"]


def _torso(pred: Array, view: Placement) -> Array:
    return _norm(pred[:, view.fitted.index("thorax")] - pred[:, view.fitted.index("pelvis")])


def _norm(vectors: Array) -> Array:
    out: Array = np.sqrt(np.einsum("...c,...c->...", vectors, vectors))
    return out


def _inverse(values: Array) -> Array:
    """1 / values, and zero where a value is not positive."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0.0)
