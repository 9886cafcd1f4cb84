"""The network of Martinez et al. 2017 and its one loss.

**Convention.** In: keypoints (B, J, 2) in unit focal length. Out: poses (B, J, 3) mm, camera frame, root at the origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.blocks import ResidualMLP, max_norm_
from posebench.networks.method import Method, adam, in_tiles
from posebench.networks.samples import TrainingData
from posebench.networks.settings import Settings as Common
from posebench.networks.standardise import Standardise


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """What a training of this method states beside the common settings.

    Attributes:
        width: of the hidden layers.
        blocks: residual blocks.
        dropout: share of hidden numbers set to zero in training.
        max_norm: largest norm of a weight row; 0 sets no limit.
        inputs: ``joints``: all joints where they stand in the image; ``root-and-offsets``: the root there, the others relative to it.
        loss: ``squared``: mean square of standardised coordinates; ``distance``: mean Euclidean distance of joints, MPJPE itself.
        mirror: show each sample, or its mirror image with left and right exchanged, with equal chance.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"inputs": ("joints", "root-and-offsets"), "loss": ("squared", "distance")}

    width: int = 1024
    blocks: int = 2
    dropout: float = 0.5
    max_norm: float = 0.0
    inputs: str = "joints"
    loss: str = "squared"
    mirror: bool = False


class Lifter(nn.Module):
    """Standardise, residual network, undo the standardising of the poses; the root is put back as zero."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.root = joints.root_indices[0]
        self.others = [i for i in range(len(joints)) if i != self.root]
        self.offsets = settings.inputs == "root-and-offsets"
        self.image = Standardise(len(joints), 2)
        self.pose = Standardise(len(self.others), 3)
        self.network = ResidualMLP(
            2 * len(joints),
            3 * len(self.others),
            width=settings.width,
            blocks=settings.blocks,
            dropout=settings.dropout,
            initialise=nn.init.kaiming_normal_,
        )

    def fit(self, keypoints: Tensor, poses: Tensor) -> None:
        """Take the statistics of keypoints (N, J, 2) and poses (N, J, 3) mm of the training split."""
        self.image.fit(self.arranged(keypoints))
        self.pose.fit(self.relative(poses))

    def arranged(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2) as the network takes them, before standardising."""
        if not self.offsets:
            return keypoints
        root = keypoints[:, self.root : self.root + 1]
        offsets = keypoints - root
        return torch.cat([offsets[:, : self.root], root, offsets[:, self.root + 1 :]], dim=1)

    def relative(self, poses: Tensor) -> Tensor:
        """Poses (B, J, 3) to the joints other than the root, relative to it: (B, J - 1, 3)."""
        return poses[:, self.others] - poses[:, self.root : self.root + 1]

    def standardised(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2) to standardised poses without root (B, J - 1, 3): what the loss sees."""
        out = self.network(self.image(self.arranged(keypoints)).flatten(1))
        return out.unflatten(1, (len(self.others), 3))

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3) mm, root at the origin."""
        pose = self.pose.undo(self.standardised(keypoints))
        return torch.cat([pose[:, : self.root], torch.zeros_like(pose[:, :1]), pose[:, self.root :]], dim=1)


class Martinez(Method):
    """One player, the lifter, and pairs of keypoints and poses."""

    scale = "metric"
    lifter: Lifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.swap = list(joints.mirror)
        self.lifter = Lifter(settings, joints)

    def prepare(self, data: TrainingData) -> None:
        """Statistics of the training split."""
        assert data.poses is not None, "the harness hands paired 3D to a method that states it"
        self.lifter.fit(data.keypoints, data.poses)

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam, as in the paper."""
        return {"lifter": adam(self.lifter.parameters(), self.settings.learning_rate)}

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The error of the poses; afterwards the limit on the weights, where the recipe has one."""
        assert data.poses is not None
        keypoints, poses = data.keypoints[frames], data.poses[frames]
        if self.settings.mirror:
            keypoints, poses = self._mirrored(keypoints, poses)
        error = self.lifter.standardised(keypoints) - self.lifter.pose(self.lifter.relative(poses))
        if self.settings.loss == "squared":
            yield "lifter", {"squared error": error.square().mean()}
        else:
            # In units of 100 mm, so that the step is of the same order as under the other loss.
            yield "lifter", {"distance": (error * self.lifter.pose.deviation / 100.0).norm(dim=-1).mean()}
        if self.settings.max_norm:
            max_norm_(self.lifter, self.settings.max_norm)

    def _mirrored(self, keypoints: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Half of the samples, drawn anew, as a mirror would show them: the principal point is at x = 0."""
        chosen = (torch.rand(len(keypoints), device=keypoints.device) < 0.5)[:, None, None]
        side = keypoints.new_tensor([-1.0, 1.0, 1.0])
        return (
            torch.where(chosen, keypoints[:, self.swap] * side[:2], keypoints),
            torch.where(chosen, poses[:, self.swap] * side, poses),
        )

    def lift(self, keypoints: Tensor) -> Tensor:
        """Frame by frame."""
        return in_tiles(self.lifter, keypoints)


def build(settings: Settings, skeleton_id: str) -> Martinez:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return Martinez(settings, skeleton(skeleton_id))
