"""Flip averaging: lift the keypoints and their mirror image, and take the mean."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter
from posebench.predictions.provenance import Provenance


@dataclass(frozen=True)
class FlipAveraged:
    """A lifter whose poses are the mean over the keypoints and their mirror image. All but the flag is the inner lifter's.

    **Convention.** The image is mirrored left to right about the camera's principal point, so that focal length and centre stay as they
    are; without a camera, about the mean x of the root over the clip: one line for all frames, or the root's motion would not be
    mirrored. Left and right joints change places by :attr:`Skeleton.mirror`. The second pose is mirrored back (x negated, sides
    swapped). Extrinsics are handed on as they are: a lifter that uses them sees a mirrored person from an unmirrored camera.

    VideoPose3D's test-time augmentation (Pavllo et al., CVPR 2019) does this about the image centre, which is the principal point of
    an ideal camera.
    """

    inner: Lifter

    @property
    def id(self) -> str:  # noqa: D102
        return self.inner.id

    @property
    def skeleton(self) -> str:  # noqa: D102
        return self.inner.skeleton

    @property
    def supervision(self) -> str:  # noqa: D102
        return self.inner.supervision

    @property
    def scale(self) -> str:  # noqa: D102
        return self.inner.scale

    @property
    def context(self) -> int:  # noqa: D102
        return self.inner.context

    @property
    def flip_averaging(self) -> bool:  # noqa: D102
        return True

    @property
    def provenance(self) -> Provenance | None:
        """How the inner lifter was trained, where it says so."""
        return getattr(self.inner, "provenance", None)

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px to the mean pose (T, J, 3) of both lifts, in the inner lifter's unit.

        Example:
            >>> from posebench.lifters.flat import Flat
            >>> points = np.random.default_rng(0).integers(0, 1000, (4, 17, 2)).astype(float)
            >>> np.array_equal(FlipAveraged(Flat()).lift(points, None), Flat().lift(points, None))
            True
        """
        kind = skeleton(self.skeleton)
        swap = list(kind.mirror)
        line = _root_line(keypoints[:, list(kind.root_indices), 0]) if camera is None else float(camera.centre[0])
        mirrored = keypoints[:, swap] * [-1.0, 1.0] + [2.0 * line, 0.0]
        other = self.inner.lift(mirrored, None if camera is None else _mirrored(camera))
        out: Array = (self.inner.lift(keypoints, camera) + other[:, swap] * [-1.0, 1.0, 1.0]) / 2.0
        return out


def _root_line(x: Array) -> float:
    """Mean x of the root, over the frames that have one."""
    known = x[np.isfinite(x)]
    return float(known.mean()) if known.size else 0.0


def _mirrored(camera: Camera) -> Camera:
    """The camera that takes the mirror image: the one lens term that is not symmetric about a vertical line changes its sign."""
    return replace(camera, tangential=camera.tangential * [1.0, -1.0])
