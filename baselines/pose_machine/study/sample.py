"""Frames on which the correction is studied: lifted poses of the middle of each clip, their keypoints and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.data.clip import Dataset
from posebench.lifters.run import Trained
from posebench.metrics import acceleration_error, mpjpe, pa_mpjpe, velocity_error
from posebench.networks.samples import image_coordinates

from ...studies import open_trained
from ..keypoints import VisibleKeypoints
from ..method import PoseMachine


@dataclass(frozen=True, eq=False)
class Sample:
    """Consecutive frames of each clip, clip after clip.

    Attributes:
        poses: (N, 3 (J - 1)) of the lifting network, without unit.
        keypoints: of these frames.
        truth: (N, J, 3) mm, root at the origin.
        lengths: frames of each clip.
    """

    poses: torch.Tensor
    keypoints: VisibleKeypoints
    truth: Array
    lengths: tuple[int, ...]

    def part(self, first: int, last: int) -> tuple[torch.Tensor, VisibleKeypoints]:
        """Poses and keypoints of the frames from ``first`` to before ``last``."""
        return self.poses[first:last], VisibleKeypoints(*(values[first:last] for values in self.keypoints))

    def errors(self, poses: Array) -> dict[str, Any]:
        """Mean errors of poses (N, J, 3) mm over all frames; differences over time are taken within clips only."""
        ends = np.cumsum(self.lengths)[:-1]
        by_clip = list(zip(np.split(poses, ends), np.split(self.truth, ends), strict=True))
        means: dict[str, Any] = {"MPJPE": float(mpjpe(poses, self.truth).mean()), "PA-MPJPE": float(pa_mpjpe(poses, self.truth).mean())}
        for name, error in (("MPJVE", velocity_error), ("ACCEL", acceleration_error)):
            values = [error(*clip) for clip in by_clip]
            means[name] = float(np.concatenate(values).mean()) if sum(map(len, values)) else None
        return means


def open_pose_machine(run: str | Path, changes: Sequence[str] = ()) -> tuple[Trained, PoseMachine]:
    """A finished run of this method, without flip averaging; ``changes`` as of :func:`posebench.lifters.run.open_run`.

    Raises:
        PosebenchError: no such run, or one of another method.
    """
    _, plain = open_trained(run, changes)
    if not isinstance(plain.method, PoseMachine):
        raise PosebenchError(f"{run}: a run of {plain.info.id}", "a run of pose_machine", "posebench train pose_machine ... -o RUN")
    return plain, plain.method


def gather_sample(run: Trained, dataset: Dataset, clips: Sequence[str], keypoints: str, *, hide: float = 0.0, frames: int = 0) -> Sample:
    """Lift clips whole and take ``frames`` frames from the middle of each, or all frames if 0.

    Args:
        run: of the pose machine.
        dataset: holds the clips.
        clips: ids.
        keypoints: 2D source.
        hide: share of the joints, never the root, that are hidden from the network; drawn for each frame, the same in every call.
        frames: of each clip.
    """
    method = run.method
    assert isinstance(method, PoseMachine)
    root = method.lifter.root
    parts, truths = [], []
    for number, id in enumerate(clips):
        clip = dataset.load(id)
        points = image_coordinates(clip.keypoints(keypoints), clip.camera or run.about.nominal).astype(np.float32)
        hidden = np.random.RandomState(number).uniform(size=points.shape[:2]) < hide
        hidden[:, root] = False
        points[hidden] = np.nan
        with torch.inference_mode():
            poses, marked = method.predict(torch.from_numpy(points))
        count = min(frames or len(points), len(points))
        first = (len(points) - count) // 2
        middle = slice(first, first + count)
        parts.append((poses[middle], *(values[middle] for values in marked)))
        truths.append((clip.pose - clip.pose[:, root : root + 1])[middle])
    all_poses, *all_keypoints = (torch.cat(values) for values in zip(*parts, strict=True))
    truth = np.concatenate(truths).astype(np.float64)
    return Sample(all_poses, VisibleKeypoints(*all_keypoints), truth, tuple(map(len, truths)))
