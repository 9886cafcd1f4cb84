"""What a method learns from: the frames of a training split as tensors that stay on the device.

**Convention.** Keypoints are image coordinates of unit focal length, ``(pixel - principal point) / focal``, lens distortion left in;
poses are absolute, millimetres, camera frame. Frames of a clip stand one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posebench.base.cameras import Camera
from posebench.base.skeletons import Skeleton
from posebench.data.clip import Array

#: Where a dataset has no cameras: the focal length in widths of the image, as of a lens with some 50 degrees of view.
NOMINAL_FOCAL = 1.1


@dataclass(frozen=True, eq=False)
class PosePool:
    """True poses that belong to nobody.

    Attributes:
        poses: (P, J, 3) float32 mm, root at the origin, each in the axes of a camera that saw it.
        up: (P, 3) the world's up direction in those axes; NaN where the clip has no camera or nobody says which way is up.
    """

    poses: Tensor
    up: Tensor


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The frames that a method may learn from.

    Attributes:
        skeleton: joint order.
        keypoints: (N, J, 2) float32, unit focal length.
        poses: (N, J, 3) float32 mm, absolute, camera frame; None for a method without 3D supervision, which is never handed any.
        first: (N,) number of the first frame of each frame's clip.
        last: (N,) number of the last frame of each frame's clip.
        usable: (M,) numbers of the frames to draw samples from (all, or those of a dataset that the owner calls valid).
        fps: frames per second.
        extra: keypoints of another dataset, where the recipe asks for some; never with poses.
        pool: poses of other takes, for a method whose supervision is ``unpaired 3D``; then ``poses`` is None.
        nominal: the camera that stands in where a clip has none: the median of the training cameras, or a made-up one.
        teacher_poses: (N, J, 3) what a teacher's frozen lifter predicts for these frames, camera frame, root at the origin, in the
            teacher's unit; for a method that states a teacher.
        take: (N,) number of each frame's take, which its cameras share; None where each clip is a take of its own.
    """

    skeleton: Skeleton
    keypoints: Tensor
    poses: Tensor | None
    first: Tensor
    last: Tensor
    usable: Tensor
    fps: float
    nominal: Camera
    extra: TrainingData | None = None
    pool: PosePool | None = None
    take: Tensor | None = None
    teacher_poses: Tensor | None = None

    def neighbours(self, frames: Tensor, offsets: Tensor) -> Tensor:
        """Numbers (B, W) of the frames at ``offsets`` (W,) from each of ``frames`` (B,), held inside their clips.

        Beyond an end of the clip stands its end frame, once or several times: windows never cross a cut.
        """
        wanted = frames[:, None] + offsets[None]
        return torch.minimum(torch.maximum(wanted, self.first[frames][:, None]), self.last[frames][:, None])


def image_coordinates(pixels: Array, camera: Camera) -> Array:
    """Pixels (T, J, 2) to image coordinates of unit focal length; lens distortion stays in."""
    coordinates: Array = (pixels - camera.centre) / camera.focal
    return coordinates


def nominal_camera(cameras: list[Camera], largest: float) -> Camera:
    """What stands in for the camera of a clip that has none: median focal length and principal point of the training cameras.

    Without any, an image as wide as the smallest multiple of 500 px that holds the ``largest`` coordinate, and :data:`NOMINAL_FOCAL`.
    """
    if cameras:
        focal = np.median([camera.focal for camera in cameras], axis=0)
        centre = np.median([camera.centre for camera in cameras], axis=0)
    else:
        width = 500.0 * max(1.0, float(np.ceil(largest / 500.0)))
        focal, centre = np.full(2, NOMINAL_FOCAL * width), np.full(2, width / 2)
    return Camera(np.eye(3), np.zeros(3), focal, centre, (round(2 * centre[0]), round(2 * centre[1])))
