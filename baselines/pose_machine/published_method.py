"""The pose machine as published: losses in one kind of unit, clips and single images in a batch. Equations of Wang et al. 2019.

**Convention.** As in :mod:`method`. A step has clips (B, T) with 3D and, from the second stage on, ``images`` single frames without 3D for
each of them, which stand for the paper's single images with 2D joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from posebench.networks.samples import TrainingData

from .keypoints import VisibleKeypoints, mark_visible
from .method import OPTIMISERS, PoseMachine
from .published import PublishedLifter
from .published_losses import bone_half_square, half_square

#: Joints that the released mask drops twice as often.
DROPPED_TWICE = ("spine", "head_top")


class Batch(NamedTuple):
    """What a step learns from.

    Attributes:
        keypoints: of clips and images, (B, T + S, J, 2).
        target: poses of the clips, (B, T, J, 3) mm, relative to the root.
        known: (B, T), where these are known.
    """

    keypoints: VisibleKeypoints
    target: Tensor
    known: Tensor


class PublishedMachine(PoseMachine):
    """Three stages: Psi_T; Psi_C and Psi_P on its poses; all of them."""

    lifter: PublishedLifter
    side_information = ("2D joints instead of images: the paper's image network is left out",)

    def make_lifter(self) -> PublishedLifter:
        """The untrained networks."""
        return PublishedLifter(self.settings, self.joints)

    def prepare(self, data: TrainingData) -> None:
        """As in the tuned form; the frames without 3D are the single images."""
        super().prepare(data)
        self.unlabelled = data.usable[~self.labelled[data.usable]]

    def optimisers(self) -> dict[str, Optimizer]:
        """Adam for each stage; with ``layer_rates`` some layers learn faster in the first two stages, as in the prototxt files."""
        chosen, lifter = self.settings, self.lifter
        rate = chosen.learning_rate
        factors: dict[nn.Parameter, float] = {}
        if chosen.layer_rates:
            head, copy, last = lifter.transformer.head, lifter.copy.layers[1], lifter.projector.layers[3]
            factors = {head.weight: 10.0, head.bias: 20.0}
            factors |= dict.fromkeys(copy.parameters(), 2.0) | dict.fromkeys(last.parameters(), 5.0)

        def groups(*networks: nn.Module) -> list[dict[str, Any]]:
            trained = [part for network in networks for part in network.parameters() if part.requires_grad]
            return [{"params": [part], "lr": rate * factors.get(part, 1.0)} for part in trained]

        whole = [part for part in lifter.parameters() if part.requires_grad]
        return self.clipped_adams(
            {
                "transformer": groups(lifter.transformer),
                "projector": groups(lifter.copy, lifter.projector),
                "whole": [{"params": whole, "lr": rate * chosen.mixed_rate}],
            }
        )

    def losses(self, data: TrainingData, frames: Tensor, epoch: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The loss terms of the present stage."""
        stage = self.settings.stage(epoch)
        batch = self.load_batch(data, self.with_labels(data, frames), images=self.settings.images if stage else 0)
        if stage == 0:
            yield OPTIMISERS[0], self.lifting_terms(self._lift(batch.keypoints), batch)
            return
        clips = batch.target.shape[1]
        with torch.set_grad_enabled(stage == 2):
            inputs = self.lifter.inputs(batch.keypoints)
            pose = self.lifter.transformer.forward_mixed(inputs[:, :clips], inputs[:, clips:])
        yield OPTIMISERS[stage], self.all_terms(pose, batch, dropout=self._dropout(epoch) if stage == 2 else 0.0)

    def _dropout(self, epoch: float) -> float:
        """Joint dropout after ``epoch`` epochs: none before its share of the mixed stage."""
        _, first, last = self.settings.ends
        return self.settings.joint_dropout if epoch >= first + self.settings.dropout_from * (last - first) else 0.0

    def load_batch(self, data: TrainingData, starts: Tensor, images: int) -> Batch:
        """Clips that begin at ``starts`` (B,), and for each of them ``images`` single frames without 3D, drawn at random."""
        keypoints, target, known = self.load_windows(data, self.window_frames(data, starts))
        if not images or not len(self.unlabelled):
            return Batch(keypoints, target, known)
        which = torch.randint(len(self.unlabelled), (len(starts), images), device=starts.device)
        single = mark_visible(data.keypoints[self.unlabelled[which]], self.lifter.root)
        both = VisibleKeypoints(*(torch.cat(parts, dim=1) for parts in zip(keypoints, single, strict=True)))
        return Batch(both, target, known)

    def lifting_terms(self, pose: Tensor, batch: Batch) -> dict[str, Tensor]:
        """First stage, equation 6: poses (B, T, 3 J) against the true ones; no bones."""
        return {"pose": half_square(self._pose_error(pose, batch))}

    def all_terms(self, pose: Tensor, batch: Batch, dropout: float = 0.0) -> dict[str, Tensor]:
        """Later stages, equations 2 and 7: poses p (B, T + S, 3 J), their copies p^ = Psi_C(p), the views Psi_P(p^) of all frames."""
        chosen, lifter = self.settings, self.lifter
        masked = dropout > 0.0 and chosen.variant == "released"
        visible = batch.keypoints.visible
        kept = torch.ones_like(visible, dtype=pose.dtype)
        counted: Tensor = visible.to(pose.dtype)
        if dropout > 0.0:
            kept = self.draw_kept(visible, dropout).to(pose.dtype)
            if not masked:
                # Equation 7 with joint dropout in p and x. What is left is scaled up, so that sums keep their expectation.
                kept = kept / (1.0 - dropout)
                counted = counted * self.draw_kept(visible, dropout) / (1.0 - dropout)
        copied = lifter.copy((pose.unflatten(-1, (-1, 3)) * kept[..., None]).flatten(-2))
        view_error = lifter.projector(copied).unflatten(-1, (-1, 2)) - lifter.target_view(batch.keypoints)
        pose_error, copy_error = self._pose_error(pose, batch), self._pose_error(copied, batch)
        terms = {
            "pose": half_square(pose_error),
            "copy": half_square(copy_error),
            "projection": chosen.projection * half_square(view_error.flatten(0, 1), counted.flatten(0, 1)),
        }
        if chosen.bones:
            bones = {"pose bones": pose_error, "copy bones": copy_error}
            terms |= {name: chosen.bones * bone_half_square(error, self.joints) for name, error in bones.items()}
            if masked:
                error = bone_half_square(view_error.flatten(0, 1), self.joints, visible.flatten(0, 1))
                terms["projection bones"] = chosen.bones * error
        return terms

    def draw_kept(self, like: Tensor, dropout: float) -> Tensor:
        """Joints (B, T, J) that dropout keeps, drawn from torch's global generator."""
        share = torch.full((len(self.joints),), dropout, device=like.device)
        if self.settings.variant == "released":
            share[[i for i, name in enumerate(self.joints.joints) if name in DROPPED_TWICE]] *= 2.0
        return torch.rand(like.shape, device=like.device) >= share

    def _pose_error(self, pose: Tensor, batch: Batch) -> Tensor:
        """Errors (N, J, 3) of the clips' poses (B, T + S, 3 J), min-max units; of frames whose 3D is known."""
        error = pose[:, : batch.target.shape[1]].unflatten(-1, (-1, 3)) - self.lifter.pose(batch.target)
        return error[batch.known]
