"""The game of Wandt and Rosenhahn 2019: a generator of canonical poses and cameras, a reprojection layer, a critic of poses.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) mm in the camera frame, root at the
origin. In between, canonical poses are in metres (:mod:`baselines.repnet.alignment`), images normalised (:mod:`baselines.repnet.geometry`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import Method, adam, in_tiles
from posebench.networks.samples import TrainingData
from posebench.networks.views import look_at_root, rotate, unproject

from .alignment import align, template
from .geometry import Normalised, aim, camera_defect, normalise, reproject
from .network import Critic, Generator, gradient_penalty
from .settings import Settings

#: Weight of joints in the reprojection error other than 1, as in the authors' code.
WEIGHTS = {"pelvis": 0.0, "neck_nose": 0.1, "head_top": 0.1}
#: Nothing comes nearer to the camera than this many metres.
NEAREST = 0.1
#: Frames that the signs are told from.
WATCHED = 4096


class Lifter(nn.Module):
    """The generator between two changes of frame: from keypoints to normalised images, from canonical poses to the camera frame."""

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        self.root = joints.root_indices[0]
        self.pick = [joints.index(joint) for joint in seen_of(settings, joints).joints]
        # Where each joint of the whole skeleton stands among those that the network tells; the spine comes after them.
        told = [*self.pick, joints.index("spine")] if len(self.pick) < len(joints) else self.pick
        self.place = [told.index(joint) for joint in range(len(joints))]
        self.ends = [self.pick.index(joints.index(joint)) for joint in ("pelvis", "thorax")] if told is not self.pick else []
        self.generator = Generator(settings, len(self.pick))

    def image(self, keypoints: Tensor) -> tuple[Tensor, Tensor | None]:
        """Keypoints (B, J, 2) as the network's camera sees them, and the rotations (B, 3, 3) to it, where it was turned."""
        if not self.settings.look:
            return keypoints, None
        view = look_at_root(keypoints, self.root, 0.0)
        return view.image, view.rotation

    def normalised(self, keypoints: Tensor) -> Normalised:
        """Keypoints (B, J, 2) to what the network takes."""
        return normalise(self.image(keypoints)[0][:, self.pick])

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, J, 2), unit focal length, to poses (B, J, 3) mm, camera frame, root at the origin."""
        seen, rotation = self.image(keypoints)
        image, spread = normalise(seen[:, self.pick])
        pose, camera = self.generator(image)
        told = aim(camera)
        points = rotate(told.rotation, pose)
        if self.settings.rays:
            # A metre spans scale * spread of an image of unit focal length: that is one over the distance.
            distance = 1.0 / (told.scale * spread)[..., 0]
            points = unproject(seen[:, self.pick], (distance + points[..., 2]).clamp_min(NEAREST))
        if self.ends:
            points = torch.cat([points, points[:, self.ends].mean(dim=1, keepdim=True)], dim=1)[:, self.place]
        points = points - points[:, self.root : self.root + 1]
        return 1000.0 * (points if rotation is None else rotate(rotation.transpose(1, 2), points))


def seen_of(settings: Settings, joints: Skeleton) -> Skeleton:
    """The joints that the network sees and tells."""
    return skeleton("repnet16") if settings.joints == "no spine" else joints


class RepNet(Method):
    """The players: critic and lifter."""

    lifter: Lifter
    shortest: Tensor
    longest: Tensor
    variance: Tensor
    weights: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        # The canonical pose has the 3D pool's size; it reaches the camera frame through a camera that only reprojection teaches.
        self.scale = "metric" if settings.reprojection else "unknown"
        self.lifter = Lifter(settings, joints)
        self.joints = seen_of(settings, joints)
        self.swap = list(self.joints.mirror)
        self.critic = Critic(settings, self.joints)
        weights = torch.tensor([WEIGHTS.get(joint, 1.0) for joint in self.joints.joints])
        self.register_buffer("weights", weights, persistent=False)
        for name in ("shortest", "longest"):
            self.register_buffer(name, torch.zeros(len(self.joints.bones)))
        self.register_buffer("variance", torch.zeros(()))

    def prepare(self, data: TrainingData) -> None:
        """Bring the 3D pool to its template, and take its statistics; normalise the 2D pool."""
        assert data.pool is not None, "the harness hands a 3D pool to a method that states unpaired 3D"
        chosen, device = self.settings, data.keypoints.device
        poses = data.pool.poses[:, self.lifter.pick].cpu().numpy().astype(np.float64) / 1000.0
        torso = template(poses, self.joints)
        up = data.pool.up.cpu().numpy().astype(np.float64)
        real = align(poses, self.joints, torso, how=chosen.alignment, up=up)
        if chosen.mirror:
            # The template is its own mirror image, so the mirror image of an aligned pose is aligned.
            real = np.concatenate([real, real[:, self.swap] * [-1.0, 1.0, 1.0]])
        self.real = torch.from_numpy(real.astype(np.float32)).to(device)
        self.seen = torch.cat([self.lifter.normalised(tile).image for tile in torch.split(data.keypoints, 4096)])
        bones = self._bones(self.real)
        self.shortest.copy_(bones.amin(dim=0))
        self.longest.copy_(bones.amax(dim=0))
        self.variance.copy_(self.real.var(dim=0).sum())
        if chosen.standardise:
            self.lifter.generator.pose.fit(self.real)
            self.critic.fit(self.real)

    def _bones(self, poses: Tensor) -> Tensor:
        return (poses[:, self.critic.ends] - poses[:, self.critic.starts]).norm(dim=-1)

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for both, with the momentum of the authors' code."""
        rate, betas = self.settings.learning_rate, (self.settings.beta1, self.settings.beta2)
        return {
            "critic": adam(self.critic.parameters(), rate, betas=betas),
            "lifter": adam(self.lifter.parameters(), rate, betas=betas),
        }

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The critic's steps, then the lifter's."""
        chosen = self.settings
        image = self._images(frames)
        pose, camera = self.lifter.generator(image)
        for turn_ in range(chosen.critic_steps if chosen.adversarial else 0):
            fake = pose.detach() if turn_ == chosen.critic_steps - 1 else self._made(data, len(frames))
            yield "critic", self._critic_terms(fake)
        error = (self.weights[:, None] * (image - reproject(camera, pose)).abs()).mean()
        terms = {
            "reprojection": chosen.reprojection * error,
            "camera": chosen.camera * camera_defect(camera, chosen.camera_norm).mean(),
        }
        if chosen.adversarial:
            terms["critic"] = -chosen.adversarial * self.critic(pose).mean()
        yield "lifter", terms

    def _images(self, frames: Tensor) -> Tensor:
        image = self.seen[frames]
        if not self.settings.mirror:
            return image
        chosen = (torch.rand(len(frames), device=image.device) < 0.5)[:, None, None]
        return torch.where(chosen, image[:, self.swap] * image.new_tensor([-1.0, 1.0]), image)

    def _made(self, data: TrainingData, count: int) -> Tensor:
        frames = data.usable[torch.randint(len(data.usable), (count,), device=data.usable.device)]
        with torch.no_grad():
            pose, _ = self.lifter.generator(self._images(frames))
        return pose

    def _critic_terms(self, fake: Tensor) -> dict[str, Tensor]:
        real = self.real[torch.randint(len(self.real), (len(fake),), device=fake.device)]
        scores = self.critic(torch.cat([real, fake]))
        return {
            "wasserstein": scores[len(real) :].mean() - scores[: len(real)].mean(),
            "penalty": self.settings.penalty * gradient_penalty(self.critic, real, fake),
        }

    def diagnostics(self, data: TrainingData) -> dict[str, float]:
        """Collapse told without truth: bones that no training pose has, variance against the 3D pool's, and the reprojection itself."""
        frames = data.usable[:: max(1, -(-len(data.usable) // WATCHED))]
        image = self.seen[frames]
        pose, camera = self.lifter.generator(image)
        bones = self._bones(pose)
        outside = ((bones < self.shortest) | (bones > self.longest)).float()
        return {
            "bones outside range": float(outside.mean()),
            "poses with such a bone": float(outside.amax(dim=1).mean()),
            "variance ratio": float(pose.var(dim=0).sum() / self.variance),
            "reprojection error": float((image - reproject(camera, pose)).norm(dim=-1).mean()),
            "camera defect": float(camera_defect(camera, "frobenius").mean()),
        }

    def lift(self, keypoints: Tensor) -> Tensor:
        """Frame by frame."""
        return in_tiles(self.lifter, keypoints)


def build(settings: Settings, skeleton_id: str) -> RepNet:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton, or one without hips and shoulders.
    """
    return RepNet(settings, skeleton(skeleton_id))
