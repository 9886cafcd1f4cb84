"""The clip that lifters are timed on: keypoints of the embedded dataset, repeated to as many frames as a batch needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import joint_map, skeleton
from posebench.data.clip import Dataset
from posebench.lifters import Lifter
from posebench.lifters.timing.record import BackendDifference
from posebench.metrics.alignment import residuals
from posebench.metrics.position import root_relative


@dataclass(frozen=True, eq=False)
class TimingClip:
    """A clip in one skeleton: keypoints (T, J, 2) px, true poses (T, J, 3) mm root-relative, camera, frames per second."""

    keypoints: Array
    truth: Array
    camera: Camera | None
    fps: float

    def frames(self, count: int) -> Array:
        """The first ``count`` frames; a shorter clip is repeated forwards and backwards, so that it has no jumps."""
        cycle = np.concatenate([self.keypoints, self.keypoints[::-1]])
        return cycle[np.arange(count) % len(cycle)]


def timing_clip(lifter: Lifter, dataset: Dataset) -> TimingClip:
    """The longest test clip of ``dataset`` in the lifter's skeleton.

    Raises:
        PosebenchError: the dataset lacks joints of the lifter's skeleton.
    """
    clip = dataset.load(max(dataset.clip_ids("test"), key=lambda clip: (dataset.infos[clip].frames, clip)))
    joints = list(joint_map(dataset.skeleton, lifter.info.skeleton))
    truth = root_relative(clip.pose[:, joints], skeleton(lifter.info.skeleton).root_indices)
    return TimingClip(clip.keypoints("gt")[:, joints], truth, clip.camera, clip.fps)


def backend_difference(backend: str, poses: Array, eager: Array, truth: Array, *, metric: bool) -> BackendDifference:
    """How far a backend's poses (T, J, 3) lie from those of eager float32, of one clip.

    Args:
        backend: its name.
        poses: (T, J, 3) of the backend.
        eager: (T, J, 3) of eager float32.
        truth: (T, J, 3) mm.
        metric: the poses are in mm; otherwise both are scaled to the size of ``truth``.

    Example:
        >>> import numpy as np
        >>> eager = np.random.default_rng(0).normal(size=(5, 17, 3))
        >>> backend_difference("bf16", eager, eager, eager, metric=True)
        BackendDifference(backend='bf16', mean=0.0, largest=0.0, pa_mpjpe=0.0)
    """
    factor = 1.0 if metric else float(np.linalg.norm(truth) / np.linalg.norm(eager))
    distances = factor * np.linalg.norm(poses - eager, axis=-1)
    pa_mpjpe, pa_mpjpe_eager = (float(residuals(one, truth, ["similarity"]).errors["similarity"].mean()) for one in (poses, eager))
    return BackendDifference(backend, float(distances.mean()), float(distances.max()), pa_mpjpe - pa_mpjpe_eager)
