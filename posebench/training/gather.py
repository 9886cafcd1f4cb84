"""Read a training split into :class:`posebench.networks.samples.TrainingData`.

Unpaired supervision takes 2D from some takes and 3D from the others. Takes are split before any file is read: a method with the
supervision ``unpaired 3D`` gets the keypoints of the first takes as its training data, and the poses of the others as a pool in random
order, without take, frame or camera.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Array, Clip, Dataset
from posebench.networks.samples import PosePool, TrainingData, image_coordinates, nominal_camera

#: Seed of the pool's order. It is the same in every run: the pool is data, and independent of the training's seed.
POOL_ORDER_SEED = 20190226


def gather(
    dataset: Dataset,
    clips: list[str],
    keypoints: str,
    *,
    with_poses: bool,
    skeleton_id: str = "",
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> TrainingData:
    """Read clips into tensors on the device.

    Args:
        dataset: an open dataset.
        clips: ids of the clips to read.
        keypoints: 2D source.
        with_poses: whether to read 3D poses; if False, no 3D is read at all.
        skeleton_id: joint order of the keypoints; empty for that of the dataset's poses. Poses are read in their own order only.
        device: a torch device.
        progress: called with (clips read, clips in all).

    Raises:
        PosebenchError: no clips; a clip without this source, without joints that no rule completes, or with a number that is not finite.
    """
    if not clips:
        raise PosebenchError(f"no training clips in this copy of {dataset.name}", "clips of its training subjects", "add them to the copy")
    joints = skeleton(skeleton_id or dataset.skeleton)
    views: list[tuple[Array, Camera | None]] = []
    poses, ups, frame_ranges, usable, start = [], [], [], [], 0
    for done, id in enumerate(clips):
        clip = dataset.load(id)
        pixels = _keypoints(clip, keypoints, joints.id)
        views.append((pixels, clip.camera))
        if with_poses:
            poses.append(clip.pose.astype(np.float32))
            _check_finite(id, poses[-1])
            ups.append(np.broadcast_to(up_direction(dataset, clip.camera), (len(pixels), 3)))
        frames = len(pixels)
        frame_ranges.append((start, start + frames - 1, frames))
        usable.append(start + dataset.valid[id] if id in dataset.valid else np.arange(start, start + frames))
        start += frames
        if progress:
            progress(done + 1, len(clips))
    nominal = nominal_camera([camera for _, camera in views if camera], max(float(pixels.max()) for pixels, _ in views))
    points = [image_coordinates(pixels, camera or nominal).astype(np.float32) for pixels, camera in views]
    first, last, counts = np.array(frame_ranges).T

    def tensor(array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(device)

    return TrainingData(
        skeleton=joints,
        keypoints=tensor(np.concatenate(points)),
        poses=tensor(np.concatenate(poses)) if with_poses else None,
        up=tensor(np.concatenate(ups)) if with_poses else None,
        first=tensor(np.repeat(first, counts)),
        last=tensor(np.repeat(last, counts)),
        usable=tensor(np.concatenate(usable)),
        fps=dataset.fps,
        nominal=nominal,
        take=tensor(np.repeat(np.unique([dataset.infos[id].take for id in clips], return_inverse=True)[1], counts)),
    )


def _keypoints(clip: Clip, source: str, order: str) -> Array:
    """Keypoints (T, J, 2) px of a clip in a joint order.

    Raises:
        PosebenchError: joints are missing that no rule completes, or a number is not finite.
    """
    pixels = clip.keypoints_as(source, order)
    if not np.isfinite(pixels).all():
        raise PosebenchError(f"{clip.id}: keypoints of {source} that are not finite", "finite keypoints", "choose another source")
    return pixels


def up_direction(dataset: Dataset, camera: Camera | None) -> npt.NDArray[np.float32]:
    """The world's up direction (3,) in a camera's frame; NaN without a camera, or if the dataset has no up direction."""
    if camera is None or dataset.up is None:
        return np.full(3, np.nan, np.float32)
    up: npt.NDArray[np.float32] = (camera.rotation @ np.array(dataset.up)).astype(np.float32)
    return up


def _check_finite(id: str, pose: npt.NDArray[Any]) -> None:
    if not np.isfinite(pose).all():
        raise PosebenchError(f"{id}: a pose that is not finite", "finite training poses", "leave the clip out of the copy")


def split_takes(dataset: Dataset, clips: list[str], pools: str) -> tuple[list[str], list[str]]:
    """Split a training split for unpaired supervision: clips to take keypoints from, and clips to take poses from.

    Takes go to the two in turn, in the order of the dataset and the first one to the keypoints, so that both have all subjects and
    actions. Of a take with several cameras one clip gives its poses: those of the other cameras are the same up to a rotation.

    Args:
        dataset: an open dataset.
        clips: ids of its training clips.
        pools: one of :data:`posebench.networks.settings.POOLS`.

    Raises:
        PosebenchError: fewer than two takes to split.
    """
    takes = list(dict.fromkeys(dataset.infos[id].take for id in clips))
    keypoint_takes, pose_takes = set(takes), set(takes)
    if pools == "disjoint":
        if len(takes) < 2:
            raise PosebenchError(
                f"{len(takes)} training take in this copy of {dataset.name}",
                "two at least: one for keypoints, one for poses",
                'add takes to the copy, or train with --set pools="shuffled"',
            )
        keypoint_takes, pose_takes = set(takes[::2]), set(takes[1::2])
    first_clip: dict[str, str] = {}
    for id in clips:
        first_clip.setdefault(dataset.infos[id].take, id)
    keypoint_clips = [id for id in clips if dataset.infos[id].take in keypoint_takes]
    pose_clips = [id for take, id in first_clip.items() if take in pose_takes]
    return keypoint_clips, pose_clips


def gather_poses(dataset: Dataset, clips: list[str], *, device: str = "cpu") -> PosePool:
    """Read the pool of unpaired poses, in random order. Keypoints of these clips are not read.

    Args:
        dataset: an open dataset.
        clips: ids of the clips to take poses from.
        device: a torch device.

    Raises:
        PosebenchError: a pose that is not finite.
    """
    root = list(skeleton(dataset.skeleton).root_indices)
    poses, ups = [], []
    for id in clips:
        clip = dataset.load(id)
        pose = clip.pose[dataset.valid[id]] if id in dataset.valid else clip.pose
        _check_finite(id, pose)
        poses.append((pose - pose[:, root].mean(axis=1, keepdims=True)).astype(np.float32))
        ups.append(np.broadcast_to(up_direction(dataset, clip.camera), (len(pose), 3)))
    order = np.random.default_rng(POOL_ORDER_SEED).permutation(sum(map(len, poses)))

    def tensor(parts: list[npt.NDArray[np.float32]]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts)[order]).to(device)

    return PosePool(tensor(poses), tensor(ups))
