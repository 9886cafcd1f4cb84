"""The training of Pavllo et al. 2019: supervised regression from a window of keypoints to the pose of its middle frame.

**Convention.** In: keypoints (T, J, 2) of a clip in unit focal length; beyond its ends, the end frames are repeated. Out: poses (T, J, 3)
in mm, camera frame, root at the origin. A training sample is named by the first of the ``output_frames`` frames whose poses are compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.augment import scaled_bones
from posebench.networks.method import TILE, Method
from posebench.networks.mirror import draw_half, mirror_where
from posebench.networks.samples import TrainingData
from posebench.networks.views import project

from .losses import joint_distance, velocity_error
from .network import METRE, VideoPoseLifter
from .settings import Settings
from .views import Seen, seen_from_elsewhere

#: Share of a new batch in batch norm's running statistics in the first epoch.
FIRST_MOMENTUM = 0.1


class VideoPose3D(Method):
    """One network, trained on windows of keypoints and the poses of their middle frames."""

    scale = "metric"
    slides = True
    lifter: VideoPoseLifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings, self.joints = settings, joints
        self.swap = list(joints.mirror)
        self.lifter = VideoPoseLifter(settings, joints)
        self.context = self.lifter.network.context
        self.poses_per_sample = settings.output_frames
        if settings.views:
            self.side_information = ("gravity in the frame of each training camera",)

    def prepare(self, data: TrainingData) -> None:
        """Take the image size or the statistics of the training split.

        Raises:
            PosebenchError: the recipe turns poses about gravity, and the dataset does not say where up is.
        """
        assert data.poses is not None, "paired 3D is passed to a method that declares it"
        if self.settings.views and (data.up is None or not bool(data.up.isfinite().all())):
            raise PosebenchError(
                "training clips whose camera or up direction is unknown",
                "cameras and gravity, to turn poses about it",
                'train with "--recipe no-views" or "--set views=0.0"',
            )
        self.lifter.fit(data)

    def samples(self, data: TrainingData) -> Tensor:
        """Frames that have ``output_frames - 1`` frames of their clip behind them, and the first usable frame of each clip."""
        enough = data.usable + self.settings.output_frames - 1 <= data.last[data.usable]
        start = torch.ones_like(enough)
        start[1:] = data.first[data.usable[1:]] != data.first[data.usable[:-1]]
        return data.usable[enough | start]

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam; with ``amsgrad``, as in the authors' code."""
        return {"lifter": Adam(self.lifter.parameters(), lr=self.settings.learning_rate, amsgrad=self.settings.amsgrad)}

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The error of the poses in metres and, weighted, that of their changes."""
        settings, lifter = self.settings, self.lifter
        share = epoch / settings.epochs
        lifter.network.set_norm_momentum(FIRST_MOMENTUM * (settings.norm_momentum_last / FIRST_MOMENTUM) ** share)
        keypoints, poses = self.windows(data, frames)
        target = poses[:, lifter.reach : poses.shape[1] - lifter.reach] / METRE
        target = target - target[..., lifter.root : lifter.root + 1, :]
        predicted = lifter.metres(keypoints)
        terms = {"distance": joint_distance(predicted, target)}
        if settings.velocity:
            terms["velocity"] = settings.velocity * velocity_error(predicted, target)
        yield "lifter", terms

    def windows(self, data: TrainingData, frames: Tensor) -> Seen:
        """Keypoints and poses of the samples (B,) with all frames that they depend on: W = output_frames + context - 1."""
        assert data.poses is not None
        settings, reach = self.settings, self.lifter.reach
        offsets = torch.arange(-reach, settings.output_frames + reach, device=frames.device)
        chosen = data.neighbours(frames, offsets)
        seen = Seen(data.keypoints[chosen], data.poses[chosen])
        if settings.views:
            seen = self._viewed(seen, data, frames)
        if settings.mirror:
            half = draw_half(len(frames), frames.device)
            seen = Seen(mirror_where(half, seen.keypoints, self.swap), mirror_where(half, seen.poses, self.swap))
        return seen

    def _viewed(self, seen: Seen, data: TrainingData, frames: Tensor) -> Seen:
        """The samples, a share of them with bones of other lengths and as the cameras of other frames would see them."""
        assert data.poses is not None
        assert data.up is not None
        settings, root, centre = self.settings, self.lifter.root, seen.poses.shape[1] // 2
        poses = scaled_bones(seen.poses, self.joints, settings.bone_scale) if settings.bone_scale else seen.poses
        resized = Seen(seen.keypoints + project(poses) - project(seen.poses), poses)
        others = data.usable[torch.randint(len(data.usable), (len(frames),), device=frames.device)]
        viewed = seen_from_elsewhere(resized, data.up[frames], data.up[others], data.poses[others, root], root, centre)
        if settings.views >= 1.0:
            return viewed
        turned = (torch.rand(len(frames), device=frames.device) < settings.views)[:, None, None, None]
        return Seen(torch.where(turned, viewed.keypoints, seen.keypoints), torch.where(turned, viewed.poses, seen.poses))

    def lift(self, keypoints: Tensor) -> Tensor:
        """The whole clip (T, J, 2), convolved as a sequence, at most :data:`posebench.networks.method.TILE` poses at a time."""
        reach = self.lifter.reach
        padded = torch.cat([keypoints[:1].expand(reach, -1, -1), keypoints, keypoints[-1:].expand(reach, -1, -1)])
        tiles = [padded[start : start + TILE + 2 * reach] for start in range(0, len(keypoints), TILE)]
        return torch.cat([self.lifter(tile[None])[0] for tile in tiles])

    def lift_some(self, keypoints: Tensor, frames: Tensor) -> Tensor:
        """Windows around the wanted frames, and no others."""
        reach = self.lifter.reach
        around = (frames[:, None] + torch.arange(-reach, reach + 1, device=frames.device)).clamp(0, len(keypoints) - 1)
        poses: Tensor = torch.cat([self.lifter(keypoints[tile])[:, 0] for tile in torch.split(around, TILE)])
        return poses


def build(settings: Settings, skeleton_id: str) -> VideoPose3D:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return VideoPose3D(settings, skeleton(skeleton_id))
