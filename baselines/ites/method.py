"""The student of Xu et al. 2021: a graph network that learns a frozen teacher's depths, and to turn with the pose.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in the camera frame, root at the
origin, of unknown scale: joints stay on their rays, so that the reprojection is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.depth_flip import DepthFlip
from posebench.networks.depth_lifter import DepthLifter
from posebench.networks.method import Method, frozen_batch_norm, make_optimiser
from posebench.networks.root_camera import RootCamera
from posebench.networks.samples import TrainingData
from posebench.networks.standardise import Standardise
from posebench.networks.views import RootView, level_turn, project_at_distance, rotate

from .network import GraphNetwork
from .settings import Settings

#: Mean distance, in root-to-head lengths, from the teacher's joints to the rays of the student's camera above which the two do not fit.
OFF_RAYS = 1e-3


class Lifter(DepthLifter):
    """The graph network, between a camera that looks at the root and its rays."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__(
            RootCamera(joints, distance=settings.distance, tilt=settings.tilt, level=settings.views == "vertical"),
            DepthFlip(joints, settings.flip, settings.flip_tilt, settings.votes),
        )
        self.standardise = settings.standardise
        self.image = Standardise(len(joints), 2)
        self.network = GraphNetwork(
            joints, width=settings.width, blocks=settings.blocks, norm=settings.norm != "none", non_local=settings.non_local
        )

    def tell(self, image: Tensor) -> Tensor:
        """Depths (B, J) behind the root of scaled views (B, J, 2)."""
        depth = self.network(self.image(image) if self.standardise else image)
        return depth - depth[:, self.camera.root : self.camera.root + 1]

    def depths(self, seen: RootView) -> Tensor:
        """As :meth:`tell`; the network does not look at how steeply the camera looks down."""
        return self.tell(seen.image)


class Student(Method):
    """One player: the lifter against its teacher's depths and the cycle."""

    lifter: Lifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.swap = list(joints.mirror)
        self.lifter = Lifter(settings, joints)
        self.context = settings.votes
        known = (f"cameras look down by {settings.tilt:g} degrees on average",) if settings.tilt else ()
        self.side_information = tuple(dict.fromkeys([*known, *self.lifter.flip.side_information]))

    def prepare(self, data: TrainingData) -> None:
        """Scale and statistics of the training split's 2D poses; the views of all its frames, and what the teacher says of them, once.

        Raises:
            PosebenchError: the teacher's poses are not on the rays of the student's camera.
        """
        lifter, camera = self.lifter, self.lifter.camera
        camera.fit(data.keypoints)
        self.seen = camera(data.keypoints)
        image = self.seen.image
        lifter.image.fit(torch.cat([image, self._mirrored(image)]) if self.settings.mirror else image)
        self.taught = None
        if self.settings.distillation:
            assert data.teacher_poses is not None, "the harness hands over what a teacher says to a method that states one"
            points = camera.turned(self.seen, data.teacher_poses)
            self.taught = points[..., 2]
            missed = (camera.on_rays(image, self.taught) - points).norm(dim=-1).mean(dim=1).median()
            if not float(missed) <= OFF_RAYS:
                raise PosebenchError(
                    f"poses of the teacher that are {float(missed):.2g} root-to-head lengths off the student's rays",
                    f"a teacher of distance {self.settings.distance:g} and {self.settings.views} views",
                    "choose another recipe of the teacher or the student, or leave --teacher out",
                )

    def optimisers(self) -> dict[str, Optimizer]:
        """Stochastic gradient descent with momentum, or Adam."""
        chosen = self.settings
        return {
            "lifter": make_optimiser(
                self.lifter.parameters(), chosen.optimiser, chosen.learning_rate, momentum=chosen.momentum, weight_decay=chosen.weight_decay
            )
        }

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The distance to the teacher's depths, and the cycle: a view of a rotated pose is told as that pose."""
        chosen, lifter, camera = self.settings, self.lifter, self.lifter.camera
        image, down = self.seen.image[frames], self.seen.down[frames]
        drawn = torch.rand(len(frames), device=image.device) < 0.5 if chosen.mirror else torch.zeros_like(down, dtype=torch.bool)
        image = torch.where(drawn[:, None, None], self._mirrored(image), image)
        depth = lifter.tell(image)
        terms = {}
        if self.taught is not None:
            taught = self.taught[frames]
            taught = torch.where(drawn[:, None], taught[:, self.swap], taught)
            terms["distillation"] = chosen.distillation * (depth - taught).abs().mean()
        if chosen.equivariance:
            count = chosen.rotations * len(frames)
            azimuth = 2.0 * math.pi * torch.rand(count, device=image.device, dtype=image.dtype)
            new_down = self.seen.down[torch.randint(len(self.seen.down), (count,), device=image.device)]
            rotation = level_turn(down.repeat(chosen.rotations), azimuth, new_down)
            turned = rotate(rotation, camera.on_rays(image, depth).repeat(chosen.rotations, 1, 1))
            view = project_at_distance(turned, chosen.distance)
            with frozen_batch_norm(lifter, kept=chosen.norm == "real"):
                again = camera.on_rays(view, lifter.tell(view))
            terms["equivariance"] = chosen.equivariance * (again - turned).norm(dim=-1).mean()
        yield "lifter", terms

    def _mirrored(self, image: Tensor) -> Tensor:
        return image[:, self.swap] * image.new_tensor([-1.0, 1.0])

    def lift(self, keypoints: Tensor) -> Tensor:
        """One clip, frame by frame; where frames vote, they do so among themselves."""
        poses: Tensor = self.lifter(keypoints)
        return poses


def build(settings: Settings, skeleton_id: str) -> Student:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return Student(settings, skeleton(skeleton_id))
