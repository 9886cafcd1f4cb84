"""A method for tests of the loop: adversarial, with dropout, batch norm and random numbers, all of which resuming must restore."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from posebench.networks.blocks import ResidualMLP
from posebench.networks.method import Method, adam
from posebench.networks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings(Settings):
    """Settings of :class:`Adversarial`; ``break_at`` makes a loss NaN in that step."""

    break_at: int = -1


class Adversarial(Method):
    """An adversarial training on 2D joints: it learns nothing of use, but needs every part of the loop."""

    def __init__(self, settings):
        super().__init__()
        self.settings, self.count = settings, 0
        self.lifter = ResidualMLP(34, 17, width=16, blocks=1, dropout=0.3)
        self.critic = ResidualMLP(34, 1, width=16, blocks=1, norm=False, slope=0.2)

    def optimisers(self):
        return {
            "critic": adam(self.critic.parameters(), 1e-3, betas=(0.5, 0.9)),
            "lifter": torch.optim.SGD(self.lifter.parameters(), lr=1e-2, momentum=0.9),
        }

    def losses(self, data, frames, epoch):  # noqa: ARG002
        assert data.poses is None
        points = data.keypoints[frames].flatten(1)
        depth = self.lifter(points)
        turned = points.clone()
        turned[:, ::2] += 0.1 * depth * torch.rand_like(depth)
        yield "critic", {"real": -self.critic(points).mean(), "fake": self.critic(turned.detach()).mean()}
        self.count += 1
        broken = float("nan") if self.count == self.settings.break_at else 0.0
        yield "lifter", {"generator": -self.critic(turned).mean() + broken, "small": depth.square().mean()}

    def lift(self, keypoints):
        return torch.cat([keypoints, self.lifter(keypoints.flatten(1))[..., None]], dim=-1)
