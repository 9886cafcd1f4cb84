"""The training of Mehraban et al. 2024: supervised regression from a window of keypoints to the poses of all its frames.

**Convention.** In: keypoints (T, J, 2) of a clip in unit focal length. Out: poses (T, J, 3) in mm, camera frame, root at the origin. A
clip is cut into windows that do not overlap; the last one is moved back to end with the clip. A training sample is a window, named by the
number of its first frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import TILE, Losses, Method
from posebench.networks.mirror import draw_half, mirror_where
from posebench.networks.samples import TrainingData
from posebench.networks.windows import whole_batches

from ..videopose3d.losses import joint_distance, velocity_error
from ..videopose3d.network import METRE
from .losses import scaled_distance
from .network import MotionLifter
from .settings import Settings


class MotionAGFormer(Method):
    """One network, trained on windows of keypoints and their poses."""

    scale = "metric"
    lifter: MotionLifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.swap = list(joints.mirror)
        self.lifter = MotionLifter(settings, joints)
        self.context = self.poses_per_sample = settings.window

    def prepare(self, data: TrainingData) -> None:
        """Take the image size of the training's nominal camera."""
        assert data.poses is not None, "paired 3D is passed to a method that declares it"
        self.lifter.fit(data)

    def samples(self, data: TrainingData) -> Tensor:
        """Every ``stride``-th usable frame of each clip at which a window still fits into the clip; of a shorter clip the first frame."""
        start = data.usable - data.first[data.usable]
        fits = data.usable + self.settings.window - 1 <= data.last[data.usable]
        return data.usable[(start % self.settings.stride == 0) & (fits | (start == 0))]

    def optimisers(self) -> dict[str, Optimizer]:
        """AdamW, as in the authors' code."""
        settings = self.settings
        return {"lifter": AdamW(self.lifter.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)}

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[Losses]:  # noqa: ARG002
        """Weighted errors of the poses in metres: their distance, that after the best scale, and that of their changes."""
        assert data.poses is not None
        settings, root = self.settings, self.lifter.root
        chosen = data.neighbours(frames, torch.arange(settings.window, device=frames.device))
        keypoints, target = data.keypoints[chosen], data.poses[chosen] / METRE
        target = target - target[..., root : root + 1, :]
        if settings.mirror:
            half = draw_half(len(frames), frames.device)
            keypoints, target = mirror_where(half, keypoints, self.swap), mirror_where(half, target, self.swap)
        predicted = self.lifter.metres(keypoints)
        terms = {"distance": joint_distance(predicted, target)}
        if settings.scaled:
            terms["scaled"] = settings.scaled * scaled_distance(predicted, target)
        if settings.velocity:
            terms["velocity"] = settings.velocity * velocity_error(predicted, target)
        yield "lifter", terms

    def lift(self, keypoints: Tensor) -> Tensor:
        """The clip (T, J, 2) window by window, at most :data:`posebench.networks.method.TILE` poses at a time."""
        poses = keypoints.new_zeros(*keypoints.shape[:2], 3)
        for batch in whole_batches(len(keypoints), self.settings.window, TILE):
            lifted = self.lifter(keypoints[torch.from_numpy(batch.frames).to(keypoints.device)])
            row, frame = torch.from_numpy(batch.take.T).to(keypoints.device)
            poses[torch.from_numpy(batch.put).to(keypoints.device)] = lifted[row, frame].to(poses.dtype)
        return poses


def build(settings: Settings, skeleton_id: str) -> MotionAGFormer:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return MotionAGFormer(settings, skeleton(skeleton_id))
