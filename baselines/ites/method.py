"""The student of Xu et al. 2021: a graph network trained on a frozen teacher's depths and to be equivariant to rotations.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in the camera frame, root at the
origin, of unknown scale. Joints stay on the rays of their keypoints, so that the reprojection is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import Method, frozen_batch_norm, make_optimiser
from posebench.networks.mirror import draw_half, mirror_where, mirrored
from posebench.networks.samples import TrainingData
from posebench.networks.tilt import tilt_side_information
from posebench.networks.views import level_turn, project_at_distance, rotate

from .losses import distillation_loss, equivariance_loss
from .network import GraphLifter
from .released import ReleasedLifter, about_upright_axis
from .settings import Settings

#: Largest median distance, in mean root-to-head lengths, of the teacher's joints from the rays of the student's camera.
LARGEST_RAY_DISTANCE = 1e-3


class Student(Method):
    """One network, trained by distillation and the equivariance cycle."""

    lifter: GraphLifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.swap = list(joints.mirror)
        self.lifter = (ReleasedLifter if settings.network == "released" else GraphLifter)(settings, joints)
        self.context = settings.votes
        self.side_information = tuple(dict.fromkeys([*tilt_side_information(settings.tilt), *self.lifter.flip.side_information]))

    def prepare(self, data: TrainingData) -> None:
        """Take scale and statistics of the training keypoints; compute the views and the teacher's depths of all frames once.

        Raises:
            PosebenchError: the teacher's poses are not on the rays of the student's camera.
        """
        lifter, camera = self.lifter, self.lifter.camera
        camera.fit(data.keypoints)
        self.views = camera(data.keypoints)
        image = self.views.image
        lifter.image.fit(torch.cat([image, mirrored(image, self.swap)]) if self.settings.mirror else image)
        self.teacher_depths = None
        if self.settings.distillation:
            assert data.teacher_poses is not None, "the training loop provides the teacher's poses to a method that names a teacher"
            self.teacher_depths = self._depths_on_rays(data.teacher_poses)

    def _depths_on_rays(self, teacher_poses: Tensor) -> Tensor:
        """The teacher's depths (N, J) in the student's camera, from its poses (N, J, 3) in each frame's own camera.

        Raises:
            PosebenchError: the poses are not on the rays of the student's camera.
        """
        camera = self.lifter.camera
        points = camera.turned(self.views, teacher_poses)
        depths = self.lifter.depths_of(self.views.image, points)
        off_rays = (camera.on_rays(self.views.image, depths) - points).norm(dim=-1).mean(dim=1).median()
        if not float(off_rays) <= LARGEST_RAY_DISTANCE:  # not ">": NaN is refused too
            chosen = self.settings
            axis = "free" if chosen.rotation_axis == "camera" else chosen.rotation_axis
            root = "" if chosen.network == "released" else ", and network own, whose root is at depth 0"
            raise PosebenchError(
                f"poses of the teacher that are {float(off_rays):.2g} root-to-head lengths off the student's rays",
                f"a teacher with distance {chosen.distance:g} and rotation_axis {axis}{root}",
                "choose another recipe of the teacher or the student, or leave --teacher out",
            )
        return depths

    def optimisers(self) -> dict[str, Optimizer]:
        """Stochastic gradient descent with momentum, or Adam."""
        chosen = self.settings
        return {
            "lifter": make_optimiser(
                self.lifter.parameters(), chosen.optimiser, chosen.learning_rate, momentum=chosen.momentum, weight_decay=chosen.weight_decay
            )
        }

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """Distillation of the teacher's depths, and the cycle: the pose lifted from a view of a rotated pose is the rotated pose."""
        chosen, lifter = self.settings, self.lifter
        image, down = self.views.image[frames], self.views.down[frames]
        is_mirrored = draw_half(len(frames), image.device) if chosen.mirror else torch.zeros_like(down, dtype=torch.bool)
        image = mirror_where(is_mirrored, image, self.swap)

        # 1. Predict one depth d a joint.
        depth = lifter.predict_depths(image)
        terms = {}

        # 2. Distil: d is the teacher's depth; for a mirror image, that of the joint on the other side.
        if self.teacher_depths is not None:
            target = self.teacher_depths[frames]
            target = torch.where(is_mirrored[:, None], target[:, self.swap], target)
            terms["distillation"] = chosen.distillation * distillation_loss(depth, target)

        # 3. Rotate X = (x, d) on its rays to R X, project and lift again: lift(P(R X)) = R X.
        if chosen.equivariance:
            rotation = self._random_rotations(down.repeat(chosen.rotations))
            pose = lifter.points(image, depth)
            rotated = rotate(rotation, pose.repeat(chosen.rotations, 1, 1))
            view = project_at_distance(rotated, chosen.distance)
            with frozen_batch_norm(lifter, kept=chosen.norm == "real"):
                lifted_view = lifter.points(view, lifter.predict_depths(view))
            terms["equivariance"] = chosen.equivariance * equivariance_loss(lifted_view, rotated)
        yield "lifter", terms

    def _random_rotations(self, down: Tensor) -> Tensor:
        """Rotations (N, 3, 3) about the vertical, by a uniform azimuth, from cameras that look down by ``down`` (N,) radians to new ones.

        The new cameras look down as steeply as those of randomly drawn training frames.
        """
        count = len(down)
        azimuth = 2.0 * math.pi * torch.rand(count, device=down.device, dtype=down.dtype)
        if self.settings.network == "released":
            return about_upright_axis(2.0 * azimuth - 2.0 * math.pi)  # either way round, by up to a whole turn
        new_down = self.views.down[torch.randint(len(self.views.down), (count,), device=down.device)]
        return level_turn(down, azimuth, new_down)

    def lift(self, keypoints: Tensor) -> Tensor:
        """One clip (T, J, 2), frame by frame; with votes, neighbouring frames decide on the depth flip together."""
        poses: Tensor = self.lifter(keypoints)
        return poses


def build(settings: Settings, skeleton_id: str) -> Student:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return Student(settings, skeleton(skeleton_id))
