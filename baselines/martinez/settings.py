"""Settings of a training of this method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.martinez.method.Martinez`, in addition to the common ones.

    Attributes:
        width: units of each hidden layer.
        blocks: residual blocks.
        dropout: share of hidden units set to zero in training.
        max_norm: largest Euclidean norm of a row of weights; 0 for no limit.
        released: layers as in the authors' code (:mod:`baselines.martinez.released`): ``max_norm`` is the largest norm of a whole layer.
        inputs: ``joints``: image coordinates of all joints; ``root-and-offsets``: those of the root, and the other joints relative to it.
        loss: ``squared``: mean squared error of standardised coordinates, as in the paper; ``distance``: mean Euclidean distance of joints.
        mirror: replace each sample by its mirror image with probability 1/2.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"inputs": ("joints", "root-and-offsets"), "loss": ("squared", "distance")}

    width: int = 1024
    blocks: int = 2
    dropout: float = 0.5
    max_norm: float = 0.0
    released: bool = False
    inputs: str = "joints"
    loss: str = "squared"
    mirror: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.released and not self.max_norm > 0:
            raise ValueError("released needs max_norm above 0: the authors' layers are limited")
