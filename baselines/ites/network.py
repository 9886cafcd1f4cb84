"""The student's network: a semantic graph network with a non-local branch, and the lifter around it.

**Convention.** Features (B, J, C). Sources: Zhao et al. 2019 (semantic graph convolution, section 3; non-local layer as in Wang et al.
2018) and the official code of Xu et al. 2021, which sums the two branches in every layer. The sums over the skeleton's fixed graph are
written as matrix products. Where the official network differs: :mod:`baselines.ites.released`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton
from posebench.networks.depth_flip import DepthFlip
from posebench.networks.depth_lifter import DepthLifter
from posebench.networks.root_camera import RootCamera
from posebench.networks.standardise import Standardise
from posebench.networks.views import RootView

from .settings import Settings

#: Pairs of joints whose features are pooled before attention, as in Zhao et al.; a joint without a pair receives no attention.
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
    """The graph's adjacency matrix with loops, (J, J): true for a joint itself and for the other ends of its bones."""
    mask = torch.eye(len(joints), dtype=torch.bool)
    for parent, child in joints.bones:
        mask[parent, child] = mask[child, parent] = True
    return mask


class SemanticConvolution(nn.Module):
    """Graph convolution: a joint's new features are a weighted mean over itself and its neighbours, with a learnt weight for each bone.

    One matrix acts on a joint's own features, another one on its neighbours'. The weights of a joint are a softmax and sum to one.
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
        own = weight.diagonal()
        # The weights of a joint sum to one: a bias that is added before the mean is the same as one added after it.
        mine = functional.linear(features, self.own.weight, self.bias)
        theirs = functional.linear(features, self.others.weight, self.bias)
        return torch.baddbmm(own[:, None] * mine, (weight - own.diag()).expand(features.shape[0], -1, -1), theirs)


class NonLocal(nn.Module):
    """Attention of each joint to all pairs of joints, however far away; the features of a pair are pooled by their maximum.

    The attention of a joint to a pair is ``relu(a . theta + b . phi)`` divided by the number of pairs, the "concatenation" form of Wang et
    al., not a softmax. There is no batch norm at the end and the input is not added: the layer has another branch that it is added to.
    """

    pairs: Tensor

    def __init__(self, width: int, joints: Skeleton) -> None:
        super().__init__()
        inner = width // 2
        pairs = [pair for pair in GROUPS if set(pair) <= set(joints.joints)]
        sides = [[joints.index(name) for name in side] for side in zip(*pairs, strict=True)]
        self.register_buffer("pairs", torch.tensor(sides), persistent=False)
        self.theta, self.phi, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.ask, self.answer = (nn.Linear(inner, 1, bias=False) for _ in range(2))
        self.out = nn.Linear(inner, width)
        # The branch's output is zero at first.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, J, width) to the same."""
        both = functional.linear(features, torch.cat([self.phi.weight, self.value.weight]), torch.cat([self.phi.bias, self.value.bias]))
        paired = both.index_select(1, self.pairs.flatten()).unflatten(1, self.pairs.shape)
        phi, value = torch.maximum(*paired.unbind(1)).chunk(2, dim=-1)
        # Linear layers in a row are one: a . theta is one row of weights; and ``out`` is applied to the pairs, which are fewer than joints.
        score = functional.linear(features, self.ask.weight @ self.theta.weight, self.ask.weight @ self.theta.bias)
        attention = torch.relu(score + self.answer(phi).transpose(1, 2)) / self.pairs.shape[1]
        return torch.baddbmm(self.out.bias, attention, functional.linear(value, self.out.weight))


class Layer(nn.Module):
    """Sum of the two branches, batch norm if wanted, a rectifier."""

    def __init__(self, width: int, joints: Skeleton, mask: Tensor, *, norm: bool, branch: type[NonLocal] | None) -> None:
        super().__init__()
        self.near = SemanticConvolution(width, width, mask)
        self.far = branch(width, joints) if branch else None
        self.norm = nn.BatchNorm1d(width) if norm else None

    def forward(self, features: Tensor) -> Tensor:
        """(B, J, width) to the same."""
        out = self.near(features) if self.far is None else self.near(features) + self.far(features)
        if self.norm is not None:
            out = self.norm(out.flatten(0, 1)).unflatten(0, features.shape[:2])
        return torch.relu(out)


class GraphNetwork(nn.Module):
    """Two numbers a joint to one: convolution, residual blocks of two layers each, convolution; ``branch`` is the non-local one, if any."""

    def __init__(self, joints: Skeleton, *, width: int, blocks: int, norm: bool, branch: type[NonLocal] | None) -> None:
        super().__init__()
        mask = neighbours(joints)
        self.first = SemanticConvolution(2, width, mask)
        self.norm = nn.BatchNorm1d(width) if norm else None
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Layer(width, joints, mask, norm=norm, branch=branch) for _ in range(2))) for _ in range(blocks)
        )
        self.last = SemanticConvolution(width, 1, mask)

    def forward(self, image: Tensor) -> Tensor:
        """(B, J, 2) to (B, J)."""
        features = self.first(image)
        if self.norm is not None:
            features = self.norm(features.flatten(0, 1)).unflatten(0, image.shape[:2])
        features = torch.relu(features)
        for block in self.blocks:
            features = features + block(features)
        out: Tensor = self.last(features)[..., 0]
        return out


class GraphLifter(DepthLifter):
    """The graph network predicts depths along the rays of a camera that looks at the root."""

    branch = NonLocal

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__(
            RootCamera(joints, distance=settings.distance, tilt=settings.tilt, level=settings.rotation_axis == "vertical"),
            DepthFlip(joints, settings.flip, settings.flip_tilt, settings.votes),
        )
        self.standardise = settings.standardise
        self.image = Standardise(len(joints), 2)
        self.network = GraphNetwork(
            joints,
            width=settings.width,
            blocks=settings.blocks,
            norm=settings.norm != "none",
            branch=self.branch if settings.non_local else None,
        )

    def predict_depths(self, image: Tensor) -> Tensor:
        """Depths (B, J) behind the root, in mean root-to-head lengths, of scaled views (B, J, 2)."""
        depth = self.network(self.image(image) if self.standardise else image)
        return depth - depth[:, self.camera.root : self.camera.root + 1]

    def points(self, image: Tensor, depth: Tensor) -> Tensor:
        """Points (B, J, 3) relative to the root, on the rays of a scaled ``image`` (B, J, 2), at ``depth`` (B, J)."""
        return self.camera.on_rays(image, depth)

    def depths_of(self, image: Tensor, points: Tensor) -> Tensor:  # noqa: ARG002
        """Depths (B, J), as :meth:`predict_depths` counts them, of root-relative points (B, J, 3) on the rays of ``image`` (B, J, 2)."""
        return points[..., 2]

    def depths(self, seen: RootView) -> Tensor:
        """Depths (B, J) of views; the network does not use how steeply the camera looks down."""
        return self.predict_depths(seen.image)
