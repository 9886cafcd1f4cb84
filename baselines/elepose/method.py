"""The training of Wandt et al. 2022: a flow learns the density of 2D poses; then a lifter learns depths whose turned views are likely.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in the camera frame, root at the
origin, of unknown scale. Images and points are those of :mod:`baselines.elepose.network`.

Symbols of the paper: x an image, X the lifted points, R a random rotation, P the projection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import Losses, Method, adam, in_tiles
from posebench.networks.mirror import draw_half, mirror_where, mirrored
from posebench.networks.samples import TrainingData
from posebench.networks.tilt import tilt_side_information
from posebench.networks.views import about_x, about_y, level_turn, project_at_distance, rotate

from ..chen2019.losses import consistency
from .flow import PoseDensity
from .losses import bone_error, deformation, image_distance, pose_distance, rest_size, spread_of
from .network import ElevationLifter
from .settings import Settings

#: Largest elevation of ``uniform`` views, degrees up and down.
UNIFORM = 20.0
#: What the ratios are.
RATIOS = "bone length ratios, means of the training truth"


class ElePose(Method):
    """The lifter and the flow; in the first epochs the flow is trained, in the others the lifter."""

    lifter: ElevationLifter
    ratios: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings, self.joints = settings, joints
        if settings.bone_ratios and len(settings.bone_ratios) != len(joints.bones):
            raise PosebenchError(
                f"{len(settings.bone_ratios)} bone_ratios for a skeleton of {len(joints.bones)} bones",
                "a ratio for each bone, in the order of its joints",
                "state them with --set bone_ratios=[...], or train without: --set bones=0.0 --set bone_ratios=[]",
            )
        self.swap = list(joints.mirror)
        self.lifter = ElevationLifter(settings, joints)
        self.density = PoseDensity(2 * len(joints), components=settings.components, layers=settings.flow_layers, width=settings.flow_width)
        self.register_buffer("ratios", torch.tensor(settings.bone_ratios), persistent=False)
        self.side_information = (*tilt_side_information(settings.tilt), *((RATIOS,) if settings.bone_ratios else ()))

    def prepare(self, data: TrainingData) -> None:
        """Take the scale, the statistics and the principal components of the training split's 2D poses.

        Raises:
            PosebenchError: the poses hardly vary along the last component.
        """
        lifter = self.lifter
        lifter.camera.fit(data.keypoints)
        self.training_views = lifter.camera(data.keypoints)
        image = self.training_views.image
        if lifter.image is not None:
            lifter.image.fit(image)
        poses = torch.cat([image, mirrored(image, self.swap)]) if self.settings.mirror else image
        self.density.components.fit(poses.flatten(1))

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for the flow and for the lifter, as in the authors' code."""
        settings = self.settings
        return {
            "flow": adam(self.density.parameters(), settings.flow_rate, weight_decay=settings.weight_decay),
            "lifter": adam(self.lifter.parameters(), settings.learning_rate, weight_decay=settings.weight_decay),
        }

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[Losses]:  # noqa: ARG002
        """The likelihood of training images in the first ``flow_epochs``, then the losses of the lifter."""
        image, down = self.training_views.image[frames], self.training_views.down[frames]
        if self.settings.mirror:
            image = mirror_where(draw_half(len(frames), image.device), image, self.swap)
        of_flow = epoch < self.settings.flow_epochs
        self.density.requires_grad_(of_flow)
        if of_flow:
            yield "flow", {"negative log likelihood": self.flow_loss(image)}
        else:
            yield "lifter", self.lifter_losses(image, down)

    def flow_loss(self, image: Tensor) -> Tensor:
        """Negative log likelihood of training images (B, J, 2), up to a constant."""
        if self.settings.jitter:
            image = image + self.settings.jitter / self.settings.distance * torch.randn_like(image)
        return self.density.negative_log_likelihood(image.flatten(1)).mean()

    def lifter_losses(self, image: Tensor, down: Tensor) -> dict[str, Tensor]:
        """The lifter's weighted loss terms.

        Args:
            image: (B, J, 2) x.
            down: (B,) radians by which the cameras look down.
        """
        settings, lifter = self.settings, self.lifter
        behind, elevation = lifter.told(image)
        points = lifter.points(image, behind, down)  # X
        rotation, new_down = self.random_views(down, elevation)
        turned = rotate(rotation, points)  # R X
        view = project_at_distance(turned, settings.distance)  # P(R X)
        again = lifter.points(view, lifter.told(view)[0], new_down)
        back = rotate(rotation.transpose(-1, -2), again)
        seen_back = project_at_distance(back, settings.distance)
        views = [view]
        for _ in range(settings.turns - 1):
            views.append(project_at_distance(rotate(self.random_views(down, elevation)[0], points), settings.distance))
        judged = torch.cat(views).flatten(1)
        in_2d, in_3d = (consistency, consistency) if settings.squared else (image_distance, pose_distance)
        terms = {
            "negative log likelihood": settings.likelihood * self.density.negative_log_likelihood(judged).mean(),
            "consistency 2D": settings.consistency_2d * in_2d(image, seen_back),
            "consistency 3D": settings.consistency_3d * in_3d(turned, again),
        }
        if settings.deformation:
            terms["deformation"] = settings.deformation * deformation(points, back)
        if settings.bones:
            terms["bones"] = settings.bones * bone_error(points, self.joints.bones, self.ratios)
        if settings.rest:
            terms["rest"] = settings.rest * rest_size(settings.distance * self.density.components.rest(judged))
        return terms

    def random_views(self, down: Tensor, elevation: Tensor | None) -> tuple[Tensor, Tensor]:
        """Random rotations (B, 3, 3), and the angles (B,) by which the new cameras look down.

        Args:
            down: (B,) radians by which the present cameras look down.
            elevation: (B,) radians, as predicted; None if it is not.
        """
        azimuth = math.pi * (2.0 * torch.rand_like(down) - 1.0)
        if self.settings.elevation == "tilt":
            of_training = self.training_views.down
            new_down = of_training[torch.randint(len(of_training), (len(down),), device=down.device)]
            return level_turn(down, azimuth, new_down), new_down
        if elevation is not None:
            mean, deviation = spread_of(elevation)
            new = deviation * torch.randn_like(down) - mean
            return about_x(new) @ about_y(azimuth) @ about_x(elevation), torch.zeros_like(down)
        new = math.radians(UNIFORM) * (2.0 * torch.rand_like(down) - 1.0)
        return about_x(new) @ about_y(azimuth), torch.zeros_like(down)

    def lift(self, keypoints: Tensor) -> Tensor:
        """Lift each frame of a clip alone: keypoints (T, J, 2) to poses (T, J, 3)."""
        return in_tiles(self.lifter, keypoints)


def build(settings: Settings, skeleton_id: str) -> ElePose:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton, or bone ratios of another one.
    """
    return ElePose(settings, skeleton(skeleton_id))
