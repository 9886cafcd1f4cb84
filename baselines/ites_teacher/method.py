"""The teacher of Xu et al. 2021: a canonical pose out of a dictionary and its rotation, learnt by reprojection and by a cycle.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in the camera frame, root at the
origin, of unknown scale. In between, lengths are of mean root-to-head distance one (:mod:`posebench.networks.root_camera`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import Method, frozen_batch_norm, make_optimiser
from posebench.networks.samples import TrainingData
from posebench.networks.views import about_x, about_y, project_at_distance, rotate

from .network import Lifter
from .rotation import random_rotations
from .settings import Settings


class Teacher(Method):
    """One player: the lifter against reprojection and cycle."""

    lifter: Lifter
    settled: Tensor
    turned: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.swap = list(joints.mirror)
        self.root = joints.root_indices[0]
        self.lifter = Lifter(settings, joints)
        self.context = settings.votes
        known = (f"cameras look down by {settings.tilt:g} degrees on average",) if settings.tilt else ()
        # Whether lifter and twin have been compared, and whether the twin went on.
        self.register_buffer("settled", torch.tensor(False))
        self.register_buffer("turned", torch.tensor(False))
        trained_beside = (settings.starts * settings.start_steps if settings.starts > 1 else 0) + 2 * settings.twin_steps
        self.extra_poses = trained_beside * settings.batch
        self.side_information = tuple(dict.fromkeys([*known, *self.lifter.flip.side_information]))

    def prepare(self, data: TrainingData) -> None:
        """Scale and statistics of the training split's 2D poses; the views of all its frames, once; the best of several beginnings.

        Raises:
            PosebenchError: no beginning has finite losses.
        """
        self.lifter.camera.fit(data.keypoints)
        self.seen = self.lifter.camera(data.keypoints)
        image = self.seen.image
        self.lifter.image.fit(torch.cat([image, self._mirrored(image)]) if self.settings.mirror else image)
        if self.settings.starts > 1:
            seeds = torch.randint(2**31, (self.settings.starts,)).tolist()
            self._best(data, [partial(self._begin, seed) for seed in seeds], self.settings.start_steps, 0)

    def _begin(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.lifter.begin()

    def _best(self, data: TrainingData, beginnings: Sequence[Callable[[], None]], steps: int, epoch: int) -> int:
        """Train from each beginning for some steps, on the same frames, and keep the weights with the least losses in the second half.

        No truth is looked at. The learning rate grows over the first quarter.

        Returns:
            The number of the beginning that was kept.

        Raises:
            PosebenchError: no beginning has finite losses.
        """
        chosen, least, kept, best = self.settings, math.inf, {}, 0
        # On CUDA frames and rotations are drawn by the device's own generator.
        state, on_device = torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        for number, begin in enumerate(beginnings):
            begin()
            torch.set_rng_state(state)
            torch.cuda.set_rng_state_all(on_device)
            (optimiser,) = self.optimisers().values()
            rate = optimiser.param_groups[0]["lr"] * chosen.rate(max(epoch, chosen.warm_up))
            lost = 0.0
            for step in range(steps):
                for group in optimiser.param_groups:
                    group["lr"] = rate * min(1.0, 4.0 * (step + 1) / steps)
                frames = data.usable[torch.randint(len(data.usable), (chosen.batch,), device=data.usable.device)]
                loss = torch.stack([*self._terms(frames, epoch).values()]).sum()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                if step >= steps // 2:
                    lost += float(loss.detach())
            if lost < least:
                least, best = lost, number
                kept = {name: weight.clone() for name, weight in self.lifter.state_dict().items()}
        if not kept:
            raise PosebenchError(
                f"losses of {len(beginnings)} beginnings, none of them finite", "a training that begins", "lower --set learning_rate"
            )
        self.lifter.load_state_dict(kept)
        return best

    def _settle_the_sign(self, data: TrainingData, epoch: int) -> None:
        """Train the lifter and its twin of flipped depths alike, and keep the better one."""
        self.settled.fill_(True)
        now = {name: weight.clone() for name, weight in self.lifter.state_dict().items()}

        def same() -> None:
            self.lifter.load_state_dict(now)

        def twin() -> None:
            self.lifter.load_state_dict(now)
            self.lifter.become_twin()

        self.turned.fill_(self._best(data, [same, twin], self.settings.twin_steps, epoch) == 1)

    def optimisers(self) -> dict[str, Optimizer]:
        """Stochastic gradient descent with momentum, or Adam."""
        chosen = self.settings
        return {
            "lifter": make_optimiser(
                self.lifter.parameters(), chosen.optimiser, chosen.learning_rate, momentum=chosen.momentum, weight_decay=chosen.weight_decay
            )
        }

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Reprojection of the told pose, and the cycle: views of it under random rotations are of the same canonical pose."""
        if self.settings.twin_steps and epoch >= self.settings.twin_at * self.settings.epochs and not self.settled:
            self._settle_the_sign(data, epoch)
        yield "lifter", self._terms(frames, epoch)

    def _terms(self, frames: Tensor, epoch: int) -> dict[str, Tensor]:
        chosen, lifter = self.settings, self.lifter
        image, down = self.seen.image[frames], self.seen.down[frames]
        if chosen.mirror:
            drawn = (torch.rand(len(frames), device=image.device) < 0.5)[:, None, None]
            image = torch.where(drawn, self._mirrored(image), image)
        told = lifter.tell(image, down)
        terms = {"reprojection": chosen.reprojection_at(epoch) * _distance(project_at_distance(told.seen, chosen.distance), image)}
        if chosen.invariance or chosen.equivariance:
            pose = told.pose
            if epoch < chosen.rooted * chosen.epochs:
                pose = pose - pose[:, self.root : self.root + 1]
            pose = pose.repeat(chosen.views, 1, 1)
            rotation, new_down = self._rotations(len(pose), image)
            # Sizes of other frames: a view must not tell the pose by how large it is.
            size = told.size.detach()[torch.randint(len(image), (len(pose),), device=image.device)]
            view = size * rotate(rotation, pose)
            seen = project_at_distance(view, chosen.distance)
            if chosen.largest:
                seen = seen.clamp(-chosen.largest, chosen.largest)
            with frozen_batch_norm(lifter, kept=chosen.norm == "real"):
                again = lifter.tell(seen, new_down)
            if chosen.invariance:
                terms["invariance"] = chosen.invariance * _distance(again.pose, told.pose.repeat(chosen.views, 1, 1))
            if chosen.equivariance:
                terms["equivariance"] = chosen.equivariance * _distance(again.seen, view)
        return terms

    def _rotations(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Random rotations (count, 3, 3) from the canonical frame to a new camera, and how steeply that looks down (count,)."""
        if self.settings.rotation == "free":
            return random_rotations(count, like), like.new_zeros(count)
        azimuth = 2.0 * math.pi * torch.rand(count, device=like.device, dtype=like.dtype)
        down = self.seen.down[torch.randint(len(self.seen.down), (count,), device=like.device)]
        return about_x(down) @ about_y(azimuth), down

    def _mirrored(self, image: Tensor) -> Tensor:
        return image[:, self.swap] * image.new_tensor([-1.0, 1.0])

    def diagnostics(self, data: TrainingData) -> dict[str, float]:
        """The reprojection error, how rigid the body is, and which of the twins went on.

        In mean root-to-head lengths; deviations of canonical poses from their mean that are near 0 are those of a rigid body; 1 once the
        twin of flipped depths went on, 0 once the lifter did.
        """
        step = max(1, -(-len(data.usable) // 4096))
        frames = data.usable[::step]
        told = self.lifter.tell(self.seen.image[frames], self.seen.down[frames])
        mean = told.pose.mean(dim=0)
        error = _distance(project_at_distance(told.seen, self.settings.distance), self.seen.image[frames]) * self.settings.distance
        moved = (told.pose - mean).norm(dim=(1, 2)) / told.pose.norm(dim=(1, 2)).clamp_min(1e-9)
        found = {"reprojection error": float(error), "deviation from mean pose": float(moved.mean())}
        return found | ({"twin went on": float(self.turned)} if self.settled else {})

    def lift(self, keypoints: Tensor) -> Tensor:
        """One clip, frame by frame; where frames vote, they do so among themselves."""
        poses: Tensor = self.lifter(keypoints)
        return poses


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distance of joints, mean over joints and poses."""
    return (one - other).norm(dim=-1).mean()


def build(settings: Settings, skeleton_id: str) -> Teacher:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return Teacher(settings, skeleton(skeleton_id))
