"""Settings of a training of this method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..videopose3d.settings import Settings as VideoPose3D


@dataclass(frozen=True, kw_only=True)
class Settings(VideoPose3D):
    """Settings of :class:`baselines.calibrated_student.method.CalibratedStudent`, in addition to those of ``videopose3d``.

    ``views`` and ``bone_scale`` are of the self-made pairs, ``velocity`` of the loss.

    Attributes:
        tilt: degrees by which the cameras look down, as side information; 0 if unknown.
        margin: m0. A joint counts by m / (m + m0), where m is how much more its other place would cost the tracker; 0: all count alike.
        rigid: weight of the changes of bone lengths from frame to frame of a sample.
        noise: largest deviation of the noise that is added to keypoints, in mean distances from root to head in the image; each sample
            draws its own, evenly from 0 on.
        lengths: the network is told the bone lengths of the clip, and the root's distance in each frame. At test time both come from
            its own first pass, which is told nothing.
        base: id of the method whose tracked poses are learnt: its run is the teacher.
        teacher_recipe: recipe of ``base``. If no run of it is given, one is trained by it first, with the student's preset and seed.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "inputs": ("root-and-offsets",),
        "base": ("chen2019", "ites_teacher", "calibrated_student"),
    }

    inputs: str = "root-and-offsets"
    tilt: float = 0.0
    margin: float = 0.0
    rigid: float = 0.0
    noise: float = 0.0
    lengths: bool = False
    base: str = "chen2019"
    teacher_recipe: str = "tuned"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -90.0 < self.tilt < 90.0:
            raise ValueError(f"tilt = {self.tilt}; it must be between -90 and 90")
        for name in ("margin", "rigid", "noise"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} = {getattr(self, name)}; it must be at least 0")
        if self.rigid and self.output_frames < 2:
            raise ValueError("rigid needs output_frames of at least 2")

    @property
    def teacher_baseline(self) -> tuple[str, str]:
        """Id and recipe of the base."""
        return self.base, self.teacher_recipe

    @property
    def teacher_tracked(self) -> bool:
        """The base's poses of each clip are tracked."""
        return True
