"""The published forms of Chen et al. 2019: the paper's, from the sources at hand, and that of its public reproduction [R1].

**Convention.** A sample is a pair of frames of a clip. The first frame is lifted, turned, projected, lifted again and turned back; the
second is lifted and turned alike, for the temporal discriminator, and is the real sample of the other one. Images and points are those of
:mod:`baselines.chen2019.published_geometry`. Losses of squares are means over **numbers**, as ``MSELoss`` has them.

No official code exists. [R1] is lyuheng/unsupervised_3d_pose, commit e6f7642: networks, starting weights, order of the steps, losses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton
from posebench.networks.blocks import ResidualMLP
from posebench.networks.method import Losses, in_tiles
from posebench.networks.root_camera import HEADS
from posebench.networks.samples import TrainingData
from posebench.networks.standardise import Standardise

from .losses import discriminator_loss, generator_loss, gradient_penalty, mean_square
from .network import Adapter
from .pairs import TrainedOnPairs
from .published_geometry import PaperGeometry, ReleasedGeometry, seen
from .settings import Settings

#: The geometry of each published form.
GEOMETRY = {"paper": PaperGeometry, "released": ReleasedGeometry}


def _network(inputs: int, outputs: int, *, width: int, blocks: int, dropout: float = 0.0, norm: bool = False) -> ResidualMLP:
    """A network of [R1]: plain rectifiers, Glorot-normal weights, biases of zero."""
    network = ResidualMLP(inputs, outputs, width=width, blocks=blocks, dropout=dropout, norm=norm, initialise=nn.init.xavier_normal_)
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
    return network


class PublishedLifter(nn.Module):
    """G of the paper: from an image to the depth of each joint relative to c, and so to points on the rays."""

    scale: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.root = joints.root_indices[0]
        self.geometry = GEOMETRY[settings.variant](settings.distance, settings.elevation, self.root)
        self.register_buffer("scale", torch.ones(()))
        self.network = _network(
            2 * len(joints), len(joints), width=settings.width, blocks=settings.blocks, dropout=settings.dropout, norm=settings.norm
        )

    def image(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2) of unit focal length, relative to the root and in the unit of the network."""
        return self.geometry.normalised(keypoints - keypoints[:, self.root : self.root + 1], self.scale)

    def points(self, image: Tensor) -> Tensor:
        """Images (B, J, 2) to points (B, J, 3) of the camera frame, not relative to the root."""
        return self.geometry.points(image, self.network(image.flatten(1)))

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3), camera frame, root at the origin."""
        points = self.points(self.image(keypoints))
        return points - points[:, self.root : self.root + 1]


class PublishedDiscriminators(nn.Module):
    """D of the paper, which scores images, and its temporal discriminator, which scores the difference of two; high is real."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.single, self.pair = (
            _network(2 * len(joints), 1, width=settings.discriminator_width, blocks=settings.discriminator_blocks) for _ in range(2)
        )


class Cycle(NamedTuple):
    """One way around for images x (B, J, 2).

    Attributes:
        points: (B, J, 3) X = G(x).
        turned: (B, J, 3) X seen from the new view.
        view: (B, J, 2) y, its image.
        again: (B, J, 3) G(y).
        back: (B, J, 2) x', the image of G(y) turned back.
    """

    points: Tensor
    turned: Tensor
    view: Tensor
    again: Tensor
    back: Tensor


