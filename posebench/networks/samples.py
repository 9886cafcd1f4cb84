"""Training data: the frames of a training split as tensors on the training device.

**Convention.** Keypoints are image coordinates of unit focal length, ``(pixel - principal point) / focal``, lens distortion is not removed;
poses are absolute, millimetres, camera frame. The frames of a clip are consecutive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posebench.base.cameras import NOMINAL_FOCAL, Camera
from posebench.base.skeletons import Skeleton
from posebench.data.clip import Array


@dataclass(frozen=True, eq=False)
class PosePool:
    """Unpaired ground-truth poses, in random order.

    Attributes:
        poses: (P, J, 3) float32 mm, root at the origin, each in the axes of the camera of its clip.
        up: (P, 3) the world's up direction in those axes; NaN if the clip has no camera or the dataset no up direction.
    """

    poses: Tensor
    up: Tensor


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The frames that a method learns from.

    Attributes:
        skeleton: joint order.
        keypoints: (N, J, 2) float32, unit focal length.
        poses: (N, J, 3) float32 mm, absolute, camera frame; None for a method without paired supervision.
        first: (N,) index of the first frame of each frame's clip.
        last: (N,) index of the last frame of each frame's clip.
        usable: (M,) indices of the frames to draw samples from: all, or those that the dataset marks as valid.
        fps: frames per second.
        extra: keypoints of a second dataset, if the recipe asks for one; never with poses.
        pool: unpaired poses, for a method with the supervision ``unpaired 3D``; then ``poses`` is None.
        nominal: the camera that is assumed for a clip without one, see :func:`nominal_camera`.
        teacher_poses: (N, J, 3) the teacher's predictions for these frames, camera frame, root at the origin, in the teacher's unit;
            None for a method without a teacher.
        teacher_margins: (N, J) how much more the other place of each joint would cost the tracker of the teacher's poses, infinite where it
            has none; None if they are not tracked.
        take: (N,) number of each frame's take, shared by its cameras; None if each clip is a take of its own.
        up: (N, 3) float32, the world's up direction in the camera frame; NaN where a clip has no camera or the dataset no up direction;
            None for a method without paired supervision.
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
    teacher_margins: Tensor | None = None
    up: Tensor | None = None

    def neighbours(self, frames: Tensor, offsets: Tensor) -> Tensor:
        """Indices (B, W) of the frames at ``offsets`` (W,) from each of ``frames`` (B,).

        Beyond an end of the clip its end frame is repeated: windows never cross a cut.
        """
        wanted = frames[:, None] + offsets[None]
        return torch.minimum(torch.maximum(wanted, self.first[frames][:, None]), self.last[frames][:, None])


def image_coordinates(pixels: Array, camera: Camera) -> Array:
    """Pixels (T, J, 2) to image coordinates of unit focal length; lens distortion is not removed."""
    coordinates: Array = (pixels - camera.centre) / camera.focal
    return coordinates


def nominal_camera(cameras: list[Camera], largest: float) -> Camera:
    """The camera that is assumed for a clip without one: median focal length and principal point of the training cameras.

    Without any training camera, the image is square, its width the smallest multiple of 500 px that reaches the ``largest`` coordinate,
    and its focal length is :data:`NOMINAL_FOCAL`.
    """
    if cameras:
        focal = np.median([camera.focal for camera in cameras], axis=0)
        centre = np.median([camera.centre for camera in cameras], axis=0)
    else:
        width = 500.0 * max(1.0, float(np.ceil(largest / 500.0)))
        focal, centre = np.full(2, NOMINAL_FOCAL * width), np.full(2, width / 2)
    return Camera(np.eye(3), np.zeros(3), focal, centre, (round(2 * centre[0]), round(2 * centre[1])))
