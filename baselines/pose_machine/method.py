"""The pose machine as a method: three stages of training, and lifting with or without correction.

**Convention.** Keypoints (T, J, 2) of a clip, unit focal length; a joint that is not finite is hidden. Poses (T, J, 3) mm, camera frame,
root at the origin. A training sample is a window, named by the number of its first frame. Equations of Wang et al. 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from posebench.base.skeletons import Skeleton
from posebench.networks.method import Method
from posebench.networks.mirror import draw_half, mirror_where
from posebench.networks.samples import TrainingData

from .correction import correct
from .inference import run_network
from .keypoints import VisibleKeypoints, mark_visible
from .losses import bone_loss, pose_loss, projection_loss, velocity_loss
from .network import PoseMachineLifter
from .settings import Settings

#: The optimiser of each stage; the names stand in checkpoints and logs. "transformer" is the paper's name of the lifting network.
OPTIMISERS = ("transformer", "projector", "whole")


class PoseMachine(Method):
    """One optimiser a stage: for the lifting network; for copy network and projector; for all of them."""

    scale = "metric"
    lifter: PoseMachineLifter

    def __init__(self, settings: Settings, joints: Skeleton) -> None:
        super().__init__()
        self.settings, self.joints = settings, joints
        if settings.correction != "none":
            self.test_time = f"optimisation ({settings.correction_steps} steps), own clip"
        self.swap = list(joints.mirror)
        self.lifter = self.make_lifter()
        span = (2 if settings.inference == "overlap" else 1) * (settings.window - 1)
        self.context = span * settings.frame_step + 1
        self.poses_per_sample = settings.window
        self.corrects = settings.correction != "none"

    def make_lifter(self) -> PoseMachineLifter:
        """The untrained networks."""
        return PoseMachineLifter(self.settings, self.joints)

    def prepare(self, data: TrainingData) -> None:
        """Choose the takes without 3D; take the statistics of the other takes' poses and of all keypoints."""
        assert data.poses is not None, "the training loop provides 3D poses to a method whose supervision is paired 3D"
        usable = torch.zeros(len(data.keypoints), dtype=torch.bool, device=data.keypoints.device)
        usable[data.usable] = True
        self.labelled = usable & ~self._choose_unlabelled(data)
        starts = self.samples(data)
        self.labelled_starts = starts[self.labelled[self.window_frames(data, starts)].any(dim=1)]
        self.lifter.fit(mark_visible(data.keypoints, self.lifter.root), data.poses[self.labelled])
        # Errors that are watched during training are those of the uncorrected pose.
        self.corrects = False

    def _choose_unlabelled(self, data: TrainingData) -> Tensor:
        """Frames (N,) of takes whose 3D is not used: a share of the takes, drawn from torch's global generator."""
        take = data.first if data.take is None else data.take
        takes = take.unique()
        count = min(round(self.settings.unlabelled_takes * len(takes)), len(takes) - 1)
        return torch.isin(take, takes[torch.randperm(len(takes), device=takes.device)[:count]])

    def samples(self, data: TrainingData) -> Tensor:
        """Every ``stride``-th usable frame of each clip at which a window still fits into the clip; of a shorter clip the first frame."""
        start = data.usable - data.first[data.usable]
        fits = data.usable + (self.settings.window - 1) * self.settings.frame_step <= data.last[data.usable]
        return data.usable[(start % self.settings.stride == 0) & (fits | (start == 0))]

    def window_frames(self, data: TrainingData, starts: Tensor) -> Tensor:
        """Numbers (B, W) of the windows' frames; a clip that is shorter than a window is continued with its last frame."""
        return data.neighbours(starts, self.settings.frame_step * torch.arange(self.settings.window, device=starts.device))

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for each stage; the lifting network's last layer and the mixed stage have learning rates of their own."""
        chosen, lifter = self.settings, self.lifter
        head = list(lifter.transformer.head.parameters())
        body = [part for name, part in lifter.transformer.named_parameters() if not name.startswith("head.")]
        tail = [*lifter.copy.parameters(), *lifter.projector.parameters()]
        rate = chosen.learning_rate
        groups = {
            "transformer": [{"params": body, "lr": rate}, {"params": head, "lr": rate * chosen.head_rate}],
            "projector": [{"params": tail, "lr": rate}],
            "whole": [
                {"params": [*body, *tail], "lr": rate * chosen.mixed_rate},
                {"params": head, "lr": rate * chosen.mixed_rate * chosen.head_rate},
            ],
        }
        return self.clipped_adams(groups)

    def clipped_adams(self, groups: dict[str, list[dict[str, Any]]]) -> dict[str, Optimizer]:
        """Adam for each stage, with the gradient's norm limited."""
        rate = self.settings.learning_rate
        optimisers: dict[str, Optimizer] = {name: Adam(parameters, lr=rate, fused=True) for name, parameters in groups.items()}
        if self.settings.gradient_clip:
            for optimiser in optimisers.values():
                optimiser.register_step_pre_hook(self._clip_gradient)
        return optimisers

    def _clip_gradient(self, optimiser: Optimizer, *_: Any) -> None:
        parameters = [part for group in optimiser.param_groups for part in group["params"]]
        nn.utils.clip_grad_norm_(parameters, self.settings.gradient_clip)

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The loss terms of the present stage."""
        stage = self.settings.stage(epoch)
        if stage < 2:
            # Windows without 3D take part in the mixed stage only; until then labelled ones replace them.
            frames = self.with_labels(data, frames)
        keypoints, target, known = self.load_windows(data, self.window_frames(data, frames))
        # In the second stage without dropout, which would be in the poses that copy network and projector learn from.
        self.lifter.transformer.train(stage != 1)
        terms = (self._lifting_terms, self._projection_terms, self._mixed_terms)[stage]
        yield OPTIMISERS[stage], terms(keypoints, target, known)

    def with_labels(self, data: TrainingData, starts: Tensor) -> Tensor:
        """Windows (B,), those without 3D replaced by labelled ones, drawn at random."""
        labelled = self.labelled_starts[torch.randint(len(self.labelled_starts), (len(starts),), device=starts.device)]
        return torch.where(self.labelled[self.window_frames(data, starts)].any(dim=1), starts, labelled)

    def load_windows(self, data: TrainingData, windows: Tensor) -> tuple[VisibleKeypoints, Tensor, Tensor]:
        """Keypoints, root-relative poses (B, W, J - 1, 3) mm and where these are known (B, W); unlabelled poses are never read."""
        assert data.poses is not None
        chosen, root = self.settings, self.lifter.root
        known = self.labelled[windows]
        keypoints, poses = data.keypoints[windows], data.keypoints.new_zeros(*windows.shape, len(self.joints), 3)
        poses[known] = data.poses[windows[known]]
        if chosen.mirror:
            is_mirrored = draw_half(len(windows), windows.device)
            keypoints = mirror_where(is_mirrored, keypoints, self.swap)
            poses = mirror_where(is_mirrored, poses, self.swap)
        visible = None
        if chosen.hidden_joints:
            visible = torch.rand(keypoints.shape[:-1], device=keypoints.device) >= chosen.hidden_joints
            visible[..., root] = True
        return mark_visible(keypoints, root, visible), self.lifter.without_root(poses), known

    def _lifting_terms(self, keypoints: VisibleKeypoints, target: Tensor, known: Tensor) -> dict[str, Tensor]:
        """First stage: p = Psi_T(x) against the true pose (equation 6), its bone vectors as in the official code, and its velocity."""
        return self._supervise(self._lift(keypoints), target, known)

    def _projection_terms(self, keypoints: VisibleKeypoints, target: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Second stage (equation 2): the copy p^ = Psi_C(p) is the true pose and Psi_P(p^) its view; Psi_T is not trained."""
        with torch.no_grad():
            pose = self._lift(keypoints)
        return self._copy_and_project(pose, keypoints, target, known, keypoints.visible[..., self.lifter.others], known)

    def _mixed_terms(self, keypoints: VisibleKeypoints, target: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Third stage (equation 7): the projection error of all windows trains all networks, and 3D errors where 3D is known.

        Joints are dropped from the pose before the copy, and from the projection's error.
        """
        lifter, dropped = self.lifter, self.settings.joint_dropout
        pose = self._lift(keypoints)
        terms = self._supervise(pose, target, known)
        counted = keypoints.visible[..., lifter.others]
        if dropped:
            kept = torch.rand(counted.shape, device=pose.device) >= dropped
            pose = (pose.unflatten(-1, (len(lifter.others), 3)) * kept[..., None]).flatten(-2)
            counted = counted & (torch.rand(counted.shape, device=pose.device) >= dropped)
        return {**terms, **self._copy_and_project(pose, keypoints, target, known, counted, torch.ones_like(known))}

    def _lift(self, keypoints: VisibleKeypoints) -> Tensor:
        """Poses p = Psi_T(x), (B, W, 3 (J - 1)), without unit."""
        pose: Tensor = self.lifter.transformer(self.lifter.inputs(keypoints))
        return pose

    def _supervise(self, pose: Tensor, target: Tensor, known: Tensor) -> dict[str, Tensor]:
        """3D errors of the lifting network's pose and of its velocity."""
        terms = self._pose_terms(pose, target, known, "pose")
        if self.settings.velocity:
            terms["velocity"] = self.settings.velocity * velocity_loss(self.lifter.in_mm(pose), target, known)
        return terms

    def _copy_and_project(
        self, pose: Tensor, keypoints: VisibleKeypoints, target: Tensor, known: Tensor, counted: Tensor, frames: Tensor
    ) -> dict[str, Tensor]:
        """3D errors of the copy, and the error of its projection over ``counted`` joints (B, W, J - 1) of ``frames`` (B, W)."""
        lifter = self.lifter
        copied = lifter.copy(pose)
        error = projection_loss(lifter.projector(copied), lifter.target_view(keypoints), counted, frames)
        return {**self._pose_terms(copied, target, known, "copy"), "projection": self.settings.projection * error}

    def _pose_terms(self, pose: Tensor, target: Tensor, known: Tensor, name: str) -> dict[str, Tensor]:
        """Errors of poses (B, W, 3 (J - 1)) without unit, where the target (B, W, J - 1, 3) mm is known."""
        chosen, lifter = self.settings, self.lifter
        error = pose.unflatten(-1, target.shape[-2:]) - lifter.pose(target)
        terms = {name: pose_loss(error, lifter.pose.deviation, known, chosen.loss)}
        if chosen.bones:
            terms[f"{name} bones"] = chosen.bones * bone_loss(error, lifter, self.joints, known, chosen.loss)
        return terms

    def predict(self, keypoints: Tensor) -> tuple[Tensor, VisibleKeypoints]:
        """Uncorrected poses (T, 3 (J - 1)) without unit of one clip's keypoints (T, J, 2), and the keypoints with hidden joints marked."""
        chosen, lifter = self.settings, self.lifter
        marked = mark_visible(keypoints, lifter.root)
        poses = run_network(
            lifter.transformer, lifter.inputs(marked), chosen.inference, chosen.window, chosen.inference_stride, chosen.frame_step
        )
        return poses, marked

    def lift_some(self, keypoints: Tensor, frames: Tensor) -> Tensor:
        """Windows one after the other are run where a frame is wanted, and nowhere else."""
        window = self.settings.window
        if self.settings.inference != "windows" or self.settings.frame_step > 1 or self.corrects or len(keypoints) <= window:
            return super().lift_some(keypoints, frames)
        starts = (frames // window * window).clamp_max(len(keypoints) - window)
        each, which = starts.unique(return_inverse=True)
        chosen = keypoints[(each[:, None] + torch.arange(window, device=frames.device)).flatten()]
        return self.lift(chosen)[which * window + frames - starts]

    def lift(self, keypoints: Tensor) -> Tensor:
        """The whole clip, corrected frame by frame if the settings ask for it."""
        poses, marked = self.predict(keypoints)
        if not self.corrects:
            return self.lifter.with_root(self.lifter.in_mm(poses))
        corrected = correct(self.lifter, self.joints, poses, marked, self.settings)
        return self.lifter.with_root(corrected.poses).to(keypoints.dtype)
