"""The game of Chen et al. 2019: lift, turn, project, lift again, turn back; critics judge the views.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in the camera frame, root at the
origin, of unknown scale. Samples are pairs of frames some time apart, under one random turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.blocks import ResidualMLP
from posebench.networks.method import Method, adam, in_tiles
from posebench.networks.root_camera import HEADS
from posebench.networks.samples import TrainingData
from posebench.networks.standardise import Standardise
from posebench.networks.views import RootView, ViewRange, level_turn, look_at_root, project_at_distance, root_relative_view, rotate

from .adapter import Adapter
from .geometry import on_rays
from .losses import consistency, fooled, gradient_on_real, told_apart
from .settings import Settings


class Lifter(nn.Module):
    """How far each joint is behind the root, horizontally, told from one frame."""

    scale: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.root = joints.root_indices[0]
        self.register_buffer("scale", torch.ones(()))
        self.image = Standardise(len(joints), 2)
        self.network = ResidualMLP(
            2 * len(joints),
            len(joints),
            width=settings.width,
            blocks=settings.blocks,
            dropout=settings.dropout,
            norm=settings.norm,
            slope=0.2,
        )

    def view(self, keypoints: Tensor) -> RootView:
        """The frame as a camera sees it that looks at the root, scaled so that heads are 1/c from it on average."""
        level = self.settings.views == "level"
        seen = look_at_root(keypoints, self.root, self.settings.tilt) if level else root_relative_view(keypoints, self.root)
        return seen._replace(image=seen.image * self.scale)

    def points(self, image: Tensor, down: Tensor) -> Tensor:
        """Image (B, J, 2) of a camera that looks at the root, down by ``down`` (B,), to points (B, J, 3) relative to the root."""
        behind = self.network(self.image(image).flatten(1))
        return on_rays(image, behind - behind[:, self.root : self.root + 1], down, self.settings.distance)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3), camera frame, root at the origin."""
        seen = self.view(keypoints)
        return rotate(seen.rotation.transpose(-1, -2), self.points(seen.image, seen.down))


