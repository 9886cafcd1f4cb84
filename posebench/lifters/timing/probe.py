"""What lifters are timed on: keypoints of the embedded dataset, as many frames as a batch needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import joint_map, skeleton
from posebench.data.clip import Dataset
from posebench.lifters import Lifter
from posebench.lifters.timing.record import Shift
from posebench.metrics.alignment import residuals
from posebench.metrics.position import root_relative


@dataclass(frozen=True, eq=False)
class Probe:
    """A clip for one skeleton: keypoints (T, J, 2) px, true poses (T, J, 3) mm root-relative, the camera that saw them."""

    keypoints: Array
    truth: Array
    camera: Camera | None
    fps: float

    def frames(self, count: int) -> Array:
        """The first ``count`` frames; the clip is played to and fro where it is shorter."""
        there_and_back = np.concatenate([self.keypoints, self.keypoints[::-1]])
        return there_and_back[np.arange(count) % len(there_and_back)]


def probe_for(lifter: Lifter, dataset: Dataset) -> Probe:
    """The longest test clip of ``dataset`` in the lifter's skeleton.

    Raises:
        PosebenchError: the dataset lacks joints that the lifter takes.
    """
    clip = dataset.load(max(dataset.clip_ids("test"), key=lambda clip: (dataset.infos[clip].frames, clip)))
    joints = list(joint_map(dataset.skeleton, lifter.skeleton))
    truth = root_relative(clip.pose[:, joints], skeleton(lifter.skeleton).root_indices)
    return Probe(clip.keypoints("gt")[:, joints], truth, clip.camera, clip.fps)


def shift_of(backend: str, poses: Array, eager: Array, truth: Array, *, metric: bool) -> Shift:
    """How far ``poses`` (T, J, 3) lie from ``eager``, all of one clip; both scaled to the size of ``truth`` unless ``metric``.

    Example:
        >>> import numpy as np
        >>> eager = np.random.default_rng(0).normal(size=(5, 17, 3))
        >>> shift_of("bf16", eager, eager, eager, metric=True)
        Shift(backend='bf16', mean=0.0, largest=0.0, pa_mpjpe=0.0)
    """
    factor = 1.0 if metric else float(np.linalg.norm(truth) / np.linalg.norm(eager))
    away = factor * np.linalg.norm(poses - eager, axis=-1)
    errors = [float(residuals(one, truth, ["similarity"]).errors["similarity"].mean()) for one in (poses, eager)]
    return Shift(backend, float(away.mean()), float(away.max()), errors[0] - errors[1])
