"""The networks as published: sizes, order of the batch and starting weights of the authors' prototxt files; the root is one of the joints.

Source: chanyn/3Dpose_ssl, prototxt files ``bilstm``, ``addsrr``, ``finetune_whole``, ``mask3d``; layers ``inverted_order`` and ``lstm``.

**Convention.** Poses without unit are in min-max units: 0 and 1 are the smallest and the largest value of each coordinate in the training
split. Views are positions in the square box around the person, 0 to 1. Both hold all joints, K = J.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import rnn

from posebench.base.skeletons import Skeleton
from posebench.networks.standardise import Standardise

from .keypoints import MinMax, VisibleKeypoints
from .network import CopyNetwork, PoseMachineLifter, Projector, SequenceNetwork
from .settings import Settings


class PublishedSequence(SequenceNetwork):
    """Psi_T behind the image network: an LSTM in time order, one on the reversed batch, a linear layer. An LSTM has one bias."""

    def __init__(self, inputs: int, outputs: int, settings: Settings) -> None:
        super().__init__(inputs, outputs, settings)
        self.flags_stay = settings.variant == "released"
        for layer in (self.forwards, self.backwards) if self.recurrent else ():
            for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
                nn.init.uniform_(weight, -0.01, 0.01)
            nn.init.zeros_(layer.bias_ih_l0)
            # PyTorch's second bias would double the first one's learning rate.
            layer.bias_hh_l0.requires_grad_(False)

    def forward_mixed(self, clips: Tensor, images: Tensor) -> Tensor:
        """A training batch: clips (B, T, inputs) and as many sets of single images (B, S, inputs), to (B, T + S, outputs).

        Each image is a sequence of its own. **As released** the batch of a clip's T frames and S images is reversed as a whole before the
        second LSTM, but the flags at which its state is zeroed are not: the images and the last T - S frames become one sequence of T, and
        the first S frames each stand alone.
        """
        frames, single = clips.shape[1], images.shape[1]
        features = self.embed(torch.cat([clips, images], dim=1))
        if self.recurrent:
            clip, rest = _run(self.forwards, features[:, :frames], features[:, frames:])
            features = torch.cat([clip, rest], dim=1)
            if self.flags_stay:
                clip, rest = _run(self.backwards, features[:, single:].flip(1), features[:, :single])
                features = torch.cat([rest, clip.flip(1)], dim=1)
            else:
                clip, rest = _run(self.backwards, features[:, :frames].flip(1), features[:, frames:])
                features = torch.cat([clip.flip(1), rest], dim=1)
        out: Tensor = self.head(features)
        return out


def _run(lstm: nn.LSTM, sequences: Tensor, alone: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM over sequences (B, T, width) and over frames (B, S, width), each a sequence of its own; the outputs have the same shapes."""
    count, length = sequences.shape[:2]
    padded = functional.pad(alone.flatten(0, 1)[:, None], (0, 0, 0, length - 1))
    lengths = [length] * count + [1] * len(padded)
    packed = rnn.pack_padded_sequence(torch.cat([sequences, padded]), torch.tensor(lengths), batch_first=True)
    out, _ = rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True)
    return out[:count], out[count:, 0].unflatten(0, alone.shape[:2])


class PublishedLifter(PoseMachineLifter):
    """The three networks as published, and the limits of the training split's poses.

    Attributes:
        others: all joints.
    """

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        nn.Module.__init__(self)
        count = len(joints)
        self.root, self.others = joints.root_indices[0], list(range(count))
        self.image = Standardise(count, 2)
        self.pose = MinMax(count, 3)
        self.transformer = PublishedSequence(2 * count, 3 * count, settings)
        self.copy = CopyNetwork(3 * count, settings)
        self.projector = Projector(3 * count, 2 * count, settings)
        for layer in (self.transformer.head, *self.copy.layers, *self.projector.layers):
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def fit(self, keypoints: VisibleKeypoints, poses: Tensor) -> None:
        """Take the statistics of the training split: keypoints (N, J, 2) and, of the frames with known 3D, poses (M, J, 3) mm."""
        self.image.fit(self.arrange(keypoints))
        self.pose.fit(self.without_root(poses))

    def arrange(self, keypoints: VisibleKeypoints) -> Tensor:
        """The lifting network's input before standardising: (..., J, 2) in the box."""
        return keypoints.in_box(keypoints.points)

    def view_of(self, points: Tensor, keypoints: VisibleKeypoints) -> Tensor:
        """Points (..., J, 2) of unit focal length in the box of the keypoints."""
        return keypoints.in_box(points)

    def in_sides(self, view_change: Tensor) -> Tensor:
        """Differences of views (..., J, 2) in sides of the person's box: unchanged."""
        return view_change

    def without_root(self, poses: Tensor) -> Tensor:
        """Poses (..., J, 3) relative to the root, which stays as a joint at the origin."""
        return poses - poses[..., self.root : self.root + 1, :]

    def with_root(self, relative: Tensor) -> Tensor:
        """(..., J, D) with the network's root moved to the origin."""
        return relative - relative[..., self.root : self.root + 1, :]
