"""The density of 2D poses: principal components, and a normalising flow over them.

**Convention.** Samples (B, F) are 2D poses as rows of numbers; components (B, N) are their coordinates along the first N principal
directions, divided by the deviations of the training poses. A flow maps components to z of the same size, whose density is the standard
normal one, so that ``log p = -|z|^2 / 2 - N / 2 log(2 pi) + log |det dz/d(components)|``.

Sources: Wandt et al. 2022, section 3.2; coupling layers of Dinh et al. 2017 (Real NVP) with the soft permutation and the limited scale of
FrEIA's ``AllInOneBlock``, which the authors use.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from posebench.base.errors import PosebenchError

#: Least deviation along a component, as a share of that along the first one. Below, the poses lie in a plane, where a density has no bound.
THINNEST = 1e-3
#: Largest logarithm of a scale in a coupling layer, and the factor on what its subnet tells.
LARGEST_LOG_SCALE, TOLD = 2.0, 0.1


class Components(nn.Module):
    """Principal components of the training poses, each divided by its deviation; all numbers are stored with the weights."""

    mean: Tensor
    basis: Tensor
    deviation: Tensor

    def __init__(self, inputs: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("basis", torch.eye(inputs)[:, :components].clone())
        self.register_buffer("deviation", torch.ones(components))

    def fit(self, samples: Tensor) -> None:
        """Take the principal directions of samples (M, F), in float64.

        Raises:
            PosebenchError: the samples hardly vary along the last component.
        """
        wide = samples.double()
        mean = wide.mean(dim=0)
        centred = wide - mean
        variance, directions = torch.linalg.eigh(centred.T @ centred / len(wide))
        variance, directions = variance.flip(0).clamp_min(0.0), directions.flip(1)
        # The sign of a direction is free; with its largest number positive, it does not depend on the machine.
        largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
        deviation, count = variance.sqrt(), len(self.deviation)
        enough = int((deviation > THINNEST * deviation[0]).sum())
        if enough < count:
            raise PosebenchError(
                f"components = {count}, and 2D poses that vary along {enough} directions only: a joint lies between others, "
                "as the pelvis between the hips, or there are too few poses",
                f"no component along which poses vary less than 1/{1 / THINNEST:.0f} as much as along the first, as a flow cannot "
                "learn a density without width",
                f"train with --set components={enough} or fewer" if enough > 1 else "train on more poses",
            )
        self.mean.copy_(mean)
        self.basis.copy_((directions * largest.sign())[:, :count])
        self.deviation.copy_(deviation[:count])

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, F) to components (B, N) with deviation 1."""
        return (samples - self.mean) @ self.basis / self.deviation

    def undo(self, components: Tensor) -> Tensor:
        """The samples (B, F) whose components (B, N) these are, and which have no other part."""
        return components * self.deviation @ self.basis.T + self.mean

    def rest(self, samples: Tensor) -> Tensor:
        """The part (B, F) of samples that the components do not hold."""
        return samples - self.undo(self(samples))


class Coupling(nn.Module):
    """One half of the numbers stays and tells scale and shift of the other half; then all are scaled, turned and shifted.

    The turn is a fixed random rotation, so that no half stays for ever. Without training, a layer is that turn, up to small numbers.
    """

    rotation: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.kept = size - size // 2
        self.subnet = nn.Sequential(nn.Linear(self.kept, width), nn.ReLU(), nn.Linear(width, 2 * (size - self.kept)))
        self.log_scale = nn.Parameter(torch.zeros(size))
        self.shift = nn.Parameter(torch.zeros(size))
        self.register_buffer("rotation", torch.linalg.qr(torch.randn(size, size))[0])

    def _told(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the scale, and shift, of the other half."""
        raw, shift = (TOLD * self.subnet(kept)).chunk(2, dim=1)
        return LARGEST_LOG_SCALE * raw.tanh(), shift

    def forward(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers (B, N) to numbers (B, N) and the logarithm (B,) of the determinant's absolute value."""
        kept, other = numbers[:, : self.kept], numbers[:, self.kept :]
        log_scale, shift = self._told(kept)
        whole = torch.cat([kept, other * log_scale.exp() + shift], dim=1)
        return (whole * self.log_scale.exp()) @ self.rotation + self.shift, log_scale.sum(dim=1) + self.log_scale.sum()

    def undo(self, numbers: Tensor) -> Tensor:
        """The inverse: numbers (B, N) to numbers (B, N)."""
        whole = (numbers - self.shift) @ self.rotation.T / self.log_scale.exp()
        kept, other = whole[:, : self.kept], whole[:, self.kept :]
        log_scale, shift = self._told(kept)
        return torch.cat([kept, (other - shift) / log_scale.exp()], dim=1)


class PoseDensity(nn.Module):
    """Components and coupling layers: how likely a 2D pose is."""

    def __init__(self, inputs: int, *, components: int, layers: int, width: int) -> None:
        super().__init__()
        self.components = Components(inputs, components)
        self.layers = nn.ModuleList(Coupling(components, width) for _ in range(layers))

    def latent(self, components: Tensor) -> tuple[Tensor, Tensor]:
        """Components (B, N) to z (B, N) and the logarithm (B,) of the determinant of dz/d(components)."""
        numbers, log_determinant = components, components.new_zeros(len(components))
        for layer in self.layers:
            numbers, change = layer(numbers)
            log_determinant = log_determinant + change
        return numbers, log_determinant

    def undo(self, latent: Tensor) -> Tensor:
        """The inverse of :meth:`latent`: z (B, N) to components (B, N)."""
        for layer in reversed(self.layers):
            assert isinstance(layer, Coupling)
            latent = layer.undo(latent)
        return latent

    def negative_log_likelihood(self, samples: Tensor) -> Tensor:
        """The negative logarithm of the density (B,) of samples (B, F), up to a constant that depends on no weight of a lifter."""
        latent, log_determinant = self.latent(self.components(samples))
        return 0.5 * latent.square().sum(dim=1) - log_determinant

    def log_density(self, components: Tensor) -> Tensor:
        """``log p`` (B,) of components (B, N), with all its constants."""
        latent, log_determinant = self.latent(components)
        return log_determinant - 0.5 * latent.square().sum(dim=1) - 0.5 * latent.shape[1] * math.log(2.0 * math.pi)
