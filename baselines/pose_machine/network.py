"""The networks: 2D-to-3D lifting network, copy of the pose, 3D-to-2D projector. Source: Wang et al. 2019, section 3, and its code.

**Convention.** Windows (B, T, J, 2) or whole clips as one window. Between the networks, poses (..., 3 (J - 1)) and views (..., 2 (J - 1))
are without unit and without the root.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton
from posebench.networks.blocks import ResidualMLP
from posebench.networks.standardise import Standardise

from .keypoints import MinMax, VisibleKeypoints
from .settings import Settings


class SequenceNetwork(nn.Module):
    """Psi_T, the paper's "2D-to-3D pose transformer": recurrent layers, no attention.

    An embedding of each frame, an LSTM forwards in time, a second LSTM on the reversed sequence of its outputs, a linear layer. The state
    is zero at the start of each window, so that a pose depends on all of its window and on nothing else. With ``skip`` each frame's
    embedding is added to the output of the LSTMs. Without ``recurrent`` there are none, and each frame stands alone.
    """

    def __init__(self, inputs: int, outputs: int, settings: Settings) -> None:
        super().__init__()
        width, self.skip, self.recurrent = settings.width, settings.skip, settings.recurrent
        self.embedding = ResidualMLP(
            inputs,
            width,
            width=settings.embedding_width,
            blocks=settings.embedding_blocks,
            norm=settings.norm,
            dropout=settings.dropout,
            initialise=nn.init.kaiming_normal_,
        )
        if self.recurrent:
            self.forwards = nn.LSTM(width, width, batch_first=True)
            self.backwards = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, outputs)
        for layer in (self.forwards, self.backwards) if self.recurrent else ():
            # Forget gates start open, so that the state is kept: their bias, the sum of two, is 1.
            nn.init.zeros_(layer.bias_hh_l0)
            nn.init.ones_(layer.bias_ih_l0[width : 2 * width].detach())

    def forward(self, windows: Tensor) -> Tensor:
        """(B, T, inputs) to (B, T, outputs)."""
        embedded = self.embed(windows)
        features = self.run_backwards(self.run_forwards(embedded))
        out: Tensor = self.head(features + embedded if self.skip else features)
        return out

    def embed(self, windows: Tensor) -> Tensor:
        """Features (B, T, width) of each frame alone."""
        return functional.relu(self.embedding(windows.flatten(0, 1))).unflatten(0, windows.shape[:2])

    def run_forwards(self, features: Tensor) -> Tensor:
        """(B, T, width) in time order; unchanged in a network without LSTMs."""
        return self.forwards(features)[0] if self.recurrent else features

    def run_backwards(self, features: Tensor) -> Tensor:
        """(B, T, width) against time order, given and returned in time order."""
        return self.backwards(features.flip(1))[0].flip(1) if self.recurrent else features


class CopyNetwork(nn.Module):
    """Psi_C: makes a copy of a pose that can be corrected; two linear layers with a rectifier between them."""

    def __init__(self, size: int, settings: Settings) -> None:
        super().__init__()
        self.residual = settings.copy_residual
        self.layers = nn.ModuleList([nn.Linear(size, settings.copy_width), nn.Linear(settings.copy_width, size)])
        if self.residual:
            nn.init.zeros_(self.layers[1].weight)
            nn.init.zeros_(self.layers[1].bias)

    def forward(self, pose: Tensor) -> Tensor:
        """(..., size) to the same shape."""
        first, second = self.layers
        out: Tensor = second(functional.relu(first(pose)))
        return pose + out if self.residual else out


class Projector(nn.Module):
    """Psi_P, from a pose to its view: three layers, the first one's output added to the third's, then a linear layer."""

    def __init__(self, inputs: int, outputs: int, settings: Settings) -> None:
        super().__init__()
        width = settings.projector_width
        sizes = [(inputs, width), (width, width), (width, width), (width, outputs)]
        self.layers = nn.ModuleList([nn.Linear(*size) for size in sizes])

    def forward(self, pose: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        first, second, third, last = self.layers
        features = functional.relu(first(pose))
        out: Tensor = last(features + functional.relu(third(functional.relu(second(features)))))
        return out


class PoseMachineLifter(nn.Module):
    """The three networks and the statistics of the training split: all that a run keeps.

    Attributes:
        root: index of the root.
        others: the K joints of the networks' poses and views: all but the root.
    """

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        count = len(joints)
        self.root = joints.root_indices[0]
        self.others = [i for i in range(count) if i != self.root]
        self.crop = settings.inputs == "crop"
        self.image = Standardise(count, 2)
        self.pose = (Standardise if settings.targets == "standardised" else MinMax)(count - 1, 3)
        self.view = Standardise(count - 1, 2)
        # The attributes' names stand in files of weights.
        self.transformer = SequenceNetwork(2 * count, 3 * (count - 1), settings)
        self.copy = CopyNetwork(3 * (count - 1), settings)
        self.projector = Projector(3 * (count - 1), 2 * (count - 1), settings)

    def fit(self, keypoints: VisibleKeypoints, poses: Tensor) -> None:
        """Take the statistics of the training split: keypoints (N, J, 2) and, of the frames with known 3D, poses (M, J, 3) mm."""
        self.image.fit(self.arrange(keypoints))
        self.view.fit(keypoints.crop(self.root)[:, self.others])
        self.pose.fit(self.without_root(poses))

    def arrange(self, keypoints: VisibleKeypoints) -> Tensor:
        """The lifting network's input before standardising: (..., J, 2)."""
        if self.crop:
            return keypoints.crop(self.root)
        root = keypoints.points[..., self.root : self.root + 1, :]
        offsets = keypoints.points - root
        return torch.cat([offsets[..., : self.root, :], root, offsets[..., self.root + 1 :, :]], dim=-2)

    def inputs(self, keypoints: VisibleKeypoints) -> Tensor:
        """The lifting network's input: (..., 2 J), standardised; a hidden joint is at its mean position."""
        standardised = self.image(self.arrange(keypoints))
        return torch.where(keypoints.visible[..., None], standardised, torch.zeros_like(standardised)).flatten(-2)

    def target_view(self, keypoints: VisibleKeypoints) -> Tensor:
        """What the projector should give: the keypoints in the crop, (..., K, 2), standardised."""
        return self.view_of(keypoints.points, keypoints)

    def view_of(self, points: Tensor, keypoints: VisibleKeypoints) -> Tensor:
        """Points (..., J, 2) of unit focal length in the crop of the keypoints, (..., K, 2), standardised."""
        views: Tensor = self.view(((points - keypoints.points[..., self.root : self.root + 1, :]) / keypoints.size)[..., self.others, :])
        return views

    def in_sides(self, view_change: Tensor) -> Tensor:
        """Differences of views (..., K, 2) in sides of the person's box."""
        return view_change * self.view.deviation

    def without_root(self, poses: Tensor) -> Tensor:
        """Poses (..., J, 3) to the joints other than the root, relative to it: (..., J - 1, 3)."""
        return poses[..., self.others, :] - poses[..., self.root : self.root + 1, :]

    def with_root(self, relative: Tensor) -> Tensor:
        """(..., J - 1, D) with the root at the origin: (..., J, D)."""
        origin = torch.zeros_like(relative[..., :1, :])
        return torch.cat([relative[..., : self.root, :], origin, relative[..., self.root :, :]], dim=-2)

    def in_mm(self, poses: Tensor) -> Tensor:
        """Poses (..., 3 (J - 1)) without unit to (..., J - 1, 3) mm."""
        return self.pose.undo(poses.unflatten(-1, (len(self.others), 3)))
