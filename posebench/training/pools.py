"""Unpaired supervision: 2D poses of some takes, and 3D poses of other ones.

The harness parts the takes of a training split before it reads anything. A method with the supervision ``unpaired 3D`` gets the keypoints
of the first pool's clips as its training data, and the second pool as a heap of poses: no take, no frame, no camera, an order of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset

#: Seed of the pool's order, the same in every run: the heap is data, not a part of the training.
ORDER = 20190226


@dataclass(frozen=True, eq=False)
class PosePool:
    """True poses that belong to nobody.

    Attributes:
        poses: (P, J, 3) float32 mm, root at the origin, each in the axes of a camera that saw it.
        up: (P, 3) the world's up direction in those axes; NaN where the clip has no camera or nobody says which way is up.
    """

    poses: Tensor
    up: Tensor


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
