"""The correction of many frames at once, by gradient steps on weights of their own.

**Convention.** All frames of a batch are corrected at once, each with weights of its own, in float64. A frame is one sample, so that the
gradient of a layer's weight matrix is an outer product: the gradient at the layer's output times the layer's input. The weights of a frame
are therefore stored as the trained weights, which all frames share, and one such pair of vectors for each step. This gives the same numbers
as a full copy of the weights for every frame, without its memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton

from .camera import project_fitted
from .keypoints import VisibleKeypoints
from .network import CopyNetwork, PoseMachineLifter, Projector
from .settings import Settings

#: Networks whose weights are corrected, by the setting ``correction``; "camera" has the true camera in the projector's place.
CORRECTED = {"copy": ("copy",), "projector": ("projector",), "both": ("copy", "projector"), "camera": ("copy",)}
#: The five stable joints of the paper's rule.
STABLE = ("pelvis", "l_hip", "r_hip", "l_shoulder", "r_shoulder")


class Correction(NamedTuple):
    """Corrected poses, and how they came about.

    Attributes:
        poses: (B, K, 3) mm, the joints of ``lifter.others``; the uncorrected pose where the correction was rejected.
        steps: (B,) gradient steps that were taken.
        rejected: (B,) which corrections were rejected.
        copied: (B, K, 3) mm, the copy before the first step.
        proposed: (B, K, 3) mm, the copy after the last step, rejected or not.
        error_before: (B,) error of the projection before the first step.
        error_after: (B,) the same after the last step.
        error_by_pose: (B,) the same after the last step, but with the projector as trained: the effect of the pose's change alone.
        view_change: (B,) mean movement of the projected joints, in sides of the person's box.
    """

    poses: Tensor
    steps: Tensor
    rejected: Tensor
    copied: Tensor
    proposed: Tensor
    error_before: Tensor
    error_after: Tensor
    error_by_pose: Tensor
    view_change: Tensor


class Layer:
    """A linear layer with weights of its own for every frame: the trained ones and an outer product for each step."""

    def __init__(self, layer: nn.Linear) -> None:
        self.weight, self.bias = layer.weight.detach().double(), layer.bias.detach().double()
        self.reset()

    def reset(self) -> None:
        """Return to the trained weights."""
        self.steps: list[tuple[Tensor, Tensor]] = []
        self.input = self.output = self.weight

    def __call__(self, values: Tensor) -> Tensor:
        """(B, in) to (B, out)."""
        output = functional.linear(values, self.weight, self.bias)
        for gradient, earlier_input in self.steps:
            # W - g x^T and b - g, applied to the values: the bias is a weight whose input is 1.
            output = output - gradient * ((earlier_input * values).sum(dim=-1, keepdim=True) + 1.0)
        self.input, self.output = values, output
        return output

    def step(self, gradient: Tensor) -> None:
        """One gradient step of weight and bias; ``gradient`` (B, out) at the last output, multiplied by the learning rate."""
        self.steps.append((gradient, self.input.detach()))


class Corrector:
    """The networks with weights of their own for every frame, and the error that corrects them: mean square of the standardised view.

    Attributes:
        at_once: frames that are corrected at once.
    """

    at_once = 1024

    def __init__(self, lifter: PoseMachineLifter, joints: Skeleton, settings: Settings) -> None:
        self.lifter, self.settings = lifter, settings
        self.stable = [joints.index(name) for name in STABLE if name in joints.joints]
        self.bones = torch.tensor(joints.bones, device=lifter.image.mean.device).T
        self.copy, self.projector = self._layers(lifter.copy), self._layers(lifter.projector)
        networks = {"copy": self.copy, "projector": self.projector}
        self.corrected = [layer for name in CORRECTED[settings.correction] for layer in networks[name]]
        self.pose_scale, self.pose_offset = lifter.pose.deviation.double(), lifter.pose.mean.double()

    def run(self, poses: Tensor, keypoints: VisibleKeypoints) -> Correction:
        """Correct one batch: poses (B, 3 K) without unit."""
        settings = self.settings
        for layer in (*self.copy, *self.projector):
            layer.reset()
        start = self._in_mm(poses)
        poses = poses.requires_grad_()  # so that the first layer's output has a gradient
        copied, view, error = self._project(poses, keypoints)
        first_pose, first_view, first_error = self._in_mm(copied).detach(), view.detach(), error.detach()

        # Equation 3: gradient steps on the error of the projection; frames that hardly move any more stop.
        active = torch.ones(len(poses), dtype=torch.bool, device=poses.device)
        steps = torch.zeros(len(poses), dtype=torch.long, device=poses.device)
        pose = first_pose
        for _ in range(settings.correction_steps):
            self._step(error, active)
            steps += active
            copied, view, error = self._project(poses, keypoints)
            moved = self._in_mm(copied).detach()
            if settings.correction_stop:
                active = active & (self._movement(moved, pose) >= settings.correction_stop)
            pose = moved
            if not active.any():
                break

        # The error under the projector as trained separates the pose's change from the projector's.
        for layer in self.projector:
            layer.reset()
        error_by_pose = self._error(self._view(copied, keypoints), keypoints).detach()

        # Equation 4 gives the corrected pose; the rule rejects corrections that went too far.
        rejected = torch.zeros_like(active)
        if settings.correction_reject:
            # Not ">": steps that were too long may end in NaN, which is rejected too.
            rejected = ~(self._movement(pose, start) <= settings.correction_reject)
        kept = torch.where(rejected[:, None, None], start, pose)
        view_change = self.lifter.in_sides(view.detach() - first_view).norm(dim=-1).mean(dim=-1)
        return Correction(kept, steps, rejected, first_pose, pose, first_error, error.detach(), error_by_pose, view_change)

    def _project(self, poses: Tensor, keypoints: VisibleKeypoints) -> tuple[Tensor, Tensor, Tensor]:
        """The copy (B, 3 K) of poses, its view (B, K, 2) and the view's error (B,)."""
        copied = self._copy(poses)
        view = self._view(copied, keypoints)
        return copied, view, self._error(view, keypoints)

    def _step(self, error: Tensor, active: Tensor) -> None:
        """One gradient step of every active frame's weights."""
        gradients = self._gradients(error)
        rate = self.settings.correction_rate * active * self._clip_factor(gradients)
        for layer, gradient in zip(self.corrected, gradients, strict=True):
            layer.step(rate[:, None] * gradient)

    def _gradients(self, error: Tensor) -> tuple[Tensor, ...]:
        """Of every corrected layer, the error's gradient (B, out) at its output."""
        return torch.autograd.grad(error.sum(), [layer.output for layer in self.corrected])

    def _clip_factor(self, gradients: Sequence[Tensor]) -> Tensor:
        """(B,) factors that limit the norm of each frame's gradient, over all weights and biases, to ``correction_clip``."""
        squares = [
            gradient.square().sum(dim=-1) * (layer.input.detach().square().sum(dim=-1) + 1.0)
            for layer, gradient in zip(self.corrected, gradients, strict=True)
        ]
        norm = torch.stack(squares).sum(dim=0).sqrt()
        limit = self.settings.correction_clip
        return (limit / norm.clamp_min(1e-12)).clamp_max(1.0) if limit else torch.ones_like(norm)

    def _in_mm(self, poses: Tensor) -> Tensor:
        return poses.unflatten(-1, self.pose_scale.shape) * self.pose_scale + self.pose_offset

    def _copy(self, poses: Tensor) -> Tensor:
        first, second = self.copy
        out = second(first(poses).relu())
        return poses + out if self.lifter.copy.residual else out

    def _layers(self, network: CopyNetwork | Projector) -> list[Layer]:
        return [Layer(layer) for layer in network.layers if isinstance(layer, nn.Linear)]

    def _view(self, copied: Tensor, keypoints: VisibleKeypoints) -> Tensor:
        """(B, K, 2) in the unit of the projector: its output, or the true camera's."""
        if self.settings.correction == "camera":
            image = project_fitted(self.lifter.with_root(self._in_mm(copied)), keypoints.points, keypoints.visible)
            return self.lifter.view_of(image, keypoints)
        return self._projected(copied).unflatten(-1, (-1, 2))

    def _projected(self, copied: Tensor) -> Tensor:
        """(B, 2 K), the projector's output."""
        first, second, third, last = self.projector
        features = first(copied).relu()
        return last(features + third(second(features).relu()).relu())

    def _error(self, view: Tensor, keypoints: VisibleKeypoints) -> Tensor:
        """(B,) mean square over visible joints, and over bones between visible joints."""
        difference = view - self.lifter.target_view(keypoints)
        error = _mean_square(difference, keypoints.visible[:, self.lifter.others])
        if not self.settings.correction_bones:
            return error
        difference = self.lifter.with_root(difference)
        parents, children = self.bones
        bones = difference[:, children] - difference[:, parents]
        both_visible = keypoints.visible[:, children] & keypoints.visible[:, parents]
        return error + self.settings.correction_bones * _mean_square(bones, both_visible)

    def _movement(self, one: Tensor, other: Tensor) -> Tensor:
        """(B,) mean movement of the stable joints, mm. The root is one of them and never moves."""
        return (self.lifter.with_root(one) - self.lifter.with_root(other))[:, self.stable].norm(dim=-1).mean(dim=-1)


def _mean_square(error: Tensor, counted: Tensor) -> Tensor:
    """(B, N, D) to (B,): mean over those of N that are counted; 0 if none is."""
    squares = (error.square().sum(dim=-1) * counted).sum(dim=-1)
    return squares / counted.sum(dim=-1).clamp_min(1)