class PublishedChen(TrainedOnPairs):
    """The lifter, its two discriminators and, where own poses are few, a domain adapter with a discriminator of its own."""

    lifter: PublishedLifter
    poses_per_sample = 2

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.head = next(joints.index(name) for name in HEADS if name in joints.joints)
        self.lifter = PublishedLifter(settings, joints)
        self.critics = PublishedDiscriminators(settings, joints)
        self.adapter = Adapter(len(joints)) if settings.adapter else None
        self.image = Standardise(len(joints), 2)

    def prepare(self, data: TrainingData) -> None:
        """Take the scale of the own 2D poses, so that heads are 1/c from the root on average; compute all images.

        Raises:
            PosebenchError: the adapter has no foreign 2D poses.
        """
        own = self._is_own(data)
        size = (data.keypoints[own, self.head] - data.keypoints[own, self.lifter.root]).norm(dim=-1).mean()
        self.lifter.scale.copy_(1.0 / (self.settings.distance * size))
        self.images = self.lifter.image(data.keypoints)
        self.image.fit(self.images[own])
        if self.adapter is None:
            return
        if data.extra is None:
            self.foreign, self.foreign_gap = self.images, self._gap(data)
            self.foreign_starts = self._pairs(data)[~own[self._pairs(data)]]
            if not len(self.foreign_starts):
                raise PosebenchError(
                    f"own_takes = {self.settings.own_takes}, and no training take beyond them",
                    "fewer own takes than there are, so that the adapter has foreign poses",
                    "lower own_takes with --set, or train the recipe paper",
                )
        else:
            # The other source is scaled by its own mean size, so that the adapter has to correct shapes and poses only.
            keypoints = data.extra.keypoints
            other = (keypoints[:, self.head] - keypoints[:, self.lifter.root]).norm(dim=-1).mean()
            self.foreign, self.foreign_gap = self.lifter.image(keypoints * size / other), self._gap(data.extra)
            self.foreign_starts = self._pairs(data.extra)

    def samples(self, data: TrainingData) -> Tensor:
        """First frames of pairs: usable frames (M,) of own takes whose clip has a frame ``gap`` seconds later."""
        pairs = self._pairs(data)
        return pairs[self._is_own(data)[pairs]]

    def _pairs(self, data: TrainingData) -> Tensor:
        return data.usable[data.usable + self._gap(data) <= data.last[data.usable]]

    def _is_own(self, data: TrainingData) -> Tensor:
        """(N,) whether each frame is of an own take: the first ``own_takes`` by name, or all if that is 0."""
        if not self.settings.own_takes:
            return torch.ones(len(data.keypoints), dtype=torch.bool, device=data.keypoints.device)
        take = torch.unique(data.first, return_inverse=True)[1] if data.take is None else data.take
        return take < self.settings.own_takes

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[Losses]:  # noqa: ARG002
        """The losses of the adapter and its discriminator, of the discriminators, and of the lifter, in this order."""
        first, second = real, real_second = self.images[frames], self.images[frames + self._gap(data)]
        if self.adapter:
            chosen = self.foreign_starts[torch.randint(len(self.foreign_starts), (len(frames),), device=frames.device)]
            other = torch.stack([self.foreign[chosen], self.foreign[chosen + self.foreign_gap]], dim=1)
            adapted = self.adapted(other.flatten(0, 1))
            yield from self._adapter_losses(torch.cat([first, second]), other.flatten(0, 1), adapted)
            replaced = round(self.settings.adapted_share * len(frames))
            new = adapted.detach().unflatten(0, other.shape[:2])[:replaced]
            first, second = torch.cat([new[:, 0], first[replaced:]]), torch.cat([new[:, 1], second[replaced:]])
        geometry, rotation = self.lifter.geometry, self.lifter.geometry.draw(len(first), first[:, 0, 0])
        way = self.cycle(first, rotation)
        second_view = seen(geometry.turned(self.lifter.points(second), rotation)) if self.settings.temporal else None
        if self.settings.adversarial or self.settings.temporal:
            yield "critics", self.discriminator_losses(real, real_second, way.view, second_view)
        yield "lifter", self.lifter_losses(first, way, second_view)

    def cycle(self, image: Tensor, rotation: Tensor) -> Cycle:
        """Images x (B, J, 2) around by rotations R (B, 3, 3)."""
        geometry = self.lifter.geometry
        points = self.lifter.points(image)
        turned = geometry.turned(points, rotation)
        view = seen(turned)
        again = self.lifter.points(view)
        return Cycle(points, turned, view, again, seen(geometry.turned_back(again, rotation, points)))

    def lifter_losses(self, image: Tensor, way: Cycle, second_view: Tensor | None) -> dict[str, Tensor]:
        """The lifter's weighted loss terms: consistency in 3D and 2D, and the generator's under each discriminator."""
        settings, critics = self.settings, self.critics
        terms = {
            "consistency 3D": settings.consistency_3d * mean_square(way.turned, way.again),
            "consistency 2D": settings.consistency_2d * mean_square(image, way.back),
        }
        if settings.adversarial:
            terms["generator, single"] = settings.adversarial * generator_loss(critics.single(way.view.flatten(1)), settings.gan_loss)
        if second_view is not None:
            difference = (way.view - second_view).flatten(1)
            terms["generator, pair"] = settings.temporal * generator_loss(critics.pair(difference), settings.gan_loss)
        return terms

    def discriminator_losses(self, first: Tensor, second: Tensor, view: Tensor, second_view: Tensor | None) -> dict[str, Tensor]:
        """Loss terms of the discriminators on real pairs and generated views, each (B, J, 2).

        The real sample of the single discriminator is the second frame, as in [R1].
        """
        settings, critics, inputs = self.settings, self.critics, {}
        if settings.adversarial:
            inputs["single"] = critics.single, second.flatten(1), view.detach().flatten(1)
        if second_view is not None:
            inputs["pair"] = critics.pair, (first - second).flatten(1), (view - second_view).detach().flatten(1)
        terms = {}
        for name, (critic, real, fake) in inputs.items():
            terms[name] = discriminator_loss(critic(real), critic(fake), settings.gan_loss)
            if settings.gradient_penalty:
                share = torch.rand_like(real[:, :1])
                terms[f"{name}, gradient penalty"] = settings.gradient_penalty * gradient_penalty(critic, real, fake, share)
        return terms

    def adapted(self, image: Tensor) -> Tensor:
        """Foreign images (B, J, 2) with the adapter's correction, the root kept at the origin."""
        assert self.adapter is not None
        moved: Tensor = image + self.adapter.correction(image, self.image.deviation)
        return moved - moved[:, self.lifter.root : self.lifter.root + 1]

    def _adapter_losses(self, own: Tensor, foreign: Tensor, adapted: Tensor) -> Iterator[Losses]:
        """The adapter's loss (generator loss, and a penalty on large corrections), then that of its discriminator; images (B, J, 2)."""
        assert self.adapter is not None
        settings, critic = self.settings, self.adapter.critic
        real, fake = self.image(own).flatten(1), self.image(adapted).flatten(1)
        correction = mean_square(foreign / self.image.deviation, adapted / self.image.deviation)
        yield (
            "adapter",
            {
                "generator": settings.adapter * generator_loss(critic(fake), "bce"),
                "correction": settings.adapter_penalty * correction,
            },
        )
        yield "adapter's critic", {"discriminator": discriminator_loss(critic(real), critic(fake.detach()), "bce")}

    def lift(self, keypoints: Tensor) -> Tensor:
        """Lift each frame of a clip alone: keypoints (T, J, 2) to poses (T, J, 3)."""
        return in_tiles(self.lifter, keypoints)
