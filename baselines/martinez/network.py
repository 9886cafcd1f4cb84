"""The network of Martinez et al. 2017, section 3.2, between the standardisation of its inputs and that of its outputs.

**Convention.** In: keypoints (B, J, 2) of unit focal length. Out: poses (B, J, 3) in mm, camera frame, root at the origin.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.blocks import ResidualMLP
from posebench.networks.standardise import Standardise

from .released import as_released
from .settings import Settings


class MartinezNetwork(nn.Module):
    """Standardise the keypoints, apply the residual network, undo the standardisation of the poses, insert the root at zero.

    The attributes ``image``, ``pose`` and ``network`` name the tensors in weight files.
    """

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.root = joints.root_indices[0]
        self.others = [joint for joint in range(len(joints)) if joint != self.root]
        self.root_and_offsets = settings.inputs == "root-and-offsets"
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
        if settings.released:
            as_released(self.network, settings.max_norm)

    def fit(self, keypoints: Tensor, poses: Tensor) -> None:
        """Set the statistics to those of the training split's keypoints (N, J, 2) and poses (N, J, 3) in mm."""
        self.image.fit(self.arranged(keypoints))
        self.pose.fit(self.relative(poses))

    def arranged(self, keypoints: Tensor) -> Tensor:
        """The network's input (B, J, 2) before standardisation: keypoints, or the root's with the other joints relative to it."""
        if not self.root_and_offsets:
            return keypoints
        root = keypoints[:, self.root : self.root + 1]
        offsets = keypoints - root
        return torch.cat([offsets[:, : self.root], root, offsets[:, self.root + 1 :]], dim=1)

    def relative(self, poses: Tensor) -> Tensor:
        """Joints other than the root, relative to it: poses (B, J, 3) to (B, J - 1, 3)."""
        return poses[:, self.others] - poses[:, self.root : self.root + 1]

    def standardised(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2) to standardised root-relative joints (B, J - 1, 3): the prediction that the loss compares."""
        out = self.network(self.image(self.arranged(keypoints)).flatten(1))
        return out.unflatten(1, (len(self.others), 3))

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3) in mm, camera frame, root at the origin."""
        pose = self.pose.undo(self.standardised(keypoints))
        return torch.cat([pose[:, : self.root], torch.zeros_like(pose[:, :1]), pose[:, self.root :]], dim=1)
