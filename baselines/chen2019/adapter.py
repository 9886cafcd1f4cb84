"""The domain adapter: brings 2D poses of another source into the domain of the training poses by small corrections."""

from __future__ import annotations

from torch import Tensor, nn

from posebench.networks.blocks import ResidualMLP


class Adapter(nn.Module):
    """A residual correction of 2D poses (B, J, 2), and the critic that judges the corrected ones. It begins by changing nothing."""

    def __init__(self, joints: int, *, width: int = 512, blocks: int = 2) -> None:
        super().__init__()
        self.network = ResidualMLP(2 * joints, 2 * joints, width=width, blocks=blocks, norm=False, slope=0.2)
        self.critic = ResidualMLP(2 * joints, 1, width=width, blocks=blocks, norm=False, slope=0.2)
        last = self.network.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def correction(self, image: Tensor, unit: Tensor) -> Tensor:
        """What is added to image coordinates (B, J, 2); ``unit`` is their deviation, in which the network thinks."""
        out: Tensor = self.network((image / unit).flatten(1)).unflatten(1, image.shape[1:]) * unit
        return out
