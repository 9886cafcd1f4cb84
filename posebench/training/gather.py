"""What a method learns from: the frames of a training split as tensors that stay on the device.

**Convention.** Keypoints are image coordinates of unit focal length, ``(pixel - principal point) / focal``, lens distortion left in;
poses are absolute, millimetres, camera frame. Frames of a clip stand one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.data.clip import Array, Dataset
from posebench.training.pools import PosePool

#: Where a dataset has no cameras: the focal length in widths of the image, as of a lens with some 50 degrees of view.
NOMINAL_FOCAL = 1.1


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
        taught: (N, J, 3) what the frozen lifter of a teacher says of these frames, camera frame, root at the origin, in the teacher's unit;
            for a method that states a teacher.
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
    taught: Tensor | None = None

    def neighbours(self, frames: Tensor, offsets: Tensor) -> Tensor:
        """Numbers (B, W) of the frames at ``offsets`` (W,) from each of ``frames`` (B,), held inside their clips.

        Beyond an end of the clip stands its end frame, once or several times: windows never cross a cut.
        """
        wanted = frames[:, None] + offsets[None]
        return torch.minimum(torch.maximum(wanted, self.first[frames][:, None]), self.last[frames][:, None])


def gather(
    dataset: Dataset,
    clips: list[str],
    keypoints: str,
    *,
    with_poses: bool,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> TrainingData:
    """Read clips into tensors on the device.

    Args:
        dataset: an open dataset.
        clips: ids of its clips to learn from.
        keypoints: 2D source.
        with_poses: False never looks at a pose: not one number of 3D is read.
        device: a torch device.
        progress: called with (clips read, clips in all).

    Raises:
        PosebenchError: no clips, a clip without this source or with a number that is not finite, or another count of joints.
    """
    if not clips:
        raise PosebenchError(f"no training clips in this copy of {dataset.name}", "clips of its training subjects", "add them to the copy")
    joints = skeleton(dataset.skeleton)
    views: list[tuple[Array, Camera | None]] = []
    poses, ends, usable, start = [], [], [], 0
    for done, id in enumerate(clips):
        clip = dataset.load(id)
        pixels = clip.keypoints(keypoints)
        if pixels.shape[1] != len(joints):
            raise PosebenchError(
                f"{pixels.shape[1]} joints in keypoint source {keypoints} of {dataset.name}",
                f"the {len(joints)} of {joints.id}",
                f"choose another source with --keypoints: {', '.join(dataset.keypoint_sources)}",
            )
        if not np.isfinite(pixels).all():
            raise PosebenchError(f"{id}: keypoints of {keypoints} that are not finite", "finite keypoints", "choose another source")
        views.append((pixels, clip.camera))
        if with_poses:
            poses.append(clip.pose.astype(np.float32))
            if not np.isfinite(poses[-1]).all():
                raise PosebenchError(f"{id}: a pose that is not finite", "finite training poses", "leave the clip out of the copy")
        frames = len(pixels)
        ends.append((start, start + frames - 1, frames))
        usable.append(start + dataset.valid[id] if id in dataset.valid else np.arange(start, start + frames))
        start += frames
        if progress:
            progress(done + 1, len(clips))
    nominal = nominal_camera([camera for _, camera in views if camera], max(float(pixels.max()) for pixels, _ in views))
    points = [image_coordinates(pixels, camera or nominal).astype(np.float32) for pixels, camera in views]
    first, last, counts = np.array(ends).T

    def tensor(array: np.typing.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(device)

    return TrainingData(
        skeleton=joints,
        keypoints=tensor(np.concatenate(points)),
        poses=tensor(np.concatenate(poses)) if with_poses else None,
        first=tensor(np.repeat(first, counts)),
        last=tensor(np.repeat(last, counts)),
        usable=tensor(np.concatenate(usable)),
        fps=dataset.fps,
        nominal=nominal,
        take=tensor(np.repeat(np.unique([dataset.infos[id].take for id in clips], return_inverse=True)[1], counts)),
    )


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
