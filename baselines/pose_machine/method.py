"""The pose machine as a method: three stages of training, and lifting with or without correction.

**Convention.** In: keypoints (T, J, 2) of a clip in unit focal length; a joint that is not finite counts as hidden. Out: poses (T, J, 3)
mm, camera frame, root at the origin. A sample is a window, named by the frame that it begins with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from posebench.base.skeletons import Skeleton, skeleton
from posebench.networks.method import Method
from posebench.networks.samples import TrainingData

from .correction import correct
from .losses import bone_error, pose_error, projection_error, velocity_error
from .network import Lifter
from .running import run_over
from .settings import Settings
from .views import Seen, look

PLAYERS = ("transformer", "projector", "whole")


class PoseMachine(Method):
    """One player a stage: the transformer; copy and projector; all of them."""

    scale = "metric"
    lifter: Lifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings, self.joints = settings, joints
        self.swap = list(joints.mirror)
        self.lifter = Lifter(settings, joints)
        self.context = 2 * settings.window - 1 if settings.running == "overlap" else settings.window
        self.poses_per_sample = settings.window
        self.corrects = settings.correction != "none"

    def prepare(self, data: TrainingData) -> None:
        """Choose the takes whose 3D is withheld; take the statistics of the others, and of all keypoints."""
        assert data.poses is not None, "the harness hands paired 3D to a method that states it"
        lifter = self.lifter
        usable = torch.zeros(len(data.keypoints), dtype=torch.bool, device=data.keypoints.device)
        usable[data.usable] = True
        self.paired = usable & ~self._withheld(data)
        self.paired_starts = self.samples(data)
        self.paired_starts = self.paired_starts[self.paired[self._windows(data, self.paired_starts)].any(dim=1)]
        seen = look(data.keypoints, lifter.root)
        lifter.image.fit(lifter.arranged(seen))
        lifter.view.fit(seen.crop(lifter.root)[:, lifter.others])
        lifter.pose.fit(lifter.relative(data.poses[self.paired]))
        # What is watched while it trains is the network's own pose.
        self.corrects = False

    def _withheld(self, data: TrainingData) -> Tensor:
        """Which frames (N,) are of takes whose 3D is withheld: a share of the takes, drawn from torch's global generator."""
        take = data.first if data.take is None else data.take
        takes = take.unique()
        count = min(round(self.settings.withheld * len(takes)), len(takes) - 1)
        return torch.isin(take, takes[torch.randperm(len(takes), device=takes.device)[:count]])

    def samples(self, data: TrainingData) -> Tensor:
        """Every ``stride``-th usable frame of each clip, as far as a window fits behind it; a shorter clip's first one."""
        start = data.usable - data.first[data.usable]
        fits = data.usable + self.settings.window - 1 <= data.last[data.usable]
        return data.usable[(start % self.settings.stride == 0) & (fits | (start == 0))]

    def _windows(self, data: TrainingData, starts: Tensor) -> Tensor:
        """Numbers (B, W) of the windows' frames; a clip that is shorter than a window is continued with its last frame."""
        return data.neighbours(starts, torch.arange(self.settings.window, device=starts.device))

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for each stage's player; the last layer of the transformer and the mixed stage have rates of their own."""
        chosen, lifter = self.settings, self.lifter
        head = list(lifter.transformer.head.parameters())
        body = [part for name, part in lifter.transformer.named_parameters() if not name.startswith("head.")]
        tail = [*lifter.copy.parameters(), *lifter.projector.parameters()]
        rate = chosen.learning_rate
        players = {
            "transformer": [{"params": body, "lr": rate}, {"params": head, "lr": rate * chosen.head_rate}],
            "projector": [{"params": tail, "lr": rate}],
            "whole": [
                {"params": [*body, *tail], "lr": rate * chosen.mixed_rate},
                {"params": head, "lr": rate * chosen.mixed_rate * chosen.head_rate},
            ],
        }
        made: dict[str, Optimizer] = {name: Adam(groups, lr=rate, fused=True) for name, groups in players.items()}
        if chosen.clip:
            for optimiser in made.values():
                optimiser.register_step_pre_hook(self._clip)
        return made

    def _clip(self, optimiser: Optimizer, *_: Any) -> None:
        nn.utils.clip_grad_norm_([part for group in optimiser.param_groups for part in group["params"]], self.settings.clip)

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The player of the present stage and its terms."""
        stage = self.settings.stage(epoch)
        if stage < 2:
            # Windows without 3D wait for the mixed stage; others stand in for them.
            others = self.paired_starts[torch.randint(len(self.paired_starts), (len(frames),), device=frames.device)]
            frames = torch.where(self.paired[self._windows(data, frames)].any(dim=1), frames, others)
        seen, wanted, known = self._sample(data, self._windows(data, frames))
        self.lifter.transformer.train(stage != 1)  # else dropout would be in the poses that copy and projector learn from
        yield PLAYERS[stage], (self._transformer_terms, self._projector_terms, self._mixed_terms)[stage](seen, wanted, known)

    def _sample(self, data: TrainingData, windows: Tensor) -> tuple[Seen, Tensor, Tensor]:
        """Keypoints, relative poses (B, W, J - 1, 3) mm and whether these are known (B, W); a withheld pose is never read."""
        assert data.poses is not None
        chosen, root = self.settings, self.lifter.root
        known = self.paired[windows]
        keypoints, poses = data.keypoints[windows], data.keypoints.new_zeros(*windows.shape, len(self.joints), 3)
        poses[known] = data.poses[windows[known]]
        if chosen.mirror:
            flipped = (torch.rand(len(windows), device=windows.device) < 0.5)[:, None, None, None]
            side = keypoints.new_tensor([-1.0, 1.0, 1.0])
            keypoints = torch.where(flipped, keypoints[..., self.swap, :] * side[:2], keypoints)
            poses = torch.where(flipped, poses[..., self.swap, :] * side, poses)
        visible = None
        if chosen.hidden:
            visible = torch.rand(keypoints.shape[:-1], device=keypoints.device) >= chosen.hidden
            visible[..., root] = True
        return look(keypoints, root, visible), self.lifter.relative(poses), known

    def _pose_terms(self, told: Tensor, wanted: Tensor, known: Tensor, name: str) -> dict[str, Tensor]:
        """Errors of poses (B, W, 3 (J - 1)) without unit where these are known."""
        chosen, lifter = self.settings, self.lifter
        error = told.unflatten(-1, wanted.shape[-2:]) - lifter.pose(wanted)
        terms = {name: pose_error(error, lifter.pose.deviation, known, chosen.loss)}
        if chosen.bones:
            terms[f"{name} bones"] = chosen.bones * bone_error(error, lifter, self.joints, known, chosen.loss)
        return terms

    def _transformer_terms(self, seen: Seen, wanted: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Equation 6 of the paper, its code's bone vectors, and the change from frame to frame."""
        lifter = self.lifter
        told = lifter.transformer(lifter.inputs(seen))
        terms = self._pose_terms(told, wanted, known, "pose")
        if self.settings.velocity:
            terms["velocity"] = self.settings.velocity * velocity_error(lifter.in_mm(told), wanted, known)
        return terms

    def _projector_terms(self, seen: Seen, wanted: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Equation 2: the copy is the pose, and its projection the view; the transformer stands still."""
        lifter = self.lifter
        with torch.no_grad():
            told = lifter.transformer(lifter.inputs(seen))
        copied = lifter.copy(told)
        error = projection_error(lifter.projector(copied), lifter.viewed(seen), seen.visible[..., lifter.others], known)
        return {**self._pose_terms(copied, wanted, known, "copy"), "projection": self.settings.projection * error}

    def _mixed_terms(self, seen: Seen, wanted: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Equation 7 over all windows, with 3D or without, beside the 3D errors where 3D is known; joints are dropped from both."""
        lifter, chosen = self.lifter, self.settings
        told = lifter.transformer(lifter.inputs(seen))
        terms = self._pose_terms(told, wanted, known, "pose")
        if chosen.velocity:
            terms["velocity"] = chosen.velocity * velocity_error(lifter.in_mm(told), wanted, known)
        counted = seen.visible[..., lifter.others]
        if chosen.joint_dropout:
            kept = torch.rand(counted.shape, device=told.device) >= chosen.joint_dropout
            told = (told.unflatten(-1, (len(lifter.others), 3)) * kept[..., None]).flatten(-2)
            counted = counted & (torch.rand(counted.shape, device=told.device) >= chosen.joint_dropout)
        copied = lifter.copy(told)
        error = projection_error(lifter.projector(copied), lifter.viewed(seen), counted, torch.ones_like(known))
        return {**terms, **self._pose_terms(copied, wanted, known, "copy"), "projection": chosen.projection * error}

    def told(self, keypoints: Tensor) -> tuple[Tensor, Seen]:
        """The transformer's poses (T, 3 (J - 1)) without unit of one clip's keypoints (T, J, 2), and what it saw."""
        chosen, lifter = self.settings, self.lifter
        seen = look(keypoints, lifter.root)
        return run_over(lifter.transformer, lifter.inputs(seen), chosen.running, chosen.window, chosen.hop), seen

    def lift(self, keypoints: Tensor) -> Tensor:
        """The whole clip, corrected frame by frame where the settings say so."""
        told, seen = self.told(keypoints)
        if not self.corrects:
            return self.lifter.whole(self.lifter.in_mm(told))
        corrected = correct(self.lifter, self.joints, told, seen, self.settings)
        return self.lifter.whole(corrected.poses).to(keypoints.dtype)


def build(settings: Settings, skeleton_id: str) -> PoseMachine:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    return PoseMachine(settings, skeleton(skeleton_id))
