"""What a trainable method is to the harness. A method alone is told by its ``model.py``, ``losses.py`` and ``recipe.toml``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from posebench.networks.samples import TrainingData

#: Frames lifted at once at test time.
TILE = 1024


class Method(nn.Module, ABC):
    """Networks, their losses and optimisers. The loop owns the order of things: batches, steps, checkpoints, logs.

    Attributes:
        lifter: the network that is used at test time; its weights and buffers are all that a finished run keeps.
        scale: ``metric`` if its poses are in mm, else ``unknown``.
        context: frames that one pose is told from.
        poses_per_sample: poses that one sample shows.
        poses_beside: poses that it is trained on beside its samples, to choose a beginning for instance, each as often as it is seen.
        side_information: what it is told beside its supervision, such as "cameras look down".
    """

    lifter: nn.Module
    scale: str = "unknown"
    context: int = 1
    poses_per_sample: int = 1
    poses_beside: int = 0
    side_information: tuple[str, ...] = ()

    def prepare(self, data: TrainingData) -> None:
        """Take statistics of the training data into buffers, once, before the first step."""

    def samples(self, data: TrainingData) -> Tensor:
        """Numbers (M,) of the frames that samples are drawn from."""
        return data.usable

    @abstractmethod
    def optimisers(self) -> dict[str, Optimizer]:
        """An optimiser for each player, by name, each with the learning rate of the first step."""

    @abstractmethod
    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """For each player in turn, its name and its loss terms, weighted as they are to be added.

        The loop steps the named optimiser before it asks for the next player, so that a critic's step is seen by the lifter's turn.

        Args:
            data: the training data.
            frames: (B,) numbers of the frames of this batch.
            epoch: how many epochs are done.
        """

    def diagnostics(self, data: TrainingData) -> dict[str, float]:  # noqa: ARG002
        """What the lifter does, in the method's own measures; asked after each epoch, logged and drawn. No truth is looked at."""
        return {}

    @abstractmethod
    def lift(self, keypoints: Tensor) -> Tensor:
        """Keypoints (T, J, 2) of one clip, in unit focal length, to poses (T, J, 3) of the camera frame; mm where the scale is metric."""


def in_tiles(lift: Callable[[Tensor], Tensor], keypoints: Tensor) -> Tensor:
    """A lifter of single frames, run over (T, J, 2) some :data:`TILE` frames at a time."""
    if torch.compiler.is_compiling():  # an exported network is tiled by whoever runs it
        whole: Tensor = lift(keypoints)
        return whole
    return torch.cat([lift(tile) for tile in torch.split(keypoints, TILE)])


def adam(parameters: Iterable[nn.Parameter], rate: float, *, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.0) -> Adam:
    """Adam in the fused form that every device of PyTorch has by now."""
    return Adam(parameters, lr=rate, betas=betas, weight_decay=weight_decay, fused=True)


def make_optimiser(
    parameters: Iterable[nn.Parameter], how: str, rate: float, *, momentum: float = 0.9, weight_decay: float = 0.0
) -> Optimizer:
    """``sgd`` with momentum, or ``adam``."""
    if how == "adam":
        return adam(parameters, rate, weight_decay=weight_decay)
    return SGD(parameters, rate, momentum=momentum, weight_decay=weight_decay)


@contextmanager
def frozen_batch_norm(network: nn.Module, *, kept: bool = True) -> Iterator[None]:
    """Batch norms normalise by their own batch, and remember nothing of it; with ``kept`` false they do as always."""
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm1d)] if kept else []
    before = [part.momentum for part in norms]
    for part in norms:
        part.momentum = 0.0
    try:
        yield
    finally:
        for part, momentum in zip(norms, before, strict=True):
            part.momentum = momentum
