"""The teacher of Xu et al. 2021: a canonical pose from a dictionary and its rotation, trained by reprojection and a rotation cycle.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in the camera frame, root at the
origin, of unknown scale. In between, lengths are in mean root-to-head lengths (:mod:`posebench.networks.root_camera`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import Method, frozen_batch_norm, make_optimiser
from posebench.networks.mirror import draw_half, mirror_where, mirrored
from posebench.networks.samples import TrainingData
from posebench.networks.tilt import tilt_side_information
from posebench.networks.views import about_x, about_y, project_at_distance, rotate

from .losses import equivariance_loss, invariance_loss, mean_distance, reprojection_loss
from .network import DictionaryLifter, TeacherOutput, build_lifter
from .rotation import exponential, random_rotations, released_exponential
from .selection import keep_best
from .settings import Settings

#: Frames that the diagnostics look at, at most.
DIAGNOSTIC_FRAMES = 4096


class Teacher(Method):
    """One network, trained by reprojection and the rotation cycle."""

    lifter: DictionaryLifter
    settled: Tensor
    turned: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.swap = list(joints.mirror)
        self.root = joints.root_indices[0]
        self.lifter = build_lifter(settings, joints)
        self.context = settings.votes
        # Whether the lifter has been compared with its depth-flipped copy, and whether the copy was kept. The names stand in checkpoints.
        self.register_buffer("settled", torch.tensor(False))
        self.register_buffer("turned", torch.tensor(False))
        initialisation = settings.initialisations * settings.initialisation_steps if settings.initialisations > 1 else 0
        self.extra_poses = (initialisation + 2 * settings.flip_check_steps) * settings.batch
        if self.extra_poses:
            self.selection = "criterion without truth"
        self.side_information = tuple(dict.fromkeys([*tilt_side_information(settings.tilt), *self.lifter.flip.side_information]))

    def prepare(self, data: TrainingData) -> None:
        """Take scale and statistics of the training keypoints, compute the views of all frames once, and choose the initial weights.

        Raises:
            PosebenchError: no initialisation has finite losses.
        """
        chosen = self.settings
        self.lifter.camera.fit(data.keypoints)
        self.views = self.lifter.camera(data.keypoints)
        image = self.views.image
        self.lifter.image.fit(torch.cat([image, mirrored(image, self.swap)]) if chosen.mirror else image)
        if chosen.initialisations > 1:
            seeds = torch.randint(2**31, (chosen.initialisations,)).tolist()
            candidates = [partial(self._initialise, seed) for seed in seeds]
            keep_best(self.lifter, candidates, partial(self._train_briefly, data, chosen.initialisation_steps, 0))

    def _initialise(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.lifter.initialise()

    def _train_briefly(self, data: TrainingData, steps: int, epoch: int) -> float:
        """Train for some steps with an optimiser of its own; the sum of the losses of the second half of them.

        The learning rate rises over the first quarter of the steps.
        """
        chosen = self.settings
        (optimiser,) = self.optimisers().values()
        # Not from the warm-up of the training itself, where the rate would be 0.
        rate = optimiser.param_groups[0]["lr"] * chosen.rate(max(epoch, chosen.warm_up_epochs))
        total = 0.0
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, 4.0 * (step + 1) / steps)
            frames = data.usable[torch.randint(len(data.usable), (chosen.batch,), device=data.usable.device)]
            loss = torch.stack([*self._loss_terms(frames, epoch).values()]).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if step >= steps // 2:
                total += float(loss.detach())
        return total

    def _check_depth_sign(self, data: TrainingData, epoch: int) -> None:
        """Train the lifter and its depth-flipped copy for the same steps, and keep the one with the smaller loss."""
        self.settled.fill_(True)
        weights = {name: weight.clone() for name, weight in self.lifter.state_dict().items()}

        def unchanged() -> None:
            self.lifter.load_state_dict(weights)

        def depth_flipped() -> None:
            self.lifter.load_state_dict(weights)
            self.lifter.flip_depths()

        train = partial(self._train_briefly, data, self.settings.flip_check_steps, epoch)
        self.turned.fill_(keep_best(self.lifter, [unchanged, depth_flipped], train) == 1)

    def optimisers(self) -> dict[str, Optimizer]:
        """Stochastic gradient descent with momentum, or Adam."""
        chosen = self.settings
        return {
            "lifter": make_optimiser(
                self.lifter.parameters(), chosen.optimiser, chosen.learning_rate, momentum=chosen.momentum, weight_decay=chosen.weight_decay
            )
        }

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Reprojection, and the cycle of random rotations. Once, before the first loss of a late epoch, the sign of depths is checked."""
        chosen = self.settings
        if chosen.flip_check_steps and epoch >= chosen.flip_check_at * chosen.epochs and not self.settled:
            self._check_depth_sign(data, epoch)
        yield "lifter", self._loss_terms(frames, epoch)

    def _loss_terms(self, frames: Tensor, epoch: int) -> dict[str, Tensor]:
        chosen = self.settings
        image, down = self.views.image[frames], self.views.down[frames]
        if chosen.mirror:
            image = mirror_where(draw_half(len(frames), image.device), image, self.swap)

        # 1. Predict x -> (alpha, R): X_can is the dictionary's pose of alpha, X_cam = R X_can.
        predicted = self.lifter.predict(image, down)

        # 2. Reproject: X_cam at distance c is seen where the keypoints are.
        terms = {"reprojection": chosen.reprojection_at(epoch) * reprojection_loss(predicted.pose, image, chosen.distance)}

        # 3. Rotate: X_can under random rotations is projected and predicted again.
        if chosen.invariance or chosen.equivariance:
            canonical, centred = predicted.canonical, epoch < chosen.root_centred * chosen.epochs
            about = canonical - canonical[:, self.root : self.root + 1] if centred else canonical
            rotated, of_view = self._predict_random_views(about, predicted.size)
            if chosen.invariance:
                target = about if chosen.centred_target else canonical
                terms["invariance"] = chosen.invariance * invariance_loss(of_view.canonical, target, chosen.rotations)
            if chosen.equivariance:
                terms["equivariance"] = chosen.equivariance * equivariance_loss(of_view.pose, rotated)
        return terms

    def _predict_random_views(self, canonical: Tensor, sizes: Tensor) -> tuple[Tensor, TeacherOutput]:
        """Canonical poses (B, J, 3), sizes (B, 1, 1), under R random rotations: (R B, J, 3), and what is predicted for their views."""
        chosen, count = self.settings, len(canonical)
        canonical = canonical.repeat(chosen.rotations, 1, 1)
        rotation, down = self._random_rotations(len(canonical), canonical)
        # The size of another frame's body: the size must not give away which pose the view is of.
        size = sizes.detach()[torch.randint(count, (len(canonical),), device=canonical.device)]
        rotated = size * rotate(rotation, canonical)
        view = project_at_distance(rotated, chosen.distance)
        if chosen.view_limit:
            view = view.clamp(-chosen.view_limit, chosen.view_limit)
        with frozen_batch_norm(self.lifter, kept=chosen.norm == "real"):
            return rotated, self.lifter.predict(view, down)

    def _random_rotations(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Random rotations (count, 3, 3) from the canonical frame to a new camera, and the radians (count,) by which it looks down."""
        if self.settings.rotation_axis == "free":
            to_rotation = released_exponential if self.settings.network == "released" else exponential
            return random_rotations(count, like, to_rotation), like.new_zeros(count)
        azimuth = 2.0 * math.pi * torch.rand(count, device=like.device, dtype=like.dtype)
        down = self.views.down[torch.randint(len(self.views.down), (count,), device=like.device)]
        return about_x(down) @ about_y(azimuth), down

    def diagnostics(self, data: TrainingData) -> dict[str, float]:
        """Reprojection error, variation of the canonical poses, and the outcome of the depth sign check.

        The error is in mean root-to-head lengths. The deviation from the mean pose is a share of the pose's norm; near 0 the body is rigid.
        After the check, ``depth-flipped copy kept`` is 1 if the copy replaced the lifter, else 0.
        """
        step = max(1, -(-len(data.usable) // DIAGNOSTIC_FRAMES))
        frames = data.usable[::step]
        predicted = self.lifter.predict(self.views.image[frames], self.views.down[frames])
        mean = predicted.canonical.mean(dim=0)
        view = project_at_distance(predicted.pose, self.settings.distance)
        error = mean_distance(view, self.views.image[frames]) * self.settings.distance
        deviation = (predicted.canonical - mean).norm(dim=(1, 2)) / predicted.canonical.norm(dim=(1, 2)).clamp_min(1e-9)
        found = {"reprojection error": float(error), "deviation from mean pose": float(deviation.mean())}
        return found | ({"depth-flipped copy kept": float(self.turned)} if self.settled else {})

    def lift(self, keypoints: Tensor) -> Tensor:
        """One clip (T, J, 2), frame by frame; with votes, neighbouring frames decide on the depth flip together."""
        poses: Tensor = self.lifter(keypoints)
        return poses


def build(settings: Settings, skeleton_id: str) -> Teacher:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return Teacher(settings, skeleton(skeleton_id))
