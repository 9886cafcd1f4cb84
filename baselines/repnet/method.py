"""The training of Wandt and Rosenhahn 2019: a generator of canonical poses and cameras, a reprojection layer, a critic of poses.

**Convention.** The lifter takes keypoints (B, J, 2) of unit focal length and gives poses (B, J, 3) in mm in the camera frame, root at the
origin. In between, canonical poses are in metres (:mod:`baselines.repnet.alignment`), images normalised (:mod:`baselines.repnet.geometry`).

Symbols of the paper: X a canonical pose, K a weak-perspective camera.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import Method, adam, in_tiles
from posebench.networks.mirror import draw_half, mirror_where
from posebench.networks.samples import PosePool, TrainingData

from .alignment import align, template
from .critic import Critic, PaperCritic
from .geometry import reproject
from .losses import camera_orthogonality_loss, critic_loss, generator_loss, gradient_penalty, reprojection_loss
from .network import RepNetLifter, glorot, network_joints
from .settings import Settings

#: Weights of joints in the reprojection loss that are not 1, as in the authors' code.
WEIGHTS = {"pelvis": 0.0, "neck_nose": 0.1, "head_top": 0.1}
#: Most frames that the diagnostics are computed on.
DIAGNOSTIC_FRAMES = 4096
#: Frames that are normalised at once.
TILE = 4096


class RepNet(Method):
    """The lifter and its critic.

    ``shortest`` and ``longest`` are the range (N,) of each bone's length in the 3D pool, ``variance`` the pool's total variance, in metres;
    the diagnostics use them. The names are those of tensors in checkpoints.
    """

    lifter: RepNetLifter
    shortest: Tensor
    longest: Tensor
    variance: Tensor
    weights: Tensor

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings = settings
        # Poses have the 3D pool's size. Without the reprojection loss nothing trains the camera that brings them to the camera frame.
        self.scale = "metric" if settings.reprojection else "unknown"
        self.lifter = RepNetLifter(settings, joints)
        self.joints = network_joints(settings, joints)
        self.swap = list(self.joints.mirror)
        self.critic: Critic | PaperCritic = (PaperCritic if settings.critic == "paper" else Critic)(settings, self.joints)
        if settings.start == "glorot":
            glorot(self)
        weights = torch.tensor([WEIGHTS.get(joint, 1.0) for joint in self.joints.joints])
        self.register_buffer("weights", weights, persistent=False)
        for name in ("shortest", "longest"):
            self.register_buffer(name, torch.zeros(len(self.joints.bones)))
        self.register_buffer("variance", torch.zeros(()))

    def prepare(self, data: TrainingData) -> None:
        """Align the 3D pool to its template and take its statistics; normalise the 2D poses.

        Raises:
            PosebenchError: ``alignment = "yaw"``, and the up direction of a pose in the pool is not known.
        """
        assert data.pool is not None, "a 3D pool is passed to a method that declares unpaired 3D"
        self.real = self._aligned(data.pool).to(data.keypoints.device)
        self.images = torch.cat([self.lifter.normalised(tile).image for tile in torch.split(data.keypoints, TILE)])
        bones = self._bone_lengths(self.real)
        self.shortest.copy_(bones.amin(dim=0))
        self.longest.copy_(bones.amax(dim=0))
        self.variance.copy_(self.real.var(dim=0).sum())
        if self.settings.standardise:
            assert isinstance(self.critic, Critic), "the settings refuse the paper's critic with standardised poses"
            self.lifter.generator.pose.fit(self.real)
            self.critic.fit(self.real)

    def _aligned(self, pool: PosePool) -> Tensor:
        """The pool's poses (P, J, 3) in the canonical frame, metres, on the CPU; with ``mirror`` their mirror images after them."""
        poses = pool.poses[:, self.lifter.pick.to(pool.poses.device)].cpu().numpy().astype(np.float64) / 1000.0
        up = pool.up.cpu().numpy().astype(np.float64)
        real = align(poses, self.joints, template(poses, self.joints), how=self.settings.alignment, up=up)
        if self.settings.mirror:
            # The template is its own mirror image, so the mirror image of an aligned pose is aligned.
            real = np.concatenate([real, real[:, self.swap] * [-1.0, 1.0, 1.0]])
        return torch.from_numpy(real.astype(np.float32))

    def _bone_lengths(self, poses: Tensor) -> Tensor:
        """Lengths (B, N) of the bones of poses (B, J, 3)."""
        return (poses[:, self.critic.ends] - poses[:, self.critic.starts]).norm(dim=-1)

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for both networks, with the betas of the authors' code."""
        rate, betas = self.settings.learning_rate, (self.settings.beta1, self.settings.beta2)
        return {
            "critic": adam(self.critic.parameters(), rate, betas=betas),
            "lifter": adam(self.lifter.parameters(), rate, betas=betas),
        }

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The losses of the critic's steps, then those of the generator's step."""
        settings = self.settings
        image = self._images(frames)
        pose, camera = self.lifter.generator(image)  # X, K
        steps = settings.critic_steps if settings.adversarial else 0
        for step in range(steps):
            # The last critic step takes the poses of this batch, earlier ones draw images of their own.
            fake = pose.detach() if step == steps - 1 else self._generated(data, len(frames))
            yield "critic", self._critic_losses(fake)
        terms = {
            "reprojection": settings.reprojection * reprojection_loss(image, reproject(camera, pose), self.weights),
            "camera": settings.camera * camera_orthogonality_loss(camera, settings.camera_norm).mean(),
        }
        if settings.adversarial:
            terms["generator"] = settings.adversarial * generator_loss(self.critic(pose))
        yield "lifter", terms

    def _images(self, frames: Tensor) -> Tensor:
        """Normalised images (B, J, 2) of frames (B,), half of them mirrored at random if the recipe has ``mirror``."""
        image = self.images[frames]
        return mirror_where(draw_half(len(frames), image.device), image, self.swap) if self.settings.mirror else image

    def _generated(self, data: TrainingData, count: int) -> Tensor:
        """Canonical poses (count, J, 3) generated from frames that are drawn at random, without gradients."""
        frames = data.usable[torch.randint(len(data.usable), (count,), device=data.usable.device)]
        with torch.no_grad():
            pose, _ = self.lifter.generator(self._images(frames))
        return pose

    def _critic_losses(self, fake: Tensor) -> dict[str, Tensor]:
        """The critic's loss terms on generated poses (B, J, 3) and as many that are drawn from the 3D pool."""
        real = self.real[torch.randint(len(self.real), (len(fake),), device=fake.device)]
        of_real, of_fake = self.critic(torch.cat([real, fake])).split(len(real))
        return {
            "wasserstein": critic_loss(of_real, of_fake),
            "gradient penalty": self.settings.gradient_penalty * gradient_penalty(self.critic, real, fake),
        }

    def diagnostics(self, data: TrainingData) -> dict[str, float]:
        """Signs of collapse that need no truth.

        Shares of bones, and of poses with a bone, outside the length range of the 3D pool; variance of the generated poses over the pool's;
        reprojection error in standard deviations of the image; Frobenius norm of the camera loss.
        """
        frames = data.usable[:: max(1, -(-len(data.usable) // DIAGNOSTIC_FRAMES))]
        image = self.images[frames]
        pose, camera = self.lifter.generator(image)
        bones = self._bone_lengths(pose)
        outside = ((bones < self.shortest) | (bones > self.longest)).float()
        return {
            "bones outside range": float(outside.mean()),
            "poses with a bone outside range": float(outside.amax(dim=1).mean()),
            "variance ratio": float(pose.var(dim=0).sum() / self.variance),
            "reprojection error": float((image - reproject(camera, pose)).norm(dim=-1).mean()),
            "camera orthogonality error": float(camera_orthogonality_loss(camera, "frobenius").mean()),
        }

    def lift(self, keypoints: Tensor) -> Tensor:
        """Lift each frame of a clip alone: keypoints (T, J, 2) to poses (T, J, 3) in mm."""
        return in_tiles(self.lifter, keypoints)


def build(settings: Settings, skeleton_id: str) -> RepNet:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton, or one without hips and shoulders.
    """
    return RepNet(settings, skeleton(skeleton_id))
