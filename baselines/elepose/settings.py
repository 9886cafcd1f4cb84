"""Settings of a training of this method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.elepose.method.ElePose`, in addition to the common ones.

    Attributes:
        width: units of each hidden layer of the lifter.
        standardise: the lifter's input has mean 0 and deviation 1, joint by joint.
        first_depths: factor on the starting weights of the layer that tells depths: below 1, the training begins with flat poses.
        distance: c, from the camera to the root, in mean lengths from root to head.
        elevation: where random views come from. ``predicted``: from the distribution of the elevations that the network tells;
            ``tilt``: cameras look down by ``tilt`` degrees, and views are level turns of them; ``uniform``: up to 20 degrees up or down.
        tilt: degrees by which the cameras look down on average, for ``elevation = "tilt"``.
        turns: random views of each pose that the flow judges.
        components: principal components of 2D poses that the flow sees.
        flow_layers: coupling layers of the flow.
        flow_width: units of the hidden layer of each coupling layer.
        flow_epochs: the first epochs, in which the flow is trained, and nothing else; then it is frozen.
        flow_rate: learning rate of the flow.
        jitter: deviation of the noise on the flow's training images, in mean lengths from root to head.
        likelihood: weight of the negative log likelihood of the views.
        squared: consistency losses are mean squared distances of joints; otherwise the authors' sums of absolute values and norms.
        consistency_2d: weight of the 2D consistency loss.
        consistency_3d: weight of the 3D consistency loss.
        deformation: weight of the deformation loss.
        bones: weight of the bone length loss.
        bone_ratios: length of each bone of the skeleton, divided by the mean over bones; side information.
        rest: weight of the squared distance of views from their components, in squared mean lengths from root to head.
        mirror: replace each pose by its mirror image with probability 1/2.
        weight_decay: of Adam, for lifter and flow.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"elevation": ("predicted", "tilt", "uniform")}
    at_least: ClassVar[Mapping[str, int]] = {"turns": 1, "components": 2, "flow_layers": 1, "flow_epochs": 1}
    at_most: ClassVar[Mapping[str, int]] = {**Common.at_most, "turns": 64, "components": 256, "layers": 64}

    width: int = 1024
    standardise: bool = False
    first_depths: float = 1.0
    distance: float = 10.0
    elevation: str = "predicted"
    tilt: float = 0.0
    turns: int = 1
    components: int = 26
    flow_layers: int = 8
    flow_width: int = 1024
    flow_epochs: int = 100
    flow_rate: float = 1e-4
    jitter: float = 0.0
    likelihood: float = 1.0
    squared: bool = False
    consistency_2d: float = 1.0
    consistency_3d: float = 1.0
    deformation: float = 1.0
    bones: float = 50.0
    bone_ratios: tuple[float, ...] = ()
    rest: float = 0.0
    mirror: bool = False
    weight_decay: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.flow_epochs < self.epochs:
            raise ValueError(f"flow_epochs = {self.flow_epochs} of {self.epochs} epochs, which leaves none for the lifter")
        if bool(self.tilt) and self.elevation != "tilt":
            raise ValueError('tilt is of use with elevation = "tilt" only')
        if self.distance <= 1.0 or not self.flow_rate > 0.0 or not -90.0 < self.tilt < 90.0 or not 0.0 < self.first_depths <= 1.0:
            raise ValueError("distance must be above 1, flow_rate above 0, tilt between -90 and 90, and first_depths above 0 and at most 1")
        weights = ("jitter", "likelihood", "consistency_2d", "consistency_3d", "deformation", "bones", "rest", "weight_decay")
        below = [name for name in weights if getattr(self, name) < 0.0]
        if below:
            raise ValueError(f"{', '.join(below)} must be at least 0")
        if bool(self.bones) != bool(self.bone_ratios) or any(not ratio > 0.0 for ratio in self.bone_ratios):
            raise ValueError("bones and bone_ratios need each other, and every ratio is above 0")
        if self.bone_ratios and not math.isclose(sum(self.bone_ratios), len(self.bone_ratios), rel_tol=0.01):
            raise ValueError("bone_ratios must have mean 1, as they are lengths divided by their mean")

    def rate(self, epoch: float) -> float:
        """Factor on the learning rates after ``epoch`` epochs: 1 while the flow is trained; the lifter's schedule begins after that."""
        if epoch < self.flow_epochs:
            return 1.0
        lifter = {"epochs": self.epochs - self.flow_epochs, "batch": self.batch, "learning_rate": self.learning_rate}
        schedule = {name: getattr(self, name) for name in ("decay", "decay_factor", "decay_every", "decay_at", "decay_from")}
        return Common(**lifter, **schedule).rate(epoch - self.flow_epochs)
