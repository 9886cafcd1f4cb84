"""Pairs of keypoints and poses, made from a pool of 3D poses and a pool of 2D poses that have nothing to do with each other.

A pose of the 3D pool is turned about gravity by a random angle, tilted as the cameras are, and placed so that its image is as large as a
random pose of the 2D pool, with the root where that one has it. Its projection and the pose itself are a pair, and the network of
``martinez`` learns from such pairs.

**Convention.** In: keypoints (B, J, 2) in unit focal length. Out: poses (B, J, 3) in mm, camera frame, root at the origin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.augment import levelled, scaled_bones
from posebench.networks.method import Method, adam, in_tiles
from posebench.networks.mirror import draw_half, mirror_where
from posebench.networks.samples import TrainingData
from posebench.networks.tilt import tilt_side_information
from posebench.networks.views import about_x, about_y, project, rotate

from ..martinez.losses import joint_distance
from ..martinez.network import MartinezNetwork
from .placement import Boxes, boxes, placed
from .settings import Settings

#: Pairs that the statistics of the network's input and output are taken from.
STATISTICS = 32768


class HeapPairs(Method):
    """The network of ``martinez``, trained on made pairs."""

    scale = "metric"
    lifter: MartinezNetwork

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings, self.joints = settings, joints
        self.swap = list(joints.mirror)
        self.lifter = MartinezNetwork(settings, joints)
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
        keypoints, poses = self.pairs(chosen)
        self.lifter.fit(keypoints, poses)

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam."""
        return {"lifter": adam(self.lifter.parameters(), self.settings.learning_rate)}

    def pairs(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (B, J, 2) and absolute poses (B, J, 3) mm: one pair for the box of each 2D pose ``frames`` (B,)."""
        settings, count = self.settings, len(frames)
        poses = self.pool[torch.randint(len(self.pool), (count,), device=self.pool.device)]
        if settings.bone_scale:
            poses = scaled_bones(poses, self.joints, settings.bone_scale)
        azimuth = 2.0 * math.pi * torch.rand(count, device=poses.device)
        poses = rotate(about_x(poses.new_tensor(math.radians(settings.tilt))) @ about_y(azimuth), poses)
        poses = placed(poses, Boxes(self.boxes.root[frames], self.boxes.size[frames]))
        keypoints = project(poses, nearest=1.0)
        if settings.noise:
            keypoints = keypoints + settings.noise * torch.randn_like(keypoints)
        if settings.mirror:
            half = draw_half(count, poses.device)
            keypoints, poses = mirror_where(half, keypoints, self.swap), mirror_where(half, poses, self.swap)
        return keypoints, poses

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The mean joint distance in units of 100 mm."""
        keypoints, poses = self.pairs(frames)
        error = self.lifter.standardised(keypoints) - self.lifter.pose(self.lifter.relative(poses))
        yield "lifter", {"distance": joint_distance(error, self.lifter.pose.deviation)}

    def lift(self, keypoints: Tensor) -> Tensor:
        """Lift each frame of a clip alone: keypoints (T, J, 2) to poses (T, J, 3) in mm."""
        return in_tiles(self.lifter, keypoints)


def build(settings: Settings, skeleton_id: str) -> HeapPairs:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return HeapPairs(settings, skeleton(skeleton_id))
