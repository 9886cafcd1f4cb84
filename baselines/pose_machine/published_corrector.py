"""The correction at test time as the paper states it, and as the authors' TensorFlow code (``m_refine_v2.py``, ``pred_v2.py``) does it.

The paper: two steps on the weights of copy and projector, and a rule that stops and rejects. It names neither optimiser nor rate; here
the steps are plain gradient steps. The code: Adam on the weights of the copy, another error, no rule.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from posebench.base.skeletons import Skeleton

from .corrector import Corrector, Layer
from .keypoints import VisibleKeypoints
from .network import CopyNetwork, PoseMachineLifter, Projector
from .settings import Settings

#: Factor of an untrained batch norm in inference: mean 0, variance 1, epsilon 1e-3.
UNTRAINED_NORM = 1.0 / sqrt(1.001)
#: Adam's decay of the moments and its epsilon.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
#: The joint that the authors' code sets to 0 in projection and target.
SET_TO_ZERO = "spine"


class PublishedCorrector(Corrector):
    """The published networks have the root as a joint, and the rule is for all five stable joints, the pelvis among them."""

    def _movement(self, one: Tensor, other: Tensor) -> Tensor:
        return (one - other)[:, self.stable].norm(dim=-1).mean(dim=-1)


class PaperCorrector(PublishedCorrector):
    """Equation 3: half the sum of squares of the projection's error over the visible joints, in sides of the box."""

    def _error(self, view: Tensor, keypoints: VisibleKeypoints) -> Tensor:
        difference = view - self.lifter.target_view(keypoints)
        return (difference.square().sum(dim=-1) * keypoints.visible).sum(dim=-1) / 2.0


class AdamLayer(Layer):
    """A linear layer with full weights of its own for every frame, changed by Adam as TensorFlow computes it.

    **Convention.** The bias is the last column of the weights. ``carried``: going back to the trained weights leaves Adam's moments and its
    count of steps as they are, for the next frame.
    """

    def __init__(self, layer: nn.Linear, *, carried: bool) -> None:
        self.carried, self.count = carried, 0
        self.first = self.second = torch.zeros((), dtype=torch.float64, device=layer.weight.device)
        super().__init__(layer)

    def reset(self) -> None:
        """Return to the trained weights."""
        self.change: Tensor | None = None
        self.input = self.output = self.weight
        if not self.carried:
            self.count = 0
            self.first = self.second = torch.zeros_like(self.first.sum())

    def __call__(self, values: Tensor) -> Tensor:
        """(B, in) to (B, out)."""
        output = functional.linear(values, self.weight, self.bias)
        if self.change is not None:
            output = output + torch.einsum("boi,bi->bo", self.change, _with_one(values))
        self.input, self.output = values, output
        return output

    def adam_step(self, gradient: Tensor, rate: float, active: Tensor) -> None:
        """One step of the ``active`` (B,) frames; ``gradient`` (B, out) at the last output.

        TensorFlow adds epsilon to the root of the second moment **before** the correction of its bias, PyTorch after it.
        """
        of_weights = gradient[:, :, None] * _with_one(self.input.detach())[:, None, :]
        self.count += 1
        self.first = BETA1 * self.first + (1.0 - BETA1) * of_weights
        self.second = BETA2 * self.second + (1.0 - BETA2) * of_weights.square()
        corrected_rate = rate * sqrt(1.0 - BETA2**self.count) / (1.0 - BETA1**self.count)
        step = corrected_rate * active[:, None, None].to(self.first.dtype) * self.first / (self.second.sqrt() + EPSILON)
        self.change = -step if self.change is None else self.change - step


class ReleasedCorrector(PublishedCorrector):
    """Adam on the error of points and of **absolute** bone components; the spine is 0 in both; the projector has untrained batch norms.

    With ``correction_state = "carried"`` frames are corrected one after the other and Adam's state is kept from frame to frame, as
    released: its saver restores the weights only. The state starts anew with each clip.
    """

    def __init__(self, lifter: PoseMachineLifter, joints: Skeleton, settings: Settings) -> None:
        self.carried = settings.correction_state == "carried"
        self.at_once = 1 if self.carried else 8
        super().__init__(lifter, joints, settings)
        self.zero = joints.joints.index(SET_TO_ZERO) if SET_TO_ZERO in joints.joints else None

    def _layers(self, network: CopyNetwork | Projector) -> list[Layer]:
        return [AdamLayer(layer, carried=self.carried) for layer in network.layers if isinstance(layer, nn.Linear)]

    def _step(self, error: Tensor, active: Tensor) -> None:
        for layer, gradient in zip(self.corrected, self._gradients(error), strict=True):
            assert isinstance(layer, AdamLayer)
            layer.adam_step(gradient, self.settings.correction_rate, active)

    def _projected(self, copied: Tensor) -> Tensor:
        first, second, third, last = self.projector
        features = (first(copied) * UNTRAINED_NORM).relu()
        features_of_features = (second(features) * UNTRAINED_NORM).relu()
        return last(features + (third(features_of_features) * UNTRAINED_NORM).relu())

    def _error(self, view: Tensor, keypoints: VisibleKeypoints) -> Tensor:
        """(B,) mean square over all numbers of the points, and ``correction_bones`` times the same of the absolute bone components."""
        target = self.lifter.target_view(keypoints)
        seen = keypoints.visible.to(view.dtype)[..., None]
        if self.zero is not None:
            seen = seen.index_fill(1, torch.tensor(self.zero, device=seen.device), 0.0)
        point = self._points_error(view * seen, target * seen)
        return point + self.settings.correction_bones * self._bones_error(view * seen, target * seen)

    def _points_error(self, view: Tensor, target: Tensor) -> Tensor:
        return (view - target).square().mean(dim=(-1, -2))

    def _bones_error(self, view: Tensor, target: Tensor) -> Tensor:
        parents, children = self.bones
        lengths, wanted = ((points[:, children] - points[:, parents]).abs() for points in (view, target))
        # The root has no bone, and counts as one of length 0.
        return (lengths - wanted).square().sum(dim=(-1, -2)) / (2 * len(self.lifter.others))


def _with_one(values: Tensor) -> Tensor:
    """(B, in) to (B, in + 1): the input of the bias is 1."""
    return torch.cat([values, torch.ones_like(values[:, :1])], dim=-1)
