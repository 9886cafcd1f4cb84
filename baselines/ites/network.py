"""The semantic graph network with its non-local branch, as plain products over the fixed graph of a skeleton.

**Convention.** Features (B, J, C). Sources: Zhao et al. 2019 (semantic graph convolution, section 3; non-local layer as in Wang et al.
2018) and the released code of Xu et al. 2021, which sums the two branches in every layer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from posebench.base.skeletons import Skeleton

#: Joints that are pooled two by two before they are attended to; a joint without a partner is not attended to.
GROUPS = (
    ("pelvis", "spine"),
    ("thorax", "head_top"),
    ("l_hip", "r_hip"),
    ("l_shoulder", "r_shoulder"),
    ("l_knee", "l_ankle"),
    ("r_knee", "r_ankle"),
    ("l_elbow", "l_wrist"),
    ("r_elbow", "r_wrist"),
)


def neighbours(joints: Skeleton) -> Tensor:
    """Which joints a joint hears of, (J, J): itself and those at the other ends of its bones."""
    mask = torch.eye(len(joints), dtype=torch.bool)
    for parent, child in joints.bones:
        mask[parent, child] = mask[child, parent] = True
    return mask


class SemanticConvolution(nn.Module):
    """Each joint's new features: a weighted mean over itself and its neighbours, by weights that are learnt for each bone.

    One matrix acts on a joint's own features, another on its neighbours'; the weights of a joint sum to one.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, mask: Tensor) -> None:
        super().__init__()
        self.own, self.others = (nn.Linear(inputs, outputs, bias=False) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.edges = nn.Parameter(torch.ones(mask.shape))
        self.register_buffer("mask", mask, persistent=False)
        for linear in (self.own, self.others):
            nn.init.xavier_uniform_(linear.weight, gain=1.414)

    def forward(self, features: Tensor) -> Tensor:
        """(B, J, inputs) to (B, J, outputs)."""
        weight = self.edges.masked_fill(~self.mask, -math.inf).softmax(dim=1)
        own = weight.diagonal()[:, None]
        out: Tensor = own * self.own(features) + (weight - weight.diagonal().diag()) @ self.others(features) + self.bias
        return out


class NonLocal(nn.Module):
    """What each joint hears of all pairs of joints, wherever they are: additive attention, pairs pooled by their maximum.

    The attention of a joint to a pair is ``relu(a . theta + b . phi)`` over the count of pairs, not a softmax: the "concatenation" of Wang
    et al.
    """

    def __init__(self, width: int, joints: Skeleton) -> None:
        super().__init__()
        inner = width // 2
        pairs = [pair for pair in GROUPS if set(pair) <= set(joints.joints)]
        self.pairs = [[joints.index(name) for name in side] for side in zip(*pairs, strict=True)]
        self.theta, self.phi, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.ask, self.answer = (nn.Linear(inner, 1, bias=False) for _ in range(2))
        self.out = nn.Linear(inner, width)
        # The branch begins by saying nothing.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, J, width) to the same."""
        phi, value = self._pooled(self.phi(features)), self._pooled(self.value(features))
        attention = torch.relu(self.ask(self.theta(features)) + self.answer(phi).transpose(1, 2)) / phi.shape[1]
        out: Tensor = self.out(attention @ value)
        return out

    def _pooled(self, features: Tensor) -> Tensor:
        one, other = self.pairs
        return torch.maximum(features[:, one], features[:, other])


class Layer(nn.Module):
    """Both branches summed, batch norm where wanted, a rectifier."""

    def __init__(self, width: int, joints: Skeleton, mask: Tensor, *, norm: bool, non_local: bool) -> None:
        super().__init__()
        self.near = SemanticConvolution(width, width, mask)
        self.far = NonLocal(width, joints) if non_local else None
        self.norm = nn.BatchNorm1d(width) if norm else None

    def forward(self, features: Tensor) -> Tensor:
        """(B, J, width) to the same."""
        out = self.near(features) if self.far is None else self.near(features) + self.far(features)
        if self.norm is not None:
            out = self.norm(out.flatten(0, 1)).unflatten(0, features.shape[:2])
        return torch.relu(out)


class GraphNetwork(nn.Module):
    """A number a joint out of two: convolution, residual blocks of two layers each, convolution."""

    def __init__(self, joints: Skeleton, *, width: int, blocks: int, norm: bool, non_local: bool) -> None:
        super().__init__()
        mask = neighbours(joints)
        self.first = SemanticConvolution(2, width, mask)
        self.norm = nn.BatchNorm1d(width) if norm else None
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Layer(width, joints, mask, norm=norm, non_local=non_local) for _ in range(2))) for _ in range(blocks)
        )
        self.last = SemanticConvolution(width, 1, mask)

    def forward(self, image: Tensor) -> Tensor:
        """(B, J, 2) to (B, J)."""
        hidden = self.first(image)
        if self.norm is not None:
            hidden = self.norm(hidden.flatten(0, 1)).unflatten(0, image.shape[:2])
        hidden = torch.relu(hidden)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        out: Tensor = self.last(hidden)[..., 0]
        return out
