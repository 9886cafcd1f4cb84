"""The lifter: a network over time that sees the body as cameras that look at the root do, and places joints near their rays.

**Convention.** In: keypoints (B, T, J, 2) of unit focal length, frames of one clip. Out: poses (B, T - context + 1, J, 3), camera frame,
root at the origin. The network's unit of length is the mean distance from root to head; each pose is predicted from ``context`` frames, of
which it is the middle one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton
from posebench.networks.samples import TrainingData
from posebench.networks.standardise import Standardise
from posebench.networks.views import NEAREST, look_at_root, rotate, unproject

from ..videopose3d.network import METRE, TemporalNetwork
from .calibration import bone_lengths
from .settings import Settings

#: Image coordinates that the network's output 1 moves a joint by; heads are some 0.12 from the root.
SHIFT = 0.005
#: Change of the root's log distance by the network's output 1.
AWAY = 0.2
#: Log bone length that the network's input 1 stands for.
TOLD = 0.1


class RayLifter(nn.Module):
    """Arrange the keypoints, apply the network, and place the joints.

    Of each joint the network predicts the depth behind the root and a small shift of its image, of the root its distance. The attributes
    ``distance``, ``lengths``, ``image`` and ``network`` name the tensors in weight files.
    """

    distance: Tensor
    lengths: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.root, self.tilt = joints.root_indices[0], settings.tilt
        # Mean distance of the root, in mean lengths from root to head.
        self.register_buffer("distance", torch.ones(()))
        # Mean log bone lengths of the pseudo poses.
        self.register_buffer("lengths", torch.zeros(len(joints.bones)))
        self.image = Standardise(len(joints), 2)
        self.told, self.bones = settings.lengths, list(joints.bones)
        inputs = 2 * len(joints) + (len(self.bones) + 2 if settings.lengths else 0)
        self.network = TemporalNetwork(inputs, 3 * len(joints), width=settings.width, blocks=settings.blocks, dropout=settings.dropout)
        self.reach = self.network.context // 2

    def fit(self, data: TrainingData) -> None:
        """Take the statistics of the training split's views, and mean distance and bone lengths of its pseudo poses (N, J, 3)."""
        assert data.poses is not None
        seen = look_at_root(data.keypoints, self.root, self.tilt)
        self.image.fit(self.arranged(seen.image, data.keypoints))
        self.distance.copy_(data.poses[:, self.root].norm(dim=-1).mean() / METRE)
        self.lengths.copy_(bone_lengths(data.poses / METRE, self.bones).log().mean(dim=0))

    def arranged(self, image: Tensor, keypoints: Tensor) -> Tensor:
        """Views (N, J, 2) of cameras that look at the root, with the root's own keypoint in its place, where they have zeros."""
        root = keypoints[:, self.root : self.root + 1]
        return torch.cat([image[:, : self.root], root, image[:, self.root + 1 :]], dim=1)

    def described(self, lengths: Tensor, away: Tensor) -> Tensor:
        """What the network is told of a body (B, T, N + 2): of log bone lengths (B, N) and root distances (B, T)."""
        told = torch.cat([lengths, torch.ones_like(lengths[:, :1])], dim=1)[:, None].expand(-1, away.shape[1], -1) / TOLD
        return torch.cat([told, torch.log(away / self.distance)[..., None] / AWAY], dim=-1)

    def metres(self, keypoints: Tensor, body: Tensor | None = None) -> Tensor:
        """Keypoints (B, T, J, 2) to poses (B, T - context + 1, J, 3) in mean lengths from root to head, camera frame, root at the origin.

        ``body`` (B, T, N + 2) is that of :meth:`described`; None if nothing is known of it.
        """
        return self.lifted(keypoints, body)[0]

    def lifted(self, keypoints: Tensor, body: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The poses of :meth:`metres`, and the root's distances (B, T - context + 1)."""
        batch, frames, joints = keypoints.shape[:3]
        flat = keypoints.flatten(0, 1)
        seen = look_at_root(flat, self.root, self.tilt)
        given = self.image(self.arranged(seen.image, flat)).reshape(batch, frames, 2 * joints)
        if self.told:
            given = torch.cat([given, given.new_zeros(batch, frames, len(self.bones) + 2) if body is None else body], dim=-1)
        out = self.network(given.transpose(1, 2)).transpose(1, 2).unflatten(2, (joints, 3))
        kept = slice(self.reach, frames - self.reach)
        image = seen.image.unflatten(0, (batch, frames))[:, kept]
        turn = seen.rotation.unflatten(0, (batch, frames))[:, kept]
        points, away = self.placed(image, out)
        return rotate(turn.transpose(-1, -2), points), away[..., 0]

    def placed(self, image: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, T, J, 3) relative to the root, before a camera that looks at it, and its distance (B, T, 1).

        Args:
            image: (B, T, J, 2) views.
            out: (B, T, J, 3) of the network.
        """
        root = slice(self.root, self.root + 1)
        away = self.distance * torch.exp(AWAY * out[..., root, 2])
        shift = SHIFT * (out[..., :2] - out[..., root, :2])
        depth = out[..., 2] - out[..., root, 2]
        point = unproject(image + shift, (away + depth).clamp_min(NEAREST))
        return point - point[..., root, :], away

    def forward(self, keypoints: Tensor, body: Tensor | None = None) -> Tensor:
        """Keypoints (B, T, J, 2) to poses (B, T - context + 1, J, 3), in thousandths of the mean distance from root to head."""
        return METRE * self.metres(keypoints, body)
