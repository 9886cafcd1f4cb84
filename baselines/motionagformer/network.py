"""The network of Mehraban et al. 2024, section 3, and the lifter around it.

**Convention.** In: keypoints (B, T, J, 2) of unit focal length, T neighbouring frames of a clip. Out: poses (B, T, J, 3) in mm, camera
frame, root at the origin. Within the network a tensor is (B, T, J, C): C channels of each joint in each frame.

Checked against the authors' code, TaatiTeam/MotionAGFormer ([C]), by reading.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton
from posebench.networks.samples import TrainingData

from ..videopose3d.network import half_image_width, in_millimetres
from .settings import Settings

#: Numbers of a joint that the network sees: image coordinates and, always 1 here, the detector's confidence.
INPUTS = 3
#: Neighbours, from joint to joint, that the table of edges in [C] leaves out, while it has them in the other direction.
LEFT_OUT = (("pelvis", "l_hip"), ("thorax", "l_shoulder"), ("thorax", "r_shoulder"))


def adjacency(joints: Skeleton, edges: str) -> Tensor:
    """(J, J) with 1 where the column's joint is a neighbour of the row's along a bone; a joint is no neighbour of itself.

    Args:
        joints: the skeleton.
        edges: ``skeleton``: every bone in both directions; ``released``: without :data:`LEFT_OUT`.
    """
    matrix = torch.zeros(len(joints), len(joints))
    for parent, child in joints.bones:
        matrix[parent, child] = matrix[child, parent] = 1.0
    if edges == "released":
        for row, column in LEFT_OUT:
            if row in joints.joints and column in joints.joints:
                matrix[joints.index(row), joints.index(column)] = 0.0
    return matrix


def normalised(matrix: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 of 0-1 matrices (..., N, N), where D holds the sums of their rows."""
    scale = matrix.sum(dim=-1).clamp_min(1.0).rsqrt()
    return scale[..., :, None] * matrix * scale[..., None, :]


class Attention(nn.Module):
    """Self-attention with several heads over the last but one dimension of (..., N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.told = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, nodes: Tensor) -> Tensor:
        """(..., N, C) to (..., N, C)."""
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in self.told(nodes).chunk(3, dim=-1)
        )  # (..., heads, N, C / heads)
        weights = (queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])).softmax(dim=-1)
        mixed: Tensor = self.out((weights @ values).transpose(-3, -2).flatten(-2))
        return mixed


class GraphConvolution(nn.Module):
    """``relu(x + BN(A V x + U x))`` over the N nodes of (..., N, C); batch norm has a mean and a deviation for each **node**.

    Without ``edges`` the neighbours of a node are the ``neighbours`` nodes most similar to it, by inner product, itself among them as a
    rule; of equal ones all.
    """

    edges: Tensor | None

    def __init__(self, width: int, nodes: int, *, edges: Tensor | None = None, neighbours: int = 0) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.own, self.of_neighbours = nn.Linear(width, width), nn.Linear(width, width)
        for linear in (self.own, self.of_neighbours):
            nn.init.normal_(linear.weight, 0.0, math.sqrt(2.0 / width))
        self.norm = nn.BatchNorm1d(nodes)
        self.register_buffer("edges", None if edges is None else normalised(edges), persistent=False)

    def forward(self, nodes: Tensor) -> Tensor:
        """(..., N, C) to (..., N, C)."""
        if self.edges is None:
            similarity = nodes @ nodes.transpose(-2, -1)
            least = similarity.topk(self.neighbours, dim=-1).values[..., -1:]
            edges = normalised((similarity >= least).to(nodes.dtype))
        else:
            edges = self.edges
        gathered = edges @ self.of_neighbours(nodes) + self.own(nodes)
        out: Tensor = functional.relu(nodes + self.norm(gathered.flatten(0, -3)).view_as(nodes))
        return out


class Mixer(nn.Module):
    """``x + s1 mix(LN x)``, then ``x + s2 MLP(LN x)``, over joints or over frames; s1 and s2 are learnt, one number a channel."""

    def __init__(self, width: int, mix: nn.Module, *, over_frames: bool, factor: int, layer_scale: float) -> None:
        super().__init__()
        self.over_frames, self.mix = over_frames, mix
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.scales = nn.ParameterList(nn.Parameter(torch.full((width,), layer_scale)) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(width, factor * width), nn.GELU(), nn.Linear(factor * width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, J, C) to (B, T, J, C)."""
        seen = self.norms[0](hidden)
        mixed = self.mix(seen.transpose(1, 2)).transpose(1, 2) if self.over_frames else self.mix(seen)
        hidden = hidden + self.scales[0] * mixed
        out: Tensor = hidden + self.scales[1] * self.mlp(self.norms[1](hidden))
        return out


