"""Reads a training split into :class:`posebench.networks.samples.TrainingData`.

Unpaired supervision takes 2D from some takes and 3D from the others. Takes are split before any file is read: a method with the
supervision ``unpaired 3D`` gets the keypoints of the first takes as its training data, and the poses of the others as a pool in random
order, without take, frame or camera.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Array, Dataset
from posebench.networks.samples import PosePool, TrainingData, image_coordinates, nominal_camera

#: Seed of the pool's order, the same in every run: the heap is data, not a part of the training.
ORDER = 20190226


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


def part(dataset: Dataset, clips: list[str], pools: str) -> tuple[list[str], list[str]]:
    """Clips to take keypoints from, and clips to take poses from.

    Takes alternate in the order of the dataset, the first one to the keypoints, so that each pool has its share of subjects and actions.
    Of a take that several cameras saw, one clip is enough for the heap: the poses are the same but for a rotation.

    Args:
        dataset: an open dataset.
        clips: ids of its training clips.
        pools: one of :data:`posebench.networks.settings.POOLS`.

    Raises:
        PosebenchError: fewer than two takes to part.
    """
    takes = list(dict.fromkeys(dataset.infos[id].take for id in clips))
    seen, posed = set(takes), set(takes)
    if pools == "disjoint":
        if len(takes) < 2:
            raise PosebenchError(
                f"{len(takes)} training take in this copy of {dataset.name}",
                "two at least: one for keypoints, one for poses",
                'add takes to the copy, or train with --set pools="shuffled"',
            )
        seen, posed = set(takes[::2]), set(takes[1::2])
    first: dict[str, str] = {}
    for id in clips:
        first.setdefault(dataset.infos[id].take, id)
    return [id for id in clips if dataset.infos[id].take in seen], [id for take, id in first.items() if take in posed]


def gather_poses(dataset: Dataset, clips: list[str], *, device: str = "cpu") -> PosePool:
    """Read the heap of poses; keypoints of these clips are not looked at.

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
        if not np.isfinite(pose).all():
            raise PosebenchError(f"{id}: a pose that is not finite", "finite training poses", "leave the clip out of the copy")
        poses.append((pose - pose[:, root].mean(axis=1, keepdims=True)).astype(np.float32))
        up = np.full(3, np.nan) if clip.camera is None or dataset.up is None else clip.camera.rotation @ np.array(dataset.up)
        ups.append(np.broadcast_to(up, (len(pose), 3)).astype(np.float32))
    order = np.random.default_rng(ORDER).permutation(sum(map(len, poses)))

    def tensor(parts: list[np.typing.NDArray[np.float32]]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts)[order]).to(device)

    return PosePool(tensor(poses), tensor(ups))
