"""The training of Martinez et al. 2017: supervised regression from keypoints to poses.

**Convention.** In: keypoints (B, J, 2) in unit focal length. Out: poses (B, J, 3) in mm, camera frame, root at the origin.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.optim import Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.blocks import max_norm_
from posebench.networks.method import Method, adam, in_tiles
from posebench.networks.mirror import draw_half, mirror_where
from posebench.networks.samples import TrainingData

from .losses import joint_distance, squared_error
from .network import MartinezNetwork
from .settings import Settings


class Martinez(Method):
    """One network, trained on pairs of keypoints and poses."""

    scale = "metric"
    lifter: MartinezNetwork

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.swap = list(joints.mirror)
        self.lifter = MartinezNetwork(settings, joints)

    def prepare(self, data: TrainingData) -> None:
        """Take the statistics of the training split's keypoints and poses."""
        assert data.poses is not None, "paired 3D is passed to a method that declares it"
        self.lifter.fit(data.keypoints, data.poses)

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam, as in the paper."""
        return {"lifter": adam(self.lifter.parameters(), self.settings.learning_rate)}

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The pose loss; after the optimiser's step the max-norm constraint, if the recipe has one."""
        keypoints, poses = self.mirrored_pairs(data, frames)
        error = self.lifter.standardised(keypoints) - self.lifter.pose(self.lifter.relative(poses))
        if self.settings.loss == "squared":
            yield "lifter", {"squared error": squared_error(error)}
        else:
            yield "lifter", {"distance": joint_distance(error, self.lifter.pose.deviation)}
        # The loop steps the optimiser before it asks for more, so this acts on the updated weights.
        if self.settings.max_norm and not self.settings.released:
            max_norm_(self.lifter, self.settings.max_norm)

    def pairs(self, data: TrainingData, frames: Tensor) -> tuple[Tensor, Tensor]:
        """What a batch of ``frames`` (B,) learns from: keypoints (B, J, 2) and absolute poses (B, J, 3) mm."""
        assert data.poses is not None
        return data.keypoints[frames], data.poses[frames]

    def mirrored_pairs(self, data: TrainingData, frames: Tensor) -> tuple[Tensor, Tensor]:
        """:meth:`pairs`, half of them mirrored at random if the recipe asks for it."""
        keypoints, poses = self.pairs(data, frames)
        if self.settings.mirror:
            chosen = draw_half(len(frames), keypoints.device)
            keypoints, poses = mirror_where(chosen, keypoints, self.swap), mirror_where(chosen, poses, self.swap)
        return keypoints, poses

    def lift(self, keypoints: Tensor) -> Tensor:
        """Lift each frame of a clip alone: keypoints (T, J, 2) to poses (T, J, 3) in mm."""
        return in_tiles(self.lifter, keypoints)


def build(settings: Settings, skeleton_id: str) -> Martinez:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return Martinez(settings, skeleton(skeleton_id))
