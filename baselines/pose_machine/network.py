"""The networks: 2D-to-3D transformer, correctable copy of the pose, projector. Source: Wang et al. 2019, section 3, and its code.

**Convention.** Windows (B, T, J, 2) or whole clips as one window; between the networks, poses (..., 3 (J - 1)) and views (..., 2 (J - 1))
without unit and without the root.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton
from posebench.networks.blocks import ResidualMLP
from posebench.networks.standardise import Standardise

from .settings import Settings
from .views import Limits, Seen


class Transformer(nn.Module):
    """Per-frame embedding, a recurrent layer forwards in time, one on the reversed sequence of its outcome, a linear layer.

    The state is zero at the beginning of each window: every frame's pose is told from the whole window and from nothing beside it.
    With ``skip`` the linear layer sees each frame's embedding too, added to what the recurrent layers made of it.
    """

    def __init__(self, inputs: int, outputs: int, settings: Settings) -> None:
        super().__init__()
        width, self.skip = settings.width, settings.skip
        self.embedding = ResidualMLP(
            inputs,
            width,
            width=settings.embedding_width,
            blocks=settings.embedding_blocks,
            norm=settings.norm,
            dropout=settings.dropout,
            initialise=nn.init.kaiming_normal_,
        )
        self.forwards = nn.LSTM(width, width, batch_first=True)
        self.backwards = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, outputs)
        for layer in (self.forwards, self.backwards):
            # The state is kept from the start: the forget gate's bias, which is the sum of two, begins at 1.
            nn.init.zeros_(layer.bias_hh_l0)
            nn.init.ones_(layer.bias_ih_l0[width : 2 * width].detach())

    def forward(self, windows: Tensor) -> Tensor:
        """(B, T, inputs) to (B, T, outputs)."""
        embedded = functional.relu(self.embedding(windows.flatten(0, 1))).unflatten(0, windows.shape[:2])
        hidden, _ = self.forwards(embedded)
        hidden, _ = self.backwards(hidden.flip(1))
        hidden = hidden.flip(1)
        out: Tensor = self.head(hidden + embedded if self.skip else hidden)
        return out


class Copy(nn.Module):
    """The correctable copy of a pose: two linear layers with a rectifier between them."""

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
    """From a pose to its view: three layers with a skip from the first to after the third, then a linear one."""

    def __init__(self, inputs: int, outputs: int, settings: Settings) -> None:
        super().__init__()
        width = settings.projector_width
        sizes = [(inputs, width), (width, width), (width, width), (width, outputs)]
        self.layers = nn.ModuleList([nn.Linear(*size) for size in sizes])

    def forward(self, pose: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        first, second, third, last = self.layers
        hidden = functional.relu(first(pose))
        out: Tensor = last(hidden + functional.relu(third(functional.relu(second(hidden)))))
        return out


class Lifter(nn.Module):
    """The three networks and the training split's statistics: all that a run keeps."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        count = len(joints)
        self.root = joints.root_indices[0]
        self.others = [i for i in range(count) if i != self.root]
        self.crop = settings.inputs == "crop"
        self.image = Standardise(count, 2)
        self.pose = (Standardise if settings.targets == "standardised" else Limits)(count - 1, 3)
        self.view = Standardise(count - 1, 2)
        self.transformer = Transformer(2 * count, 3 * (count - 1), settings)
        self.copy = Copy(3 * (count - 1), settings)
        self.projector = Projector(3 * (count - 1), 2 * (count - 1), settings)

    def arranged(self, seen: Seen) -> Tensor:
        """What the transformer takes, before standardising: (..., J, 2)."""
        if self.crop:
            return seen.crop(self.root)
        root = seen.points[..., self.root : self.root + 1, :]
        offsets = seen.points - root
        return torch.cat([offsets[..., : self.root, :], root, offsets[..., self.root + 1 :, :]], dim=-2)

    def inputs(self, seen: Seen) -> Tensor:
        """What the transformer takes: (..., 2 J), standardised; a hidden joint is where it is on average."""
        standardised = self.image(self.arranged(seen))
        return torch.where(seen.visible[..., None], standardised, torch.zeros_like(standardised)).flatten(-2)

    def viewed(self, seen: Seen) -> Tensor:
        """What the projector is to tell: (..., J - 1, 2), standardised."""
        views: Tensor = self.view(seen.crop(self.root)[..., self.others, :])
        return views

    def relative(self, poses: Tensor) -> Tensor:
        """Poses (..., J, 3) to the joints other than the root, relative to it: (..., J - 1, 3)."""
        return poses[..., self.others, :] - poses[..., self.root : self.root + 1, :]

    def in_mm(self, told: Tensor) -> Tensor:
        """Poses (..., 3 (J - 1)) without unit to (..., J - 1, 3) mm."""
        return self.pose.undo(told.unflatten(-1, (len(self.others), 3)))

    def whole(self, relative: Tensor) -> Tensor:
        """(..., J - 1, 3) with the root put back at the origin: (..., J, 3)."""
        origin = torch.zeros_like(relative[..., :1, :])
        return torch.cat([relative[..., : self.root, :], origin, relative[..., self.root :, :]], dim=-2)
