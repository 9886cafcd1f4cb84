"""What the tuned and the published forms share: pairs of frames, and the networks that are trained on them."""

from __future__ import annotations

from torch import nn
from torch.optim import Optimizer

from posebench.networks.method import Method, adam
from posebench.networks.samples import TrainingData

from .network import Adapter
from .settings import Settings


class TrainedOnPairs(Method):
    """A method with a lifter, discriminators (``critics``) and, with extra data, a domain adapter; a sample is a pair of frames."""

    settings: Settings
    lifter: nn.Module
    critics: nn.Module
    adapter: Adapter | None

    def _gap(self, data: TrainingData) -> int:
        """Frames between the two poses of a pair."""
        return max(1, round(data.fps * self.settings.gap))

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for each network, all at one learning rate."""
        rate, betas = self.settings.learning_rate, (self.settings.beta1, self.settings.beta2)
        optimisers = {"lifter": adam(self.lifter.parameters(), rate, betas=betas)}
        if self.settings.adversarial or self.settings.temporal:
            optimisers["critics"] = adam(self.critics.parameters(), rate, betas=betas)
        if self.adapter:
            optimisers["adapter"] = adam(self.adapter.network.parameters(), rate, betas=betas)
            optimisers["adapter's critic"] = adam(self.adapter.critic.parameters(), rate, betas=betas)
        return optimisers
