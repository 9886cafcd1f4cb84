"""The training of Chen et al. 2019: lift, rotate to a random view, project, lift again, rotate back; discriminators judge the views.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in the camera frame, root at the
origin, of unknown scale. A sample is a pair of frames some time apart. A batch of B pairs is a tensor of 2 B frames, all first frames
before all second ones; both frames of a pair are rotated alike and mirrored alike.

Symbols of the paper: x an image, X the lifted points, R a random rotation, P the projection, G the lifter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import in_tiles
from posebench.networks.mirror import draw_half, mirror_where, mirrored
from posebench.networks.root_camera import HEADS
from posebench.networks.samples import TrainingData
from posebench.networks.tilt import tilt_side_information
from posebench.networks.views import RootView, ViewRange, level_turn, project_at_distance, rotate

from .losses import consistency, discriminator_loss, generator_loss, r1_penalty
from .network import Adapter, ChenLifter, Discriminators
from .pairs import TrainedOnPairs
from .published import PublishedChen
from .settings import Settings

#: Largest rotation of ``camera`` views about their axis, degrees to either side: any.
ALL_AZIMUTHS = 180.0


class Chen2019(TrainedOnPairs):
    """The lifter, its two discriminators and, with extra data, a domain adapter with a discriminator of its own.

    The optimisers and the attributes ``critics`` and ``turns`` (the discriminator steps taken) name tensors in checkpoints.
    """

    lifter: ChenLifter
    turns: Tensor
    poses_per_sample = 2

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings, self.joints = settings, joints
        self.head = next(joints.index(name) for name in HEADS if name in joints.joints)
        self.swap = list(joints.mirror)
        self.lifter = ChenLifter(settings, joints)
        self.critics = Discriminators(settings, joints)
        self.adapter = Adapter(len(joints)) if settings.adapter else None
        # A buffer, so that a resumed training takes the R1 penalty at the same steps.
        self.register_buffer("turns", torch.zeros((), dtype=torch.long))
        self.side_information = tilt_side_information(settings.tilt)

    def prepare(self, data: TrainingData) -> None:
        """Take the scale and the statistics of the training split's 2D poses; compute the views of all its frames."""
        lifter, discriminators = self.lifter, self.critics
        seen = lifter.view(data.keypoints)
        lifter.scale.copy_(1.0 / (self.settings.distance * seen.image[:, self.head].norm(dim=-1).mean()))
        self.training_views = seen._replace(image=seen.image * lifter.scale)
        lifter.image.fit(self.training_views.image)
        features = discriminators.features(self.training_views.image)
        if self.settings.mirror:
            discriminators.pose.fit(torch.cat([features, discriminators.features(mirrored(self.training_views.image, self.swap))]))
        else:
            discriminators.pose.fit(features)
        self.starts = self.samples(data)
        discriminators.motion.fit(features[self.starts + self._gap(data)] - features[self.starts])
        if data.extra is not None:
            self.extra_starts = self.samples(data.extra)
            # The other source is scaled by its own mean size, so that the adapter has to correct shapes and poses only.
            other = lifter.view(data.extra.keypoints)
            ratio = self.training_views.image[:, self.head].norm(dim=-1).mean() / other.image[:, self.head].norm(dim=-1).mean()
            self.extra_views = other._replace(image=other.image * ratio)

    def samples(self, data: TrainingData) -> Tensor:
        """First frames of pairs: usable frames (M,) whose clip has a frame ``gap`` seconds later."""
        return data.usable[data.usable + self._gap(data) <= data.last[data.usable]]

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The losses of the adapter and its discriminator, of the lifter, and of the discriminators, in this order."""
        image, down = self._pairs(self.training_views, frames, self._gap(data))
        if self.adapter and data.extra is not None:
            other, other_down = self._pairs(self.extra_views, self._draw(self.extra_starts, len(frames)), self._gap(data.extra))
            correction = self.adapter.correction(other, self.lifter.image.deviation)
            yield from self._adapter_losses(image, other, correction)
            image, down = self._mixed(image, down, (other + correction).detach(), other_down)
        terms, views = self._lifter_losses(image, down)
        yield "lifter", terms
        if self.settings.adversarial or self.settings.temporal:
            real, _ = self._pairs(self.training_views, self._draw(self.starts, len(frames)), self._gap(data))
            yield "critics", self._discriminator_losses(real, views.detach())

    def _lifter_losses(self, image: Tensor, down: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The lifter's loss terms, and the random views (2 B, J, 2) of the lifted poses.

        Args:
            image: (2 B, J, 2) x.
            down: (2 B,) radians by which the cameras look down.
        """
        settings = self.settings
        points = self.lifter.points(image, down)  # X = G(x)
        rotation, new_down = self._random_views(down)
        turned = rotate(rotation, points)  # R X
        views = project_at_distance(turned, settings.distance).clamp(-settings.view_limit, settings.view_limit)  # P(R X)
        again = self.lifter.points(views, new_down)  # G(P(R X))
        back = rotate(rotation.transpose(-1, -2), again)  # R^T G(P(R X))
        terms = {
            "consistency 3D": settings.consistency_3d * consistency(turned, again),
            "consistency 2D": settings.consistency_2d * consistency(image, project_at_distance(back, settings.distance)),
        }
        if settings.adversarial:
            score = self.critics.single(self.critics.single_input(views))
            terms["generator, single"] = settings.adversarial * generator_loss(score, settings.gan_loss)
        if settings.temporal:
            score = self.critics.pair(self.critics.pair_input(*_halves(views)))
            terms["generator, pair"] = settings.temporal * generator_loss(score, settings.gan_loss)
        return terms, views

    def _discriminator_losses(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Loss terms of the discriminators on real images (2 B, J, 2) and generated views (2 B', J, 2)."""
        settings, networks = self.settings, self.critics
        inputs = {}
        if settings.adversarial:
            inputs["single"] = networks.single, networks.single_input(real), networks.single_input(fake)
        if settings.temporal:
            inputs["pair"] = networks.pair, networks.pair_input(*_halves(real)), networks.pair_input(*_halves(fake))
        terms = {
            name: discriminator_loss(network(of_real), network(of_fake), settings.gan_loss)
            for name, (network, of_real, of_fake) in inputs.items()
        }
        if settings.r1_penalty and int(self.turns) % settings.r1_interval == 0:
            penalties = [r1_penalty(network, of_real) for network, of_real, _ in inputs.values()]
            terms["R1 penalty"] = 0.5 * settings.r1_penalty * settings.r1_interval * torch.stack(penalties).sum()
        self.turns += 1
        return terms

    def _draw(self, starts: Tensor, count: int) -> Tensor:
        """First frames (count,) of pairs, drawn with replacement."""
        return starts[torch.randint(len(starts), (count,), device=starts.device)]

    def _pairs(self, seen: RootView, frames: Tensor, gap: int) -> tuple[Tensor, Tensor]:
        """Images (2 B, J, 2) and angles (2 B,) of the pairs that begin with ``frames`` (B,), half of them mirrored at random."""
        both = torch.cat([frames, frames + gap])
        image = seen.image[both]
        if self.settings.mirror:
            image = mirror_where(draw_half(len(frames), image.device).repeat(2), image, self.swap)
        return image, seen.down[both]

    def _random_views(self, down: Tensor) -> tuple[Tensor, Tensor]:
        """A random rotation (2 B, 3, 3), the same for both frames of a pair, and the angles (2 B,) by which the new cameras look down.

        Args:
            down: (2 B,) radians by which the present cameras look down.
        """
        pairs = len(down) // 2
        if self.settings.views == "camera":
            elevation = self.settings.elevation
            rotation = ViewRange(ALL_AZIMUTHS, (-elevation, elevation)).draw(pairs, down)
            return rotation.repeat(2, 1, 1), torch.zeros_like(down)
        azimuth = 2.0 * math.pi * torch.rand(pairs, device=down.device, dtype=down.dtype)
        new_down = self.training_views.down[torch.randint(len(self.training_views.down), (pairs,), device=down.device)]
        return level_turn(down, azimuth.repeat(2), new_down.repeat(2)), new_down.repeat(2)

    def _adapter_losses(self, image: Tensor, other: Tensor, correction: Tensor) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The adapter's loss (generator loss, and a penalty on large corrections), then that of its discriminator.

        Args:
            image: (2 B, J, 2) images of the training domain.
            other: (2 B, J, 2) images of the other source.
            correction: (2 B, J, 2) what the adapter adds to them.
        """
        assert self.adapter is not None
        settings, network, standardise = self.settings, self.adapter.critic, self.lifter.image
        real, fake = standardise(image).flatten(1), standardise(other + correction).flatten(1)
        size = (correction / standardise.deviation).square().mean()
        yield (
            "adapter",
            {
                "generator": settings.adapter * generator_loss(network(fake), settings.gan_loss),
                "correction": settings.adapter_penalty * size,
            },
        )
        yield "adapter's critic", {"discriminator": discriminator_loss(network(real), network(fake.detach()), settings.gan_loss)}

    def _mixed(self, image: Tensor, down: Tensor, adapted: Tensor, adapted_down: Tensor) -> tuple[Tensor, Tensor]:
        """Images (2 B, J, 2) and angles (2 B,) of a batch, its first pairs replaced by adapted ones."""
        pairs = len(image) // 2
        first = torch.arange(round(self.settings.adapted_share * pairs))
        replaced = torch.cat([first, pairs + first]).to(image.device)
        image, down = image.clone(), down.clone()
        image[replaced], down[replaced] = adapted[replaced], adapted_down[replaced]
        return image, down

    def lift(self, keypoints: Tensor) -> Tensor:
        """Lift each frame of a clip alone: keypoints (T, J, 2) to poses (T, J, 3)."""
        return in_tiles(self.lifter, keypoints)


def _halves(frames: Tensor) -> tuple[Tensor, Tensor]:
    """First and second frames (B, ...) of the pairs (2 B, ...)."""
    half = len(frames) // 2
    return frames[:half], frames[half:]


def build(settings: Settings, skeleton_id: str) -> Chen2019 | PublishedChen:
    """The untrained method, in the form that ``settings.variant`` asks for.

    Raises:
        PosebenchError: no such skeleton.
    """
    joints = skeleton(skeleton_id)
    return Chen2019(settings, joints) if settings.variant == "tuned" else PublishedChen(settings, joints)
