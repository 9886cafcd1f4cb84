"""Self-supervised correction at test time: each pose is moved, through weights of its own, towards its keypoints.

Source: Wang et al. 2019, equations 3 and 4 and the rule below them. For each frame the weights of the copy (and of the projector)
begin as trained, take a few gradient steps on the error of the projection, tell the corrected pose, and are forgotten.

**Convention.** All frames of a batch are corrected at once, every one with weights of its own. A frame is one sample, so that the gradient
of a layer's weight is the outer product of the gradient at its outcome and its input. A frame's weights are therefore kept as the trained
ones, which all share, and a list of such pairs, one a step: the same numbers as from a full copy, without its memory. Everything is
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton

from .camera import seen_by_camera
from .network import Copy, Lifter, Projector
from .settings import Settings
from .views import Seen

#: Frames that are corrected at once.
AT_ONCE = 1024
#: The five stable joints of the paper's rule.
STABLE = ("pelvis", "l_hip", "r_hip", "l_shoulder", "r_shoulder")


class Corrected(NamedTuple):
    """What became of poses.

    Attributes:
        poses: (B, J - 1, 3) mm; the pose as it was where the correction was rejected.
        steps: (B,) steps that were taken.
        rejected: (B,) which corrections were thrown away.
        copied: (B, J - 1, 3) mm, the copy before the first step.
        proposed: (B, J - 1, 3) mm, the copy after the last step, rejected or not.
        before: (B,) error of the projection before the first step.
        after: (B,) the same after the last step.
        by_pose: (B,) the same after the last step, but told by the projector as it was trained: what the pose's change alone does.
        view_change: (B,) mean movement of the projected joints, in sides of the person's box.
    """

    poses: Tensor
    steps: Tensor
    rejected: Tensor
    copied: Tensor
    proposed: Tensor
    before: Tensor
    after: Tensor
    by_pose: Tensor
    view_change: Tensor


def correct(lifter: Lifter, joints: Skeleton, told: Tensor, seen: Seen, rule: Settings) -> Corrected:
    """Correct the poses of single frames by their own projection.

    Args:
        lifter: trained networks.
        joints: joint order.
        told: (B, 3 (J - 1)) the transformer's poses without unit.
        seen: their keypoints (B, J, 2); hidden joints are left out of the error.
        rule: how; its ``correction`` is not ``none``.
    """
    # Numbers made under inference_mode take no part in gradients, not even as constants: they are copied outside of it.
    with torch.inference_mode(False), torch.enable_grad():
        told, seen = told.double().clone(), Seen(seen.points.double().clone(), seen.visible.clone(), seen.size.double().clone())
        task = _Task(lifter, joints, rule)
        parts = [task.run(told[k : k + AT_ONCE], Seen(*(values[k : k + AT_ONCE] for values in seen))) for k in range(0, len(told), AT_ONCE)]
    return Corrected(*(torch.cat(values) for values in zip(*parts, strict=True)))


class _Layer:
    """A linear layer with weights of its own for every frame."""

    def __init__(self, layer: nn.Linear) -> None:
        self.weight, self.bias = layer.weight.detach().double(), layer.bias.detach().double()
        self.forget()

    def forget(self) -> None:
        """Back to the trained weights."""
        self.pairs: list[tuple[Tensor, Tensor]] = []
        self.sample = self.outcome = self.weight

    def __call__(self, sample: Tensor) -> Tensor:
        """(B, in) to (B, out)."""
        outcome = functional.linear(sample, self.weight, self.bias)
        for gradient, before in self.pairs:
            outcome = outcome - gradient * ((before * sample).sum(dim=-1, keepdim=True) + 1.0)
        self.sample, self.outcome = sample, outcome
        return outcome

    def step(self, gradient: Tensor) -> None:
        """One gradient step of weight and bias; ``gradient`` (B, out) at the last outcome, times the learning rate."""
        self.pairs.append((gradient, self.sample.detach()))


class _Task:
    """One rule and the weights that every frame begins with."""

    def __init__(self, lifter: Lifter, joints: Skeleton, rule: Settings) -> None:
        self.lifter, self.rule = lifter, rule
        self.stable = [joints.index(name) for name in STABLE if name in joints.joints]
        self.bones = torch.tensor(joints.bones, device=lifter.image.mean.device).T
        self.copy, self.projector = _layers(lifter.copy), _layers(lifter.projector)
        self.free = [*self.copy, *self.projector] if rule.correction == "both" else self.copy
        self.scale, self.middle = lifter.pose.deviation.double(), lifter.pose.mean.double()
        self.view_scale, self.view_middle = lifter.view.deviation.double(), lifter.view.mean.double()

    def run(self, told: Tensor, seen: Seen) -> Corrected:
        """Correct one batch."""
        rule = self.rule
        for layer in (*self.copy, *self.projector):
            layer.forget()
        start = self._mm(told)
        active = torch.ones(len(told), dtype=torch.bool, device=told.device)
        taken = torch.zeros(len(told), dtype=torch.long, device=told.device)
        told = told.requires_grad_()  # so that the first layer's outcome has a gradient
        copied = self._copied(told)
        view = self._view(copied, seen)
        error = self._error(view, seen)
        first, first_view, before = self._mm(copied).detach(), view.detach(), error.detach()
        pose = first
        for _ in range(rule.steps):
            gradients = torch.autograd.grad(error.sum(), [layer.outcome for layer in self.free])
            length = rule.correction_rate * active * self._limit(gradients)
            for layer, gradient in zip(self.free, gradients, strict=True):
                layer.step(length[:, None] * gradient)
            taken += active
            copied = self._copied(told)
            view = self._view(copied, seen)
            error = self._error(view, seen)
            moved = self._mm(copied).detach()
            if rule.stop:
                active = active & (self._movement(moved, pose) >= rule.stop)
            pose = moved
            if not active.any():
                break
        for layer in self.projector:
            layer.forget()
        by_pose = self._error(self._view(copied, seen), seen).detach()
        # Steps that are too long may end in no number at all, which is no small movement either.
        rejected = ~(self._movement(pose, start) <= rule.reject) if rule.reject else torch.zeros_like(active)
        kept = torch.where(rejected[:, None, None], start, pose)
        change = ((view.detach() - first_view) * self.view_scale).norm(dim=-1).mean(dim=-1)
        return Corrected(kept, taken, rejected, first, pose, before, error.detach(), by_pose, change)

    def _limit(self, gradients: Sequence[Tensor]) -> Tensor:
        """(B,) what a frame's gradient is multiplied with, so that its norm over all weights and biases is at most ``correction_clip``."""
        squares = [
            gradient.square().sum(dim=-1) * (layer.sample.detach().square().sum(dim=-1) + 1.0)
            for layer, gradient in zip(self.free, gradients, strict=True)
        ]
        norm = torch.stack(squares).sum(dim=0).sqrt()
        return (self.rule.correction_clip / norm.clamp_min(1e-12)).clamp_max(1.0) if self.rule.correction_clip else torch.ones_like(norm)

    def _mm(self, told: Tensor) -> Tensor:
        return told.unflatten(-1, self.scale.shape) * self.scale + self.middle

    def _copied(self, told: Tensor) -> Tensor:
        first, second = self.copy
        out = second(first(told).relu())
        return told + out if self.lifter.copy.residual else out

    def _view(self, copied: Tensor, seen: Seen) -> Tensor:
        """(B, J - 1, 2) standardised: the projector's, or the true camera's."""
        if self.rule.correction == "camera":
            root, others = self.lifter.root, self.lifter.others
            image = seen_by_camera(self.lifter.whole(self._mm(copied)), seen.points, seen.visible)
            offsets = (image[:, others] - seen.points[:, root : root + 1]) / seen.size
            return (offsets - self.view_middle) / self.view_scale
        first, second, third, last = self.projector
        hidden = first(copied).relu()
        return last(hidden + third(second(hidden).relu()).relu()).unflatten(-1, self.view_scale.shape)

    def _error(self, view: Tensor, seen: Seen) -> Tensor:
        """(B,) mean square over visible joints, and over bones between visible joints."""
        root, others = self.lifter.root, self.lifter.others
        wanted = (seen.crop(root)[:, others] - self.view_middle) / self.view_scale
        error = _mean_square(view - wanted, seen.visible[:, others])
        if not self.rule.correction_bones:
            return error
        difference = self.lifter.whole(view - wanted)
        parents, children = self.bones
        lines = difference[:, children] - difference[:, parents]
        return error + self.rule.correction_bones * _mean_square(lines, seen.visible[:, children] & seen.visible[:, parents])

    def _movement(self, one: Tensor, other: Tensor) -> Tensor:
        """(B,) mean movement of the stable joints, mm. The root is one of them and never moves."""
        return (self.lifter.whole(one) - self.lifter.whole(other))[:, self.stable].norm(dim=-1).mean(dim=-1)


def _layers(network: Copy | Projector) -> list[_Layer]:
    return [_Layer(layer) for layer in network.layers if isinstance(layer, nn.Linear)]


def _mean_square(error: Tensor, counted: Tensor) -> Tensor:
    """(B, N, D) to (B,): mean over those of N that are counted; 0 where none is."""
    squares = (error.square().sum(dim=-1) * counted).sum(dim=-1)
    return squares / counted.sum(dim=-1).clamp_min(1)