class Block(nn.Module):
    """Two streams, attention and graph convolutions, each over joints and then over frames; their mean with learnt weights."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        width, window = settings.width, settings.window

        def stream(over_joints: nn.Module, over_frames: nn.Module) -> nn.Sequential:
            common = {"factor": settings.mlp_factor, "layer_scale": settings.layer_scale}
            return nn.Sequential(
                Mixer(width, over_joints, over_frames=False, **common),  # type: ignore[arg-type]
                Mixer(width, over_frames, over_frames=True, **common),  # type: ignore[arg-type]
            )

        self.attention = stream(Attention(width, settings.heads), Attention(width, settings.heads))
        self.graph = stream(
            GraphConvolution(width, len(joints), edges=adjacency(joints, settings.edges)),
            GraphConvolution(width, window, neighbours=settings.neighbours),
        )
        self.fusion = nn.Linear(2 * width, 2)
        nn.init.zeros_(self.fusion.weight)
        nn.init.constant_(self.fusion.bias, 0.5)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, J, C) to (B, T, J, C)."""
        one, other = self.attention(hidden), self.graph(hidden)
        share = self.fusion(torch.cat([one, other], dim=-1)).softmax(dim=-1)
        out: Tensor = share[..., :1] * one + share[..., 1:] * other
        return out


class MotionNetwork(nn.Module):
    """From three numbers of each joint in each of T frames to its place: (B, T, J, 3) to (B, T, J, 3)."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        width = settings.width
        self.embedding = nn.Linear(INPUTS, width)
        self.position = nn.Parameter(torch.zeros(len(joints), width))
        self.blocks = nn.Sequential(*(Block(settings, joints) for _ in range(settings.blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, settings.head_width), nn.Tanh(), nn.Linear(settings.head_width, 3))

    def forward(self, numbers: Tensor) -> Tensor:
        """(B, T, J, 3) to (B, T, J, 3)."""
        out: Tensor = self.head(self.norm(self.blocks(self.embedding(numbers) + self.position)))
        return out


class MotionLifter(nn.Module):
    """Scale the keypoints, apply the network, which works in metres, and put the root at zero.

    The attributes ``half_width`` and ``network`` name the tensors in weight files.
    """

    half_width: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.root = joints.root_indices[0]
        # Half an image width, in units of the focal length.
        self.register_buffer("half_width", torch.ones(()))
        self.network = MotionNetwork(settings, joints)

    def fit(self, data: TrainingData) -> None:
        """Take the image size of the training's nominal camera."""
        self.half_width.fill_(half_image_width(data))

    def metres(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, T, J, 2) to the network's poses (B, T, J, 3) in metres; the root's place is predicted like any."""
        out: Tensor = self.network(torch.cat([keypoints / self.half_width, torch.ones_like(keypoints[..., :1])], dim=-1))
        return out

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, T, J, 2), unit focal length, to poses (B, T, J, 3) in mm, camera frame, root at the origin."""
        return in_millimetres(self.metres(keypoints), self.root)
