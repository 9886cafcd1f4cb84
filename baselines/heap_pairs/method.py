"""Pairs of keypoints and poses, made from a pool of 3D poses and a pool of 2D poses that have nothing to do with each other.

A pose of the 3D pool is turned about gravity by a random angle, tilted as the cameras are, and placed so that its image is as large as a
random pose of the 2D pool, with the root where that one has it. Its projection and the pose itself are a pair, and the network of
``martinez`` learns from such pairs.

**Convention.** In: keypoints (B, J, 2) in unit focal length. Out: poses (B, J, 3) in mm, camera frame, root at the origin.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.augment import levelled, scaled_bones
from posebench.networks.samples import TrainingData
from posebench.networks.tilt import tilt_side_information
from posebench.networks.views import about_x, about_y, project, rotate

from ..martinez.method import Martinez
from .placement import Boxes, boxes, placed
from .settings import Settings

#: Pairs that the statistics of the network's input and output are taken from.
STATISTICS = 32768


class HeapPairs(Martinez):
    """``martinez`` with made pairs in place of true ones."""

    settings: Settings

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__(settings, joints)
        self.joints = joints
        self.side_information = ("gravity in the frame of each 3D pose", *tilt_side_information(settings.tilt))

    def prepare(self, data: TrainingData) -> None:
        """Level the poses of the pool, take the boxes of the 2D poses, and the statistics of a first set of pairs.

        Raises:
            PosebenchError: the up direction of a pose of the pool is not known.
        """
        assert data.pool is not None, "a 3D pool is passed to a method that declares unpaired 3D"
        if not bool(data.pool.up.isfinite().all()):
            raise PosebenchError(
                "poses whose up direction is unknown", "clips with cameras, of a dataset that says where up is", "train on another dataset"
            )
        self.pool = rotate(levelled(data.pool.up), data.pool.poses)
        self.boxes = boxes(data.keypoints, self.lifter.root)
        chosen = data.usable[torch.randint(len(data.usable), (STATISTICS,), device=data.usable.device)]
        self.lifter.fit(*self.mirrored_pairs(data, chosen))

    def pairs(self, data: TrainingData, frames: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """One pair for the box of each 2D pose ``frames`` (B,): the pose is one of the pool, at random."""
        settings, count = self.settings, len(frames)
        poses = self.pool[torch.randint(len(self.pool), (count,), device=self.pool.device)]
        if settings.bone_scale:
            poses = scaled_bones(poses, self.joints, settings.bone_scale)
        azimuth = 2.0 * math.pi * torch.rand(count, device=poses.device)
        poses = rotate(about_x(poses.new_tensor(math.radians(settings.tilt))) @ about_y(azimuth), poses)
        poses = placed(poses, Boxes(self.boxes.root[frames], self.boxes.size[frames]))
        return project(poses, nearest=1.0), poses


def build(settings: Settings, skeleton_id: str) -> HeapPairs:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return HeapPairs(settings, skeleton(skeleton_id))
