"""The interface of a trainable method to the training loop. A baseline implements it in its ``method.py``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from posebench.networks.samples import TrainingData

#: Most frames lifted at once at test time.
TILE = 1024

#: A network's name and its loss terms by name.
Losses = tuple[str, dict[str, Tensor]]


class Method(nn.Module, ABC):
    """Networks, their losses and optimisers. Batches, optimiser steps, checkpoints and logs are the training loop's work.

    Attributes:
        lifter: the network that is used at test time; a finished run keeps its weights and buffers, and no others.
        scale: ``metric`` if its poses are in mm, else ``unknown``.
        context: number of frames that the prediction of one frame depends on.
        slides: the lifter is a convolution over time without padding: it maps keypoints (B, T, J, 2) of clips to the poses
            (B, T - context + 1, J, 3) of the frames that have ``context // 2`` frames on either side. It can then be exported.
        poses_per_sample: poses in one training sample.
        extra_poses: poses that it is trained on outside the training loop, for example to choose its initial weights; counted as often
            as they are used.
        side_information: what it uses besides its supervision, such as "cameras look down by 6.2 degrees on average".
        test_time, input_filter, oracle, selection: as in :data:`posebench.predictions.disclosure.FACTS`.
    """

    lifter: nn.Module
    scale: str = "unknown"
    context: int = 1
    slides: bool = False
    poses_per_sample: int = 1
    extra_poses: int = 0
    side_information: tuple[str, ...] = ()
    test_time: str = "none"
    input_filter: str = "none"
    oracle: str = "none"
    selection: str = "last epoch"

    @property
    def online(self) -> bool:
        """Whether a pose depends on no later frame; a method whose context lies in the past overrides it."""
        return self.context == 1

    def facts(self, *, flip_averaging: bool) -> dict[str, str]:
        """All of :data:`posebench.predictions.disclosure.FACTS`, for its provenance."""
        return {
            "online": "yes" if self.online else "no",
            "tta": "flip" if flip_averaging else "none",
            "test_time": self.test_time,
            "input_filter": self.input_filter,
            "oracle": self.oracle,
            "selection": self.selection,
        }

    def prepare(self, data: TrainingData) -> None:
        """Store statistics of the training data in buffers; called once, before the first step."""

    def samples(self, data: TrainingData) -> Tensor:
        """Indices (M,) of the frames that training samples are drawn from."""
        return data.usable

    @abstractmethod
    def optimisers(self) -> dict[str, Optimizer]:
        """An optimiser for each trained network, by the network's name, with the learning rate of the first step."""

    @abstractmethod
    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[Losses]:
        """Yield the losses of one batch: for each network to update, its name and its loss terms, already weighted.

        The loop adds the terms, calls ``backward``, and steps the network's optimiser before it asks for the next network. So the
        generator's losses see the discriminator after its step. A name may be yielded several times, for several steps.

        Losses may draw random numbers, but only from torch's global generator of the device: its state is part of a checkpoint, and
        a resumed training must draw the same numbers. For the same reason all other state that a step changes must be in parameters,
        buffers or optimisers.

        Args:
            data: the training data.
            frames: (B,) indices of the batch's frames.
            epoch: epochs completed.
        """

    def diagnostics(self, data: TrainingData) -> dict[str, float]:  # noqa: ARG002
        """The method's own diagnostics of its lifter, by name; logged and plotted after each epoch. They use no ground truth."""
        return {}

    @abstractmethod
    def lift(self, keypoints: Tensor) -> Tensor:
        """Keypoints (T, J, 2) of one clip, unit focal length, to poses (T, J, 3), camera frame; mm where the scale is metric."""

    def lift_some(self, keypoints: Tensor, frames: Tensor) -> Tensor:
        """Poses (F, J, 3) of some frames (F,) of a clip (T, J, 2), as :meth:`lift` gives them for the whole clip."""
        return self.lift(keypoints)[frames] if self.context > 1 else self.lift(keypoints[frames])


def in_tiles(lift: Callable[[Tensor], Tensor], keypoints: Tensor) -> Tensor:
    """Apply a single-frame lifter to keypoints (T, J, 2), at most :data:`TILE` frames at a time, to bound memory."""
    if torch.compiler.is_compiling():  # an exported network has a free batch size; its caller chooses it
        whole: Tensor = lift(keypoints)
        return whole
    return torch.cat([lift(tile) for tile in torch.split(keypoints, TILE)])


def adam(parameters: Iterable[nn.Parameter], rate: float, *, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.0) -> Adam:
    """Adam in PyTorch's fused implementation."""
    return Adam(parameters, lr=rate, betas=betas, weight_decay=weight_decay, fused=True)


def make_optimiser(
    parameters: Iterable[nn.Parameter], how: str, rate: float, *, momentum: float = 0.9, weight_decay: float = 0.0
) -> Optimizer:
    """The optimiser called ``how``: ``adam``, or ``sgd`` with momentum."""
    if how == "adam":
        return adam(parameters, rate, weight_decay=weight_decay)
    return SGD(parameters, rate, momentum=momentum, weight_decay=weight_decay)


@contextmanager
def frozen_batch_norm(network: nn.Module, *, kept: bool = True) -> Iterator[None]:
    """Within the block, batch norms in training mode leave their running statistics as they are. ``kept=False`` does nothing."""
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm1d)] if kept else []
    before = [part.momentum for part in norms]
    for part in norms:
        part.momentum = 0.0
    try:
        yield
    finally:
        for part, momentum in zip(norms, before, strict=True):
            part.momentum = momentum
