"""Flip averaging: lift the keypoints and their mirror image, and take the mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter, LifterInfo, StatedCamera


@dataclass(frozen=True)
class FlipAveraged:
    """A lifter whose poses are the mean of the lift of the keypoints and that of their mirror image.

    **Convention.** The image is mirrored left to right about the camera's principal point, so that focal length and principal point are
    unchanged. Without a camera, or with a nominal one, it is mirrored about the mean x of the root over the clip: one line for all frames,
    so that the root's motion is mirrored too. Left and right joints are swapped by :attr:`Skeleton.mirror`. The second pose is mirrored
    back (x negated, sides swapped). Extrinsics are not mirrored: a lifter that uses them sees a mirrored person from an unmirrored camera.

    Source: VideoPose3D's test-time augmentation (Pavllo et al., CVPR 2019), which mirrors about the image centre.
    """

    inner: Lifter

    @property
    def info(self) -> LifterInfo:
        """That of the inner lifter, with flip averaging."""
        return replace(self.inner.info, flip_averaging=True)

    def lift(self, keypoints: Array, camera: StatedCamera) -> Array:
        """Keypoints (T, J, 2) px to the mean pose (T, J, 3) of both lifts, in the inner lifter's unit.

        Example:
            >>> from posebench.lifters.flat import Flat
            >>> points = np.random.default_rng(0).integers(0, 1000, (4, 17, 2)).astype(float)
            >>> np.array_equal(FlipAveraged(Flat()).lift(points, None), Flat().lift(points, None))
            True
        """
        joints = skeleton(self.inner.info.skeleton)
        swap = list(joints.mirror)
        lift: Callable[[Array, Any], Array] = self.inner.lift  # a trained one takes more than a camera
        axis_x = _axis(keypoints[:, list(joints.root_indices), 0], camera)
        mirrored_keypoints = keypoints[:, swap] * [-1.0, 1.0] + [2.0 * axis_x, 0.0]
        mirrored_pose = lift(mirrored_keypoints, _mirrored(camera) if isinstance(camera, Camera) else camera)
        mean: Array = (lift(keypoints, camera) + mirrored_pose[:, swap] * [-1.0, 1.0, 1.0]) / 2.0
        return mean


def _axis(root_x: Array, camera: StatedCamera) -> float:
    """X of the line about which the image is mirrored, px."""
    if isinstance(camera, Camera):
        return float(camera.centre[0])
    return camera[0] / 2.0 if isinstance(camera, tuple) else _mean_root_x(root_x)


def _mean_root_x(x: Array) -> float:
    """Mean x of the root over the frames in which it is finite; 0 if there are none."""
    known = x[np.isfinite(x)]
    return float(known.mean()) if known.size else 0.0


def _mirrored(camera: Camera) -> Camera:
    """The camera that sees the mirror image: its tangential term p2, which is odd in x, changes sign."""
    return replace(camera, tangential=camera.tangential * [1.0, -1.0])
