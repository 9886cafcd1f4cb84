"""The calibrated student: supervised training on pairs that are made from an unsupervised lifter's tracked poses.

**Convention.** In: keypoints (T, J, 2) of a clip in unit focal length. Out: poses (T, J, 3), camera frame, root at the origin, of unknown
scale. The unit of the pseudo poses is a thousandth of the clip's mean distance from root to head, as ``videopose3d``, whose network and
turned views these are, counts millimetres.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.mirror import draw_half, mirror_where
from posebench.networks.root_camera import HEADS
from posebench.networks.samples import TrainingData
from posebench.networks.tilt import tilt_side_information

from ..videopose3d.losses import velocity_error
from ..videopose3d.method import FIRST_MOMENTUM, VideoPose3D
from ..videopose3d.network import METRE
from ..videopose3d.views import Seen
from .calibration import bone_lengths, calibrated
from .losses import changes_of_lengths, least_on_the_way, weighted_distance
from .network import RayLifter
from .placement import placed_on_keypoints
from .settings import Settings

#: What the pseudo poses rest on, in the words of a provenance.
RIGID = "rigid symmetric body within a training clip"
#: The context of a pose that depends on all frames of its clip, as in a provenance.
WHOLE_CLIP = 0
#: Deviation of the errors of the lengths and distances that the network is told in training, and share of samples that are told none.
LENGTH_ERROR, UNKNOWN = 0.03, 0.3


class CalibratedStudent(VideoPose3D):
    """``videopose3d`` with pairs of its own making in place of true ones."""

    scale = "unknown"
    settings: Settings
    lifter: RayLifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__(settings, joints)
        self.lifter = RayLifter(settings, joints)
        if settings.lengths:
            self.context, self.slides, self.test_time = WHOLE_CLIP, False, "calibration, own clip"
        self.head = next(joints.index(name) for name in HEADS if name in joints.joints)
        self.side_information = (*tilt_side_information(settings.tilt), RIGID)

    def prepare(self, data: TrainingData) -> None:
        """Scale the tracked poses, place them on their keypoints, and weight their joints, once.

        Raises:
            PosebenchError: a clip whose pseudo poses have no extent.
        """
        assert data.teacher_poses is not None, "the training loop provides the teacher's poses to a method that names a teacher"
        assert data.teacher_margins is not None, "and their margins, if they are tracked"
        settings = self.settings
        clips = torch.unique(data.first, return_inverse=True)[1]
        reach = data.teacher_poses[:, self.head].norm(dim=-1)
        unit = torch.zeros(int(clips.max()) + 1).to(reach).index_add(0, clips, reach) / torch.bincount(clips)
        if not bool((unit > 0.0).all()):
            raise PosebenchError(
                "a training clip whose poses have no extent", "poses with a head apart from the root", "train another base"
            )
        poses = data.teacher_poses * (METRE / unit[clips])[:, None, None]
        tilt = math.radians(settings.tilt)
        up = poses.new_tensor([0.0, -math.cos(tilt), -math.sin(tilt)]).expand(len(poses), 3)
        self.pairs = replace(data, poses=placed_on_keypoints(poses, data.keypoints, self.lifter.root), up=up)
        margins = least_on_the_way(data.teacher_margins, self.joints)
        self.weights = (
            torch.where(margins.isinf(), 1.0, margins / (margins + settings.margin)) if settings.margin else torch.ones_like(margins)
        )
        image = data.keypoints - data.keypoints[:, self.lifter.root, None]
        self.image_unit = float(image[:, self.head].norm(dim=-1).mean())
        self.lifter.fit(self.pairs)

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ARG002
        """The weighted error of the poses and, weighted, of their changes; and the changes of their bone lengths."""
        settings, lifter = self.settings, self.lifter
        share = epoch / settings.epochs
        lifter.network.set_norm_momentum(FIRST_MOMENTUM * (settings.norm_momentum_last / FIRST_MOMENTUM) ** share)
        seen, weights = self.made_pairs(frames)
        target = seen.poses[:, lifter.reach : seen.poses.shape[1] - lifter.reach] / METRE
        target = target - target[..., lifter.root : lifter.root + 1, :]
        predicted = lifter.metres(seen.keypoints, self._told(seen) if settings.lengths else None)
        terms = {"distance": weighted_distance(predicted, target, weights)}
        if settings.rigid:
            terms["rigid"] = settings.rigid * changes_of_lengths(predicted, list(self.joints.bones))
        if settings.velocity:
            terms["velocity"] = settings.velocity * velocity_error(predicted, target)
        yield "lifter", terms

    def made_pairs(self, frames: Tensor) -> tuple[Seen, Tensor]:
        """Pairs of the samples (B,) with all frames that they depend on, and weights (B, T, J) of the frames that are compared."""
        settings, reach, pairs = self.settings, self.lifter.reach, self.pairs
        assert pairs.poses is not None
        offsets = torch.arange(-reach, settings.output_frames + reach, device=frames.device)
        chosen = pairs.neighbours(frames, offsets)
        seen = Seen(pairs.keypoints[chosen], pairs.poses[chosen])
        weights = self.weights[chosen[:, reach : reach + settings.output_frames]]
        if settings.views:
            seen = self._viewed(seen, pairs, frames)
        if settings.mirror:
            half = draw_half(len(frames), frames.device)
            seen = Seen(mirror_where(half, seen.keypoints, self.swap), mirror_where(half, seen.poses, self.swap))
            weights = torch.where(half[:, None, None], weights[..., self.swap], weights)
        if settings.noise:
            deviation = settings.noise * self.image_unit * torch.rand(len(frames), 1, 1, 1, device=frames.device)
            seen = Seen(seen.keypoints + deviation * torch.randn_like(seen.keypoints), seen.poses)
        return seen, weights

    def _told(self, seen: Seen) -> Tensor:
        """The bodies of pairs, with errors as of a calibration; a share of them is not known."""
        root, count = self.lifter.root, len(seen.poses)
        lengths = bone_lengths(seen.poses[:, seen.poses.shape[1] // 2] / METRE, list(self.joints.bones)).log()
        lengths = lengths + LENGTH_ERROR * torch.randn_like(lengths)
        error = torch.exp(LENGTH_ERROR * torch.randn(count, 1, device=lengths.device))
        body = self.lifter.described(lengths - self.lifter.lengths, error * seen.poses[:, :, root].norm(dim=-1) / METRE)
        known = torch.rand(count, 1, 1, device=lengths.device) >= UNKNOWN
        return torch.where(known, body, 0.0)

    def lift(self, keypoints: Tensor) -> Tensor:
        """The whole clip (T, J, 2); where the network is told of the body, twice."""
        if not self.settings.lengths:
            return super().lift(keypoints)
        lifter, reach = self.lifter, self.lifter.reach
        padded = torch.cat([keypoints[:1].expand(reach, -1, -1), keypoints, keypoints[-1:].expand(reach, -1, -1)])[None]
        poses, away = lifter.lifted(padded)
        lengths, farther = calibrated(poses[0], self.joints)
        distances = (away[0] * farther.exp())[None]
        distances = torch.cat([distances[:, :1].expand(-1, reach), distances, distances[:, -1:].expand(-1, reach)], dim=1)
        told: Tensor = lifter(padded, lifter.described((lengths - self.lifter.lengths)[None], distances))
        return told[0]

    def lift_some(self, keypoints: Tensor, frames: Tensor) -> Tensor:
        """Poses (F, J, 3) of some frames of a clip (T, J, 2)."""
        return self.lift(keypoints)[frames] if self.settings.lengths else super().lift_some(keypoints, frames)


def build(settings: Settings, skeleton_id: str) -> CalibratedStudent:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return CalibratedStudent(settings, skeleton(skeleton_id))