class Critics(nn.Module):
    """One critic of single poses, one of two poses a little time apart; each standardises what it sees."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.bones = joints.bones if settings.bones else ()
        self.pick = [i for i in range(len(joints)) if i != joints.root_indices[0]]
        size = 2 * (len(self.pick) + len(self.bones))
        self.single, self.pair = (
            ResidualMLP(inputs, 1, width=settings.critic_width, blocks=settings.critic_blocks, norm=False, slope=0.2)
            for inputs in (size, 2 * size)
        )
        self.pose, self.motion = Standardise(size), Standardise(size)

    def parts(self, image: Tensor) -> Tensor:
        """Joints, and bone vectors where the recipe wants them, of (B, J, 2): (B, F)."""
        lines = [image[:, child] - image[:, parent] for parent, child in self.bones]
        return torch.cat([image[:, self.pick].flatten(1), *lines], dim=1)

    def seen_single(self, image: Tensor) -> Tensor:
        """What the critic of single poses sees of (B, J, 2)."""
        return self.pose(self.parts(image))

    def seen_pair(self, now: Tensor, later: Tensor) -> Tensor:
        """What the critic of pairs sees of two (B, J, 2): the pose and its change."""
        one, other = self.parts(now), self.parts(later)
        return torch.cat([self.pose(one), self.motion(other - one)], dim=1)


class Chen2019(Method):
    """The players: the lifter, its two critics, and, where extra data come in, an adapter with a critic of its own."""

    lifter: Lifter
    turns: Tensor
    poses_per_sample = 2

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings, self.joints = settings, joints
        self.head = next(joints.index(name) for name in HEADS if name in joints.joints)
        self.swap = list(joints.mirror)
        self.lifter = Lifter(settings, joints)
        self.critics = Critics(settings, joints)
        self.adapter = Adapter(len(joints)) if settings.adapter else None
        self.register_buffer("turns", torch.zeros((), dtype=torch.long))  # of the critics: in a checkpoint, as the penalty's rhythm is
        self.side_information = (f"cameras look down by {settings.tilt:g} degrees on average",) if settings.tilt else ()

    def prepare(self, data: TrainingData) -> None:
        """Scale and statistics of the training split's 2D poses; the views of all its frames, once."""
        lifter, critics = self.lifter, self.critics
        seen = lifter.view(data.keypoints)
        lifter.scale.copy_(1.0 / (self.settings.distance * seen.image[:, self.head].norm(dim=-1).mean()))
        self.seen = seen._replace(image=seen.image * lifter.scale)
        lifter.image.fit(self.seen.image)
        parts = critics.parts(self.seen.image)
        critics.pose.fit(torch.cat([parts, critics.parts(self._mirrored(self.seen.image))]) if self.settings.mirror else parts)
        self.starts = self.samples(data)
        critics.motion.fit(parts[self.starts + self._gap(data)] - parts[self.starts])
        if data.extra is not None:
            self.extra_starts = self.samples(data.extra)
            # Other people at other distances: their own mean size, so that the adapter is left with their shapes and poses.
            other = lifter.view(data.extra.keypoints)
            ratio = self.seen.image[:, self.head].norm(dim=-1).mean() / other.image[:, self.head].norm(dim=-1).mean()
            self.extra = other._replace(image=other.image * ratio)

    def samples(self, data: TrainingData) -> Tensor:
        """Frames whose clip goes on for the time between two poses of a pair."""
        return data.usable[data.usable + self._gap(data) <= data.last[data.usable]]

    def _gap(self, data: TrainingData) -> int:
        return max(1, round(data.fps * self.settings.gap))

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for every player, all at one rate."""
        rate, betas = self.settings.learning_rate, (self.settings.beta1, self.settings.beta2)
        players = {"lifter": adam(self.lifter.parameters(), rate, betas=betas)}
        if self.settings.adversarial or self.settings.temporal:
            players["critics"] = adam(self.critics.parameters(), rate, betas=betas)
        if self.adapter:
            players["adapter"] = adam(self.adapter.network.parameters(), rate, betas=betas)
            players["adapter's critic"] = adam(self.adapter.critic.parameters(), rate, betas=betas)
        return players

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The adapter's turn, the lifter's, the critics'."""
        chosen, gan = self.settings, self.settings.gan
        image, down = self._pairs(self.seen, frames, self._gap(data))
        if self.adapter and data.extra is not None:
            other, other_down = self._pairs(self.extra, self._drawn(self.extra_starts, len(frames)), self._gap(data.extra))
            correction = self.adapter.correction(other, self.lifter.image.deviation)
            yield from self._adapter_turns(image, other, correction)
            image, down = self._mixed(image, down, (other + correction).detach(), other_down)
        points = self.lifter.points(image, down)
        rotation, new_down = self._turns(down)
        turned = rotate(rotation, points)
        views = project_at_distance(turned, chosen.distance).clamp(-chosen.largest, chosen.largest)
        again = self.lifter.points(views, new_down)
        back = rotate(rotation.transpose(-1, -2), again)
        terms = {
            "self 3D": chosen.self_3d * consistency(turned, again),
            "self 2D": chosen.self_2d * consistency(image, project_at_distance(back, chosen.distance)),
        }
        half = len(views) // 2
        if chosen.adversarial:
            terms["critic"] = chosen.adversarial * fooled(self.critics.single(self.critics.seen_single(views)), gan)
        if chosen.temporal:
            terms["temporal"] = chosen.temporal * fooled(self.critics.pair(self.critics.seen_pair(views[:half], views[half:])), gan)
        yield "lifter", terms
        if chosen.adversarial or chosen.temporal:
            real, _ = self._pairs(self.seen, self._drawn(self.starts, len(frames)), self._gap(data))
            yield "critics", self._critics_terms(real, views.detach())

    def _drawn(self, starts: Tensor, count: int) -> Tensor:
        return starts[torch.randint(len(starts), (count,), device=starts.device)]

    def _critics_terms(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        chosen, critics = self.settings, self.critics
        here, there = len(real) // 2, len(fake) // 2
        games = []
        if chosen.adversarial:
            games.append(("single", critics.single, critics.seen_single(real), critics.seen_single(fake)))
        if chosen.temporal:
            pairs = critics.seen_pair(real[:here], real[here:]), critics.seen_pair(fake[:there], fake[there:])
            games.append(("pair", critics.pair, *pairs))
        terms = {name: told_apart(critic(true), critic(false), chosen.gan) for name, critic, true, false in games}
        if chosen.r1 and int(self.turns) % chosen.r1_every == 0:
            slopes = [gradient_on_real(critic, true) for _, critic, true, _ in games]
            terms["slope on real"] = 0.5 * chosen.r1 * chosen.r1_every * torch.stack(slopes).sum()
        self.turns += 1
        return terms

    def _pairs(self, seen: RootView, frames: Tensor, gap: int) -> tuple[Tensor, Tensor]:
        """Images (2B, J, 2) and angles (2B,) of both frames of each pair: first all the earlier ones."""
        both = torch.cat([frames, frames + gap])
        image = seen.image[both]
        if self.settings.mirror:
            chosen = (torch.rand(len(frames), device=image.device) < 0.5).repeat(2)[:, None, None]
            image = torch.where(chosen, self._mirrored(image), image)
        return image, seen.down[both]

    def _mirrored(self, image: Tensor) -> Tensor:
        return image[:, self.swap] * image.new_tensor([-1.0, 1.0])

    def _turns(self, down: Tensor) -> tuple[Tensor, Tensor]:
        """A random rotation (2B, 3, 3) for each pair, and how steeply the new cameras look down (2B,)."""
        pairs = len(down) // 2
        if self.settings.views == "camera":
            drawn = ViewRange(180.0, (-self.settings.elevation, self.settings.elevation)).draw(pairs, down)
            return drawn.repeat(2, 1, 1), torch.zeros_like(down)
        azimuth = 2.0 * math.pi * torch.rand(pairs, device=down.device, dtype=down.dtype)
        new_down = self.seen.down[torch.randint(len(self.seen.down), (pairs,), device=down.device)]
        return level_turn(down, azimuth.repeat(2), new_down.repeat(2)), new_down.repeat(2)

    def _adapter_turns(self, image: Tensor, other: Tensor, correction: Tensor) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The adapter tries to pass for the training domain with small corrections; its critic tells the two apart."""
        assert self.adapter is not None
        chosen, critic, unit = self.settings, self.adapter.critic, self.lifter.image
        true, false = unit(image).flatten(1), unit(other + correction).flatten(1)
        size = (correction / unit.deviation).square().mean()
        yield "adapter", {"fooled": chosen.adapter * fooled(critic(false), chosen.gan), "size": chosen.adapter_size * size}
        yield "adapter's critic", {"told apart": told_apart(critic(true), critic(false.detach()), chosen.gan)}

    def _mixed(self, image: Tensor, down: Tensor, adapted: Tensor, adapted_down: Tensor) -> tuple[Tensor, Tensor]:
        """Put adapted pairs in the place of some of the batch's."""
        half = len(image) // 2
        many = round(self.settings.adapted_share * half)
        pick = torch.cat([torch.arange(many), half + torch.arange(many)]).to(image.device)
        image, down = image.clone(), down.clone()
        image[pick], down[pick] = adapted[pick], adapted_down[pick]
        return image, down

    def lift(self, keypoints: Tensor) -> Tensor:
        """Frame by frame."""
        return in_tiles(self.lifter, keypoints)


def build(settings: Settings, skeleton_id: str) -> Chen2019:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return Chen2019(settings, skeleton(skeleton_id))
