"""The network of Pavllo et al. 2019, section 3, and the lifter around it.

**Convention.** In: keypoints (B, T, J, 2) of unit focal length, frames of one clip. Out: poses (B, T - context + 1, J, 3) in mm, camera
frame, root at the origin: each pose is predicted from ``context`` frames, of which it is the middle one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton
from posebench.networks.samples import TrainingData
from posebench.networks.standardise import Standardise

from .settings import Settings

#: Frames that each dilated convolution sees.
KERNEL = 3
#: mm in the network's unit, a metre.
METRE = 1000.0


def half_image_width(data: TrainingData) -> float:
    """Half the width of the image of the training's nominal camera, in units of its focal length."""
    return float(data.nominal.size[0] / (2.0 * data.nominal.focal[0]))


def in_millimetres(pose: Tensor, root: int) -> Tensor:
    """Poses (..., J, 3) in metres to mm, with the root, joint ``root``, at the origin whatever was predicted for it."""
    pose = pose * METRE
    return torch.cat([pose[..., :root, :], torch.zeros_like(pose[..., :1, :]), pose[..., root + 1 :, :]], dim=-2)


class TemporalNetwork(nn.Module):
    """Dilated convolutions without padding; each residual block sees three times as many frames as the one before it."""

    def __init__(self, inputs: int, outputs: int, *, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, width, KERNEL, bias=False)
        self.wide = nn.ModuleList(nn.Conv1d(width, width, KERNEL, dilation=KERNEL ** (n + 1), bias=False) for n in range(blocks))
        self.pointwise = nn.ModuleList(nn.Conv1d(width, width, 1, bias=False) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(2 * blocks + 1))
        self.last = nn.Conv1d(width, outputs, 1)
        self.dropout = nn.Dropout(dropout)
        #: Frames that a pose is predicted from.
        self.context: int = KERNEL ** (blocks + 1)

    def forward(self, sequence: Tensor) -> Tensor:
        """Numbers (B, inputs, T) of T frames to (B, outputs, T - context + 1).

        For T = context, the only output, that of the middle frame, is computed with strides in place of dilations, which skips all
        hidden frames that it does not depend on.
        """
        # An exported network has a free number of frames.
        single = not torch.compiler.is_compiling() and sequence.shape[-1] == self.context
        if single:
            return self._middle(sequence.transpose(1, 2))
        hidden = self._finish(self.first(sequence), 0)
        for n, (wide, pointwise) in enumerate(zip(self.wide, self.pointwise, strict=True)):
            reach = KERNEL ** (n + 1)
            middle = hidden[..., reach : hidden.shape[-1] - reach]
            hidden = middle + self._finish(pointwise(self._finish(wide(hidden), 2 * n + 1)), 2 * n + 2)
        out: Tensor = self.last(hidden)
        return out

    def _middle(self, windows: Tensor) -> Tensor:
        """Windows (B, context, inputs) to (B, outputs, 1): three neighbouring frames make one, by a matrix, until one is left."""
        hidden = self._finish(_thirds(windows, self.first.weight), 0)
        for n, (wide, pointwise) in enumerate(zip(self.wide, self.pointwise, strict=True)):
            middle = hidden.reshape(-1, KERNEL, hidden.shape[1])[:, 1]
            seen = self._finish(_thirds(hidden, wide.weight), 2 * n + 1)
            hidden = middle + self._finish(functional.linear(seen, pointwise.weight[..., 0]), 2 * n + 2)
        return functional.linear(hidden, self.last.weight[..., 0], self.last.bias)[..., None]

    def _finish(self, hidden: Tensor, norm: int) -> Tensor:
        """Batch norm, rectifier and dropout of (B, width, T) or (N, width)."""
        finished: Tensor = self.dropout(functional.relu(self.norms[norm](hidden)))
        return finished

    def set_norm_momentum(self, momentum: float) -> None:
        """Set the share of a new batch in the running statistics of all batch norms."""
        for norm in self.norms:
            assert isinstance(norm, nn.BatchNorm1d)
            norm.momentum = momentum


def _thirds(frames: Tensor, weight: Tensor) -> Tensor:
    """Frames (B, T, inputs), or (N, inputs), convolved by weight (outputs, inputs, KERNEL) with strides, to (N / 3, outputs)."""
    taps = weight.transpose(1, 2).flatten(1)
    return functional.linear(frames.reshape(-1, taps.shape[1]), taps)


class VideoPoseLifter(nn.Module):
    """Arrange and scale the keypoints, apply the network, which works in metres, and put the root at zero.

    The attributes ``half_width``, ``image`` and ``network`` name the tensors in weight files.
    """

    half_width: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.root = joints.root_indices[0]
        self.root_and_offsets = settings.inputs == "root-and-offsets"
        # Half an image width, in units of the focal length.
        self.register_buffer("half_width", torch.ones(()))
        self.image = Standardise(len(joints), 2)
        self.network = TemporalNetwork(
            2 * len(joints), 3 * len(joints), width=settings.width, blocks=settings.blocks, dropout=settings.dropout
        )
        self.reach = self.network.context // 2

    def fit(self, data: TrainingData) -> None:
        """Take the image size of the training's nominal camera, or the statistics of the training split's keypoints."""
        if self.root_and_offsets:
            self.image.fit(self.arranged(data.keypoints))
        else:
            self.half_width.fill_(half_image_width(data))

    def arranged(self, keypoints: Tensor) -> Tensor:
        """Keypoints (..., J, 2): the root's, and the other joints' relative to it."""
        root = keypoints[..., self.root : self.root + 1, :]
        offsets = keypoints - root
        return torch.cat([offsets[..., : self.root, :], root, offsets[..., self.root + 1 :, :]], dim=-2)

    def metres(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, T, J, 2) to the network's poses (B, T - context + 1, J, 3) in metres; the root's place is predicted like any."""
        scaled = self.image(self.arranged(keypoints)) if self.root_and_offsets else keypoints / self.half_width
        out = self.network(scaled.flatten(2).transpose(1, 2)).transpose(1, 2)
        return out.unflatten(2, (keypoints.shape[2], 3))

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, T, J, 2), unit focal length, to poses (B, T - context + 1, J, 3) in mm, camera frame, root at the origin."""
        return in_millimetres(self.metres(keypoints), self.root)
