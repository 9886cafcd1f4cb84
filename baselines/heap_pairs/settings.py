"""Settings of a training of this method."""

from __future__ import annotations

from dataclasses import dataclass

from ..martinez.settings import Settings as Martinez


@dataclass(frozen=True, kw_only=True)
class Settings(Martinez):
    """Settings of :class:`baselines.heap_pairs.method.HeapPairs`, in addition to those of the network, which is that of ``martinez``.

    Attributes:
        tilt: degrees by which the cameras look down, as side information.
        bone_scale: lengths of the bones change by up to this factor to either side; left as right.
    """

    tilt: float = 0.0
    bone_scale: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -90.0 < self.tilt < 90.0:
            raise ValueError(f"tilt = {self.tilt}; it must be between -90 and 90")
        if not 0.0 <= self.bone_scale < 1.0:
            raise ValueError(f"bone_scale = {self.bone_scale}; it must be from 0 to below 1")
